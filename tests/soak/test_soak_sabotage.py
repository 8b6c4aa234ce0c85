"""Every promise can be seen to be broken in a whole soak: where one fault is planted, that very promise fails."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import trio

import actors.uplink
import bin.soaking.half
from actors.audio.paced import PacedSpeaker
from actors.emulator.hearing import Hearing
from actors.emulator.voice import Voice
from actors.live import commands, signals
from actors.live.kept import Kept
from actors.live.ledger import Ledger
from actors.live.session import Session
from bin.soaking.cached import OnceHeard, OnceSpoken
from bin.soaking.faults import Happening, World
from bin.soaking.half import Half
from bin.soaking.outcome import Order, Outcome
from pipeline.events import Transcript
from pipeline.messages import OUTPUT_RATE, Reply, ReplyAudio, ReplyEnded

MINUTES = 0.8
CUTS = 3  # at most
Plant = Callable[[pytest.MonkeyPatch], None]
Soaked = Callable[..., Outcome]
Given = tuple[Any, ...]


@pytest.fixture(scope="module")
def soaked(recordings: Path) -> Soaked:
    """Gives `soaked(minutes, fault)`; the recordings are understood once for all of these."""
    faculties = OnceHeard(Hearing()), OnceSpoken(Voice())

    def soak(minutes: float, fault: Happening | None = None) -> Outcome:
        order = Order(minutes / 60, 4, "network", "virtual", recordings, every=1.0)
        half = Half(order, lambda *_: None, *faculties, table={"socket reset": fault} if fault else {})
        half.run()
        return half.outcome()

    return soak


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    return monkeypatch


def late() -> bool:
    """Whether a quarter of a minute of the run is over; a virtual clock begins at 0."""
    return trio.current_time() > 15


def receiving(change: Callable[[Session, signals.Signal, Given], Given]) -> Plant:
    """Plants a change of what follows from a signal of the far end's."""
    receive = Session.receive

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(Session, "receive", lambda self, signal, now: change(self, signal, receive(self, signal, now)))

    return plant


def replacing(change: Callable[[Any], Given]) -> Plant:
    """Plants a change of each single thing that follows."""
    return receiving(lambda _session, _signal, effects: tuple(new for one in effects for new in change(one)))


def worded(who: str, change: Callable[[Transcript], Given]) -> Plant:
    """Plants a change of what is told of the words of one side."""
    return replacing(lambda one: change(one) if isinstance(one, Transcript) and one.who == who else (one,))


def told_of_replies(change: Callable[[Reply], Given]) -> Plant:
    """Plants a change of what goes to playback."""
    return replacing(lambda one: change(one) if isinstance(one, Reply) and late() else (one,))


def off_by_one(told: Reply) -> Given:
    return (attrs.evolve(told, pcm=bytes((told.pcm[0] ^ 1,)) + told.pcm[1:]) if isinstance(told, ReplyAudio) else told,)


def at_each_word(act: Callable[[], object]) -> Plant:
    """Plants something that is done with every piece of what the user said."""

    def changed(_session: Session, signal: signals.Signal, effects: Given) -> Given:
        if isinstance(signal, signals.InputText) and late():
            act()
        return effects

    return receiving(changed)


def writing(change: Callable[[commands.ToolResponse], commands.Command | None]) -> Plant:
    """Plants a change of how a tool's answer goes on the wire; None is a message without a meaning."""
    encode = actors.uplink.encode

    def changed(command: commands.Command) -> str | bytes:
        if not isinstance(command, commands.ToolResponse):
            return encode(command)
        found = change(command)
        return '{"realtimeInput": {}}' if found is None else encode(found)

    return lambda patch: patch.setattr(actors.uplink, "encode", changed)


def one_block_in_forty_is_left_out(patch: pytest.MonkeyPatch) -> None:
    encode, count = actors.uplink.encode, itertools.count()

    def changed(command: commands.Command) -> str | bytes:
        lost = isinstance(command, commands.Audio) and next(count) % 40 == 39
        return '{"realtimeInput": {}}' if lost else encode(command)

    patch.setattr(actors.uplink, "encode", changed)


def answers_twice(patch: pytest.MonkeyPatch) -> None:
    wrote, seen = Ledger.wrote, []

    def again(ledger: Ledger, answer: commands.ToolResponse, *more: Any) -> None:
        if any(answer is one for one in seen):
            wrote(ledger, answer, *more)
        seen.append(answer)

    patch.setattr(Ledger, "wrote", again)


def fast_speaker(patch: pytest.MonkeyPatch) -> None:
    async def run(self: PacedSpeaker, origin: float, played: float = 0.0) -> None:
        block = np.zeros(240, np.int16)
        number = round(played * OUTPUT_RATE / 240)
        while True:
            due = origin + number * 240 / OUTPUT_RATE * 0.999
            await trio.sleep_until(due)
            self.ring.read_into(block, due, due)
            self.sink(block.tobytes())
            number += 1

    patch.setattr(PacedSpeaker, "run", run)


def speech_without_sound(_session: Session, signal: signals.Signal, effects: Given) -> Given:
    return () if isinstance(signal, signals.Speech) and late() else effects


def deaf(patch: pytest.MonkeyPatch) -> None:
    hear = Session.hear
    patch.setattr(Session, "hear", lambda self, item: () if late() else hear(self, item))


def forgets_to_replay(patch: pytest.MonkeyPatch) -> None:
    def forget(kept: Kept) -> float:
        kept.cursor = kept.end
        return 0.0

    patch.setattr(Kept, "rewind", forget)


def cut_in_mid_sentence(world: World) -> tuple[float, str]:
    placed = world.script.at(world.script.next)
    if placed is None or world.script.next - placed.start < len(placed.speech) // 2 or world.network.dialled > CUTS:
        return 0.0, "not yet"
    world.network.cut()
    return 3.0, ""


def cut_in_the_silence_after_a_reply(world: World) -> tuple[float, str]:
    asked = [placed for placed in world.script.recent() if placed.end <= world.script.next]
    answered = bool(asked) and asked[-1].answered_on is not None
    if not answered or world.script.at(world.script.next) is not None or world.network.dialled > CUTS:
        return 0.0, "not now"
    world.network.cut()
    return 3.0, ""


async def _linger() -> None:
    await trio.sleep_forever()


def _thread() -> None:
    ended = threading.Event()
    threading.Thread(target=ended.wait, daemon=True).start()
    LEFT.append(ended.set)


def _descriptor() -> None:
    found = os.open("/dev/null", os.O_RDONLY)
    LEFT.append(lambda: os.close(found))


LEFT: list[Callable[[], object]] = []
"""What ends whatever a plant has left behind."""


@pytest.fixture(autouse=True)
def tidy() -> Iterator[None]:
    yield
    while LEFT:
        LEFT.pop()()


PLANTS: dict[str, tuple[str, Plant]] = {
    "the model's words are garbled": ("words", worded("model", lambda told: (attrs.evolve(told, text="GARBLED"),))),
    "the model's words are swallowed": ("words", worded("model", lambda _told: ())),
    "the user's words are swallowed": ("words", worded("user", lambda _told: ())),
    "the user's words are swallowed after a while": ("words", worded("user", lambda told: () if late() else (told,))),
    "the user's words are told twice": ("words", worded("user", lambda told: (told,) if told.final else (told, told))),
    "a block is left out on the way": ("utterances lost", one_block_in_forty_is_left_out),
    "a reply is off by a bit": ("reply sound", told_of_replies(off_by_one)),
    "ends of replies are swallowed": (
        "turn endings",
        told_of_replies(lambda told: () if isinstance(told, ReplyEnded) else (told,)),
    ),
    "answers of tools are sent twice": ("tool debts", answers_twice),
    "answers of tools are emptied": ("tool debts", writing(lambda answer: attrs.evolve(answer, response={}))),
    "answers of tools are never written": ("tool debts", writing(lambda _answer: None)),
    "answers of tools are forgotten": ("tool debts", lambda patch: patch.setattr(Ledger, "due", lambda _ledger: None)),
    "nothing is heard any more": ("deaf", deaf),
    "nothing sounds any more": ("mute", receiving(speech_without_sound)),
    "a task is left behind": ("tasks", at_each_word(lambda: trio.lowlevel.spawn_system_task(_linger))),
    "a thread is left behind": ("threads", at_each_word(_thread)),
    "a descriptor is left behind": ("descriptors", at_each_word(_descriptor)),
    "the speaker runs fast": ("clock drift", fast_speaker),
}


def test_a_sound_house_keeps_every_promise(soaked: Soaked) -> None:
    found = soaked(MINUTES)
    assert found.passed
    checked = {name for name, count in found.findings.checks.items() if count}
    assert checked >= {promise for promise, _ in PLANTS.values()}


@pytest.mark.parametrize("name", PLANTS)
def test_the_promise_is_broken_where(name: str, soaked: Soaked, patch: pytest.MonkeyPatch) -> None:
    promise, plant = PLANTS[name]
    plant(patch)
    found = soaked(MINUTES)
    assert found.findings.failures[promise], dict(found.findings.failures)


def test_the_promise_is_broken_where_nothing_is_replayed(soaked: Soaked, patch: pytest.MonkeyPatch) -> None:
    forgets_to_replay(patch)
    found = soaked(MINUTES, cut_in_mid_sentence)
    assert {"utterances lost", "deaf", "mute"} & set(found.findings.failures)


def test_the_promise_is_broken_where_what_was_answered_is_replayed(soaked: Soaked, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Kept, "settle", lambda _kept: None)
    assert soaked(MINUTES, cut_in_the_silence_after_a_reply).findings.failures["utterances doubled"]


def test_the_promise_is_broken_where_an_actor_crashes_by_itself(soaked: Soaked, patch: pytest.MonkeyPatch) -> None:
    bugs = [lambda: 1 // 0]
    at_each_word(lambda: bugs and bugs.pop()())(patch)
    found = soaked(MINUTES)
    assert found.complete
    assert found.findings.failures["run"] == 1
    assert any("ZeroDivisionError" in finding.what for finding in found.findings.kept)


def test_deafness_is_found_however_often_something_goes_wrong(soaked: Soaked, patch: pytest.MonkeyPatch) -> None:
    deaf(patch)

    def hole(_world: World) -> tuple[float, str]:
        return 75.0, "that is what it takes to detect one"

    assert soaked(MINUTES, hole).findings.failures["deaf"]


def test_the_promise_is_broken_where_memory_grows_by_3_megabytes(soaked: Soaked, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bin.soaking.half, "WARM_UP_LEAST", 90.0)
    patch.setattr(bin.soaking.half, "LOOK_EVERY", 15.0)
    leak: list[bytes] = []
    grain = 10_000

    def let_leak(_session: Session, _signal: signals.Signal, effects: Given) -> Given:
        wanted = 3e6 * (trio.current_time() - 90) / 210
        while len(leak) * grain < wanted:
            leak.append(os.urandom(grain))
        return effects

    receiving(let_leak)(patch)
    found = soaked(5)
    assert dict(found.findings.failures) == {"memory": 1}, found.findings.figures["memory growth MB"]
