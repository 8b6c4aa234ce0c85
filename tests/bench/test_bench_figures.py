"""The bench's arithmetic."""

import math

import pytest

from tests.bench.figures import Spread, quantile, ratio, settled, slope

NAN = math.nan


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 5.0), (0.9, 9.0), (0.99, 10.0), (1.0, 10.0)])
def test_a_quantile_is_a_value_that_was_measured(share: float, value: float) -> None:
    assert quantile([float(n) for n in range(10, 0, -1)], share) == value


def test_a_quantile_of_nothing_is_unknown() -> None:
    assert math.isnan(quantile([], 0.5))


def test_a_spread_leaves_out_what_is_unknown() -> None:
    assert Spread.of([3.0, NAN, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)
    assert not Spread.of([NAN]).known


def test_a_ratio_is_made_run_by_run() -> None:
    # The medians alone would say 20 / 20; each run says otherwise.
    assert ratio([10.0, 20.0, 60.0], [5.0, 40.0, 20.0]) == Spread(2.0, 0.5, 3.0, 3)


def test_a_run_that_lacks_one_side_gives_no_ratio() -> None:
    assert ratio([10.0, NAN, 30.0], [NAN, 5.0, 10.0]) == Spread(3.0, 3.0, 3.0, 1)
    assert ratio([10.0], [0.0]).runs == 0


def test_a_slope_is_the_growth_for_each_unit() -> None:
    assert slope([0.0, 1.0, 2.0, 3.0], [5.0, 7.0, 9.0, 11.0]) == pytest.approx(2.0)
    assert slope([0.0, 1.0, 2.0], [4.0, 4.0, 4.0]) == 0.0
    assert math.isnan(slope([1.0, 1.0], [1.0, 2.0]))
    with pytest.raises(ValueError, match="a value for each place"):
        slope([1.0], [1.0, 2.0])


def test_what_fills_once_is_left_out() -> None:
    assert settled([9.0, 5.0, 1.0, 1.0, 1.0, 1.0]) == [1.0, 1.0, 1.0, 1.0]
    assert settled([1.0]) == []
