"""Reads JSON into attrs classes by the rules of proto3's JSON mapping.

A message is an attrs class; its annotations say what each field takes. Field names are accepted in snake_case and in
camelCase, null means absent, numbers may come as strings, enums as their numbers or in lower case, bytes in either
base64 alphabet with or without padding.
Anything else is a breach, worded the way Google's front end words it: it names the field and what stood there.
Annotations understood: bool, int, float, str, bytes, Enum classes, attrs classes, `tuple[X, ...]`, `Mapping[str, X]`,
`X | None`, and `object` for a value that passes verbatim (free-form structs, JSON Schema).
"""

import base64
import binascii
import enum
import json
import types
import typing
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import TypeVar, cast, get_args, get_origin, get_type_hints

import attrs

from pipeline.errors import ProtocolViolation

T = TypeVar("T")
Reader = Callable[[object, str], object]

INVALID_ARGUMENT = 1007
"""The WebSocket code with which the Live service closes on a malformed or unsupported message."""

_URL_SAFE = str.maketrans("-_", "+/")
_SHOWN = 40  # characters of an offending value that an error repeats
_LONGEST_LIST = 5000
_MOST_VALUES = 100_000
_DEEPEST = 100  # as protobuf's own reader has it


class Breach(ProtocolViolation):
    """The far end broke the protocol: the connection is closed with this code and this reason."""

    def __init__(self, reason: str, code: int = INVALID_ARGUMENT) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"closing with {code}: {reason}")


def read(kind: type[T], value: object, path: str = "") -> T:
    """Gives the message of class `kind` that the JSON value spells; Breach where it spells none.

    `path` names the value in errors, as `setup.generation_config`; "" is the whole message.
    """
    return cast("T", _reader(cast("Hashable", kind))(value, path))


def weigh(value: object) -> int:
    """Counts the values in decoded JSON; Breach where they are too many, or nested too deeply, to go on with.

    In a few bytes of JSON there is room for many small values, each of which takes much more room than that.
    """
    count, depth, level = 0, 0, [value]
    while level:
        count += len(level)
        depth += 1
        if count > _MOST_VALUES:
            raise Breach(f"Invalid JSON payload received. The message has more than {_MOST_VALUES} values.")
        if depth > _DEEPEST:
            raise Breach("Invalid JSON payload received. The message is nested too deeply.")
        inner: list[object] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        level = inner
    return count


def camel(name: str) -> str:
    """Turns a proto field's name into its JSON name: `time_left` into `timeLeft`."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def verbatim(value: object, _path: str) -> object:
    """Reads a free-form value: it passes as it is."""
    return value


@cache
def _reader(kind: object) -> Reader:
    origin, arms = get_origin(kind), get_args(kind)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (arm for arm in arms if arm is not types.NoneType)
        return _reader(inner)
    if origin in (tuple, Mapping):
        return _many(_reader(arms[0])) if origin is tuple else _table(_reader(arms[1]))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _enum(kind)
    if isinstance(kind, type) and attrs.has(kind):
        return _record(kind)
    return _SCALARS[kind]


def _record(kind: type[attrs.AttrsInstance]) -> Reader:
    @cache
    def fields() -> dict[str, tuple[str, Reader]]:
        """Every spelling of every field; built on first use, for a message may contain itself."""
        hints = get_type_hints(kind)
        own = {a.name: a.metadata.get("read") or _reader(hints[a.name]) for a in attrs.fields(kind)}
        named = {name.rstrip("_"): (name, reader) for name, reader in own.items()}
        return named | {camel(name): found for name, found in named.items()}

    def reader(value: object, path: str) -> object:
        given = struct(value, path)
        found: dict[str, object] = {}
        for key, inner in given.items():
            name, read_field = fields().get(key, ("", verbatim))
            if not name:
                raise unknown(key, path)
            if inner is None:
                continue
            if name in found:
                raise Breach(f"Invalid JSON payload received. Field {join(path, name)!r} is given twice.")
            found[name] = read_field(inner, join(path, name.rstrip("_")))
        return kind(**found)

    return reader


def _many(item: Reader) -> Reader:
    def reader(value: object, path: str) -> object:
        if not isinstance(value, list):
            raise wrong(path, "LIST", value)
        if len(value) > _LONGEST_LIST:
            raise Breach(f"Invalid value at {path!r} (TYPE_LIST), {len(value)} items are more than {_LONGEST_LIST}")
        return tuple(item(inner, f"{path}[{index}]") for index, inner in enumerate(value))

    return reader


def _table(item: Reader) -> Reader:
    def reader(value: object, path: str) -> object:
        return {key: item(inner, join(path, key)) for key, inner in struct(value, path).items()}

    return reader


def _enum(kind: type[enum.Enum]) -> Reader:
    members = kind.__members__
    numbered = {member.value: member for member in kind}

    def reader(value: object, path: str) -> object:
        found = members.get(value.upper()) if isinstance(value, str) else numbered.get(_numeral(value))
        if found is None:
            raise wrong(path, "ENUM", value)
        return found

    return reader


def _numeral(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def struct(value: object, path: str) -> Mapping[str, object]:
    """Reads a JSON object; Breach on anything else."""
    if not isinstance(value, dict):
        raise wrong(path, "MESSAGE", value)
    return value


def text(value: object, path: str) -> str:
    """Reads a string; Breach on anything else."""
    if not isinstance(value, str):
        raise wrong(path, "STRING", value)
    return value


def _flag(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise wrong(path, "BOOL", value)
    return value


def _number(value: object, path: str, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise wrong(path, name, value)
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise wrong(path, name, value) from None


def _integer(value: object, path: str) -> int:
    number = _number(value, path, "INT64")
    if not number.is_integer() or not -(2**63) <= number < 2**63:
        raise wrong(path, "INT64", value)
    return int(value) if isinstance(value, int | str) and "." not in str(value) else int(number)


def _float(value: object, path: str) -> float:
    return _number(value, path, "FLOAT")


def octets(value: object, path: str) -> bytes:
    """Reads bytes in either base64 alphabet, padded or not; Breach on anything else."""
    plain = text(value, path).translate(_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Breach(f"Invalid value at {path!r} (TYPE_BYTES), Base64 decoding failed for {_show(value)}") from None


_SCALARS: dict[object, Reader] = {
    object: verbatim,
    bool: _flag,
    int: _integer,
    float: _float,
    str: text,
    bytes: octets,
}


def join(path: str, name: str) -> str:
    """Names a field inside the message at `path`."""
    return f"{path}.{name}" if path else name


def wrong(path: str, expected: str, found: object) -> Breach:
    """Builds the error for a value of the wrong type."""
    return Breach(f"Invalid value at {path!r} (TYPE_{expected}), {_show(found)}")


def unknown(name: str, path: str) -> Breach:
    """Builds the error for a field there is not."""
    place = f" at {path!r}" if path else ""
    return Breach(f'Invalid JSON payload received. Unknown name "{name[:_SHOWN]}"{place}: Cannot find field.')


def _show(value: object) -> str:
    shown = json.dumps(value, default=str)
    return shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "..."
