"""The Live protocol: a sans-io wire, the session's tables, recovery arithmetic, and one transport."""
