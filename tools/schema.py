"""From annotations to schemas and conversions; from a signature to the fields of an object.

One `Shape` per annotation: the schema a model reads (the OpenAPI subset of google-genai's `types.Schema`), what is
allowed in words, and the conversion. Arguments of tools and settings of tool modules both go through here.
"""

import collections.abc
import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs

from pipeline.errors import PlanError
from tools.docstrings import Docstring
from tools.limits import bounded
from tools.values import SCALARS, Bounds, Misfit, Shape, beside, choice, shown

NO_DEFAULT = inspect.Parameter.empty
SEQUENCES: dict[Any, type] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.Iterable: list,
}
MAPPINGS = (dict, collections.abc.Mapping)


@attrs.frozen
class Field:
    """One parameter of a tool, or one field of a class: its shape, and its default unless it is required."""

    name: str
    shape: Shape
    default: object = NO_DEFAULT

    @property
    def required(self) -> bool:
        """Tells whether it has to be given."""
        return self.default is NO_DEFAULT


def shape(hint: Any, inside: tuple[type, ...] = ()) -> Shape:  # noqa: ANN401 - annotations are values here
    """Reads an annotation; PlanError if a model cannot be asked for such a value.

    `inside` are the classes being read, so that one that contains itself is refused.
    """
    read = SCALARS.get(hint) or _generic(hint, inside) or _class(hint, inside)
    if read is not None:
        return read
    raise PlanError(
        f"a model cannot be asked for a value of type {getattr(hint, '__name__', hint)}; allowed are str, int, float, "
        f"bool, Literal, Enum, list[...], dict[str, ...], dates and times, attrs classes, and any of these or None"
    )


def _generic(hint: Any, inside: tuple[type, ...]) -> Shape | None:  # noqa: ANN401 - annotations are values here
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _annotated(shape(parts[0], inside), parts[1:])
    if origin in (typing.Union, types.UnionType):
        return _union([shape(part, inside) for part in parts if part is not type(None)], type(None) in parts)
    if origin is Literal:
        chosen = choice({str(part): part for part in parts if part is not None})
        return _union([chosen], nullable=True) if None in parts else chosen
    if origin is tuple and not (len(parts) == 2 and parts[1] is ...):  # noqa: PLR2004 - an item and the ellipsis
        raise PlanError("a list that a model sends is of any length, its items of one kind; write tuple[int, ...]")
    if origin in SEQUENCES and parts:
        return _sequence(SEQUENCES[origin], shape(parts[0], inside))
    return _mapping(parts, inside) if (origin or hint) in MAPPINGS else None


def _class(hint: Any, inside: tuple[type, ...]) -> Shape | None:  # noqa: ANN401 - annotations are values here
    if not isinstance(hint, type):
        return None
    if issubclass(hint, enum.Enum):
        return _enum(hint)
    if not (attrs.has(hint) or dataclasses.is_dataclass(hint)):
        return None
    if hint in inside:
        raise PlanError(f"{hint.__name__} contains itself, which a schema cannot say; pass its parts one by one")
    return _record(hint, fields_of(hint, (*inside, hint)))


def fields_of(
    made: Callable[..., object], inside: tuple[type, ...] = (), hidden: collections.abc.Container[str] = ()
) -> dict[str, Field]:
    """Reads the parameters of a function, or of a class's constructor, except the `hidden` ones.

    Descriptions come from Annotated[..., "text"] or else from the docstring. PlanError where an annotation is
    missing, cannot be resolved or offered, and for *args, **kwargs and positional-only parameters.
    """
    hints = hints_of(made)
    aliases = {f.alias: f.name for f in attrs.fields(made)} if isinstance(made, type) and attrs.has(made) else {}
    documented = Docstring.parse(made.__doc__ or "").parameters
    found = {}
    for parameter in inspect.signature(made).parameters.values():
        name = parameter.name
        if name in hidden:
            continue
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise PlanError(f"parameter {name} cannot be filled by name; use ordinary parameters")
        hint = hints.get(aliases.get(name, name))
        if hint is None:
            raise PlanError(f"parameter {name} has no annotation; write its type, as in {name}: str")
        try:
            read = shape(hint, inside)
        except PlanError as error:
            raise PlanError(f"parameter {name}: {error}") from None
        if (wrong := _wrong_default(read, parameter.default)) is not None:
            raise PlanError(f"parameter {name}: its default is {shown(parameter.default)}, but must be {wrong}")
        found[name] = Field(name, _described(read, documented.get(name), parameter.default), parameter.default)
    return found


def hints_of(made: Callable[..., object]) -> dict[str, Any]:
    """Resolves the annotations of a function or class, extras included; PlanError if a name in them is unknown."""
    whole = isinstance(made, type) and (attrs.has(made) or dataclasses.is_dataclass(made))
    source = made if whole or not isinstance(made, type) else made.__init__  # type: ignore[misc]
    try:
        return typing.get_type_hints(source, include_extras=True)
    except (NameError, TypeError) as error:
        raise PlanError(f"its annotations cannot be read: {error}") from None


def object_schema(fields: Mapping[str, Field]) -> dict[str, object]:
    """Gives the schema of an object with these fields."""
    schema: dict[str, object] = {"type": "OBJECT"}
    if fields:
        schema["properties"] = {name: dict(field.shape.schema) for name, field in fields.items()}
    required = [name for name, field in fields.items() if field.required]
    return schema | ({"required": required} if required else {})


def take_fields(fields: Mapping[str, Field], given: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    """Converts what is given, and says in one phrase each what is wrong: missing, unknown or not allowed.

    A null for a field with a default counts as left out, as models send it so.
    """
    taken, wrong = {}, []
    for name, field in fields.items():
        value = given.get(name)
        if name not in given or (value is None and not field.required):
            if field.required:
                wrong.append(f"{name} is missing, it must be {field.shape.allowed}")
            continue
        try:
            taken[name] = field.shape.take(value)
        except Misfit as misfit:
            wrong.append(str(misfit.under(name)))
        except Exception:  # noqa: BLE001 - a class's own converters and validators may raise anything
            wrong.append(str(Misfit(value, field.shape.allowed, name)))
    unknown = [str(name) for name in given if name not in fields]
    if unknown:
        known = ", ".join(fields) or "none at all"
        wrong.append(f"{', '.join(map(shown, unknown))} is unknown, allowed are {known}")
    return taken, wrong


def _described(read: Shape, documented: str | None, default: object) -> Shape:
    """Adds what the docstring says where the annotation says nothing, and the default."""
    text = _description(read) or documented or ""
    if not _made_anew(default) and default not in (NO_DEFAULT, None, ""):
        usual = default.value if isinstance(default, enum.Enum) else default
        text = f"{text} (default: {shown(usual)})".strip()
    return attrs.evolve(read, schema=beside(read.schema, {"description": text})) if text else read


def _description(read: Shape) -> str:
    """Gives the description of a schema; that of a choice between several stands in each of them."""
    options = read.schema.get("anyOf")
    first = options[0] if isinstance(options, list) else read.schema
    return str(first.get("description", "")) if isinstance(first, Mapping) else ""


def _made_anew(default: object) -> bool:
    """Whether a default is made for each object by a factory: there is no value to tell or to check."""
    return default is attrs.NOTHING or type(default).__module__ == "dataclasses"


def _wrong_default(read: Shape, default: object) -> str | None:
    """Says what a default would have to be that a model could not have sent; None for a good one, or None itself."""
    if _made_anew(default) or default is NO_DEFAULT or default is None:
        return None
    try:
        read.take(_as_sent(default))
    except Misfit as misfit:
        return misfit.allowed
    return None


def _as_sent(value: object) -> object:
    """Gives a default as a model would send it."""
    if isinstance(value, enum.Enum):
        return value.value if isinstance(value.value, str) else value.name
    if isinstance(value, set | frozenset | tuple | list):
        return [_as_sent(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _annotated(base: Shape, extras: Sequence[object]) -> Shape:
    if texts := [extra for extra in extras if isinstance(extra, str)]:
        own = base.schema.get("description") if base in SCALARS.values() else None
        text = "; ".join(texts) + (f" ({own})" if own else "")
        before = "" if own else _description(base)  # of an Annotated in this one, or what the values of a mapping are
        base = attrs.evolve(base, schema=beside(base.schema, {"description": f"{before}; {text}" if before else text}))
    for extra in extras:
        if isinstance(extra, Bounds):
            base = bounded(base, extra)
    return base


def _union(parts: Sequence[Shape], nullable: bool) -> Shape:
    schema: dict[str, object] = dict(parts[0].schema) if len(parts) == 1 else {"anyOf": [dict(p.schema) for p in parts]}
    if nullable:
        schema = beside(schema, {"nullable": True})
    allowed = " or ".join([*(part.allowed for part in parts), *(["null"] if nullable else [])])

    def take(value: object) -> object:
        if value is None and nullable:
            return None
        converted, first = [], None
        for part in parts:
            try:
                taken = part.take(value)
            except Misfit as misfit:
                first = first or misfit
                continue
            if type(taken) is type(value):  # "5" for int | str stays text
                return taken
            converted.append(taken)
        if not converted:
            if first is not None and first.path and len(parts) == 1:  # it says more precisely what is wrong
                raise first
            raise Misfit(value, allowed)
        return converted[0]

    return Shape(schema, allowed, take, parts[0].measured if len(parts) == 1 else "")


def _enum(hint: type[enum.Enum]) -> Shape:
    if not len(hint):
        raise PlanError(f"{hint.__name__} has no members, so there is nothing to choose")
    texts: dict[str, object] = {
        member.value if isinstance(member.value, str) else member.name: member for member in hint
    }
    also = {member.name: member for member in hint}
    return choice(texts, also)


def _sequence(made: type, item: Shape) -> Shape:
    allowed = f"a list, each item {item.allowed}"

    def take(value: object) -> object:
        if not isinstance(value, list | tuple):
            raise Misfit(value, allowed)
        items = []
        for index, part in enumerate(value):
            try:
                items.append(item.take(part))
            except Misfit as misfit:
                raise misfit.under(f"[{index}]") from None
        try:
            return made(items)
        except TypeError:  # what cannot be hashed cannot be in a set
            raise Misfit(value, allowed) from None

    return Shape({"type": "ARRAY", "items": dict(item.schema)}, allowed, take, "items")


def _mapping(parts: Sequence[Any], inside: tuple[type, ...]) -> Shape:
    if parts and parts[0] is not str:
        raise PlanError("the keys of a JSON object are text; write dict[str, ...]")
    item = None if not parts or parts[1] in (object, Any) else shape(parts[1], inside)
    allowed = "an object" + (f", each value {item.allowed}" if item else "")

    def take(value: object) -> object:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise Misfit(value, allowed)
        if item is None:
            return dict(value)
        taken = {}
        for key, part in value.items():
            try:
                taken[key] = item.take(part)
            except Misfit as misfit:
                raise misfit.under(f".{key}") from None
        return taken

    return Shape({"type": "OBJECT", **({"description": allowed} if item else {})}, allowed, take)


def _record(made: type, fields: Mapping[str, Field]) -> Shape:
    allowed = f"an object with {', '.join(fields) or 'nothing in it'}"

    def take(value: object) -> object:
        if isinstance(value, made):
            return value
        if not isinstance(value, Mapping):
            raise Misfit(value, allowed)
        taken, wrong = take_fields(fields, value)
        if wrong:
            raise Misfit(value, f"{allowed} ({'; '.join(wrong)})")
        try:
            return made(**taken)
        except (ValueError, TypeError) as error:  # the class's own validators
            raise Misfit(value, f"{allowed} ({error})") from None
        except Exception:  # noqa: BLE001 - a validator that is itself at fault: its words are not for the model
            raise Misfit(value, f"{allowed} that its checks let pass") from None

    return Shape(object_schema(fields), allowed, take)
