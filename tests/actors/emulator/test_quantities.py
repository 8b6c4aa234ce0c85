"""Numbers and durations as people say them."""

import pytest

from actors.emulator.quantities import duration, in_words, numbers


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("count to twenty five", [25]),
        ("25 or 2.5", [25, 2.5]),
        ("a hundred and twenty", [120]),
        ("two thousand", [2000]),
        ("one two", [3]),
        ("from three to one", [3, 1]),
        ("none at all", []),
        ("zero", [0]),
    ],
)
def test_numbers(text: str, found: list[float]) -> None:
    assert numbers(text) == found


@pytest.mark.parametrize("number", range(101))
def test_every_number_up_to_a_hundred_reads_back(number: int) -> None:
    assert numbers(in_words(number)) == [number]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("ten seconds", 10),
        ("2 minutes and 30 seconds", 150),
        ("an hour", 3600),
        ("half an hour", 1800),
        ("a while", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds
