"""The commands that tell something and end: plan, tools, devices, doctor, demo --list, and the help of every one."""

import functools
import json
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bin.options import parser

COMMANDS = tuple(parser()._subparsers._group_actions[0].choices)  # type: ignore[union-attr,arg-type]
ACTORS = ("microphone", "vad", "uplink", "downlink", "playback", "dispatch", "connection")
DEMOS = ("conversation", "tools", "interruption", "resumption")
WIDTH = 80

RUNS: dict[str, tuple[str, ...]] = {
    "plan": ("plan",),
    "plan of one's own": ("plan", "--config", "mine.toml", "--config", "more.toml", "--set", "live.seed=3"),
    "plan --dot": ("plan", "--dot"),
    "plan as talk has it": (
        "plan",
        "--model",
        "gemini-3.1-flash-live-preview",
        "--turns",
        "local",
        "--input",
        "hush.wav",
    ),
    "tools": ("tools",),
    "tools call": ("tools", "call", "get_time", '{"city": "Tokyo"}'),
    "tools call without arguments": ("tools", "call", "get_time"),
    "tools call without JSON": ("tools", "call", "get_time", '{"city":'),
    "tools call with a wrong argument": ("tools", "call", "get_time", '{"town": "Tokyo"}'),
    "tools call to nowhere": ("tools", "call", "get_time", '{"city": "Xyzzy"}'),
    "devices": ("devices",),
    "doctor": ("doctor",),
    "doctor of a wrong plan": ("doctor", "--set", "actors.vad.treshold=1"),
    "doctor of recordings": ("doctor", "--config", "recordings.toml"),
    "demo --list": ("demo", "--list"),
    "--help": ("--help",),
} | {f"{command} -h": (command, "-h") for command in COMMANDS}


async def telling(arguments: tuple[str, ...], user: Any) -> Any:
    (user.folder / "mine.toml").write_text('[live]\nmodel = "gemini-3.1-flash-live-preview"\nseed = 1\ntop_k = 1\n')
    (user.folder / "recordings.toml").write_text(
        '[actors.microphone]\nuse = "actors.microphone:Silence"\n[actors.playback]\nuse = "actors.playback:Discard"\n'
    )
    (user.folder / "more.toml").write_text("[live]\nseed = 2\ntop_k = 2\n")
    return await user.run(*arguments, GOOGLE_API_KEY=user.key if arguments[0] == "plan" else "")


SCENARIOS = {name: functools.partial(telling, arguments) for name, arguments in RUNS.items()}


@pytest.fixture
def told(played: Any) -> Any:
    def outcome(name: str, code: int = 0) -> Any:
        ended = played(name)
        assert ended.code == code, ended
        assert "Traceback" not in ended.err
        return ended

    return outcome


def test_the_plan_is_printed_as_toml_with_its_graph(told: Any) -> None:
    printed = told("plan").out
    plan = tomllib.loads(printed)
    assert set(ACTORS) <= plan["actors"].keys()
    graph = [line for line in printed.splitlines() if line.startswith("#")]
    assert [actor for actor in ACTORS if not any(actor in line for line in graph)] == []


def test_of_what_is_set_more_than_once_the_last_wins(told: Any) -> None:
    live = tomllib.loads(told("plan of one's own").out)["live"]
    assert (live["model"], live["top_k"], live["seed"]) == ("gemini-3.1-flash-live-preview", 2, 3)


def test_the_plan_is_the_one_that_talk_would_run(told: Any) -> None:
    plan = tomllib.loads(told("plan as talk has it").out)
    assert (plan["live"]["model"], plan["room"]["turns"]) == ("gemini-3.1-flash-live-preview", "local")
    assert plan["actors"]["microphone"]["path"] == "hush.wav"
    kept = [plan["actors"]["connection"]["handle_file"], plan["actors"]["connection"]["cache"], plan["budget"]["file"]]
    assert [Path(path).name for path in kept] == ["session.json", "setup.json", "spent.json"]


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
    assert json.loads(told("tools call without arguments").out)["time"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tools call without JSON", "JSON"),
        ("tools call with a wrong argument", "town"),
        ("tools call to nowhere", "Xyzzy"),
    ],
)
def test_a_tool_that_cannot_run_says_why(name: str, words: str, told: Any) -> None:
    outcome = told(name, code=1)
    assert outcome.out == ""
    (sentence,) = outcome.err.splitlines()
    assert words in sentence


def test_without_sound_devices_says_so(told: Any) -> None:
    outcome = told("devices", code=1)
    (sentence,) = outcome.err.splitlines()
    assert "--input" in sentence


@pytest.mark.parametrize(("name", "code", "sound"), [("doctor", 1, "BAD"), ("doctor of recordings", 0, "note")])
def test_the_doctor_says_whether_talk_would_work_without_sound(name: str, code: int, sound: str, told: Any) -> None:
    printed = told(name, code).out
    lines = [line for line in printed.splitlines() if not line.startswith(" ")]
    states = {line.split()[1]: line.split()[0] for line in lines}
    assert (states["python"], states["plan"], states["sound"], states["key"]) == ("ok", "ok", sound, "note")
    assert "GOOGLE_API_KEY" in printed


def test_the_doctor_finds_a_wrong_plan(told: Any) -> None:
    printed = told("doctor of a wrong plan", code=1).out
    assert [line for line in printed.splitlines() if line.startswith("BAD")] != []
    assert "treshold" in printed


def test_the_demos_are_listed_with_what_they_show(told: Any) -> None:
    lines = told("demo --list").out.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == list(DEMOS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, told: Any) -> None:
    assert f"usage: assistant {command}" in told(f"{command} -h").out
    assert f" {command} " in told("--help").out


PROSE = [name for name, words in RUNS.items() if words[0] not in ("plan", "tools") or "-h" in words]


@pytest.mark.parametrize("name", PROSE)
def test_what_people_read_fits_a_terminal(name: str, played: Any) -> None:
    outcome = played(name)
    wide = [line for line in outcome.out.splitlines() if len(line) > WIDTH]
    assert [line for line in wide if "/" not in line] == []  # a path stays whole


def test_help_takes_less_than_three_tenths_of_a_second(root: Path, record_property: Any) -> None:
    """Of a core's work, the least of a few: what other programs do does not count."""

    def once() -> float:
        before = os.times()
        subprocess.run([root / "bin" / "assistant", "--help"], check=True, capture_output=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    seconds = min(once() for _ in range(7))
    record_property("help_seconds", round(seconds, 3))
    print(f"--help takes {seconds * 1000:.0f} ms of a core")  # noqa: T201 - for -rP
    assert seconds < 0.3
