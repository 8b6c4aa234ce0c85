"""The front door: the launchers, and one module per command."""
