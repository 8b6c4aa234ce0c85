"""Tools that live elsewhere: what the plan says of their servers, and what the service is told of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from google.genai import types

from pipeline.errors import PlanError, ToolFailed
from tools import Toolbox
from tools.foreign import Described, convert, foreign
from tools.servers import Server, read_servers

SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "additionalProperties": False,
    "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x", "y"]}},
    "properties": {
        "path": {"type": "string", "title": "Path", "description": "where", "minLength": 1, "format": "uri"},
        "kind": {"enum": ["file", "folder", None], "type": ["string", "null"]},
        "fixed": {"const": "always"},
        "level": {"type": "integer", "enum": [1, 2, 3], "minimum": 1, "exclusiveMaximum": 9},
        "when": {"type": "string", "format": "date-time", "default": "now"},
        "at": {"$ref": "#/$defs/Point"},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "many": {"type": "array"},
        "either": {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
        "maybe": {"anyOf": [{"$ref": "#/$defs/Point"}, {"type": "null"}], "description": "a point"},
        "both": {"type": ["string", "number"]},
        "joined": {"allOf": [{"$ref": "#/$defs/Point"}], "description": "joined"},
        "anything": {},
        "odd": True,
        "self": {"$ref": "#"},
        "lost": {"$ref": "#/nowhere"},
    },
    "required": ["path"],
}


def made(schema: Mapping[str, Any] = SCHEMA, **settings: Any) -> Any:
    async def call(name: str, arguments: Mapping[str, object]) -> object:
        return {"name": name, "arguments": dict(arguments)}

    return foreign(Server(name="files", command="x", **settings), Described("read.it!", "Reads.", schema), call)


def test_googles_own_types_take_what_the_service_is_told() -> None:
    declaration = made().declaration()
    model = types.FunctionDeclaration.model_validate(declaration)
    again = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert again["name"] == "files_read_it_"
    assert again["parameters"]["required"] == ["path"]
    assert set(again["parameters"]["properties"]) == set(SCHEMA["properties"])


def test_a_schema_says_what_it_can() -> None:
    told = {name: convert(part, SCHEMA) for name, part in SCHEMA["properties"].items()}
    point = {"type": "OBJECT", "properties": {"x": {"type": "NUMBER"}}, "required": ["x"]}
    assert told["path"] == {"type": "STRING", "description": "where", "minLength": 1}
    assert told["kind"] == {"type": "STRING", "enum": ["file", "folder"], "nullable": True}
    assert told["fixed"] == {"type": "STRING", "enum": ["always"]}
    assert told["level"] == {"type": "INTEGER", "minimum": 1}
    assert told["at"] == point
    assert told["tags"] == {"type": "ARRAY", "items": {"type": "STRING"}}
    assert told["many"] == {"type": "ARRAY", "items": {"type": "STRING"}}
    assert told["either"] == {"anyOf": [{"type": "STRING", "nullable": True}, {"type": "INTEGER", "nullable": True}]}
    assert told["maybe"] == {**point, "nullable": True, "description": "a point"}
    assert told["both"] == {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}]}
    assert told["joined"] == {**point, "description": "joined"}
    assert told["anything"] == told["odd"] == told["lost"] == {"type": "STRING"}


async def test_arguments_reach_the_server_as_they_are_under_its_own_name() -> None:
    arguments = {"path": "a", "self": {"name": 1}, "tags": ["x"]}
    assert await made().call(arguments) == {"name": "read.it!", "arguments": arguments}
    assert await made().call({"path": "a", "kind": None}) == {"name": "read.it!", "arguments": {"path": "a"}}
    with pytest.raises(ToolFailed, match="path is missing"):
        await made().call({})


def test_settings_of_a_server_reach_its_tools() -> None:
    assert not made().confirm
    assert made(confirm=["read.it!"]).confirm
    assert made(confirm=True, idempotent=["read.it!"], timeout=5).confirm
    assert made(idempotent=["read.it!"]).idempotent
    assert made(timeout=5.0).timeout == 5


WRONG: list[tuple[object, str]] = [
    (3, "user.toml: tools.mcp is 3; write one table for each server"),
    ({"a b": {}}, "tools.mcp.a b: a server's name begins its tools' names"),
    ({"a": 3}, "tools.mcp.a is 3; it must be a table with a command or a url"),
    ({"a": {}}, "tools.mcp.a needs either a command or a url"),
    ({"a": {"command": "x", "url": "http://x"}}, "tools.mcp.a needs either a command or a url"),
    ({"a": {"command": "x 'y"}}, 'tools.mcp.a.command is "x \'y", which is no command line'),
    ({"a": {"url": "ftp://x"}}, "tools.mcp.a.url is 'ftp://x'; it must begin with http:// or https://"),
    ({"a": {"command": "x", "comand": "y"}}, "tools.mcp.a: 'comand' is unknown, allowed are command, args"),
    ({"a": {"command": "x", "timeout": 0}}, "timeout and start are seconds above 0"),
    ({"a": {"command": "x", "name": "b"}}, "tools.mcp.a: 'name' is unknown"),
]


@pytest.mark.parametrize(("table", "words"), WRONG, ids=[words[:40] for _, words in WRONG])
def test_a_wrong_table_is_refused_by_name(table: object, words: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        Toolbox.load({"mcp": table}, folder=tmp_path, where="user.toml: {}".format)
    assert words in str(caught.value)


def test_a_command_is_a_line_or_words(tmp_path: Path) -> None:
    table = {
        "line": {"command": "python 'my server.py' --x"},
        "words": {"command": ["python", "my server.py"], "args": ["--x"]},
        "path": {"command": "C:\\Program Files\\x.exe", "args": ["--x"], "folder": "sub"},
    }
    line, words, path = read_servers(table, str, tmp_path)
    assert line.words == words.words == ["python", "my server.py", "--x"]
    assert path.words == ["C:\\Program Files\\x.exe", "--x"]
    assert (line.folder, path.folder) == (tmp_path, tmp_path / "sub")


def test_tools_are_offered_in_place_of_earlier_ones_and_beside_others() -> None:
    box = Toolbox()
    one = made()
    assert box.offer("files", [one]) == []
    assert box.offer("other", [one]) == ["files_read_it_"]
    assert box.offer("files", []) == []
    assert len(box) == 0
