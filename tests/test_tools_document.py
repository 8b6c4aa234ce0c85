"""The examples of docs/TOOLS.md work as they stand."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest

from pipeline.errors import ToolFailed
from pipeline.graph import check
from pipeline.plan import Plan
from tools import Toolbox
from tools.docket import Docket
from tools.http import Waits
from tools.registry import MARK, Tool
from tools.toolbox import planned

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "TOOLS.md").read_text("utf-8")
DICE, GATE, COUNT, GREET = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
TABLES = [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)]
USE, SETTINGS, CHANGES, CONFIRM, SERVERS = TABLES


def the_tool(program: str) -> Tool:
    namespace: dict[str, Any] = {"__name__": "document"}
    exec(program, namespace)  # noqa: S102 - our own document
    return Tool.of(next(value for value in namespace.values() if hasattr(value, MARK)))


def test_the_first_tool_is_ten_lines_and_runs_from_the_command_line(tmp_path: Path) -> None:
    assert len(DICE.rstrip().splitlines()) <= 10
    (tmp_path / "my_tools.py").write_text(DICE)
    (tmp_path / "my.toml").write_text('[tools]\nuse = ["tools.clock", "my_tools.py"]\n')
    (command,) = re.findall(r"^    bin/assistant (tools .* call .*)$", TEXT, re.MULTILINE)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "bin", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    words = command.partition("'")[0].split()
    done = run(*words, command.split("'")[1])
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"summary": "You have rolled fives.", "dice": [5, 5]}
    wrong = run(*words, '{"count": 20}')
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "count is 20, but must be a whole number" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    listed = json.loads(run("tools", "--config", "my.toml").stdout)
    assert [each["name"] for each in listed[0]["functionDeclarations"]] == ["get_time", "set_timer", "roll_dice"]
    assert listed[1] == {"googleSearch": {}}


def test_the_plan_takes_the_list_of_tools(tmp_path: Path) -> None:
    (tmp_path / "my_tools.py").write_text(DICE)
    assert "roll_dice" in Toolbox.load(USE["tools"], folder=tmp_path)


async def test_failing_on_purpose() -> None:
    with pytest.raises(ToolFailed, match="the gate does not answer") as caught:
        await the_tool(GATE).call({})
    assert caught.value.retry


async def test_counting_aloud(autojump_clock: object) -> None:
    made = the_tool(COUNT)
    assert made.declaration()["behavior"] == "NON_BLOCKING"
    assert await made.call({"start": 2}) == {"results": [{"result": "2"}, {"result": "1"}]}


async def test_settings(tmp_path: Path) -> None:
    (tmp_path / "my_tools.py").write_text(GREET)
    box = Toolbox.load(SETTINGS["tools"], folder=tmp_path)
    assert await box.run_json("greet", '{"name": "Ada"}') == {"result": "Ahoy, Ada"}


def test_what_a_plan_changes(tmp_path: Path) -> None:
    box = Toolbox.load(CHANGES["tools"] | {"use": ["tools.weather"]}, folder=tmp_path)
    assert box.get("get_weather").timeout == 10
    assert attrs.asdict(Waits()) == CHANGES["tools"]["http"]


def test_the_words_that_agree() -> None:
    plan = Plan.load()
    plan.merge(CONFIRM, "TOOLS.md")
    consent = Docket(plan).consent
    assert (consent.yes, consent.patience) == (("yes", "go ahead", "hai"), 30.0)


def test_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME_TOKEN", "abcdef")
    plan = Plan.load()
    plan.merge(SERVERS, "TOOLS.md")
    check(plan)
    files, home = planned(plan).servers
    assert (files.words[0], files.confirms("write_file"), files.confirms("read_file")) == ("npx", True, False)
    assert home.filled_headers() == {"Authorization": "Bearer abcdef"}


def test_options_and_keys_are_all_named() -> None:
    import attrs

    from tools.registry import Options
    from tools.servers import Server

    for field in attrs.fields(Options):
        assert f"`{field.name}" in TEXT or f"{field.name}=" in TEXT, field.name
    for field in attrs.fields(Server):
        assert field.name == "name" or f"`{field.name}`" in TEXT or f"\n{field.name} = " in TEXT, field.name
