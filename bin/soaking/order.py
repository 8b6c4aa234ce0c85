"""The same run for the same seed: every dice of the process from the seed, and Trio's order of tasks with them.

Trio shuffles the tasks that are ready, on purpose, and offers test libraries a switch with which the shuffling can be
repeated; Hypothesis uses the same one.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from trio._core import _run


@contextmanager
def settled_order(seed: int) -> Iterator[None]:
    """Makes what a Trio run does repeatable while the block runs."""
    before, state = _run._ALLOW_DETERMINISTIC_SCHEDULING, random.getstate()  # noqa: SLF001
    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc] # noqa: SLF001
    _run._r.seed(seed)  # noqa: SLF001
    random.seed(seed)
    try:
        yield
    finally:
        _run._ALLOW_DETERMINISTIC_SCHEDULING = before  # type: ignore[misc] # noqa: SLF001
        random.setstate(state)
