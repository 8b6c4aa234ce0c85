"""Turns values of the plan into what a constructor's annotations ask for, strictly and with a helpful error."""

import collections.abc
import math
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
import cattrs

from pipeline.errors import PlanError

_LISTS = (list, tuple, collections.abc.Sequence)
_TABLES = (dict, collections.abc.Mapping)
_WRONG = (cattrs.BaseValidationError, cattrs.StructureHandlerNotFoundError, ValueError, TypeError)


@attrs.frozen
class Within:
    """What a number may be at least and at most, as in `threshold: Annotated[float, Within(0, 1)] = 0.5`."""

    least: float
    most: float = math.inf

    def __str__(self) -> str:
        return f"from {self.least:g} {'up' if self.most == math.inf else f'to {self.most:g}'}"


def structure(value: object, hint: Any, where: str) -> Any:  # noqa: ANN401 - annotations are values here
    """Gives `value` as the annotation `hint` asks, or PlanError naming `where`, what was found and what is allowed.

    Integers pass as floats; nothing else is converted silently, and no number is nan or infinite. An annotation that
    plain data cannot meet (a callable, a protocol) takes the value as it is, so that programs may put objects into a
    plan.
    """
    if isinstance(hint, type) and attrs.has(hint) and isinstance(value, hint):
        return value
    try:
        return _CONVERTER.structure(value, hint) if _plain(hint) else value
    except _WRONG as error:
        why = "; ".join(cattrs.transform_error(error)) if isinstance(error, cattrs.BaseValidationError) else ""
        detail = f" ({why})" if why else ""
        raise PlanError(f"{where} is {value!r}; it must be {describe(hint)}{detail}") from None


def describe(hint: Any) -> str:  # noqa: ANN401 - annotations are values here
    """Says in words what an annotation allows."""
    if _origin(hint) is Annotated:
        plain, *marks = typing.get_args(hint)
        return " ".join([describe(plain), *(str(mark) for mark in marks if isinstance(mark, Within))])
    if _origin(hint) is Literal:
        return "one of " + ", ".join(repr(choice) for choice in typing.get_args(hint))
    if _is_union(_origin(hint)):
        return " or ".join(describe(part) for part in typing.get_args(hint) if part is not type(None))
    if _origin(hint) in (*_LISTS, *_TABLES):
        parts = [describe(part) for part in typing.get_args(hint) if part is not Ellipsis]
        return f"a list of {' and '.join(parts)}" if _origin(hint) in _LISTS else f"a table of {parts[-1]}"
    if isinstance(hint, type) and attrs.has(hint):
        return "a table with " + ", ".join(f"{field.alias} ({describe(field.type)})" for field in attrs.fields(hint))
    names = {
        object: "anything",
        str: "text",
        float: "a number",
        int: "a whole number",
        bool: "true or false",
        Path: "a path",
    }
    return names.get(hint, getattr(hint, "__name__", str(hint)))


def _plain(hint: Any) -> bool:  # noqa: ANN401 - annotations are values here
    origin = _origin(hint)
    if origin is Annotated:
        return _plain(typing.get_args(hint)[0])
    if _is_union(origin):
        return all(_plain(part) for part in typing.get_args(hint))
    if origin in (*_LISTS, *_TABLES):
        return all(part is Ellipsis or _plain(part) or part in (object, Any) for part in typing.get_args(hint))
    return (
        origin is Literal
        or hint in (str, float, int, bool, Path, type(None))
        or (isinstance(hint, type) and attrs.has(hint))
    )


def _origin(hint: Any) -> Any:  # noqa: ANN401 - annotations are values here
    return typing.get_origin(hint)


def _is_union(origin: object) -> bool:
    return origin in (typing.Union, types.UnionType)


def _exact(*allowed: type) -> Any:  # noqa: ANN401 - a cattrs hook
    def hook(value: object, hint: Any) -> object:  # noqa: ANN401 - a cattrs hook
        if isinstance(value, bool) and bool not in allowed:
            raise ValueError(f"{value!r} is not {describe(hint)}")
        if not isinstance(value, allowed):
            raise ValueError(f"{value!r} is not {describe(hint)}")  # noqa: TRY004 - cattrs gathers ValueError
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value!r} is not {describe(hint)}")
        return hint(value)

    return hook


def _within(value: object, hint: Any) -> object:  # noqa: ANN401 - a cattrs hook
    plain, *marks = typing.get_args(hint)
    found: Any = _CONVERTER.structure(value, plain)
    if not all(mark.least <= found <= mark.most for mark in marks if isinstance(mark, Within)):
        raise ValueError(f"{value!r} is not {describe(hint)}")
    return found


def _union(value: object, hint: Any) -> object:  # noqa: ANN401 - a cattrs hook
    for part in typing.get_args(hint):
        if part is type(None):
            if value is None:
                return None
            continue
        try:
            return _CONVERTER.structure(value, part)
        except _WRONG:
            continue
    raise ValueError(f"{value!r} is not {describe(hint)}")


def _list(value: object, hint: Any) -> object:  # noqa: ANN401 - a cattrs hook
    kind, parts = _origin(hint), typing.get_args(hint)
    if not isinstance(value, list | tuple):
        raise ValueError(f"{value!r} is not {describe(hint)}")  # noqa: TRY004 - cattrs gathers ValueError
    if kind is not tuple or parts[-1] is Ellipsis:
        parts = (parts[0],) * len(value)
    items = [_CONVERTER.structure(item, part) for item, part in zip(value, parts, strict=True)]
    return tuple(items) if kind is tuple else items


def _table(value: object, hint: Any) -> object:  # noqa: ANN401 - a cattrs hook
    name, part = typing.get_args(hint)
    if not isinstance(value, collections.abc.Mapping):
        raise ValueError(f"{value!r} is not {describe(hint)}")  # noqa: TRY004 - cattrs gathers ValueError
    return {_CONVERTER.structure(key, name): _CONVERTER.structure(item, part) for key, item in value.items()}


def _choice(value: object, hint: Any) -> object:  # noqa: ANN401 - a cattrs hook
    for choice in typing.get_args(hint):
        if value == choice and type(value) is type(choice):
            return choice
    raise ValueError(f"{value!r} is not {describe(hint)}")


_CONVERTER = cattrs.Converter(forbid_extra_keys=True)
_CONVERTER.register_structure_hook(str, _exact(str))
_CONVERTER.register_structure_hook(bool, _exact(bool))
_CONVERTER.register_structure_hook(int, _exact(int))
_CONVERTER.register_structure_hook(float, _exact(int, float))
_CONVERTER.register_structure_hook(Path, _exact(str, Path))
_CONVERTER.register_structure_hook_func(lambda hint: _origin(hint) is Annotated, _within)
_CONVERTER.register_structure_hook_func(lambda hint: _is_union(_origin(hint)), _union)
_CONVERTER.register_structure_hook_func(lambda hint: _origin(hint) is Literal, _choice)
_CONVERTER.register_structure_hook_func(lambda hint: _origin(hint) in _LISTS, _list)
_CONVERTER.register_structure_hook_func(lambda hint: _origin(hint) in _TABLES, _table)
_CONVERTER.register_structure_hook_func(lambda hint: hint is object, lambda value, _: value)
