"""Values of a plan become what a constructor asks for, strictly."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Protocol

import pytest

from pipeline.errors import PlanError
from pipeline.settings import Within, describe, structure
from pipeline.supervisor import Policy

PART = Annotated[float, Within(0, 1)]
COUNT = Annotated[int, Within(1)]


class Maker(Protocol):
    def make(self) -> int: ...


@pytest.mark.parametrize(
    ("value", "hint", "given"),
    [
        ("a", str, "a"),
        (1, int, 1),
        (1, float, 1.0),
        (0.5, float, 0.5),
        (True, bool, True),
        ("a/b", Path, Path("a/b")),
        ("a", Literal["a", "b"], "a"),
        (0, PART, 0.0),
        (1.0, PART, 1.0),
        (5, COUNT, 5),
        (None, PART | None, None),
        ([0.5], list[PART], [0.5]),
        (len, Annotated[Maker, "a mark of somebody else's"], len),
        (None, str | None, None),
        ("a", Optional[str], "a"),  # noqa: UP045 - what a user may write
        (1, str | int, 1),
        (0.5, str | float, 0.5),
        (["a"], list[str], ["a"]),
        (["a"], tuple[str, ...], ("a",)),
        (["a", 1], tuple[str, int], ("a", 1)),
        ([1, 2], Sequence[float], [1.0, 2.0]),
        ([], list[str], []),
        ({"a": 1}, dict[str, int], {"a": 1}),
        ({"a": [1, {}]}, Mapping[str, object], {"a": [1, {}]}),
        ({"a": [1]}, Mapping[str, Any], {"a": [1]}),
        ({"crashes": 1, "period": 2}, Policy, Policy(crashes=1, period=2.0)),
        (Policy(crashes=9), Policy, Policy(crashes=9)),
        ("anything", Any, "anything"),
        (None, Callable[..., int], None),
        (len, Callable[..., int], len),
        ("as it is", Maker, "as it is"),
    ],
)
def test_what_fits_is_taken(value: object, hint: Any, given: object) -> None:
    taken = structure(value, hint, "here")
    assert taken == given
    assert type(taken) is type(given)


@pytest.mark.parametrize(
    ("value", "hint", "allowed"),
    [
        (1, str, "text"),
        ("1", int, "a whole number"),
        (1.0, int, "a whole number"),
        (True, int, "a whole number"),
        ("0.5", float, "a number"),
        (True, float, "a number"),
        (1, bool, "true or false"),
        (float("nan"), float, "a number"),
        (float("inf"), float, "a number"),
        (float("-inf"), float | None, "a number"),
        (float("nan"), PART, "a number from 0 to 1"),
        (-0.1, PART, "a number from 0 to 1"),
        (1.1, PART, "a number from 0 to 1"),
        ("1", PART, "a number from 0 to 1"),
        (0, COUNT, "a whole number from 1 up"),
        (2.0, COUNT, "a whole number from 1 up"),
        ([0, 2], list[PART], "a list of a number from 0 to 1"),
        (1, Path, "a path"),
        ("c", Literal["a", "b"], "one of 'a', 'b'"),
        (True, Literal[1, 2], "one of 1, 2"),
        ("c", Literal["a"] | None, "one of 'a'"),
        (True, str | int, "text or a whole number"),
        ("abc", list[str], "a list of text"),
        ("abc", tuple[str, ...], "a list of text"),
        ({"a": 1}, list[str], "a list of text"),
        ([1], list[str], "a list of text"),
        (["a"], tuple[str, int], "a list of text and a whole number"),
        (["a"], dict[str, str], "a table of text"),
        ({"a": 1}, dict[str, str], "a table of text"),
        ("a", Mapping[str, object], "a table of anything"),
        (5, Policy, "a table with crashes"),
        ({"crashs": 1}, Policy, "crashes (a whole number), period (a number)"),
        ({"crashes": -1}, Policy, "a table with crashes"),
        ({"temporary": "yes"}, Policy, "temporary (true or false)"),
    ],
)
def test_what_does_not_fit_is_refused_with_where_found_and_allowed(value: object, hint: Any, allowed: str) -> None:
    with pytest.raises(PlanError) as refused:
        structure(value, hint, "my.toml: actors.vad.x")
    assert str(refused.value).startswith(f"my.toml: actors.vad.x is {value!r}; it must be ")
    assert allowed in str(refused.value)


def test_any_annotation_can_be_described() -> None:
    assert describe(Maker) == "Maker"
    assert describe(None) == "None"
