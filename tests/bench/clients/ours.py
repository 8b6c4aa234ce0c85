"""This project's whole pipeline, opened as `assistant talk` opens it: the default plan, and telemetry into files.

Two things differ. The microphone is the bench's, and the gate's threshold is 0: its detector hears every block as ever,
but all of them go through, as the sound is noise with stamps in it. The sound card is made up: what it costs a driver
is not in the figures, and what it costs the pipeline is.
"""

import argparse
import tempfile
from typing import Any

import attrs
import numpy as np
import trio

from actors.audio.paced import PacedSpeaker
from actors.audio.ring import FADE_MS
from actors.audio.stream import BLOCK_MS
from actors.audio.timeline import Timeline
from actors.playback import Discard
from bin.arrange import arrange
from bin.options import parser
from bin.talk import conversing, listened
from pipeline.actor import Shared
from pipeline.channels import Outlet
from pipeline.messages import OUTPUT_RATE, Captured
from tests.bench.near import Near

RING = 9600  # samples in the speaker's ring


@attrs.define
class Card:
    """A sound card with one clock, as sound cards have: with each block that it takes in, it gives one out."""

    speaker: "Speaker | None" = None


@attrs.define
class Mouth:
    """A microphone that says what the bench orders."""

    captured: Outlet[Captured]
    timeline: Shared[Timeline]
    near: Any
    card: Any
    lag: float = 0.0

    async def run(self) -> None:
        """Speaks until cancelled."""
        self.timeline.begin(trio.current_time())
        position = 0

        async def say(pcm: bytes) -> None:
            nonlocal position
            now = trio.current_time()
            block = Captured(pcm, now, position, taken=now)
            position += len(pcm) // 2
            if self.captured.fits(block):  # as a microphone hands over: without a wait
                self.captured.send_nowait(block)
            else:
                await self.captured.send(block)
            if self.card.speaker is not None:
                self.card.speaker.play()

        await self.near.talk(say, trio.sleep, self.lag)


class Speaker(PacedSpeaker):
    """The speaker of the card, with notes of what reached its ring and when an interruption had emptied it."""

    def __init__(self, near: Near) -> None:
        super().__init__()
        self.near = near
        self.swallowed = np.zeros(RING, np.int16)
        self.block = np.zeros(round(OUTPUT_RATE * BLOCK_MS / 1000), np.int16)

    def play(self) -> None:
        """Takes a block off the ring, as a device does."""
        now = trio.current_time()
        self.ring.read_into(self.block, now, now, self._there(now))

    async def write(self, pcm: bytes) -> None:
        if self.near.unpaced and self.ring.room() < len(pcm):
            self.ring.read_into(self.swallowed)
        await super().write(pcm)
        self.near.heard(pcm)

    def fade_out(self, ms: float = FADE_MS) -> int:
        dropped = super().fade_out(ms)
        self.near.silent()
        return dropped


@attrs.define
class Ears(Discard):
    """Playback on that speaker."""

    near: Any = attrs.field(kw_only=True)
    card: Any = attrs.field(kw_only=True)

    async def run(self) -> None:
        """Plays until cancelled."""
        self.card.speaker = Speaker(self.near)
        await self._follow(self.card.speaker)


async def converse(near: Near, url: str, lag: float, detector: str, files: str) -> None:
    """Holds one conversation until the process ends; the paths of what it writes begin with `files`."""
    telemetry = [f"--{kind}={files}.{kind}" for kind in ("events", "trace", "metrics")]
    options = parser().parse_args(["talk", "--endpoint", url, *telemetry])
    arrangement = arrange(options)
    plan = arrangement.plan
    plan.set("actors.vad", {"use": f"actors.vad:{detector}", "threshold": 0.0})
    card = Card()
    plan.set("actors.microphone", {"use": Mouth, "near": near, "card": card, "lag": lag})
    plan.set("actors.playback", {"use": Ears, "near": near, "card": card})
    plan.set("actors.connection.handle_file", "")
    plan.set("edges.captured.overflow", "block")  # so that as fast as it goes loses nothing
    async with listened(arrangement, options) as listeners, conversing(arrangement, listeners.bus) as conversation:
        listeners.meet(conversation)
        await trio.sleep_forever()


async def main(url: str, sessions: int, detector: str) -> None:
    """Holds so many conversations."""
    near = Near()
    near.obey()
    folder = tempfile.mkdtemp()
    async with trio.open_nursery() as nursery:
        for number in range(sessions):
            nursery.start_soon(converse, near, url, 0.02 * number / sessions, detector, f"{folder}/{number}")


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("url")
    options.add_argument("--sessions", type=int, default=1)
    options.add_argument("--detector", default="Silero")
    given = options.parse_args()
    trio.run(main, given.url, given.sessions, given.detector)
