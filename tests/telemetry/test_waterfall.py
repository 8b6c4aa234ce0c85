"""Where a turn's time goes, against a service and a network whose delays are known: each part within 5 ms."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import trio

from actors.audio.paced import PacedSpeaker
from actors.microphone import Recording as Microphone
from actors.playback import Discard
from pipeline.events import PARTS, Capturing
from pipeline.messages import Captured
from tests.streams import Through

Watching = Callable[..., Any]
WITHIN = 5.0  # ms
FIXTURES = Path(__file__).parent.parent / "fixtures"
TOOL = """
import trio
from tools import tool

@tool(idempotent=True)
async def get_time(place: str) -> dict[str, object]:
    "Tells the time in a place."
    await trio.sleep(0.3)
    return {"summary": "It is noon exactly"}
"""


@attrs.define(slots=False)
class Slow(Through):
    """A stream on which every write takes its time."""

    write_ms: float

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.sleep(self.write_ms / 1000)
        await self.stream.send_all(data)


async def waterfall(watched: Watching, recording: str, **settings: Any) -> Any:
    """What the first turn says of itself."""
    async with watched(recording, **settings) as near:
        await near.until(lambda: near.named("turn.end"))
    (timed,) = near.named("turn.timed")
    (first,) = near.named("turn.first_audio")
    assert tuple(timed.parts) == PARTS
    assert timed.latency_ms == first.latency_ms
    assert sum(part or 0.0 for part in timed.parts.values()) == pytest.approx(timed.latency_ms, abs=1.0)
    return timed.parts


@pytest.mark.parametrize("first_audio", [0.25, 0.8])
@pytest.mark.parametrize("write_ms", [0.0, 12.0])
async def test_each_part_is_what_it_was_made_to_be(
    autojump_clock: object, watched: Watching, first_audio: float, write_ms: float
) -> None:
    """In local turns the gate waits for `end_ms` of quiet; the service begins to count when its end is written."""
    parts = await waterfall(
        watched,
        "what-did-i-ask.flac",
        settings={"first_audio": first_audio},
        wrap=lambda stream: Slow(stream, write_ms),
        room__turns="local",
        actors__vad__end_ms=300.0,
    )
    assert parts["microphone"] == pytest.approx(0.0, abs=WITHIN)
    assert parts["gate"] == pytest.approx(300.0, abs=WITHIN)
    assert 0 <= parts["uplink"] <= write_ms + WITHIN  # behind the block that is being written
    assert parts["socket"] == pytest.approx(write_ms, abs=WITHIN)
    assert parts["service"] == pytest.approx(1000 * first_audio, abs=WITHIN)
    assert parts["tools"] == 0.0
    assert parts["downlink"] == pytest.approx(0.0, abs=WITHIN)
    assert 0 <= parts["playback"] <= 10.0  # until the next block of the speaker
    assert parts["device"] == pytest.approx(0.0, abs=WITHIN)


async def test_the_time_of_a_tool_is_not_the_services(
    autojump_clock: object, watched: Watching, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(TOOL)
    keys = {"room__turns": "local", "tools__use": ["slow.py"]}
    parts = await waterfall(watched, "time-tokyo.flac", settings={"first_audio": 0.4}, **keys)
    assert parts["tools"] == pytest.approx(300.0, abs=WITHIN)
    assert parts["service"] == pytest.approx(800.0, abs=WITHIN)  # once to call, and once to speak


async def test_in_server_turns_the_service_counts_from_the_last_word(autojump_clock: object, watched: Watching) -> None:
    """The gate lets speech through at once; that it has ended, the service finds out by itself."""
    parts = await waterfall(watched, "what-did-i-ask.flac", settings={"first_audio": 0.4})
    for part in ("microphone", "gate", "uplink", "socket", "tools", "downlink", "device"):
        assert parts[part] == pytest.approx(0.0, abs=WITHIN), part
    assert parts["service"] > 400.0


TO_HAND_OVER, TO_TAKE, TO_BE_HEARD = 30.0, 50.0, 40.0  # ms
taken: list[float] = []  # when playback took the first sound, and when the device did


@attrs.define
class Late(Microphone):
    """A microphone that hands its blocks over late."""

    async def _pace(self, blocks: Iterator[bytes], what: str, rate: int) -> None:
        origin = self.timeline.begin(trio.current_time())
        self.bus.publish(Capturing(what, rate))
        for number, pcm in enumerate(blocks):
            begins = origin + number * 0.02
            await trio.sleep_until(begins + 0.02 + TO_HAND_OVER / 1000)
            self.captured.send_nowait(Captured(pcm, begins, number * 320, taken=trio.current_time()))


@attrs.define
class Lagging:
    """An inlet whose first item is taken late."""

    inlet: Any
    late: float = TO_TAKE / 1000

    def __aiter__(self) -> "Lagging":
        return self

    async def __anext__(self) -> Any:
        item = await anext(self.inlet)
        await trio.sleep(self.late)
        if self.late:
            taken.append(trio.current_time())
        self.late = 0.0
        return item

    def ready(self, _most: int) -> Iterator[Any]:
        return iter(())


class Distant(PacedSpeaker):
    """A device that takes each block some time before it is heard."""

    async def run(self, origin: float, played: float = 0.0) -> None:  # noqa: ARG002 - the signature of what it stands for
        block = np.zeros(240, np.int16)
        for number in itertools.count():
            due = origin + number / 100
            await trio.sleep_until(due)
            if self.ring.read_into(block, due + TO_BE_HEARD / 1000, due) and len(taken) == 1:
                taken.append(due)


@attrs.define
class Distantly(Discard):
    """Playback that takes the first sound late and plays it on a distant device."""

    async def run(self) -> None:
        speaker = Distant()
        self.reply = Lagging(self.reply)  # type: ignore[assignment]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow, speaker)
            await speaker.run(trio.current_time())


async def test_both_ends_take_the_time_that_they_were_made_to_take(autojump_clock: object, watched: Watching) -> None:
    taken.clear()
    microphone = {"use": Late, "path": str(FIXTURES / "what-did-i-ask.flac")}
    parts = await waterfall(
        watched, "what-did-i-ask.flac", actors__microphone=microphone, actors__playback__use=Distantly
    )
    by_playback, by_the_device = taken
    assert parts["microphone"] == pytest.approx(TO_HAND_OVER, abs=WITHIN)
    assert parts["downlink"] == pytest.approx(TO_TAKE, abs=WITHIN)
    assert parts["playback"] == pytest.approx(1000 * (by_the_device - by_playback), abs=WITHIN)
    assert parts["device"] == pytest.approx(TO_BE_HEARD, abs=WITHIN)


async def test_words_that_waited_for_a_link_say_so(autojump_clock: object, watched: Watching) -> None:
    async with watched("what-did-i-ask.flac") as near:
        await near.until(lambda: near.named("turn.user_start"))
        await trio.sleep(0.3)
        near.cut()
        await near.until(lambda: near.named("turn.end"))
    (timed,) = near.named("turn.timed")
    assert timed.parts["uplink"] is not None
    assert sum(timed.parts.values()) == pytest.approx(timed.latency_ms, abs=1.0)


async def test_typed_words_count_from_the_wire(autojump_clock: object, watched: Watching) -> None:
    async with watched("silence.flac", settings={"first_audio": 0.5}) as near:
        await near.until(lambda: near.named("session.state")[-1].to == "CONNECTED" if near.events else False)
        await near.conversation.say("What is the time in Tokyo?")
        await near.until(lambda: near.named("turn.end"))
    parts = near.named("turn.timed")[0].parts
    assert [parts[part] for part in ("microphone", "gate", "uplink")] == [None, None, None]
    assert parts["service"] is not None


async def test_an_open_gate_knows_no_end_of_speech(autojump_clock: object, watched: Watching) -> None:
    async with watched("what-did-i-ask.flac", actors__vad__use="actors.vad:Open") as near:
        await near.until(lambda: near.named("turn.end"))
    (timed,) = near.named("turn.timed")
    assert timed.latency_ms is None
    assert [timed.parts[part] for part in PARTS[:6]] == [None] * 6
    assert timed.parts["playback"] is not None
