import contextlib
import dataclasses
import datetime as dt
import enum
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PlanError
from tools.schema import fields_of, object_schema, shape, take_fields
from tools.values import Bounds, Misfit, shown


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Nobody(enum.Enum):
    pass


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@attrs.frozen
class Address:
    """Where it goes.

    Args:
        street: with the number
    """

    street: str
    floor: Annotated[int, Bounds(0, 90)] = 0


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0


@attrs.frozen
class Even:
    number: int = attrs.field()

    @number.validator
    def _check(self, _field: object, value: int) -> None:
        if value % 2:
            raise ValueError("odd")


@attrs.frozen
class Endless:
    inner: "Endless | None" = None


SCHEMAS: list[tuple[Any, dict[str, object]]] = [
    (str, {"type": "STRING"}),
    (int, {"type": "INTEGER"}),
    (float, {"type": "NUMBER"}),
    (bool, {"type": "BOOLEAN"}),
    (Size, {"type": "STRING", "enum": ["small", "large"]}),
    (Level, {"type": "STRING", "enum": ["LOW", "HIGH"]}),
    (Literal["a", "b"], {"type": "STRING", "enum": ["a", "b"]}),
    (Literal[1, 2], {"type": "STRING", "enum": ["1", "2"]}),
    (str | None, {"type": "STRING", "nullable": True}),
    (int | str, {"anyOf": [{"type": "INTEGER"}, {"type": "STRING"}]}),
    (list[int], {"type": "ARRAY", "items": {"type": "INTEGER"}}),
    (dict[str, int], {"type": "OBJECT", "description": "an object, each value a whole number"}),
    (dict[str, Any], {"type": "OBJECT"}),
    (
        Annotated[dict[str, int], "prices"],
        {"type": "OBJECT", "description": "an object, each value a whole number; prices"},
    ),
    (Literal["a", None], {"type": "STRING", "enum": ["a"], "nullable": True}),  # noqa: PYI061 - people do
    (
        Annotated[int | list[str] | None, "which"],  # anyOf with anything beside it is refused
        {
            "anyOf": [
                {"type": "INTEGER", "nullable": True, "description": "which"},
                {"type": "ARRAY", "items": {"type": "STRING"}, "nullable": True, "description": "which"},
            ]
        },
    ),
    (Annotated[str, "a", "b"], {"type": "STRING", "description": "a; b"}),
    (Annotated[Annotated[str, "a"], "b"], {"type": "STRING", "description": "a; b"}),
    (Annotated[dt.date, "when"], {"type": "STRING", "description": "when (a date as in 2026-10-31)"}),
    (dict, {"type": "OBJECT"}),
    (dt.datetime, {"type": "STRING", "format": "date-time"}),
    (Annotated[int, "days", Bounds(1, 7)], {"type": "INTEGER", "description": "days", "minimum": 1, "maximum": 7}),
    (Annotated[str, Bounds(most=5)], {"type": "STRING", "maxLength": 5}),
    (Annotated[list[str], Bounds(1)], {"type": "ARRAY", "items": {"type": "STRING"}, "minItems": 1}),
    (Annotated[int | None, Bounds(0)], {"type": "INTEGER", "nullable": True, "minimum": 0}),
    (
        Address,
        {
            "type": "OBJECT",
            "properties": {
                "street": {"type": "STRING", "description": "with the number"},
                "floor": {"type": "INTEGER", "minimum": 0, "maximum": 90, "description": "(default: 0)"},
            },
            "required": ["street"],
        },
    ),
]


@pytest.mark.parametrize(("hint", "schema"), SCHEMAS, ids=lambda value: str(value)[:30])
def test_schemas_are_as_google_takes_them(hint: Any, schema: dict[str, object]) -> None:
    assert shape(hint).schema == schema
    types.Schema.model_validate(json.loads(json.dumps(schema)))


TAKEN: list[tuple[Any, object, object]] = [
    (int, 3.0, 3),
    (int, "3", 3),
    (int, 2**70, 2**70),
    (float, 3, 3.0),
    (float, " 3.5 ", 3.5),
    (str, 10115, "10115"),
    (bool, "False", False),
    (bool, True, True),
    (Size, "LARGE", Size.LARGE),
    (Size, "large", Size.LARGE),
    (Level, "high", Level.HIGH),
    (Literal[1, 2], 2, 2),
    (Literal["metric"], "Metric", "metric"),
    (str | None, None, None),
    (int | str, "5", "5"),
    (int | str, 5, 5),
    (float | bool, 1, 1.0),
    (list[int], [1, "2"], [1, 2]),
    (tuple[int, ...], [1], (1,)),
    (set[str], ["a", "a"], {"a"}),
    (dict[str, float], {"a": 1}, {"a": 1.0}),
    (dict, {"a": [1]}, {"a": [1]}),
    (Path, "a/b", Path("a/b")),
    (dt.date, "2026-10-31", dt.date(2026, 10, 31)),
    (dt.time, "18:30", dt.time(18, 30)),
    (dt.datetime, "2026-10-31T18:30:00Z", dt.datetime(2026, 10, 31, 18, 30, tzinfo=dt.UTC)),
    (Address, {"street": "Elm 1"}, Address("Elm 1")),
    (Address, Address("Elm 1"), Address("Elm 1")),
    (Point, {"x": 1}, Point(1.0)),
    (list[Address], [{"street": "a", "floor": 2.0}], [Address("a", 2)]),
    (Annotated[int | None, Bounds(0)], None, None),
]


@pytest.mark.parametrize(("hint", "value", "expected"), TAKEN, ids=str)
def test_what_people_write_is_taken(hint: Any, value: object, expected: object) -> None:
    taken = shape(hint).take(value)
    assert taken == expected
    assert type(taken) is type(expected)


REFUSED: list[tuple[Any, object, str]] = [
    (int, 3.5, "the value is 3.5, but must be a whole number"),
    (int, True, "the value is true, but must be a whole number"),
    (int, "1e999", "a whole number"),
    (int, None, "the value is null"),
    (float, "nan", "a number"),
    (float, float("inf"), "a number"),
    (float, 10**400, "a number"),
    (bool, 1, "true or false"),
    (bool, "yes", "true or false"),
    (str, True, "text"),
    (str, ["a"], "text"),
    (Size, "huge", "the value is 'huge', but must be one of small, large"),
    (Literal[1, 2], 3, "one of 1, 2"),
    (Literal["a"], {}, "one of a"),
    (int | bool, "x", "a whole number or true or false"),
    (str | None, [], "text or null"),
    (list[int], "12", "a list, each item a whole number"),
    (list[int], [1, "x"], "[1] is 'x'"),
    (list[list[int]], [[1], [2, None]], "[1][1] is null"),
    (set[dict[str, int]], [{"a": 1}], "a list"),
    (dict[str, int], {"a": "x"}, ".a is 'x'"),
    (dict[str, int], {1: 1}, "an object"),
    (dict, [], "an object"),
    (dt.date, "tomorrow", "a date as in"),
    (dt.date, 7, "a date as in"),
    (dt.datetime, "2026-13-01", "a date and time"),
    (Address, {"street": "a", "floor": 91}, "floor is 91, but must be a whole number, from 0 to 90"),
    (Address, {"flat": 1}, "street is missing, it must be text; 'flat' is unknown, allowed are street, floor"),
    (Address, "Elm 1", "an object with street, floor"),
    (Even, {"number": 1}, "odd"),
    (Annotated[int, Bounds(1, 7)], 0, "the value is 0, but must be a whole number, from 1 to 7"),
    (Annotated[int, Bounds(1, 7)], 8, "from 1 to 7"),
    (Annotated[float, Bounds(least=0.5)], 0.4, "at least 0.5"),
    (Annotated[str, Bounds(1, 3)], "", "text, from 1 to 3 characters long"),
    (Annotated[list[int], Bounds(most=1)], [1, 2], "at most 1 items long"),
]


@pytest.mark.parametrize(("hint", "value", "words"), REFUSED, ids=str)
def test_a_misfit_says_what_was_found_and_what_is_allowed(hint: Any, value: object, words: str) -> None:
    with pytest.raises(Misfit) as caught:
        shape(hint).take(value)
    assert words in str(caught.value)
    assert "but must be" in str(caught.value)


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (complex, "a value of type complex"),
        (list, "list[...]"),
        (Any, "cannot be asked"),
        (list[object], "type object"),
        (dict[int, str], "dict[str, ...]"),
        (Endless, "contains itself"),
        (Annotated[bool, Bounds(1, 2)], "Bounds cannot limit true or false"),
        (Annotated[Size, Bounds(1, 2)], "Bounds cannot limit one of small, large"),
        (Annotated[Literal["a"], Bounds(1, 2)], "Bounds cannot limit one of a"),
        (Annotated[dt.date, Bounds(1, 2)], "Bounds cannot limit a date"),
        (Annotated[dt.datetime | None, Bounds(1, 2)], "Bounds cannot limit a date and time"),
        (Annotated[Path, Bounds(1, 2)], "Bounds cannot limit a path"),
        (Annotated[int | str, Bounds(1, 2)], "Bounds cannot limit a whole number or text"),
        (Annotated[int, Bounds(5, 1)], "hold for no value"),
        (Annotated[float, Bounds(float("nan"))], "hold for no value"),
        (Annotated[str, Bounds(0.5, 2)], "must be whole numbers"),
        (Annotated[list[int], Bounds(-1)], "must be whole numbers from 0 up"),
        (tuple[int, str], "write tuple[int, ...]"),
        (tuple[int], "write tuple[int, ...]"),
        (Nobody, "Nobody has no members"),
    ],
    ids=str,
)
def test_a_useless_annotation_is_refused(hint: Any, words: str) -> None:
    with pytest.raises(PlanError, match=words.replace("[", r"\[")):
        shape(hint)


def test_fields_come_from_a_signature() -> None:
    def order(article: str, amount: Annotated[int, "pieces"] = 1, *, size: Size = Size.SMALL, note: str = "") -> None:
        """Orders.

        Args:
            article: its name
            amount: overruled by the annotation
        """

    fields = fields_of(order, hidden=("note",))
    assert object_schema(fields) == {
        "type": "OBJECT",
        "properties": {
            "article": {"type": "STRING", "description": "its name"},
            "amount": {"type": "INTEGER", "description": "pieces (default: 1)"},
            "size": {"type": "STRING", "enum": ["small", "large"], "description": "(default: 'small')"},
        },
        "required": ["article"],
    }


@attrs.frozen
class Faulty:
    number: int = attrs.field()

    @number.validator
    def _check(self, _field: object, value: int) -> None:
        {1: True}[value]


@pytest.mark.parametrize("hint", [Faulty, list[Faulty], Faulty | None, dict[str, Faulty]])
def test_a_validator_at_fault_makes_a_misfit_without_its_words(hint: Any) -> None:
    def find(what) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    find.__annotations__["what"] = hint
    value: object = {"number": 2}
    value = [value] if hint == list[Faulty] else {"a": value} if hint == dict[str, Faulty] else value
    taken, (wrong,) = take_fields(fields_of(find), {"what": value})
    assert taken == {}
    assert wrong.startswith("what")
    assert "must be an object with number" in wrong
    assert "KeyError" not in wrong


def test_signatures_that_cannot_be_filled_by_name() -> None:
    def anything(*args: str) -> None: ...
    def positional(a: str, /) -> None: ...
    def bare(a) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
    def lost(a: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    for function, words in (
        (anything, "parameter args cannot be filled"),
        (positional, "parameter a cannot be filled"),
        (bare, "parameter a has no annotation"),
        (lost, "Nowhere"),
    ):
        with pytest.raises(PlanError, match=words):
            fields_of(function)


def test_null_for_an_optional_field_counts_as_left_out() -> None:
    def find(city: str, days: int = 1) -> None: ...

    assert take_fields(fields_of(find), {"city": "Bonn", "days": None}) == ({"city": "Bonn"}, [])
    assert take_fields(fields_of(find), {"city": None})[1] == ["city is null, but must be text"]


def test_everything_that_is_wrong_is_named_at_once() -> None:
    def find(city: str, days: int = 1) -> None: ...

    taken, wrong = take_fields(fields_of(find), {"days": "x", "town": 1})
    assert taken == {}
    assert wrong == [
        "city is missing, it must be text",
        "days is 'x', but must be a whole number",
        "'town' is unknown, allowed are city, days",
    ]


def test_long_values_are_shown_short() -> None:
    assert len(shown("x" * 10_000)) < 100
    assert len(shown([["x" * 1000] * 1000] * 1000)) < 100
    assert shown(10**5000) == "a number too long to show"


HINTS = st.sampled_from([hint for hint, _, _ in TAKEN])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(HINTS, JSON)
def test_any_json_is_converted_or_a_misfit(hint: Any, value: object) -> None:
    read = shape(hint)
    with contextlib.suppress(Misfit):
        taken = read.take(value)
        assert read.take(value) == taken
