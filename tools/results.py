"""What a tool gives back, as JSON that the service takes: an object, plain values only, of bounded size."""

import base64
import dataclasses
import datetime as dt
import enum
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from json.encoder import encode_basestring
from typing import Any

import attrs

LIMIT = 32 * 1024  # bytes of JSON; a reply is spoken, so more could not be used, and a message has its own bound
DEEPEST = 16
LARGEST = 2**53  # beyond it the service's numbers, which are doubles, lose digits
KEY = "result"
FRAME = len('{"result": }')
LONGEST_KEY = 1024
UNLIMITED = 1 << 62
_NOTHING = object()  # of a value for which there was no room at all
_SINGLE: dict[Any, Callable[[Any], Any]] = {
    dt.date: lambda value: value.isoformat(),  # a datetime is a date
    dt.time: lambda value: value.isoformat(),
    dt.timedelta: dt.timedelta.total_seconds,
}


def response(value: object, limit: int = LIMIT) -> dict[str, Any]:
    """Gives any result as a JSON object of at most about `limit` bytes, and takes no more of it than that.

    What is no object becomes {"result": value}, and nothing at all becomes {"result": "done"}. What is empty says so
    under "status": a model takes an empty answer for a failure and calls again (live-protocol 4.3). What was cut says
    so under "cut".
    """
    walk = _Walk(limit)
    plain = walk.take(value)
    if not isinstance(plain, dict) and (walk.cut or walk.room < FRAME):
        walk = _Walk(limit - FRAME)
        plain = walk.take(value)
    plain = "" if plain is _NOTHING else plain
    whole: dict[str, Any] = plain if isinstance(plain, dict) else {KEY: "done" if plain is None else plain}
    if walk.cut:
        return {**whole, "cut": f"the result was longer; what is beyond {limit} bytes was left out"}
    return {**whole, "status": "nothing found"} if plain in ({}, [], "") else whole


def fits(value: object, limit: int) -> bool:
    """Tells whether a result takes no more than that many bytes, and costs no more than that to find out."""
    walk = _Walk(limit)
    walk.take(value)
    return not walk.cut


def size(plain: object) -> int:
    """Gives the bytes that plain JSON takes."""
    return len(json.dumps(plain, ensure_ascii=False).encode())


def jsonable(value: object) -> Any:  # noqa: ANN401 - JSON has any shape
    """Makes plain JSON of attrs classes, dataclasses, enums, dates, sets, bytes (base64), and anything else (str).

    Private fields and fields kept out of a class's repr stay out of the JSON too.
    """
    return _Walk(UNLIMITED).take(value)


@attrs.define
class _Walk:
    """One way through a value, front to back, that ends where the room does: `cut` says that something is left.

    `_inside` are the objects on the way down to where it is, so that what contains itself ends.
    """

    room: int
    cut: bool = False
    _inside: set[int] = attrs.field(factory=set)

    def take(self, value: object) -> Any:  # noqa: ANN401 - JSON has any shape
        """Gives a value as JSON, as much of its front as there is room for, or `_NOTHING`."""
        value = value.value if isinstance(value, enum.Enum) else value
        if value is None or isinstance(value, bool | int | float):
            return self._spend(_scalar(value))
        if isinstance(value, bytes | bytearray):
            value = base64.b64encode(value[: self.room]).decode()
        if isinstance(value, str):
            return self._text(value)
        for kind, plain in _SINGLE.items():
            if isinstance(value, kind):
                return self._spend(plain(value))
        if len(self._inside) > DEEPEST or id(value) in self._inside:
            return self._spend("...")
        self._inside.add(id(value))
        try:
            return self._compound(value)
        finally:
            self._inside.discard(id(value))

    def _compound(self, value: object) -> Any:  # noqa: ANN401 - JSON has any shape
        if isinstance(value, Mapping):
            return self._object(value.items())
        if isinstance(value, Sequence | AbstractSet):
            return self._list(value)
        kind: Any = type(value)
        if attrs.has(kind):
            names = [field.name for field in attrs.fields(kind) if field.repr]
        elif dataclasses.is_dataclass(kind):
            names = [field.name for field in dataclasses.fields(kind) if field.repr]
        else:
            return self._text(str(value))
        return self._object((name, getattr(value, name)) for name in names if not name.startswith("_"))

    def _object(self, items: Iterable[tuple[object, object]]) -> Any:  # noqa: ANN401 - JSON has any shape
        found: dict[str, Any] = {}
        if not self._has(2):
            return _NOTHING
        for key, item in items:
            name = key if type(key) is str and key.isascii() else str(_Walk(LONGEST_KEY).take(key))
            part = self.take(item) if self._has(_size(name) + (4 if found else 2)) else _NOTHING  # colon, comma, blanks
            if part is not _NOTHING:
                found[name] = part
            if self.cut:
                break
        return found

    def _list(self, values: Iterable[object]) -> Any:  # noqa: ANN401 - JSON has any shape
        found: list[Any] = []
        if not self._has(2):
            return _NOTHING
        for value in values:
            part = self.take(value) if self._has(2 if found else 0) else _NOTHING
            if part is not _NOTHING:
                found.append(part)
            if self.cut:
                break
        return found

    def _has(self, size: int) -> bool:
        """Takes that much of the room, if it is there; else nothing more is taken."""
        if size > self.room:
            self.cut = True
            return False
        self.room -= size
        return True

    def _spend(self, plain: Any) -> Any:  # noqa: ANN401 - JSON has any shape
        return plain if self._has(_size(plain)) else _NOTHING

    def _text(self, text: str) -> Any:  # noqa: ANN401 - or nothing
        """Takes as much of a text as fits; a lone surrogate in it cannot go on the wire."""
        kept = text[: self.room].encode("utf-8", "replace").decode()
        if len(kept) == len(text) and _size(kept) <= self.room:
            return self._spend(kept)
        room, self.cut = self.room, True
        if not self._has(2):  # the quotes
            return _NOTHING
        kept = kept.encode()[: self.room].decode(errors="ignore")
        while kept and (size := _size(kept)) > room:
            kept = kept[: -max((size - room) // 6, 1)]  # what JSON escapes takes up to six bytes
        return kept


def _scalar(value: bool | float | None) -> bool | str | float | None:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > LARGEST:
        return hex(value) if abs(value) > 10**300 else str(value)  # Python prints 4300 digits at most
    return value


def _size(plain: str | float | None) -> int:
    """Gives the bytes of a plain value in JSON; asked of every one of thousands, so without an encoder."""
    if isinstance(plain, str):
        quoted = encode_basestring(plain)
        return len(quoted) if quoted.isascii() else len(quoted.encode())
    return len(repr(plain))  # None is as long as null, True as true
