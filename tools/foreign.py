"""Tools that live elsewhere: what an MCP server says of them becomes a `Tool` like any other.

Their parameters come as JSON Schema; the service takes a subset of OpenAPI's (google-genai's `types.Schema`), so what
it does not know is left out or said in words. The server itself checks the arguments.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs

from tools.registry import Tool
from tools.schema import Field
from tools.servers import Server
from tools.values import Shape, beside

KEPT = ("description", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "pattern")
FORMATS = ("date-time", "float", "double", "int32", "int64")
DEEPEST = 12
LONGEST_NAME = 64
Call = Callable[[str, Mapping[str, object]], Awaitable[object]]


@attrs.frozen
class Described:
    """A tool as a server describes it; `schema` is the JSON Schema of its arguments."""

    name: str
    description: str
    schema: Mapping[str, Any]


def foreign(server: Server, described: Described, call: Call) -> Tool:
    """Makes a tool, named after server and tool, that has `call` run it with the server's own name for it."""

    async def run(**arguments: object) -> object:
        return await call(described.name, arguments)

    properties = described.schema.get("properties")
    table = properties if isinstance(properties, Mapping) else {}
    needed = _list(described.schema.get("required"))
    fields = {}
    for name, schema in table.items():
        shape = Shape(convert(schema, described.schema), "as its description says", lambda value: value)
        fields[str(name)] = Field(str(name), shape) if name in needed else Field(str(name), shape, None)
    return Tool(
        name=_name(f"{server.name}_{described.name}"),
        description=described.description or described.name.replace("_", " "),
        function=run,
        fields=fields,
        needs={},
        streams=False,
        timeout=server.timeout,
        confirm=server.confirms(described.name),
        idempotent=described.name in server.idempotent,
    )


def convert(schema: object, root: Mapping[str, Any], depth: int = 0) -> dict[str, object]:
    """Converts a JSON Schema; `root` holds what its references name. What cannot be said is any text."""
    found = _resolved(schema, root)
    if depth > DEEPEST or not found:
        return {"type": "STRING"}
    kinds = [str(kind) for kind in _list(found.get("type"))]
    options = [_resolved(option, root) for key in ("anyOf", "oneOf") for option in _list(found.get(key))]
    nullable = "null" in kinds or any(option.get("type") == "null" for option in options)
    kinds = [kind for kind in kinds if kind != "null"]
    options = [option for option in options if option.get("type") != "null"]
    told: dict[str, object] = {key: found[key] for key in KEPT if key in found}
    if nullable:
        told["nullable"] = True
    if not kinds and len(options) > 1:
        return beside({"anyOf": [convert(option, root, depth + 1) for option in options]}, told)
    if not kinds and options:
        return convert(options[0], root, depth + 1) | told
    if len(kinds) > 1:
        return beside({"anyOf": [convert({**found, "type": kind}, root, depth + 1) for kind in kinds]}, told)
    return told | _one(kinds[0] if kinds else _guess(found), found, root, depth)


def _one(kind: str, found: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, object]:
    told: dict[str, object] = {"type": kind.upper()}
    choices = [found["const"]] if "const" in found else _list(found.get("enum"))
    if kind == "string" and choices:
        told["enum"] = [str(choice) for choice in choices if choice is not None]
    if found.get("format") in FORMATS:
        told["format"] = found["format"]
    if kind == "array":
        told["items"] = convert(found.get("items"), root, depth + 1)
    properties = found.get("properties")
    if kind == "object" and isinstance(properties, Mapping) and properties:
        told["properties"] = {str(name): convert(part, root, depth + 1) for name, part in properties.items()}
        required = [str(name) for name in _list(found.get("required")) if name in properties]
        told |= {"required": required} if required else {}
    return told


def _guess(found: Mapping[str, Any]) -> str:
    """Tells the type of a schema that does not say it."""
    if "properties" in found:
        return "object"
    return "array" if "items" in found else "string"


def _resolved(schema: object, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follows references within the document, and joins what `allOf` lists."""
    found: Mapping[str, Any] = schema if isinstance(schema, Mapping) else {}
    for _ in range(DEEPEST):
        path = found.get("$ref")
        if not isinstance(path, str):
            break
        target: Any = root
        for step in path.removeprefix("#").strip("/").split("/"):
            target = target.get(step) if isinstance(target, Mapping) else None
        found = {**(target if isinstance(target, Mapping) else {}), **{k: v for k, v in found.items() if k != "$ref"}}
    for part in _list(found.get("allOf")):
        found = {**_resolved(part, root), **{k: v for k, v in found.items() if k != "allOf"}}
    return found


def _list(value: object) -> Sequence[Any]:
    if isinstance(value, list | tuple):
        return value
    return () if value is None else (value,)


def _name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:LONGEST_NAME]
