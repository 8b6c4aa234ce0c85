"""A network between the two ends of a soak: links that are cut, go silent, lag, crawl; in memory, by Trio's clock.

`Conditions` belong to one direction and may change at any time. The memory links and the proxy over real sockets
(`proxy`) ask the same object when a piece arrives.
"""

import random
from collections import deque

import attrs
import trio

WINDOW = 256 * 1024  # bytes on their way before a sender waits, as in a socket's buffers


@attrs.define
class Conditions:
    """What happens to bytes in one direction; times in seconds, `rate` in bytes a second.

    What is in a `hole` never arrives and nobody is told. Nothing arrives before `stalled`.
    """

    latency: float = 0.0
    jitter: float = 0.0
    rate: float = float("inf")
    hole: bool = False
    stalled: float = 0.0
    _free: float = attrs.field(default=0.0, init=False)  # when the line has sent what it was given
    _last: float = attrs.field(default=0.0, init=False)

    def arrival(self, now: float, size: int, random: random.Random) -> float:
        """Gives when a piece arrives that is sent now: in order, whatever the jitter."""
        self._free = max(self._free, now) + size / self.rate
        late = self.latency + (random.uniform(0, self.jitter) if self.jitter else 0.0)
        self._last = max(self._last, self._free + late)
        return self._last

    def hasten(self) -> None:
        """Lets pieces through without a lag again."""
        self.latency, self.jitter, self.rate = 0.0, 0.0, float("inf")

    def clear(self) -> None:
        """Lets everything through at once again."""
        self.hasten()
        self.hole, self.stalled = False, 0.0


@attrs.define(eq=False)
class _Way:
    """One direction of a memory link: pieces with their times of arrival."""

    conditions: Conditions
    random: random.Random
    hole: bool = False
    broken: bool = False
    ended: bool = False
    _pieces: deque[tuple[float, bytes]] = attrs.field(factory=deque, init=False)
    _waiting: int = attrs.field(default=0, init=False)
    _lot: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)

    @property
    def pending(self) -> bool:
        return bool(self._pieces)

    async def send(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        while self._waiting >= WINDOW and not self.broken:
            await self._lot.park()
        if self.broken or self.ended:
            raise trio.BrokenResourceError
        self._waiting += len(data)
        if not (self.hole or self.conditions.hole):
            self._pieces.append((self.conditions.arrival(trio.current_time(), len(data), self.random), data))
            self._lot.unpark_all()

    async def receive(self, most: int) -> bytes:
        await trio.lowlevel.checkpoint()
        while True:
            if self.broken:
                raise trio.BrokenResourceError
            due = max(self._pieces[0][0], self.conditions.stalled) if self._pieces else float("inf")
            if due <= trio.current_time():
                break
            if self.ended and not self._pieces:
                return b""
            with trio.move_on_at(due):
                await self._lot.park()
        at, data = self._pieces.popleft()
        if len(data) > most:
            self._pieces.appendleft((at, data[most:]))
            data = data[:most]
        self._waiting -= len(data)
        self._lot.unpark_all()
        return data

    def end(self) -> None:
        self.ended = True
        self._lot.unpark_all()

    def break_off(self) -> None:
        self.broken = True
        self._pieces.clear()
        self._lot.unpark_all()


@attrs.define(eq=False)
class End(trio.abc.Stream):
    """One end of a memory link, as a socket would be."""

    _outward: _Way
    _inward: _Way
    _closed: bool = attrs.field(default=False, init=False)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Sends; BrokenResourceError once the link is cut, or the far end has closed."""
        if self._closed:
            raise trio.ClosedResourceError
        await self._outward.send(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        """A checkpoint."""
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receives; b"" when the far end has closed in order."""
        if self._closed:
            raise trio.ClosedResourceError
        return await self._inward.receive(max_bytes or 65536)

    async def aclose(self) -> None:
        """Closes both directions; what is on its way still arrives."""
        if not self._closed:
            self._closed = True
            self._outward.end()
            self._inward.break_off()
        await trio.lowlevel.checkpoint()


@attrs.define(eq=False)
class Line:
    """A link: its two ends, and what can happen to it alone."""

    up: _Way
    down: _Way
    cut_off: bool = False

    def near(self) -> End:
        """The end of whoever dialled."""
        return End(self.up, self.down)

    def far(self) -> End:
        """The end of the service."""
        return End(self.down, self.up)

    @property
    def broken(self) -> bool:
        """Whether it was cut."""
        return self.cut_off

    @property
    def over(self) -> bool:
        """Whether nothing more goes through it, either way."""
        return all(way.broken or (way.ended and not way.pending) for way in (self.up, self.down))

    def cut(self) -> None:
        """Resets the link: both ends find out at once."""
        self.cut_off = True
        self.up.break_off()
        self.down.break_off()

    def swallow(self, *, up: bool = True, down: bool = True) -> None:
        """From now on nothing arrives in these directions, and nobody is told."""
        self.up.hole, self.down.hole = self.up.hole or up, self.down.hole or down


@attrs.define(eq=False)
class Network:
    """Everything between the two ends: present links, the conditions of each direction, and whether anyone answers."""

    random: random.Random
    up: Conditions = attrs.field(factory=Conditions)
    down: Conditions = attrs.field(factory=Conditions)
    away: float = 0.0  # the time until which nobody answers
    hangs: float = 0.0  # the time until which a dial is not even refused
    poor: float = 0.0  # the time until which its lines lag or crawl
    dialled: int = 0
    lines: list[Line] = attrs.field(factory=list)

    async def dial(self) -> Line:
        """Makes a link; OSError where nobody answers."""
        await trio.lowlevel.checkpoint()
        self.dialled += 1
        if trio.current_time() < self.hangs:
            await trio.sleep_until(self.hangs)
        if trio.current_time() < self.away:
            raise ConnectionRefusedError(111, "connection refused")
        self.lines = [line for line in self.lines if not (line.up.broken or line.up.ended)][-4:]
        line = Line(_Way(self.up, self.random), _Way(self.down, self.random))
        self.lines.append(line)
        return line

    @property
    def holed(self) -> bool:
        """Whether something is swallowed on its way up a link that still stands."""
        return any(line.up.hole and not line.over for line in self.lines)

    def cut(self) -> None:
        """Resets every link."""
        for line in self.lines:
            line.cut()

    def hasten(self) -> None:
        """Lets its lines be quick again."""
        self.up.hasten()
        self.down.hasten()

    def clear(self) -> None:
        """Mends the network; links that are broken stay so."""
        self.up.clear()
        self.down.clear()
        self.away = self.hangs = 0.0
