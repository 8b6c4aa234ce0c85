"""Folds what commands print to the width of a plain terminal."""

import textwrap

WIDTH = 80


def folded(label: str, text: str) -> str:
    """Puts a text behind a label, in lines of 80 columns; what follows the first stands below its beginning.

    A word that is longer, such as a path, stays whole.
    """
    below = " " * len(label)
    return textwrap.fill(
        text, WIDTH, initial_indent=label, subsequent_indent=below, break_long_words=False, break_on_hyphens=False
    )
