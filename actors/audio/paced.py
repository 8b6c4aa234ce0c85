"""A speaker without hardware: takes blocks off a play ring by Trio's clock, as a device would."""

from collections import deque
from collections.abc import Callable

import attrs
import numpy as np
import trio

from actors.audio.ring import FADE_MS, PlayRing, Samples
from pipeline.messages import OUTPUT_RATE

BLOCK_MS = 10.0
Sink = Callable[[bytes], None]


def nowhere(_pcm: bytes) -> None:
    """Lets the sound go."""


@attrs.define(eq=False)
class PacedSpeaker:
    """Plays s16le mono at 24 kHz into `sink`, block by block in real time; the same face as `speaker.Speaker`.

    Block k leaves at `origin` + k times 10 ms, however late the loop is, so the sink's samples lie on the clock that
    `origin` is of. A block that is late holds what was there when it was due, as a device's would, and silence for what
    has come since: nothing is heard before it was written. `run` does the playing and ends only by cancellation.
    """

    sink: Sink = nowhere
    seconds: float = 2.0  # more than a device holds: there is none that would go on while a busy loop is late
    ring: PlayRing = attrs.field(init=False)
    _lot: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)
    _writes: deque[tuple[int, float]] = attrs.field(factory=deque, init=False)  # up to which sample, and when

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
            self.ring.read_into(block, due, due, self._there(due))
            self.sink(block.tobytes())
            number += 1

    async def write(self, pcm: bytes) -> None:
        """Puts sound into the ring, waiting for room. Cancelled means: what is in the ring stays, the rest is gone."""
        samples = np.frombuffer(pcm, "<i2")
        while len(samples := samples[self._put(samples) :]):
            await self.changed()
            await trio.lowlevel.checkpoint_if_cancelled()  # an interruption makes room, and cancels

    async def finish(self) -> None:
        """Has nothing held back; a checkpoint."""
        await trio.lowlevel.checkpoint()

    def fade_out(self, ms: float = FADE_MS) -> int:
        """Ends the sound: PlayRing.fade_out."""
        dropped = self.ring.fade_out(ms)
        end = self.ring.position + self.ring.buffered
        self._writes = deque((min(upto, end), at) for upto, at in self._writes)
        return dropped

    async def changed(self) -> None:
        """Waits until the ring has woken its owner. Look at the ring first, then wait."""
        await self._lot.park()

    def _put(self, samples: Samples) -> int:
        taken = self.ring.write(samples)
        self._writes.append((self.ring.position + self.ring.buffered, trio.current_time()))
        return taken

    def _there(self, due: float) -> int | None:
        """Tells how many of the samples that wait were written by then; None where all were."""
        while self._writes and self._writes[0][0] <= self.ring.position:
            self._writes.popleft()
        if not self._writes or self._writes[-1][1] <= due:
            return None
        there = max((upto for upto, at in self._writes if at <= due), default=self.ring.position)
        return there - self.ring.position
