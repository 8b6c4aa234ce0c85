"""Which counts of conversations are tried, and what counts as too many."""

import math
from typing import Any

import pytest

from tests.bench.growth import climb, failings, limit

FINE = {"cpu": 10.0, "up_p99_ms": 1.0, "down_p99_ms": 1.0, "came": 1.0, "gathers_ms": 0}


def tried(holds: int, most: int = 400, fine: float = 0.1) -> list[int]:
    return [step["sessions"] for step in steps(holds, most, fine)]


def steps(holds: int, most: int = 400, fine: float = 0.1) -> list[dict[str, Any]]:
    return climb(lambda count: {"sessions": count, "held": count <= holds}, most, fine)


def test_counts_grow_until_one_is_not_held_and_close_in() -> None:
    assert tried(43) == [1, 10, 20, 30, 37, 41, 45]
    assert tried(4) == [1, 3, 4, 5, 10]
    assert tried(0) == [1]


def test_the_limit_is_within_a_tenth() -> None:
    for holds in range(1, 300):
        held, failed = limit(steps(holds))
        assert failed is not None
        assert held <= holds < failed["sessions"] <= held + max(1, held / 10)


def test_who_holds_everything_has_no_limit() -> None:
    assert limit(steps(1000, most=60)) == (45, None)


@pytest.mark.parametrize(
    ("more", "failed"),
    [
        ({}, set()),
        ({"cpu": 95.0}, {"cpu"}),
        ({"up_p99_ms": 10.1}, {"up"}),
        ({"up_p99_ms": 46.0, "gathers_ms": 40}, set()),
        ({"down_p99_ms": math.nan}, {"down"}),
        ({"down_p99_ms": None, "came": 0.5}, {"down", "pieces"}),
        ({"fault": "it ended"}, {"fault"}),
    ],
)
def test_what_is_not_in_real_time(more: dict[str, Any], failed: set[str]) -> None:
    assert failings({**FINE, **more}) == failed
