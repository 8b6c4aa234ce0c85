"""How many conversations one process carries: which counts are tried, and what tells that they are too many. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

LATEST_MS = 10.0  # p99 from which on conversations no longer count as held in real time
BUSIEST = 95.0  # percent of a core from which on they do not, either
COMPLETE = 0.99  # of the pieces must have come
FACTOR = 1.5  # from one count to the next
Step = dict[str, Any]


def failings(step: Mapping[str, Any]) -> set[str]:
    """Tells what of a step was not in real time: `pieces`, `up`, `down`, `cpu`; or `fault`, when it did not run."""
    if step.get("fault"):
        return {"fault"}
    found = {way for way, gathers in (("up", step.get("gathers_ms", 0)), ("down", 0))
             if not _at_most(step[f"{way}_p99_ms"], LATEST_MS + gathers)}  # fmt: skip
    if step.get("came", 1.0) < COMPLETE:
        found.add("pieces")
    if step["cpu"] >= BUSIEST:
        found.add("cpu")
    return found


def _at_most(value: float | None, most: float) -> bool:
    """Whether a delay is known and small enough: where nothing came, nothing was in time."""
    return value is not None and not math.isnan(value) and value <= most


def following(count: int) -> int:
    """Gives the count that is tried after one that was held."""
    return 10 if count < 10 else max(count + 10, round(FACTOR * count))


def climb(measure: Callable[[int], Step], most: int, fine: float) -> list[Step]:
    """Measures 1, 10, 20, 30, 45, ... up to the first count that is not held, then between it and the last that was."""
    found: dict[int, Step] = {}
    low, high, count = 0, 0, 1
    while not high and count <= most:
        found[count] = measure(count)
        if found[count]["held"]:
            low, count = count, following(count)
        else:
            high = count
    while high - low > max(1, fine * low):
        middle = (low + high) // 2
        found[middle] = measure(middle)
        low, high = (middle, high) if found[middle]["held"] else (low, middle)
    return [found[count] for count in sorted(found)]


def limit(steps: Sequence[Mapping[str, Any]]) -> tuple[int, Mapping[str, Any] | None]:
    """Gives the highest count that was held, and the lowest above it that was not; None where none failed."""
    held = max((step["sessions"] for step in steps if step["held"]), default=0)
    failed = [step for step in steps if step["sessions"] > held and not step["held"]]
    return held, min(failed, key=lambda step: step["sessions"], default=None)
