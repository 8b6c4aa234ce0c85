"""What a client offers the model: functions with their schemas, and the service's own tools."""

from collections.abc import Mapping

import attrs

from actors.emulator import protojson
from actors.emulator.vocabulary import Behavior, SchemaType


@attrs.frozen
class Empty:
    """A message without fields."""


def schema(value: object, path: str) -> Mapping[str, object]:
    """Reads an OpenAPI schema: names in camelCase at every depth, property names and samples verbatim."""
    found: dict[str, object] = {}
    for key, inner in protojson.struct(value, path).items():
        name, place = protojson.camel(key), protojson.join(path, key)
        if name not in _SCHEMA_FIELDS:
            raise protojson.unknown(key, path)
        if inner is None:
            continue
        if name in {"properties", "defs"}:
            table = protojson.struct(inner, place)
            found[name] = {k: schema(v, protojson.join(place, k)) for k, v in table.items()}
        elif name == "items":
            found[name] = schema(inner, place)
        elif name == "anyOf":
            if not isinstance(inner, list):
                raise protojson.wrong(place, "LIST", inner)
            found[name] = [schema(v, f"{place}[{i}]") for i, v in enumerate(inner)]
        elif name == "type":
            found[name] = protojson.read(SchemaType, inner, place).name
        else:
            protojson.read(_LEAVES.get(name, object), inner, place)
            found[name] = inner
    return found


_SCHEMA_FIELDS = frozenset(
    {"type", "format", "title", "description", "nullable", "enum", "pattern", "example", "default", "required"}
    | {"items", "minItems", "maxItems", "properties", "minProperties", "maxProperties", "propertyOrdering"}
    | {"minLength", "maxLength", "minimum", "maximum", "anyOf", "additionalProperties", "defs", "ref"}
)
_LEAVES: Mapping[str, type] = {
    **dict.fromkeys(("format", "title", "description", "pattern", "ref"), str),
    **dict.fromkeys(("minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength"), int),
    **dict.fromkeys(("minimum", "maximum"), float),
    **dict.fromkeys(("enum", "required", "propertyOrdering"), tuple[str, ...]),
    "nullable": bool,
}


@attrs.frozen
class FunctionDeclaration:
    """A function the model may call."""

    name: str = ""
    description: str = ""
    behavior: Behavior = Behavior.UNSPECIFIED
    parameters: Mapping[str, object] | None = attrs.field(default=None, metadata={"read": schema})
    parameters_json_schema: object = None
    response: Mapping[str, object] | None = attrs.field(default=None, metadata={"read": schema})
    response_json_schema: object = None


@attrs.frozen
class Tool:
    """Functions of the client's, or one of the service's own tools."""

    function_declarations: tuple[FunctionDeclaration, ...] = ()
    google_search: Mapping[str, object] | None = None
    google_search_retrieval: Mapping[str, object] | None = None
    google_maps: Mapping[str, object] | None = None
    code_execution: Empty | None = None
    url_context: Empty | None = None
    file_search: Mapping[str, object] | None = None
    computer_use: Mapping[str, object] | None = None


@attrs.frozen
class ToolUpdate:
    """The tools that replace the earlier ones; none clears them."""

    tools: tuple[Tool, ...] = ()
