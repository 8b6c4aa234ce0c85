"""What a tool gives back, as JSON that the service takes: an object, plain values only, of bounded size."""

import base64
import dataclasses
import datetime as dt
import enum
import json
import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import attrs

LIMIT = 32 * 1024  # bytes of JSON; a reply is spoken, so more could not be used, and a message has its own bound
DEEPEST = 16
LARGEST = 2**53  # beyond it the service's numbers, which are doubles, lose digits
KEY = "result"
_SINGLE: dict[Any, Callable[[Any], Any]] = {
    dt.date: lambda value: value.isoformat(),  # a datetime is a date
    dt.time: lambda value: value.isoformat(),
    dt.timedelta: dt.timedelta.total_seconds,
    bytes: lambda value: base64.b64encode(value).decode(),
    bytearray: lambda value: base64.b64encode(value).decode(),
}


def response(value: object, limit: int = LIMIT) -> dict[str, Any]:
    """Gives any result as a JSON object of at most about `limit` bytes.

    What is no object becomes {"result": value}, and nothing at all becomes {"result": "done"}: a model takes an
    empty answer for a failure and calls again (live-protocol 4.3). What was cut says so under "cut".
    """
    plain = jsonable(value)
    whole: dict[str, Any] = plain if isinstance(plain, dict) else {KEY: "done" if plain is None else plain}
    size = _size(whole)
    if size <= limit:
        return whole
    kept, _ = _fit(whole, limit)
    return {**kept, "cut": f"the result had {size} bytes; what is beyond {limit} was left out"}


def jsonable(value: object, depth: int = 0) -> Any:  # noqa: ANN401 - JSON has any shape
    """Makes plain JSON of attrs classes, dataclasses, enums, dates, sets, bytes (base64), and anything else (str).

    Private fields and fields kept out of a class's repr stay out of the JSON too.
    """
    if depth > DEEPEST:
        return "..."
    if isinstance(value, enum.Enum):
        return jsonable(value.value, depth)
    if value is None or isinstance(value, bool | str | int | float):
        return _scalar(value)
    for kind, plain in _SINGLE.items():
        if isinstance(value, kind):
            return plain(value)
    return _compound(value, depth + 1)


def _scalar(value: bool | str | float | None) -> bool | str | float | None:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # a lone surrogate cannot go on the wire
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > LARGEST:
        return hex(value) if abs(value) > 10**300 else str(value)  # Python prints 4300 digits at most
    return value


def _compound(value: object, depth: int) -> Any:  # noqa: ANN401 - JSON has any shape
    if isinstance(value, Mapping):
        return {str(jsonable(key)): jsonable(item, depth) for key, item in value.items()}
    if isinstance(value, Sequence | AbstractSet):
        return [jsonable(item, depth) for item in value]
    kind: Any = type(value)
    if attrs.has(kind):
        names = [field.name for field in attrs.fields(kind) if field.repr]
    elif dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind) if field.repr]
    else:
        return str(value)
    return {name: jsonable(getattr(value, name), depth) for name in names if not name.startswith("_")}


def _fit(value: Any, room: int) -> tuple[Any, int]:  # noqa: ANN401 - JSON has any shape
    """Gives as much of the front of a value as fits, and the room left: 0 after a cut, negative if nothing fitted."""
    if isinstance(value, str):
        return _fit_text(value, room)
    if isinstance(value, dict):
        fitted: dict[str, Any] = {}
        left = room - 2
        for key, item in value.items():
            part, left = _fit(item, left - _size(key) - 4)  # colon, comma and blanks
            if left < 0:
                return fitted, min(room - 2, 0)
            fitted[key] = part
        return fitted, left
    if isinstance(value, list):
        items: list[Any] = []
        left = room - 2
        for item in value:
            part, left = _fit(item, left - 2)
            if left < 0:
                return items, min(room - 2, 0)
            items.append(part)
        return items, left
    return value, room - _size(value)


def _fit_text(text: str, room: int) -> tuple[str, int]:
    if _size(text) <= room:
        return text, room - _size(text)
    kept = text.encode()[: max(room - 2, 0)].decode(errors="ignore")
    while kept and _size(kept) > room:
        kept = kept[: -max((_size(kept) - room) // 6, 1)]  # what JSON escapes takes up to six bytes
    return kept, min(room - 2, 0)


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
