"""Shapes of single values: what a model is told of them, and how strictly its JSON is taken.

A model's JSON is taken as people write it, where that is safe: 3.0 and "3" for a whole number, any case for a
choice; never a number for true or false, never infinity, never a guess.
"""

import collections.abc
import datetime as dt
import math
import reprlib
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import attrs

LONGEST = 80  # characters of a value in an error message


@attrs.frozen
class Bounds:
    """Limits of a number, or of the length of a text or list; both ends are allowed values, None is no limit."""

    least: float | None = None
    most: float | None = None

    def holds(self, value: object) -> bool:
        """Tells whether a converted value lies within."""
        size = value if isinstance(value, int | float) else len(typing.cast("collections.abc.Sized", value))
        return (self.least is None or size >= self.least) and (self.most is None or size <= self.most)

    def words(self) -> str:
        """Says the limits."""
        if self.least is None:
            return "" if self.most is None else f"at most {self.most:g}"
        return f"at least {self.least:g}" if self.most is None else f"from {self.least:g} to {self.most:g}"


class Misfit(ValueError):
    """A value that an annotation does not allow: where it stands, what was found, what is allowed."""

    def __init__(self, found: object, allowed: str, path: str = "") -> None:
        self.found, self.allowed, self.path = found, allowed, path
        super().__init__(f"{path or 'the value'} is {shown(found)}, but must be {allowed}")

    def under(self, step: str) -> "Misfit":
        """Gives the same misfit as seen from one level further out."""
        return Misfit(self.found, self.allowed, step + self.path)


@attrs.frozen
class Shape:
    """What one annotation means: its schema, what is allowed in words, and the conversion (raises Misfit).

    `measured` says what `Bounds` limit of it, empty where they limit nothing.
    """

    schema: Mapping[str, object]
    allowed: str
    take: Callable[[object], object]
    measured: Literal["", "number", "characters", "items"] = ""


def beside(schema: Mapping[str, object], told: Mapping[str, object]) -> dict[str, object]:
    """Adds a description and the like to a schema; with options, to each of them: anyOf has to stand alone."""
    options = schema.get("anyOf")
    if not isinstance(options, list) or not told:
        return {**schema, **told}
    return {**schema, "anyOf": [{**option, **told} for option in options]}


def shown(value: object) -> str:
    """Shows a value in an error message: short, on one line, in JSON's words."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    short = reprlib.Repr()
    short.maxstring, short.maxlevel, short.maxother = LONGEST, 2, LONGEST
    try:
        text = short.repr(value)
    except ValueError:  # Python refuses to print integers of more than 4300 digits
        return "a number too long to show"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def choice(texts: Mapping[str, object], also: Mapping[str, object] | None = None) -> Shape:
    """Makes a choice among texts; the service knows enumerations of strings only, so all become strings."""
    allowed = "one of " + ", ".join(texts)
    folded = {text.casefold(): value for text, value in {**(also or {}), **texts}.items()}

    def take(value: object) -> object:
        text = value if isinstance(value, str) else shown(value)
        if text in texts:
            return texts[text]
        if text.casefold() not in folded:
            raise Misfit(value, allowed)
        return folded[text.casefold()]

    return Shape({"type": "STRING", "enum": list(texts)}, allowed, take)


def _text(value: object) -> object:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):  # a postal code as a number
        return shown(value)
    raise Misfit(value, "text")


def _number(value: object) -> float:
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise Misfit(value, "a number")
    return number


def _whole(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        number = _number(value)  # the service's numbers are doubles: 3.0 means 3
    except Misfit:
        number = math.nan
    if not number.is_integer():
        raise Misfit(value, "a whole number")
    return int(number)


def _flag(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().casefold() in ("true", "false"):
        return value.strip().casefold() == "true"
    raise Misfit(value, "true or false")


def _moment(kind: type[dt.date | dt.time], allowed: str) -> Callable[[object], object]:
    def take(value: object) -> object:
        try:
            return kind.fromisoformat(str(value).strip())
        except ValueError:
            raise Misfit(value, allowed) from None

    return take


_DATE, _TIME, _BOTH = "a date as in 2026-10-31", "a time as in 18:30", "a date and time as in 2026-10-31T18:30"
SCALARS: dict[Any, Shape] = {
    str: Shape({"type": "STRING"}, "text", _text, "characters"),
    int: Shape({"type": "INTEGER"}, "a whole number", _whole, "number"),
    float: Shape({"type": "NUMBER"}, "a number", _number, "number"),
    bool: Shape({"type": "BOOLEAN"}, "true or false", _flag),
    Path: Shape({"type": "STRING"}, "a path", lambda value: Path(str(_text(value)))),
    dt.date: Shape({"type": "STRING", "description": _DATE}, _DATE, _moment(dt.date, _DATE)),
    dt.time: Shape({"type": "STRING", "description": _TIME}, _TIME, _moment(dt.time, _TIME)),
    dt.datetime: Shape({"type": "STRING", "format": "date-time"}, _BOTH, _moment(dt.datetime, _BOTH)),
}
