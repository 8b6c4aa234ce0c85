"""Time that passes at once, as when the loop stalls or the machine sleeps: nothing is lost."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import numpy as np
import pytest
import soundfile
import trio
import trio.testing

from actors.audio import device, stream

FIXTURES = Path(__file__).parent.parent / "fixtures"
QUESTION = FIXTURES / "what-did-i-ask.flac"
Talking = Callable[..., Any]


@pytest.mark.parametrize("seconds", [0.5, 5.0])
async def test_a_stall_while_the_user_speaks(
    autojump_clock: trio.testing.MockClock, talking: Talking, seconds: float
) -> None:
    async with talking(QUESTION) as (near, far):
        await near.until(lambda: near.named("turn.user_start"))
        autojump_clock.jump(seconds)
        await near.until(lambda: near.named("turn.end"))
    assert near.finals("user") == ["what did i ask"]
    assert near.outcomes() == ["completed"]
    assert near.named("channel.drop") == []
    assert far.dialled == 1


@pytest.mark.parametrize("seconds", [0.5, 5.0])
async def test_a_stall_while_a_reply_sounds(
    autojump_clock: trio.testing.MockClock, talking: Talking, seconds: float
) -> None:
    async with talking(QUESTION, {"burst": 1.2}) as (near, far):
        await near.until(lambda: near.named("turn.first_audio"))
        autojump_clock.jump(seconds)
        await near.until(lambda: near.named("turn.end"))
    assert near.outcomes() == ["completed"]
    assert near.named("turn.end")[0].heard_ms == round(len(far.spoken()) / 48, 1)


async def test_a_machine_that_slept_for_an_hour_answers_again(
    autojump_clock: trio.testing.MockClock, talking: Talking
) -> None:
    async with talking(QUESTION) as (near, _far):
        await near.until(lambda: near.named("turn.end"))
        autojump_clock.jump(3600)
        await trio.sleep(80)
        await near.conversation.say("what time is it in tokyo")
        await near.until(lambda: len(near.named("turn.end")) == 2, 120)
    assert near.outcomes() == ["completed", "completed"]


@attrs.define(eq=False)
class Card:
    """A sound card as the library shows one; its own thread gives a block every 20 ms, whatever the loop does."""

    path: Path
    latency: float = 0.02
    PortAudioError: type[Exception] = OSError
    default: Any = attrs.field(factory=lambda: SimpleNamespace(device=(0, 0)))
    over: threading.Event = attrs.field(factory=threading.Event)
    callback: Callable[..., None] = print

    def query_hostapis(self) -> list[dict[str, Any]]:
        return [{"name": "here"}]

    def query_devices(self) -> list[dict[str, Any]]:
        channels = {"max_input_channels": 1, "max_output_channels": 0}
        return [{"name": "card", "hostapi": 0, "default_samplerate": 16000.0, **channels}]

    def InputStream(self, **settings: Any) -> "Card":  # noqa: N802 - the library's own name
        self.callback = settings["callback"]
        return self

    def start(self) -> None:
        threading.Thread(target=self._give, daemon=True).start()

    def abort(self) -> None:
        self.over.set()

    def close(self) -> None:
        self.over.set()

    def _give(self) -> None:
        sound, _ = soundfile.read(self.path, dtype="int16")
        sound = np.concatenate([sound, np.zeros(16000 * 120, np.int16)])
        began = time.perf_counter()
        for number in range(len(sound) // 320):
            if self.over.wait(max(0.0, began + (number + 1) / 50 - time.perf_counter())):
                return
            now = SimpleNamespace(inputBufferAdcTime=69.98, currentTime=70.0)
            self.callback(sound[number * 320 : (number + 1) * 320].reshape(-1, 1), 320, now, False)  # noqa: FBT003 - its own


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[Card]:
    found = Card(QUESTION)
    for module in (device, stream):
        monkeypatch.setattr(module, "portaudio", lambda: found)
    yield found
    found.abort()


def block_the_loop(seconds: float) -> None:
    time.sleep(seconds)


async def test_a_blocked_loop_loses_nothing_that_a_device_has_heard(talking: Talking, card: Card) -> None:
    async with talking(None, actors__microphone={"use": "actors.microphone:Device"}) as (near, far):
        await near.until(lambda: near.named("turn.user_start"))
        block_the_loop(0.5)
        await near.until(lambda: near.named("turn.first_audio"))
        block_the_loop(0.5)
        await near.until(lambda: near.named("turn.end"))
        heard = far.audio()
    assert card.over.is_set()
    assert near.finals("user") == ["what did i ask"]
    assert near.outcomes() == ["completed"]
    assert near.named("channel.drop") == []
    sound, _ = soundfile.read(QUESTION, dtype="int16")
    assert sound[16000 * 4 // 10 : 16000 * 16 // 10].tobytes() in heard, (
        "every sample from its label's start to its end"
    )
    assert far.dialled == 1


@pytest.mark.parametrize("hours", [2, -2])
async def test_the_calendar_may_be_put_forward_and_back(
    autojump_clock: trio.testing.MockClock, talking: Talking, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    calendar = time.time
    async with talking(QUESTION) as (near, far):
        await near.until(lambda: near.named("turn.user_start"))
        monkeypatch.setattr(time, "time", lambda: calendar() + 3600 * hours)
        await near.until(lambda: near.named("turn.end"))
        await near.conversation.say("what did i ask")
        await near.until(lambda: len(near.named("turn.end")) == 2)
    assert near.finals("user")[0] == "what did i ask"
    assert near.outcomes() == ["completed", "completed"]
    assert far.dialled == 1
    assert near.named("error") == []
