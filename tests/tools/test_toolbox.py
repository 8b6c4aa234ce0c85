import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import attrs
import pytest
import trio
from google.genai import types

from pipeline.actor import Signature
from pipeline.errors import PlanError, ToolFailed
from pipeline.plan import Plan
from tools import Bounds, Emit, Given, Tool, Toolbox, tool
from tools.toolbox import planned

MINE = '''
"""My tools."""
from __future__ import annotations

import attrs
from tools import Given, tool
from tools.clock import get_time  # used below, but not mine


@attrs.frozen
class Settings:
    greeting: str = "Hello"
    times: int = 1


@tool
async def greet(name: str, settings: Given[Settings]) -> str:
    """Greets someone."""
    return " ".join([settings.greeting] * settings.times) + f", {name}"


def helper() -> None:
    """Is no tool."""
'''


@pytest.fixture(autouse=True)
def clean_modules() -> Iterator[None]:
    """Forgets what a test imported and where it looked."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_tools.py").write_text(MINE)
    return tmp_path


def load(folder: Path, **table: Any) -> Toolbox:
    return Toolbox.load(table, folder=folder, where="user.toml: {}".format)


async def test_a_file_of_tools(folder: Path) -> None:
    box = load(folder, use=["my_tools.py"])
    assert [made.name for made in box] == ["greet"]
    assert await box.run_json("greet", '{"name": "Ada"}') == {"result": "Hello, Ada"}


async def test_settings_reach_the_tools_and_stay_hidden_from_the_model(folder: Path) -> None:
    box = load(folder, use=["my_tools.py"], my_tools={"greeting": "Ahoy", "times": 2})
    assert await box.get("greet").call({"name": "Ada"}) == {"result": "Ahoy Ahoy, Ada"}
    assert list(box.get("greet").parameters["properties"]) == ["name"]  # type: ignore[call-overload]


def test_modules_and_files_together_make_the_declarations(folder: Path) -> None:
    box = load(folder, use=["tools.weather", "tools.clock", "my_tools.py"], google_search=True)
    functions, search = box.declarations()
    assert [each["name"] for each in functions["functionDeclarations"]] == [  # type: ignore[attr-defined]
        "get_weather",
        "get_time",
        "set_timer",
        "greet",
    ]
    assert search == {"googleSearch": {}}
    for each in box.declarations():
        model = types.Tool.model_validate(json.loads(json.dumps(each)))
        assert model.model_dump(mode="json", by_alias=True, exclude_none=True) == each
    assert len(box) == 4
    assert "greet" in box
    assert "grunt" not in box


def test_nothing_declares_nothing(folder: Path) -> None:
    assert load(folder).declarations() == []
    assert load(folder, use=[], google_search=True).declarations() == [{"googleSearch": {}}]


async def test_a_package_in_the_plans_folder(folder: Path) -> None:
    (folder / "pack_of_mine").mkdir()
    (folder / "pack_of_mine" / "__init__.py").touch()
    (folder / "pack_of_mine" / "greetings.py").write_text(MINE)
    box = load(folder, use=["pack_of_mine.greetings"], greetings={"times": 2})
    assert await box.run_json("greet", '{"name": "Ada"}') == {"result": "Hello Hello, Ada"}


def test_a_file_may_import_its_neighbours_and_be_called_like_a_module(folder: Path) -> None:
    (folder / "deeper").mkdir()
    (folder / "deeper" / "neighbour_of_json.py").write_text("NAME = 'next door'")
    (folder / "deeper" / "json.py").write_text(
        "import json\nfrom neighbour_of_json import NAME\nfrom tools import tool\n\n"
        "@tool\ndef dump() -> str:\n    return json.dumps(NAME)\n"
    )
    assert load(folder, use=["deeper/json.py"]).get("dump").function() == '"next door"'


BROKEN = {
    "missing.py": (None, "user.toml: tools.use names missing.py, but there is no file"),
    "empty.py": ("", "names empty.py, which has no tools; mark its functions with @tool"),
    "crash.py": ("x = 1\n\ny = 1 / 0\n", "names crash.py, which cannot be imported: line 3: ZeroDivisionError"),
    "syntax.py": ("x = 1\ndef f(:\n", "which cannot be imported: line 2: SyntaxError: "),
    "lacks.py": ("import nothing_like_this\n", "line 1: ModuleNotFoundError: No module named 'nothing_like_this'"),
    "exits.py": ("raise SystemExit(3)\n", "line 1: SystemExit: 3"),
    "bare.py": (
        "from tools import tool\n@tool\ndef f(x):\n    pass\n",
        "f in bare.py cannot be a tool: parameter x has no annotation",
    ),
    "no.such.module": (None, "names 'no.such.module', but there is no such module"),
    "lacking": ("import nothing_like_this\n", "names lacking, which cannot be imported: ModuleNotFoundError"),
    "crashing": ("1 / 0\n", "names crashing, which cannot be imported: ZeroDivisionError"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_module_is_told_in_one_sentence(name: str, folder: Path) -> None:
    text, words = BROKEN[name]
    if text is not None:
        (folder / name).with_suffix(".py").write_text(text)
    with pytest.raises(PlanError) as caught:
        load(folder, use=[name])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


WRONG: list[tuple[dict[str, object], str]] = [
    ({"use": "my_tools.py"}, "user.toml: tools.use is 'my_tools.py'; it must be a list"),
    ({"use": [1]}, "tools.use is [1]; it must be a list"),
    ({"google_search": "yes"}, "tools.google_search is 'yes'; it must be true or false"),
    ({"goggle_search": True}, "user.toml: tools.goggle_search is unknown; [tools] has use, google_search"),
    (
        {"use": ["my_tools.py"], "mytools": {}},
        "tools.mytools is unknown; [tools] has use, google_search, mcp, confirm, options, http, a table my_",
    ),
    ({"use": ["my_tools.py"], "my_tools": {"gretting": "x"}}, "tools.my_tools: 'gretting' is unknown, allowed are gre"),
    ({"use": ["my_tools.py"], "my_tools": {"times": "x"}}, "tools.my_tools: times is 'x', but must be a whole number"),
    ({"use": ["my_tools.py"], "my_tools": 3}, "tools.my_tools is unknown"),
    ({"use": ["plain.py"], "plain": {"a": 1}}, "tools.plain: plain.py takes no settings"),
    ({"use": ["my_tools.py", "again.py"]}, "two tools called greet, in my_tools.py and in again.py"),
    ({"use": ["tools.clock"], "clock": {"home": "Atlantis"}}, "tools.clock: 'Atlantis' is no city"),
]


@pytest.mark.parametrize(("table", "words"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_table_is_refused_by_name(table: Mapping[str, object], words: str, folder: Path) -> None:
    (folder / "again.py").write_text(MINE)
    (folder / "plain.py").write_text("from tools import tool\n@tool\ndef f(x: int) -> int:\n    return x\n")
    with pytest.raises(PlanError) as caught:
        load(folder, **table)
    assert words in str(caught.value)


def test_a_table_of_the_houses_may_stay_while_its_module_is_out_of_use(folder: Path) -> None:
    assert len(load(folder, use=["my_tools.py"], weather={"units": "imperial"})) == 1


@tool
def twice(number: Annotated[int, Bounds(0, 10)]) -> int:
    """Doubles a number."""
    return 2 * number


async def test_tools_can_be_added_from_python() -> None:
    box = Toolbox()
    box.add(twice)
    with pytest.raises(PlanError, match="the service does not take the name '<lambda>'"):
        box.add(lambda: 1)
    assert [made.name for made in box] == ["twice"]
    assert await box.run_json("twice", '{"number": 4}') == {"result": 8}


def test_an_added_tool_keeps_what_it_was_given() -> None:
    async def say(word: Given[list[str]]) -> list[str]:
        """Says its word."""
        await trio.lowlevel.checkpoint()
        return word

    made = attrs.evolve(Tool.of(say), given={"word": ["hi"]})
    assert Toolbox().add(made).given == {"word": ["hi"]}


def test_two_of_one_name_are_refused() -> None:
    box = Toolbox()
    box.add(twice)
    with pytest.raises(PlanError, match="there are two tools called twice"):
        box.add(twice)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    box = Toolbox()
    with pytest.raises(ToolFailed, match="no tool called 'thrice'; there are none at all"):
        box.get("thrice")
    box.add(twice)
    with pytest.raises(ToolFailed, match="no tool called 'thrice'; there are twice"):
        box.get("thrice")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "the arguments of twice are not JSON"),
        ("[1]", "the arguments of twice are \\[1\\]; write an object"),
        ("[" * 100_000, "not JSON"),
        ("", "number is missing"),
        ('{"number": 11}', "number is 11, but must be a whole number, from 0 to 10"),
    ],
    ids=lambda value: value[:10],
)
async def test_json_that_is_no_arguments(text: str, words: str) -> None:
    box = Toolbox()
    box.add(twice)
    with pytest.raises(ToolFailed, match=words):
        await box.run_json("twice", text)


async def test_run_json_keeps_the_tools_deadline(autojump_clock: trio.testing.MockClock) -> None:
    @tool(timeout=7)
    async def sleepy() -> None:
        """Sleeps."""
        await trio.sleep_forever()

    box = Toolbox()
    box.add(sleepy)
    started = trio.current_time()
    with pytest.raises(ToolFailed, match="sleepy did not answer within 7 s"):
        await box.run_json("sleepy", "{}")
    assert trio.current_time() - started == 7


async def test_inline_tools_need_no_thread(autojump_clock: trio.testing.MockClock) -> None:
    box = Toolbox(inline=True)
    box.add(twice)
    await trio.sleep(3600)
    assert await box.get("twice").call({"number": 1}) == {"result": 2}


async def test_run_json_gives_what_a_stream_has_said_when_its_time_is_over(
    autojump_clock: trio.testing.MockClock,
) -> None:
    @tool(timeout=2.5)
    async def tick() -> AsyncIterator[str]:
        """Ticks for ever."""
        while True:
            yield "tick"
            await trio.sleep(1)

    box = Toolbox()
    box.add(tick)
    told = await box.run_json("tick", "{}")
    assert told["results"] == [{"result": "tick"}] * 3
    assert told["cut"] == "tick did not answer within 2.5 s; this is what came until then"


@attrs.define
class Line(trio.abc.AsyncResource):
    """Something that tools share and that has to be closed."""

    closed: int = 0
    fails: bool = False

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self.closed += 1
        if self.fails:
            raise OSError("already gone")


@attrs.define
class Other(Line):
    """Another one."""


async def ask(line: Given[Line], other: Given[Other], emit: Given[Emit]) -> int:
    """Asks over the line."""
    await trio.lowlevel.checkpoint()
    return id(line)


@tool(name="ask_again")
async def ask_again(line: Given[Line]) -> int:
    """Asks over the same line."""
    await trio.lowlevel.checkpoint()
    return id(line)


async def test_the_tools_of_a_server_that_is_away_are_not_declared_but_still_known() -> None:
    box = Toolbox()
    box.add(twice)
    assert box.offer("shop", [Tool.of(ask_again)]) == []
    box.offer("empty", [])
    whole = box.declarations()
    told = []

    async def listen() -> None:
        await box.changed()
        told.append(True)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await trio.testing.wait_all_tasks_blocked()
        box.withdraw("shop")
    assert told == [True]
    assert [each["name"] for each in box.declarations()[0]["functionDeclarations"]] == ["twice"]  # type: ignore[index, attr-defined]
    assert box.get("ask_again").name == "ask_again"
    box.offer("shop", [Tool.of(ask_again)])
    assert box.declarations() == whole


async def test_tools_share_one_of_each_and_the_toolbox_closes_it() -> None:
    async with Toolbox() as box:
        box.add(ask)
        box.add(ask_again)
        assert await box.get("ask").call({}) == await box.get("ask_again").call({})
        line = box.shared[Line]
        assert isinstance(line, Line)
        assert line.closed == 0
    assert line.closed == 1


async def test_what_is_shared_may_be_given_and_all_of_it_is_closed() -> None:
    mine, other = Line(), Other(fails=True)
    box = Toolbox(shared={Line: mine, Other: other})
    box.add(ask)
    with pytest.raises(OSError, match="already gone"):
        await box.aclose()
    assert (mine.closed, other.closed) == (1, 1)


def test_the_plan_can_make_a_toolbox() -> None:
    signature = Signature.of(planned)
    assert signature.surroundings == {"plan": Plan}
    assert signature.required == frozenset()
    assert not signature.inputs
    assert not signature.shared
    assert planned(Plan.load()).get("get_weather").idempotent


def test_loading_the_houses_tools_imports_nothing_slow(root: Path) -> None:
    code = (
        "import sys, pathlib; from tools import Toolbox; "
        "Toolbox.load({'use': ['tools.weather', 'tools.clock']}, folder=pathlib.Path('.')).declarations(); "
        "print(sorted({'httpx', 'google.genai', 'pydantic'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
