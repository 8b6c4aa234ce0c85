"""The actors: one per file, each an independent task on bounded channels, swapped by one line of a plan."""
