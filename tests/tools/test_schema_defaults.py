"""Defaults: told where there is one to tell, and refused where a model could not have sent it."""

import dataclasses
import datetime as dt
import enum
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
import pytest

from pipeline.errors import PlanError
from tools.schema import fields_of, take_fields
from tools.values import Bounds


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@attrs.frozen
class Basket:
    """A basket.

    Args:
        fruits: what is in it
    """

    fruits: list[str] = attrs.field(factory=list)
    size: Size = Size.SMALL


@dataclasses.dataclass
class Bag:
    fruits: list[str] = dataclasses.field(default_factory=list)


def test_a_default_that_a_factory_makes_is_not_told() -> None:
    assert fields_of(Basket)["fruits"].shape.schema["description"] == "what is in it"
    assert "description" not in fields_of(Bag)["fruits"].shape.schema
    assert take_fields(fields_of(Basket), {}) == ({}, [])
    assert not fields_of(Bag)["fruits"].required


WRONG_DEFAULTS: dict[str, Any] = {
    "its default is 'x', but must be a whole number": (int, "x"),
    "its default is 0, but must be a whole number, from 1 to 5": (Annotated[int, Bounds(1, 5)], 0),
    "its default is 'huge', but must be one of small, large": (Size, "huge"),
    "its default is ['x'], but must be": (list[int], ["x"]),
}


@pytest.mark.parametrize("words", WRONG_DEFAULTS)
def test_a_default_that_breaks_its_own_annotation_is_refused(words: str) -> None:
    hint, value = WRONG_DEFAULTS[words]

    def find(what=value) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    find.__annotations__["what"] = hint
    with pytest.raises(PlanError) as caught:
        fields_of(find)
    assert f"parameter what: {words}" in str(caught.value)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (str, None),
        (Level, Level.HIGH),
        (Literal[1, 2], 1),
        (tuple[Size, ...], (Size.SMALL,)),
        (frozenset[str], frozenset({"a"})),
        (dt.date, dt.date(2026, 1, 1)),
        (Path, Path("a")),
        (Basket, Basket(["a"])),
        (float, 1),
        (dict[str, int], {"a": 1}),
    ],
    ids=str,
)
def test_a_good_default_is_taken(hint: Any, value: object) -> None:
    def find(what=value) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    find.__annotations__["what"] = hint
    assert not fields_of(find)["what"].required
