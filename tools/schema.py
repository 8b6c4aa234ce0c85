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
from typing import Any, Literal

import attrs

from pipeline.errors import PlanError
from tools.docstrings import Docstring
from tools.values import SCALARS, Bounds, Misfit, Shape, choice, shown

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
        return choice({str(part): part for part in parts})
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
    unknown = [str(name) for name in given if name not in fields]
    if unknown:
        known = ", ".join(fields) or "none at all"
        wrong.append(f"{', '.join(map(shown, unknown))} is unknown, allowed are {known}")
    return taken, wrong


def _described(read: Shape, documented: str | None, default: object) -> Shape:
    text = str(read.schema.get("description", documented or ""))
    if default is not NO_DEFAULT and default not in (None, ""):
        usual = default.value if isinstance(default, enum.Enum) else default
        text = f"{text} (default: {shown(usual)})".strip()
    return attrs.evolve(read, schema={**read.schema, "description": text}) if text else read


def _annotated(base: Shape, extras: Sequence[object]) -> Shape:
    for extra in extras:
        if isinstance(extra, str):
            base = attrs.evolve(base, schema={**base.schema, "description": extra})
        elif isinstance(extra, Bounds):
            base = _bounded(base, extra)
    return base


def _bounded(base: Shape, bounds: Bounds) -> Shape:
    kind = base.schema.get("type")
    names = {"STRING": ("minLength", "maxLength"), "ARRAY": ("minItems", "maxItems")}
    least, most = names.get(str(kind), ("minimum", "maximum"))
    limits = {name: end for name, end in ((least, bounds.least), (most, bounds.most)) if end is not None}
    unit = {"STRING": " characters long", "ARRAY": " items long"}.get(str(kind), "")
    allowed = f"{base.allowed}, {bounds.words()}{unit}" if limits else base.allowed

    def take(value: object) -> object:
        try:
            taken = base.take(value)
        except Misfit as misfit:
            raise misfit if misfit.path else Misfit(value, allowed) from None
        if taken is not None and not bounds.holds(taken):
            raise Misfit(value, allowed)
        return taken

    if kind not in ("INTEGER", "NUMBER", "STRING", "ARRAY"):
        raise PlanError(f"Bounds cannot limit {base.allowed}; they limit numbers, texts and lists")
    return Shape({**base.schema, **limits}, allowed, take)


def _union(parts: Sequence[Shape], nullable: bool) -> Shape:
    schema: dict[str, object] = dict(parts[0].schema) if len(parts) == 1 else {"anyOf": [dict(p.schema) for p in parts]}
    if nullable:
        schema["nullable"] = True
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

    return Shape(schema, allowed, take)


def _enum(hint: type[enum.Enum]) -> Shape:
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

    return Shape({"type": "ARRAY", "items": dict(item.schema)}, allowed, take)


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

    return Shape({"type": "OBJECT"}, allowed, take)


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

    return Shape(object_schema(fields), allowed, take)
