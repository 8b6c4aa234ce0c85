"""A speaker without hardware: takes blocks off a play ring by Trio's clock, as a device would."""

from collections.abc import Callable

import attrs
import numpy as np
import trio

from actors.audio.ring import FADE_MS, PlayRing
from pipeline.messages import OUTPUT_RATE

BLOCK_MS = 10.0
Sink = Callable[[bytes], None]


def nowhere(_pcm: bytes) -> None:
    """Lets the sound go."""


@attrs.define(eq=False)
class PacedSpeaker:
    """Plays s16le mono at 24 kHz into `sink`, block by block in real time; the same face as `speaker.Speaker`.

    Block k leaves at `origin` + k times 10 ms, however late the loop is, so the sink's samples lie on the clock that
    `origin` is of. `run` does the playing and ends only by cancellation.
    """

    sink: Sink = nowhere
    seconds: float = 0.4
    ring: PlayRing = attrs.field(init=False)
    _lot: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)

    def __attrs_post_init__(self) -> None:
        self.ring = PlayRing(OUTPUT_RATE, self.seconds, wake=self._lot.unpark_all)

    async def run(self, origin: float, played: float = 0.0) -> None:
        """Plays until cancelled. Time between `played` seconds after the origin and now is filled with silence."""
        samples = round(OUTPUT_RATE * BLOCK_MS / 1000)
        block = np.zeros(samples, np.int16)
        number = round(played * OUTPUT_RATE / samples)
        while True:
            due = origin + number * samples / OUTPUT_RATE
            await trio.sleep_until(due)
            self.ring.read_into(block, due, due)
            self.sink(block.tobytes())
            number += 1

    async def write(self, pcm: bytes) -> None:
        """Puts sound into the ring, waiting for room. Cancelled means: what is in the ring stays, the rest is gone."""
        samples = np.frombuffer(pcm, "<i2")
        while len(samples := samples[self.ring.write(samples) :]):
            await self.changed()

    async def finish(self) -> None:
        """Has nothing held back; a checkpoint."""
        await trio.lowlevel.checkpoint()

    def fade_out(self, ms: float = FADE_MS) -> int:
        """Ends the sound: PlayRing.fade_out."""
        return self.ring.fade_out(ms)

    async def changed(self) -> None:
        """Waits until the ring has woken its owner. Look at the ring first, then wait."""
        await self._lot.park()
