"""The bench's arithmetic: quantiles, medians with their spread, ratios run by run, and slopes. Pure."""

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import TypeVar

import attrs

NOTHING = math.nan
T = TypeVar("T")


def quantile(values: Iterable[float], share: float) -> float:
    """Gives the smallest value that at least this share of the values does not exceed; nan for none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else NOTHING


@attrs.frozen
class Spread:
    """A median with the lowest and highest value, over `runs` runs."""

    median: float
    lowest: float
    highest: float
    runs: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Sums up the values that are there; nan for none."""
        known = [value for value in values if not math.isnan(value)]
        if not known:
            return cls(NOTHING, NOTHING, NOTHING, 0)
        return cls(statistics.median(known), min(known), max(known), len(known))

    @property
    def known(self) -> bool:
        """Whether anything was measured."""
        return self.runs > 0


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Divides run by run, so that what slowed both in a run falls out; runs that lack either are left out."""
    return Spread.of(a / b for a, b in zip(ours, theirs, strict=False) if not math.isnan(a) and b > 0)


def slope(places: Sequence[float], values: Sequence[float]) -> float:
    """Gives the growth of the values for each unit of place, by least squares; nan for fewer than two places."""
    if len(places) != len(values):
        raise ValueError(f"a slope needs a value for each place, found {len(places)} places and {len(values)} values")
    if len(set(places)) < 2:
        return NOTHING
    return statistics.linear_regression(places, values).slope


def settled(values: Sequence[T], skip: float = 1 / 3) -> Sequence[T]:
    """Leaves out the first third: caches, pools and arenas fill once."""
    return values[math.ceil(len(values) * skip) :]
