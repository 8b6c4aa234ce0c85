"""The commands that tell something and end: plan, tools, devices, doctor, demo --list, and the help of every one."""

import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Play = Callable[..., dict[str, Any]]
COMMANDS = ("talk", "demo", "emulator", "tools", "devices", "doctor", "plan")
ACTORS = ("microphone", "vad", "uplink", "downlink", "playback", "dispatch", "connection")
DEMOS = ("conversation", "tools", "interruption", "resumption")

RUNS: dict[str, tuple[str, ...]] = {
    "plan": ("plan",),
    "plan of one's own": ("plan", "--config", "mine.toml", "--set", "actors.vad.threshold=0.7"),
    "plan --dot": ("plan", "--dot"),
    "tools": ("tools",),
    "tools call": ("tools", "call", "get_time", '{"city": "Tokyo"}'),
    "tools call without JSON": ("tools", "call", "get_time", '{"city":'),
    "tools call with a wrong argument": ("tools", "call", "get_time", '{"town": "Tokyo"}'),
    "devices": ("devices",),
    "doctor": ("doctor",),
    "doctor of a wrong plan": ("doctor", "--set", "actors.vad.treshold=1"),
    "demo --list": ("demo", "--list"),
    "--help": ("--help",),
} | {f"{command} -h": (command, "-h") for command in COMMANDS}


@pytest.fixture(scope="module")
def told(play: Play, canary: str) -> Callable[..., Any]:
    def of(arguments: tuple[str, ...]) -> Any:
        async def run(user: Any) -> Any:
            (user.folder / "mine.toml").write_text('[live]\nmodel = "gemini-3.1-flash-live-preview"\n')
            return await user.run(*arguments, GOOGLE_API_KEY=canary if arguments[0] == "plan" else "")

        return run

    results = play({name: of(arguments) for name, arguments in RUNS.items()})

    def outcome(name: str, code: int = 0) -> Any:
        if isinstance(results[name], Exception):
            raise results[name]
        assert results[name].code == code, results[name]
        assert "Traceback" not in results[name].err
        return results[name]

    return outcome


def test_the_plan_is_printed_as_toml_with_its_graph(told: Any) -> None:
    printed = told("plan").out
    plan = tomllib.loads(printed)
    assert set(ACTORS) <= plan["actors"].keys()
    graph = [line for line in printed.splitlines() if line.startswith("#")]
    assert [actor for actor in ACTORS if not any(actor in line for line in graph)] == []


def test_the_printed_plan_has_what_was_set(told: Any) -> None:
    plan = tomllib.loads(told("plan of one's own").out)
    assert plan["live"]["model"] == "gemini-3.1-flash-live-preview"
    assert plan["actors"]["vad"]["threshold"] == 0.7


def test_the_graph_is_drawn_for_graphviz(told: Any) -> None:
    lines = told("plan --dot").out.strip().splitlines()
    assert lines[0].startswith("digraph")
    assert lines[-1] == "}"
    assert [actor for actor in ACTORS if not any(actor in line for line in lines)] == []


def test_tools_are_listed_with_their_schemas(told: Any) -> None:
    listed = json.loads(told("tools").out)
    functions = [function for tool in listed for function in tool.get("functionDeclarations", [])]
    assert {"get_weather", "get_time"} <= {function["name"] for function in functions}
    assert all(function["description"] for function in functions)
    assert {"googleSearch": {}} in listed


def test_a_tool_runs_and_its_result_is_json(told: Any) -> None:
    outcome = told("tools call")
    assert json.loads(outcome.out)["zone"] == "Asia/Tokyo"
    assert outcome.err == ""


@pytest.mark.parametrize(
    ("name", "words"), [("tools call without JSON", "JSON"), ("tools call with a wrong argument", "town")]
)
def test_a_tool_that_cannot_run_says_why(name: str, words: str, told: Any) -> None:
    outcome = told(name, code=1)
    assert outcome.out == ""
    (sentence,) = outcome.sentences
    assert words in sentence


def test_without_sound_devices_says_so(told: Any) -> None:
    outcome = told("devices", code=1)
    (sentence,) = outcome.sentences
    assert "--input" in sentence


def test_the_doctor_finds_nothing_bad_on_a_machine_without_sound(told: Any) -> None:
    lines = told("doctor").out.splitlines()
    states = {line.split()[1]: line.split()[0] for line in lines}
    assert (states["python"], states["plan"], states["sound"], states["key"]) == ("ok", "ok", "note", "note")
    assert "GOOGLE_API_KEY" in told("doctor").out


def test_the_doctor_finds_a_wrong_plan(told: Any) -> None:
    lines = told("doctor of a wrong plan", code=1).out.splitlines()
    assert [line for line in lines if line.startswith("BAD") and "treshold" in line] != []


def test_the_demos_are_listed_with_what_they_show(told: Any) -> None:
    lines = told("demo --list").out.splitlines()
    assert [line.split()[0] for line in lines] == list(DEMOS)
    assert all(line.rstrip().endswith(" s)") for line in lines)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, told: Any) -> None:
    assert f"usage: assistant {command}" in told(f"{command} -h").out
    assert f" {command} " in told("--help").out


def test_help_costs_little_more_than_python_itself(root: Path, record_property: Any) -> None:
    """The fastest of a few, against a Python that imports what reads a command line."""

    def fastest(*command: str | Path) -> float:
        def once() -> float:
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            return time.perf_counter() - began

        return min(once() for _ in range(5))

    ratio = fastest(root / "bin" / "assistant", "--help") / fastest(sys.executable, "-c", "import argparse")
    record_property("help_to_bare_python", round(ratio, 2))
    assert ratio < 5
