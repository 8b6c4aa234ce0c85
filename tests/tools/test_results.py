import dataclasses
import datetime as dt
import enum
import json
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.results import LIMIT, fits, jsonable, response


class Colour(enum.Enum):
    RED = "red"


@attrs.frozen
class Parcel:
    to: str
    colour: Colour = Colour.RED
    password: str = attrs.field(default="hunter2", repr=False)
    _weight: float = 1.0


@dataclasses.dataclass
class Spot:
    x: float
    key: str = dataclasses.field(default="hunter2", repr=False)


def size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Parcel("Bonn"), {"to": "Bonn", "colour": "red"}),
        (Spot(1.5), {"x": 1.5}),
        ([Parcel("a")], [{"to": "a", "colour": "red"}]),
        ({Colour.RED: {1, 2}, 3: (4,)}, {"red": [1, 2], "3": [4]}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (dt.datetime(2026, 10, 31, 18, 30, tzinfo=dt.UTC), "2026-10-31T18:30:00+00:00"),
        (dt.date(2026, 10, 31), "2026-10-31"),
        (dt.time(18, 30), "18:30:00"),
        (dt.timedelta(minutes=2), 120.0),
        (b"\x00\xff", "AP8="),
        (float("nan"), None),
        (float("inf"), None),
        (True, True),
        (2**53, 2**53),
        (2**60, str(2**60)),
        ("\ud800", "?"),
        (Decimal("1.5"), "1.5"),
        (PurePosixPath("a/b"), "a/b"),
    ],
    ids=str,
)
def test_anything_becomes_json(value: object, expected: object) -> None:
    assert jsonable(value) == expected
    json.dumps(jsonable(value)).encode()


def test_a_number_too_long_to_print_becomes_text() -> None:
    assert jsonable(10**5000).startswith("0x")


def test_what_contains_itself_ends_somewhere() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert "..." in json.dumps(response(endless))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": 1}, {"a": 1}),
        (Parcel("Bonn"), {"to": "Bonn", "colour": "red"}),
        (7, {"result": 7}),
        ([], {"result": [], "status": "nothing found"}),
        ("", {"result": "", "status": "nothing found"}),
        ({}, {"status": "nothing found"}),
        (0, {"result": 0}),
        (None, {"result": "done"}),
    ],
    ids=str,
)
def test_a_response_is_an_object(value: object, expected: object) -> None:
    assert response(value) == expected


def test_what_fits_is_left_alone() -> None:
    exact = {"a": "x" * (100 - size({"a": ""}))}
    assert response(exact, 100) == exact
    assert "cut" in response({"a": exact["a"] + "x"}, 100)


def test_a_long_result_is_cut_from_the_end_and_says_so() -> None:
    cut = response({"summary": "short", "rows": [{"n": n} for n in range(100_000)], "last": 1})
    assert cut["summary"] == "short"
    assert cut["rows"][:2] == [{"n": 0}, {"n": 1}]
    assert "last" not in cut
    assert f"beyond {LIMIT}" in cut["cut"]
    assert LIMIT * 0.7 < size(cut) < LIMIT + 120


def test_a_long_text_keeps_its_front() -> None:
    cut = response("ä" * LIMIT)
    assert set(cut["result"]) == {"ä"}
    assert LIMIT * 0.9 < size(cut) < LIMIT + 120


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=50,
    ),
    st.integers(64, 400),
)
def test_no_result_exceeds_the_limit(value: object, limit: int) -> None:
    answer = response(value, limit)
    assert size({key: item for key, item in answer.items() if key != "cut"}) <= limit


class Counted(list[Any]):
    """A list that counts how far it is read."""

    def __init__(self, items: list[Any]) -> None:
        super().__init__(items)
        self.read = 0

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            self.read += 1
            yield item


def test_what_is_beyond_the_limit_is_never_looked_at() -> None:
    rows = Counted([{"n": n} for n in range(100_000)])
    assert "cut" in response({"rows": rows}, 1000)
    assert rows.read < 200
    assert not fits(rows, 1000)


def test_what_is_linked_crosswise_does_not_grow_beyond_the_limit() -> None:
    shelf: list[Any] = ["x"]
    for _ in range(14):
        shelf = [shelf, shelf, shelf]
    assert size(response(shelf)) < LIMIT + 120


def test_two_ways_to_the_same_thing_are_no_circle() -> None:
    spot = {"x": 1}
    assert response({"from": spot, "to": spot}) == {"from": {"x": 1}, "to": {"x": 1}}


@pytest.mark.parametrize("giant", ["x" * 50_000_000, b"x" * 50_000_000], ids=["text", "bytes"])
def test_a_giant_costs_no_more_than_what_is_kept_of_it(giant: str | bytes) -> None:
    tracemalloc.start()
    try:
        assert "cut" in response(giant)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
