"""Microphone and playback of a conversation whose person sits at a web page: the page's audio stands for devices.

`Page` is what both share with the socket: it outlives sockets and restarts of the actors. Nothing here waits for a
network: what the page has sent lies here, and what it is to play lies in its ring.
"""

import math
from collections import deque
from typing import cast

import attrs
import trio

from actors.audio.player import AnySpeaker
from actors.audio.ring import FADE_MS
from actors.audio.timeline import Timeline
from actors.gateway.relay_ring import PIECE, PageRing
from actors.playback import Discard
from pipeline.actor import Shared
from pipeline.channels import Outlet
from pipeline.events import Bus, Capturing, Dropped
from pipeline.messages import INPUT_RATE, SAMPLE_BYTES, Captured

LONGEST = 130 * INPUT_RATE * SAMPLE_BYTES  # bytes from the page that wait for the actor: more than a page keeps
AHEAD = 2.0  # seconds on the edge, above which the microphone lets the gate catch up
CATCH_UP_STEP = 0.02
DRIFT = 200e-6  # by how much a page's sample clock may be off ours


@attrs.define
class PageClock:
    """Tells when a sample at the page was spoken, on our clock. Pure.

    The blocks that came fastest set it; late ones, such as those of a lost network, do not move it. It yields to a page
    whose sample clock is slow, by `DRIFT` at most.
    """

    origin: float = math.nan

    def spoken(self, position: int, samples: int, now: float) -> float:
        """Gives the time of the sample at `position`, first of so many that arrived now."""
        earliest = now - (position + samples) / INPUT_RATE
        if math.isnan(self.origin):
            self.origin = earliest
        self.origin = min(self.origin + DRIFT * samples / INPUT_RATE, earliest)
        return self.origin + position / INPUT_RATE


@attrs.define(eq=False)
class Page:
    """What was said at a page and what it is to play.

    `received` is the position up to which its microphone has come in, `lost` counts samples that never did.
    """

    ring: PageRing = attrs.field(factory=PageRing)
    received: int = 0
    lost: int = attrs.field(default=0, init=False)
    begun: bool = attrs.field(default=False, init=False)
    clock: PageClock = attrs.field(factory=PageClock, init=False)
    _blocks: deque[Captured] = attrs.field(factory=deque, init=False)
    _held: int = attrs.field(default=0, init=False)
    _spoken: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)
    _changed: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)

    def __attrs_post_init__(self) -> None:
        self.ring.wake = self._changed.unpark_all

    def hear(self, position: int, pcm: bytes, now: float) -> None:
        """Takes a block of the page's microphone; what came before is left out, what is missing is counted."""
        pcm = pcm[: len(pcm) & ~1]
        known = max(0, self.received - position) * SAMPLE_BYTES
        pcm, position = pcm[known:], max(position, self.received)
        if not pcm:
            return
        self.lost += position - self.received
        samples = len(pcm) // SAMPLE_BYTES
        self.received = position + samples
        self._blocks.append(Captured(pcm, self.clock.spoken(position, samples, now), position))
        self._held += len(pcm)
        while self._held > LONGEST:
            gone = self._blocks.popleft()
            self._held -= len(gone.pcm)
            self.lost += len(gone.pcm) // SAMPLE_BYTES
        self._spoken.unpark_all()

    async def next_block(self) -> Captured:
        """Waits for the next block. Cancelled means: not taken."""
        while not self._blocks:
            await self._spoken.park()
        block = self._blocks.popleft()
        self._held -= len(block.pcm)
        return block

    async def changed(self) -> None:
        """Waits until there is something new to play, to obey or to tell."""
        await self._changed.park()


@attrs.define
class Microphone:
    """What a person says at the page, in order; after a gap it comes as fast as the gate takes it."""

    captured: Outlet[Captured]
    timeline: Shared[Timeline]
    page: Shared[Page]
    bus: Bus

    async def run(self) -> None:
        """Runs until cancelled."""
        lost = self.page.lost
        while True:
            block = await self.page.next_block()
            self.timeline.begin(block.at - block.position / INPUT_RATE)
            if not self.page.begun:
                self.page.begun = True
                self.bus.publish(Capturing("the page's microphone", INPUT_RATE))
            if self.page.lost > lost:
                missing = self.page.lost - lost
                self.bus.publish(Dropped("page", missing // len(block.pcm) + 1, round(1000 * missing / INPUT_RATE, 1)))
                lost = self.page.lost
            while self.captured.edge is not None and self.captured.edge.held > AHEAD:  # noqa: ASYNC110 - an edge wakes no sender
                await trio.sleep(CATCH_UP_STEP)
            self.captured.send_nowait(block)


@attrs.define(eq=False)
class PageSpeaker:
    """The page as a speaker: the same face as `actors.audio.speaker.Speaker`."""

    page: Page

    @property
    def ring(self) -> PageRing:
        """The page's ring."""
        return self.page.ring

    async def write(self, pcm: bytes) -> None:
        """Puts sound into the ring, waiting for room. Cancelled means: what is in the ring stays, the rest is gone."""
        for at in range(0, len(pcm), PIECE * SAMPLE_BYTES):
            while not self.ring.room:
                await self.changed()
                await trio.lowlevel.checkpoint_if_cancelled()  # an interruption makes room, and cancels
            self.ring.write(pcm[at : at + PIECE * SAMPLE_BYTES])

    async def finish(self) -> None:
        """Has nothing held back; a checkpoint."""
        await trio.lowlevel.checkpoint()

    def fade_out(self, ms: float = FADE_MS) -> int:
        """Ends the sound: PageRing.fade_out."""
        return self.ring.fade_out(ms)

    async def changed(self) -> None:
        """Waits until the ring has woken its owner. Look at the ring first, then wait."""
        await self.page.changed()


@attrs.define
class Playback(Discard):
    """Replies are played by the page, and what was heard of them is what it says."""

    page: Shared[Page] = attrs.field(kw_only=True)

    async def run(self) -> None:
        """Runs until cancelled."""
        # The page's ring has the face of a device's without being one.
        await self._follow(cast("AnySpeaker", PageSpeaker(self.page)))
