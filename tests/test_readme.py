"""README's programs run as they stand, and its commands and keys exist."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import trio

from pipeline.channels import Capacity, Edge, Overflow
from pipeline.errors import PlanError
from pipeline.graph import check
from pipeline.messages import Captured
from pipeline.plan import Plan

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text("utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def ran(program: str, folder: Path) -> str:
    (folder / "program.py").write_text(program)
    shutil.copy(ROOT / "tests/fixtures/weather-paris.flac", folder / "question.wav")
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "HOME": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_recorded_question_is_answered(tmp_path: Path) -> None:
    assert "turn.end" in ran(PROGRAMS[0], tmp_path)
    assert (tmp_path / "answer.wav").stat().st_size > 24_000


def test_a_tool_by_decorator_is_called(tmp_path: Path) -> None:
    shown = ran(PROGRAMS[1], tmp_path)
    assert "user: What is the tide in Hamburg?" in shown
    assert "model: High water" in shown


def test_an_actor_of_ones_own_fits_the_plan() -> None:
    namespace: dict[str, type] = {}
    exec(PROGRAMS[2], namespace)  # noqa: S102 - our own README
    plan = Plan.load()
    plan.set("actors.microphone", {"use": namespace["Metronome"], "loudness": 100})
    assert check(plan).nodes["microphone"].made is namespace["Metronome"]
    plan.set("actors.microphone.loudness", 40_000)
    with pytest.raises(PlanError, match="from 0 to 32767"):
        check(plan)


async def test_an_actor_of_ones_own_does_what_it_says(autojump_clock: object) -> None:
    namespace: dict[str, Any] = {}
    exec(PROGRAMS[2], namespace)  # noqa: S102 - our own README
    edge: Edge[Captured] = Edge("captured", Capacity.parse("10 s"), Overflow.FAIL, lambda *_: None)
    with edge.outlet() as outlet, edge.inlet() as inlet:
        with trio.move_on_after(2.5):
            await namespace["Metronome"](outlet, loudness=100).run()
        edge.close_outlet()
        outlet.close()
        blocks = [block async for block in inlet]
    assert {len(block.pcm) for block in blocks} == {640}
    assert [block.position for block in blocks if any(block.pcm)] == [0, 16000, 32000]


TALKING = """

from actors.emulator.service import Service, running
from pipeline import Plan, converse


async def main() -> None:
    async with running(Service()) as address:
        plan = Plan.load()
        plan.set("actors.connection.endpoint", address.url)
        plan.set("actors.microphone", {"use": Metronome, "loudness": 100})
        plan.set("actors.vad.use", "actors.vad:Open")
        plan.set("actors.playback.use", "actors.playback:Discard")
        async with converse(plan) as conversation:
            events = conversation.events()
            await conversation.say("Hello")
            async for event in events:
                print(event.name)
                if event.name == "turn.first_audio":
                    break


trio.run(main)
"""


def test_an_actor_of_ones_own_runs_in_a_conversation(tmp_path: Path) -> None:
    shown = ran(PROGRAMS[2] + TALKING, tmp_path)
    assert "turn.first_audio" in shown
    assert "actor.restart" not in shown


def test_the_example_plan_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tomllib.loads(re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)[0])
    table["tools"]["use"].remove("my_tools.py")
    monkeypatch.chdir(tmp_path)
    plan = Plan.load()
    plan.merge(table, "README.md")
    check(plan)


def test_every_key_named_in_the_text_is_known() -> None:
    plan = Plan.load()
    for key in re.findall(r"--set ([a-z_.]+)=", TEXT):
        plan.set_text(f"{key}=1" if "ms" in key else f"{key}=0.5" if "threshold" in key else f"{key}=true")
        assert key.split(".")[0] in plan.tables
        if key.startswith("actors."):
            actor, setting = key.split(".")[1:]
            assert setting in check(Plan.load()).nodes[actor].signature.settings
