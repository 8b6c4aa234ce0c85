"""The soak: recorded conversations for hours against the embedded service, with faults, and a verdict on every promise.

`conversing` runs one half of it under one clock; `network`, `near` and `far` are what it runs between; `books` compare
what was said with what arrived; `verdicts` judge; `report` shows.
"""
