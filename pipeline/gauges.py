"""Measures the house for those who watch it: edges, levels, loop and actors, a few times a second and only if asked.

Nothing on the audio's way counts or times anything for this: it looks at counters and last messages that are there.
"""

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import attrs
import numpy as np
import trio

from pipeline.channels import Edge
from pipeline.events import ActorGauge, EdgeGauge, Gauges, Level, LoopStalled
from pipeline.house import House
from pipeline.loopwatch import LoopWatch
from pipeline.messages import Captured
from pipeline.supervisor import Supervised

SHORTEST = 0.1  # seconds between two measurements, whoever asks
STALL = 0.05  # seconds of one step that are told as a stall: two and a half blocks of sound
FLOOR = -96.3  # dBFS: what one step of 16 bits comes to, and what silence counts as
FULL_SCALE = 32768.0


@runtime_checkable
class Sounds(Protocol):
    """Shared state that knows the speaker."""

    @property
    def underruns(self) -> int:
        """How often a reply has run dry since the conversation began."""

    def peek(self) -> bytes:
        """Gives the s16le mono that is heard next, empty when there is silence."""


def level(pcm: bytes) -> Level | None:
    """Gives the loudness of s16le mono in dB below full scale; None where there is no sound at all."""
    if len(pcm) < 2:  # noqa: PLR2004 - bytes of a sample
        return None
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    return Level(_decibels(float(np.abs(samples).max())), _decibels(math.sqrt(float(np.square(samples).mean()))))


def _decibels(value: float) -> float:
    return round(max(FLOOR, 20 * math.log10(value / FULL_SCALE)), 1) if value else FLOOR


@attrs.define
class EdgeLook:
    """Looks at one edge now and then; from how many had been sent by when comes how old the oldest message is."""

    edge: Edge[Any]
    _sent: deque[tuple[int, float]] = attrs.field(factory=deque, init=False)  # how many, and since when at the latest

    def look(self, now: float) -> EdgeGauge:
        """Gives what the edge is like at this time."""
        edge, counters = self.edge, self.edge.counters
        waiting = edge.waiting
        gone = counters.sent - waiting
        if not self._sent or self._sent[-1][0] < counters.sent:
            self._sent.append((counters.sent, now))
        while self._sent and self._sent[0][0] <= gone:
            self._sent.popleft()
        age = now - self._sent[0][1] if waiting and self._sent else 0.0
        return EdgeGauge(
            waiting, edge.held, edge.capacity.amount, edge.capacity.unit, age, counters.dropped, counters.dropped_ms
        )


@attrs.define
class Gauging:
    """Takes measurements of an open house."""

    house: House
    supervised: Mapping[str, Supervised]
    loop: LoopWatch = attrs.field(factory=LoopWatch)
    _edges: dict[str, EdgeLook] = attrs.field(init=False)
    _speakers: list[Sounds] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._speakers = [held for held in self.house.state.values() if isinstance(held, Sounds)]
        self._edges = {name: EdgeLook(edge) for name, edge in self.house.edges.items()}

    async def run(self) -> None:
        """Publishes measurements while a listener asks for them, until cancelled."""
        while True:
            await self.house.bus.gauged()
            trio.lowlevel.add_instrument(self.loop)
            try:
                await self._measure()
            finally:
                trio.lowlevel.remove_instrument(self.loop)

    async def _measure(self) -> None:
        while (period := self.house.bus.period) is not None:
            await trio.sleep(max(SHORTEST, period))
            step = self.loop.take()
            self.house.bus.publish(self.look(trio.current_time(), step.seconds))
            if step.seconds >= STALL:
                self.house.bus.publish(LoopStalled(round(1000 * step.seconds, 1), step.task))

    def look(self, now: float, longest_step: float = 0.0) -> Gauges:
        """Measures once."""
        blocks = [e.last for e in self.house.edges.values() if isinstance(e.last, Captured)]
        return Gauges(
            microphone=level(blocks[0].pcm) if blocks else None,
            speaker=level(b"".join(speaker.peek() for speaker in self._speakers)),
            edges={name: look.look(now) for name, look in self._edges.items()},
            actors={name: ActorGauge(one.state, one.restarts) for name, one in self.supervised.items()},
            longest_step_ms=round(1000 * longest_step, 2),
            underruns=sum(speaker.underruns for speaker in self._speakers),
        )
