"""Listeners: the event log and the lines on the screen. Nothing waits for them."""
