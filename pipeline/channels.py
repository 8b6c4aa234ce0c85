"""Typed, bounded memory channels between actors, with a stated policy for the day they are full.

An `Edge` wraps one Trio memory channel. The graph keeps the edge; every incarnation of an actor gets ends of its
own (clones), so that a crash closes the clone and the neighbours notice nothing. Weight is counted in the edge's
unit (items, bytes or seconds of audio), which is why the Trio channel beneath has no bound of its own.
"""

import enum
import math
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import attrs
import trio

from pipeline.errors import EdgeOverflow, PlanError

T = TypeVar("T")
MEGABYTE = 1_000_000
DROP_REPORT_PERIOD = 1.0  # seconds between two reports of one burst of drops


class Overflow(enum.Enum):
    """What happens to a message for which there is no room."""

    DROP_OLDEST = "drop_oldest"
    FAIL = "fail"
    BLOCK = "block"


class HasSeconds(Protocol):
    """A message that lasts: what an edge bounded in seconds asks of what it carries."""

    @property
    def seconds(self) -> float:
        """How long the message's audio lasts."""


@attrs.frozen
class Capacity:
    """A bound with its unit: `100 items`, `2 s` or `8 MB`."""

    amount: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `16 items`, `1 item`, `500 ms`, `2 s`, `64 kB` or `8 MB`; PlanError on anything else."""
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(items?|ms|s|B|kB|MB)\s*", str(text))
        if found is None or float(found[1]) <= 0:
            raise PlanError(f"found capacity {text!r}; write it as '16 items', '500 ms', '2 s', '64 kB' or '8 MB'")
        scale = {"ms": 1e-3, "kB": 1e3, "MB": 1e6}.get(found[2], 1.0)
        unit = {"item": "items", "ms": "s", "B": "bytes", "kB": "bytes", "MB": "bytes"}.get(found[2], found[2])
        return cls(float(found[1]) * scale, unit)

    def weigh(self, message: object) -> float:
        """Tells what the message counts in this unit; a message without audio weighs nothing in s and bytes."""
        if self.unit == "items":
            return 1.0
        if self.unit == "bytes":
            return float(len(getattr(message, "pcm", b"")))
        return float(getattr(message, "seconds", 0.0))

    def __str__(self) -> str:
        if self.unit == "bytes":
            return f"{self.amount / 1e6:g} MB" if self.amount >= MEGABYTE else f"{self.amount:g} B"
        return f"{self.amount:g} {'item' if self.amount == 1 and self.unit == 'items' else self.unit}"


@attrs.define
class Counters:
    """What an edge has seen since it was opened; plain numbers that anyone may read at any time.

    `high_water` is the most it held; who looks in again and again may set it back to what it holds then.
    """

    sent: int = 0
    received: int = 0
    dropped: int = 0
    dropped_ms: float = 0.0
    high_water: float = 0.0


DropReport = Callable[[str, int, float], None]


def _silent(_edge: str, _dropped: int, _ms: float) -> None:
    """Nobody listens for drops."""


@attrs.define
class Edge(Generic[T]):
    """One channel of the plan: its bound, its policy, its counters and the ends the graph keeps open.

    `tap` is a listener's: it is shown what is sent, must be quick and must not raise.
    `last` is what was sent last, for whoever looks in. The house calls `close_outlet` when every sending actor has
    ended, `close_inlet` when the reading one has, and `close` at the end of the run.
    """

    name: str
    capacity: Capacity
    overflow: Overflow
    report: DropReport = _silent
    tap: Callable[[T], None] | None = attrs.field(default=None, init=False)
    counters: Counters = attrs.field(factory=Counters, init=False)
    held: float = attrs.field(default=0.0, init=False)
    last: T | None = attrs.field(default=None, init=False)
    _deserted: bool = attrs.field(default=False, init=False)
    _send: trio.MemorySendChannel[T] = attrs.field(init=False)
    _receive: trio.MemoryReceiveChannel[T] = attrs.field(init=False)
    _room: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)
    _unreported: Counters = attrs.field(factory=Counters, init=False)
    _burst_at: float = attrs.field(default=-math.inf, init=False)
    _reported_at: float = attrs.field(default=-math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        # Unbounded beneath: the bound is the weight counted in offer(), which knows bytes and seconds.
        self._send, self._receive = trio.open_memory_channel[T](math.inf)

    @property
    def waiting(self) -> int:
        """How many messages are waiting for the reader."""
        return self._receive.statistics().current_buffer_used

    def outlet(self) -> "Outlet[T]":
        """Gives a new sending end; whoever gets it closes it."""
        return Outlet(self, self._send.clone())

    def inlet(self) -> "Inlet[T]":
        """Gives a new receiving end; whoever gets it closes it."""
        return Inlet(self, self._receive.clone())

    def close_outlet(self) -> None:
        """Closes the kept sending end: once all clones are closed too, readers see the end of the channel."""
        self._send.close()

    def close_inlet(self) -> None:
        """The reader has ended for good: what waits is let go, and senders go on as if what they send was read."""
        self._deserted = True
        while self.waiting:
            self._receive.receive_nowait()
            self.counters.dropped += 1
        self.held = 0.0
        self._room.unpark_all()

    def close(self) -> None:
        """Closes both kept ends and reports what drops are still unreported."""
        self._send.close()
        self._receive.close()
        self._room.unpark_all()
        self._tell_drops(math.inf)

    def fits(self, message: T) -> bool:
        """Whether there is room for the message as things are; an empty edge has room for anything."""
        return not self._crowded(self.capacity.weigh(message))

    def offer(self, end: trio.MemorySendChannel[T], message: T) -> bool:
        """Sends if there is room, or if the policy makes room; False only where the policy is `block`."""
        if self._deserted:
            self.counters.dropped += 1
            return True
        weight = self.capacity.weigh(message)
        if self._crowded(weight):
            if self.overflow is Overflow.BLOCK:
                return False
            if self.overflow is Overflow.FAIL:
                raise EdgeOverflow(
                    f"edge {self.name} holds {self.held:g} of {self.capacity} and was given {weight:g} more; "
                    f"its reader has stopped, or the edge needs a larger capacity in the plan"
                )
            self._make_room(weight)
        end.send_nowait(message)
        self.last = message
        if self.tap is not None:
            self.tap(message)
        self.counters.sent += 1
        self.held += weight
        self.counters.high_water = max(self.counters.high_water, self.held)
        return True

    def took(self, message: T) -> None:
        """Counts a message out, and lets one waiting sender try again."""
        self.counters.received += 1
        self.held = max(0.0, self.held - self.capacity.weigh(message))
        if self._room:
            self._room.unpark()
        if self._unreported.dropped:
            self._tell_drops(trio.current_time())

    async def room(self) -> None:
        """Waits until a reader has taken something; cancelling changes nothing."""
        await self._room.park()

    def _crowded(self, weight: float) -> bool:
        return self.held + weight > self.capacity.amount and self.waiting > 0

    def _make_room(self, weight: float) -> None:
        now = trio.current_time()
        if not self._unreported.dropped:
            self._burst_at = now
        while self._crowded(weight):
            oldest = self._receive.receive_nowait()
            self.held = max(0.0, self.held - self.capacity.weigh(oldest))
            milliseconds = 1000 * float(getattr(oldest, "seconds", 0.0))
            for counters in (self.counters, self._unreported):
                counters.dropped += 1
                counters.dropped_ms += milliseconds
        if now - self._burst_at >= DROP_REPORT_PERIOD:  # shorter bursts are told whole, once the reader goes on
            self._tell_drops(now)

    def _tell_drops(self, now: float) -> None:
        if self._unreported.dropped and now - self._reported_at >= DROP_REPORT_PERIOD:
            self.report(self.name, self._unreported.dropped, self._unreported.dropped_ms)
            self._unreported = Counters()
            self._reported_at = now


@attrs.define
class _End:
    """What both ends share: they are closed by `with`, by `close`, and by the graph after a crash."""

    def close(self) -> None:
        """Closes this end only; idempotent."""
        raise AssertionError(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


@attrs.define
class Outlet(_End, Generic[T]):
    """The sending end of an edge."""

    edge: Edge[T] | None
    _channel: trio.MemorySendChannel[T] | None

    def send_nowait(self, message: T) -> None:
        """Sends at once, by the edge's policy.

        Raises trio.WouldBlock where the policy is `block` and there is no room, EdgeOverflow where it is `fail`,
        trio.BrokenResourceError when the run is over. What a reader that has ended would get is let go.
        """
        if self.edge is None or self._channel is None:
            return
        if not self.edge.offer(self._channel, message):
            raise trio.WouldBlock

    def fits(self, message: T) -> bool:
        """Whether the edge has room for the message now."""
        return self.edge is None or self.edge.fits(message)

    async def send(self, message: T) -> None:
        """Sends, waiting for room where the policy is `block`; a checkpoint. Cancelled means: not sent."""
        await trio.lowlevel.checkpoint()
        if self.edge is None or self._channel is None:
            return
        while not self.edge.offer(self._channel, message):
            await self.edge.room()

    def close(self) -> None:
        """Closes this end only; idempotent."""
        if self._channel is not None:
            self._channel.close()


@attrs.define
class Inlet(_End, Generic[T]):
    """The receiving end of an edge; iterating ends when every sender has closed."""

    edge: Edge[T] | None
    _channel: trio.MemoryReceiveChannel[T] | None

    async def receive(self) -> T:
        """Waits for the next message; trio.EndOfChannel when no more can come. Cancelled means: not taken."""
        if self.edge is None or self._channel is None:
            raise trio.EndOfChannel
        message = await self._channel.receive()
        self.edge.took(message)
        return message

    def receive_nowait(self) -> T:
        """Takes the next message if there is one, else raises trio.WouldBlock or trio.EndOfChannel."""
        if self.edge is None or self._channel is None:
            raise trio.EndOfChannel
        message = self._channel.receive_nowait()
        self.edge.took(message)
        return message

    @property
    def waiting(self) -> int:
        """How many messages there are to be taken at once."""
        return 0 if self.edge is None else self.edge.waiting

    def ready(self, most: int) -> Iterator[T]:
        """Takes what is there already, one when it is asked for and `most` at most, without a checkpoint."""
        with suppress(trio.WouldBlock, trio.EndOfChannel):
            for _ in range(most):
                yield self.receive_nowait()

    def close(self) -> None:
        """Closes this end only; idempotent."""
        if self._channel is not None:
            self._channel.close()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
