"""Listeners: logs, the trace, metrics, the screen, the recording. Nothing waits for any of them."""
