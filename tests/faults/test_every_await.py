"""Every actor crashes at every await of one whole question, with a tool and a reply; and every promise is kept.

A first run notes after each of an actor's steps where it waits. Then it is crashed twice at each place, the first time
that it waits there and once in the middle, each in a run of its own; under one seed the runs are the same up to there.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from actors.emulator.hearing import Hearing
from actors.emulator.voice import Voice
from actors.live.kept import Kept
from bin.soaking.cached import OnceHeard, OnceSpoken
from bin.soaking.faults import ACTORS, World
from bin.soaking.half import Half
from bin.soaking.outcome import Order, Outcome

ROOT = Path(__file__).parents[2]
QUESTION = "time-tokyo.flac"
FACULTIES = OnceHeard(Hearing()), OnceSpoken(Voice())
Place = tuple[tuple[str, int], ...]  # the files and lines through which a task awaits, without those of libraries


@attrs.define(eq=False)
class Steps(trio.abc.Instrument):
    """Counts the steps of an actor's tasks, by where they wait then; after step `fatal` the actor crashes."""

    actor: str
    fatal: int | None = None
    half: Half | None = None
    count: int = 0
    places: dict[Place, list[int]] = attrs.field(factory=dict)
    _mine: dict[trio.lowlevel.Task, bool] = attrs.field(factory=dict)

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task not in self._mine:
            self._mine[task] = any(one.name == self.actor for one in line_of(task))
        if not self._mine[task] or self.half is None or self.half.samples:  # the first look is after the first answer
            return
        if self.half.injector is None or self.actor not in self.half.injector.world.fuses:
            return
        self.count += 1
        if self.fatal is None:
            self.places.setdefault(place_of(task), []).append(self.count)
        elif self.count == self.fatal:
            self.half.injector.let("actor crash")

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        self._mine.pop(task, None)


def line_of(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    """A task and those above it."""
    above: trio.lowlevel.Task | None = task
    while above is not None:
        yield above
        above = above.parent_nursery.parent_task if above.parent_nursery is not None else None


def place_of(task: trio.lowlevel.Task) -> Place:
    frames = ((Path(frame.f_code.co_filename), line) for frame, line in task.iter_await_frames())
    return tuple((path.name, line) for path, line in frames if path.is_relative_to(ROOT) and ".venv" not in path.parts)


@pytest.fixture(scope="module")
def question(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("question")
    shutil.copy(recordings / QUESTION, folder)
    (folder / "labels.toml").write_text(
        f'[[recording]]\nfile = "{QUESTION}"\ntext = "what time is it in tokyo"\nstart_ms = 400\nend_ms = 2233\n'
    )
    return folder


def soaked(question: Path, actor: str, fatal: int | None = None) -> tuple[Outcome, Steps]:
    def crash(world: World) -> tuple[float, str]:
        world.crash(actor)
        return 8.0, actor

    steps = Steps(actor, fatal)
    order = Order(1e-6, 1, "all", "virtual", question, every=1e9)
    half = Half(order, lambda *_: None, *FACULTIES, table={"actor crash": crash}, parting=1, instruments=(steps,))
    steps.half = half
    half.run()
    return half.outcome(), steps


def chosen(places: dict[Place, list[int]]) -> list[int]:
    return sorted({steps[at] for steps in places.values() for at in (0, len(steps) // 2)})


@pytest.mark.parametrize("actor", ACTORS)
def test_every_promise_is_kept_wherever_this_crashes(actor: str, question: Path) -> None:
    calm, steps = soaked(question, actor)
    assert calm.passed, calm.findings.kept
    assert calm.findings.figures["tool calls"] == 2
    crashed: dict[str, Any] = {}
    for step in chosen(steps.places):
        found, _ = soaked(question, actor, step)
        assert len(found.faults) == 1
        crashed[f"{actor} at step {step} of {steps.count}"] = found.findings.kept
        assert found.findings.figures["actor restarts"] == 1
    assert len(crashed) >= len(steps.places) >= 2
    assert {name: broken for name, broken in crashed.items() if broken} == {}


def test_a_house_that_replays_nothing_breaks_one(question: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(kept: Kept) -> float:
        kept.cursor = kept.end
        return 0.0

    _, steps = soaked(question, "uplink")
    monkeypatch.setattr(Kept, "rewind", forget)
    assert any(not soaked(question, "uplink", step)[0].passed for step in chosen(steps.places))
