"""Reads figures out of results as JSON keeps them: a contender's runs, what they have in common, and slopes. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.figures import Spread, quantile, settled, slope

Results = Mapping[str, Any]
HOUR = 3600.0


def number(value: object) -> float:
    """Reads a figure from JSON, where nan is null."""
    return math.nan if value is None else float(str(value))


def runs_of(results: Results, wire: str, key: str) -> Sequence[Mapping[str, Any]]:
    """Gives the runs of a contender side by side; an empty one for each that failed."""
    found: Sequence[Mapping[str, Any]] = results.get("side", {}).get(wire, {}).get(key, [])
    return found


def column(results: Results, wire: str, key: str, figure: str) -> list[float]:
    """Gives one figure of a contender, run by run; nan where a run lacks it."""
    return [number(run.get(figure)) for run in runs_of(results, wire, key)]


def samples(results: Results, wire: str, key: str, figure: str, share: float) -> list[float]:
    """Gives a quantile of samples that each run has several of, run by run."""
    runs = runs_of(results, wire, key)
    return [quantile([n for s in run.get(figure, []) if not math.isnan(n := number(s))], share) for run in runs]


def sampled(results: Results, wire: str, key: str, figure: str, share: float) -> Spread:
    """Gives a quantile of the samples of all runs together, with the lowest and the highest of a run."""
    each = Spread.of(samples(results, wire, key, figure, share))
    whole = [number(s) for run in runs_of(results, wire, key) for s in run.get(figure, [])]
    return _pooled(each, quantile([n for n in whole if not math.isnan(n)], share))


def delay(results: Results, wire: str, key: str, figure: str) -> Spread:
    """Gives a delay's quantile over the pieces of all runs together, with the lowest and the highest of a run."""
    each = Spread.of(column(results, wire, key, figure))
    return _pooled(each, number(results.get("pool", {}).get(wire, {}).get(key, {}).get(figure)))


def _pooled(each: Spread, whole: float) -> Spread:
    return each if math.isnan(whole) else Spread(whole, each.lowest, each.highest, each.runs)


def middle(results: Results, wire: str, key: str, figure: str) -> float:
    """Gives the median of a figure over a contender's runs; nan where it has none."""
    return Spread.of(column(results, wire, key, figure)).median


def growth_an_hour(points: Sequence[Sequence[float]]) -> float:
    """Gives the slope of memory, in MiB an hour of speech, once the first third has filled what fills once."""
    late = settled(points)
    return slope([seconds / HOUR for seconds, _ in late], [mib for _, mib in late])
