"""The near end of a soak: a microphone that follows the script, and a speaker that keeps what was heard."""

from collections.abc import Callable
from typing import Any

import attrs
import trio

from actors import playback
from actors.audio.paced import PacedSpeaker, nowhere
from actors.audio.resample import Resampler
from actors.audio.speaker import Speaker
from actors.audio.timeline import Timeline
from bin.soaking.recordings import BLOCK
from bin.soaking.script import Script
from pipeline.actor import Shared
from pipeline.channels import Outlet
from pipeline.events import Bus, DeviceChanged
from pipeline.messages import INPUT_RATE, OUTPUT_RATE, SAMPLE_BYTES, Captured

REPLUG_STEP = 0.5  # seconds between two looks whether a device is back


@attrs.define
class Mouth:
    """A microphone whose sound is the script's, block by block in real time; `script` gives the script.

    After a restart, or while it is unplugged, the clock goes on and the script with it, as people do.
    """

    captured: Outlet[Captured]
    timeline: Shared[Timeline]
    bus: Bus
    script: Callable[[], Script]

    async def run(self) -> None:
        """Runs until cancelled."""
        script = self.script()
        while True:
            now = trio.current_time()
            origin = self.timeline.begin(now)
            number = max(script.next, -(-self.timeline.position(now, INPUT_RATE) // BLOCK))
            await self._speak(script, origin, number)
            self.bus.publish(DeviceChanged("microphone", "lost", "the soak's"))
            while trio.current_time() < script.unplugged:  # noqa: ASYNC110 - it may be put off meanwhile
                await trio.sleep(REPLUG_STEP)
            self.bus.publish(DeviceChanged("microphone", "back", "the soak's"))

    async def _speak(self, script: Script, origin: float, number: int) -> None:
        while trio.current_time() >= script.unplugged:
            position = number * BLOCK
            await trio.sleep_until(origin + (position + BLOCK) / INPUT_RATE)
            pcm = script.take(number)
            self.captured.send_nowait(
                Captured(pcm, origin + position / INPUT_RATE, position, taken=trio.current_time())
            )
            number += 1


@attrs.define(eq=False)
class Heard:
    """What left the speaker: all samples but the silent ones since the last turn, and how many blocks there were.

    `unplugged` is the time until which the speaker is gone.
    """

    samples: int = 0
    unplugged: float = 0.0
    broken: bool = False
    away: bool = False
    _sound: bytearray = attrs.field(factory=bytearray, init=False)

    def hear(self, pcm: bytes) -> None:
        """Takes what the speaker plays."""
        self.samples += len(pcm) // SAMPLE_BYTES
        if pcm.count(0) != len(pcm):
            self._sound += pcm

    @property
    def held(self) -> int:
        """The bytes of sound that wait to be taken."""
        return len(self._sound)

    def take(self) -> tuple[bytes, bool]:
        """Gives what was heard since it was asked last, and whether the speaker was away meanwhile; forgets both."""
        found, broken = bytes(self._sound), self.broken
        self._sound.clear()
        self.broken = self.away
        return found, broken


@attrs.define
class Ear(playback.Discard):
    """A speaker that keeps what is heard: sample k leaves it k/24000 s after the microphone's first; see `Heard`."""

    heard: Callable[[], Heard] = attrs.field(kw_only=True)

    async def run(self) -> None:
        """Runs until cancelled."""
        heard = self.heard()
        heard.broken = heard.broken or heard.samples > 0
        origin = await self.timeline.begun()
        while True:
            await self._play_on(PacedSpeaker(heard.hear), origin, heard, lambda: heard.unplugged > trio.current_time())
            heard.broken = heard.away = True
            self.bus.publish(DeviceChanged("speaker", "lost", "the soak's"))
            await self._play_on(
                PacedSpeaker(nowhere), trio.current_time(), None, lambda: heard.unplugged <= trio.current_time()
            )
            heard.broken, heard.away = True, False
            self.bus.publish(DeviceChanged("speaker", "back", "the soak's"))

    async def _play_on(
        self, speaker: PacedSpeaker, origin: float, heard: Heard | None, until: Callable[[], bool]
    ) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow, speaker)
            nursery.start_soon(speaker.run, origin, 0.0 if heard is None else heard.samples / OUTPUT_RATE)
            while not until():  # noqa: ASYNC110 - a fault may come at any time
                await trio.sleep(REPLUG_STEP)
            nursery.cancel_scope.cancel("the device has changed")


@attrs.define(eq=False)
class Loudspeaker:
    """Speaks the script into an output device, which a real microphone hears."""

    script: Script
    device: str

    async def run(self, *, task_status: trio.TaskStatus[float] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs until cancelled; tells when the script's first block begins. DeviceUnavailable where it is lost."""
        resampler = Resampler(INPUT_RATE, OUTPUT_RATE)
        async with Speaker(self.device) as speaker:
            origin = trio.current_time()
            task_status.started(origin)
            while True:
                await trio.sleep_until(origin + self.script.next * BLOCK / INPUT_RATE)
                await speaker.write(resampler.push(self.script.take(self.script.next)))


Bomb = Callable[[str], Any]


class Planted(Exception):
    """A crash that the soak has planted in an actor."""


def fragile(made: type[Any], name: str, lay: Callable[[str], trio.Event]) -> type[Any]:
    """Gives the actor's class with a fuse in it, from `lay(name)`: once that is set, it crashes wherever it waits."""

    async def run(self: Any) -> None:  # noqa: ANN401 - any actor
        fuse = lay(name)

        async def burn() -> None:
            await fuse.wait()
            raise Planted(f"a crash planted in {name}")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(burn)
            await made.run(self)
            nursery.cancel_scope.cancel("the actor has ended")

    return type(made.__name__, (made,), {"run": run, "__module__": made.__module__, "__doc__": made.__doc__})
