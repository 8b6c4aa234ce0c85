"""One WebSocket, the service's side, over any Trio stream.

The frames are wsproto's, the waiting is here: one task reads, one writes, and nothing that is sent ever waits, so a
client that does not read cannot stop the reader. Everything but `run` is synchronous and may be called from any task.
"""

from collections import deque
from collections.abc import Callable

import attrs
import trio
from wsproto import ConnectionType
from wsproto.connection import Connection, ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from actors.emulator import wire
from actors.emulator.protojson import Breach

LONGEST_MESSAGE = 4 << 20
"""Bytes of one client message; more is refused with 1009."""

_MOST_PIECES = 20_000  # of one message; empty ones weigh nothing and still take room
TOO_BIG = 1009
DROPPED = 1006
_READ = 64 << 10
_UNREAD = 16 << 20  # bytes a client may leave unread before it is taken for dead
_MUCH = 1 << 20  # bytes unread with which the model stops to talk on
_GRACE = 3.0  # seconds for the far end to answer a close frame, and to take what is still queued


@attrs.frozen
class Farewell:
    """How a connection ended: the code and reason of the first close frame, 1006 if there was none."""

    code: int
    reason: str = ""


@attrs.define(eq=False)
class Link:
    """Frames in, frames out. Owns the stream from `run` on and closes it.

    `answers_pings` may be switched off; `answer_ping` is given each pong's bytes in place of sending them. Before
    `stalled_until` nothing that comes is read.
    """

    stream: trio.abc.Stream
    leftover: bytes = b""
    answers_pings: bool = True
    answer_ping: Callable[[bytes], None] | None = None
    stalled_until: float = 0.0
    farewell: Farewell | None = attrs.field(default=None, init=False)
    _frames: Connection = attrs.field(factory=lambda: Connection(ConnectionType.SERVER), init=False)
    _outgoing: deque[bytes] = attrs.field(factory=deque, init=False)
    _queued: int = attrs.field(default=0, init=False)
    _space: trio.Event = attrs.field(factory=trio.Event, init=False)
    _wake: trio.Event = attrs.field(factory=trio.Event, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _message: list[str | bytes] = attrs.field(factory=list, init=False)
    _size: int = attrs.field(default=0, init=False)
    _over: bool = attrs.field(default=False, init=False)

    @property
    def open(self) -> bool:
        """Whether messages still go through."""
        return self._frames.state is ConnectionState.OPEN and self.farewell is None

    def send(self, payload: bytes | str) -> None:
        """Queues one message, text as a text message; after a close it is dropped."""
        if self.open:
            whole = TextMessage(data=payload) if isinstance(payload, str) else BytesMessage(data=payload)
            self._queue(self._frames.send(whole))

    async def drained(self) -> None:
        """Waits until the client has read enough that more can be sent."""
        await trio.lowlevel.checkpoint()
        while self._queued > _MUCH:
            self._space = trio.Event()
            await self._space.wait()

    def send_raw(self, data: bytes) -> None:
        """Queues bytes that go onto the wire as they are, frame or not."""
        self._queue(data)

    def close(self, code: int, reason: str = "") -> None:
        """Queues a close frame behind everything sent so far; the far end has seconds to answer it."""
        if self.open:
            self.farewell = Farewell(code, wire.reason(reason))
            self._queue(self._frames.send(CloseConnection(code=code, reason=self.farewell.reason)))
            self._hurry()

    def cut(self) -> None:
        """Drops the connection as a network does: no close frame, what is queued is lost."""
        self.farewell = self.farewell or Farewell(DROPPED)
        self._scope.cancel("the connection is cut")

    async def run(self, hear: Callable[[str | bytes], None]) -> None:
        """Gives every message to `hear` until the connection is over, then closes the stream.

        A Breach from `hear` closes the connection with its code. The far end's faults end it and raise nothing;
        cancelling drops it.
        """
        orderly = False
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    await self._read(hear)
                    self._finish()
                await self.stream.aclose()
                orderly = True
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            orderly = False
        finally:
            self.farewell = self.farewell or Farewell(DROPPED)
            if not orderly:
                await trio.aclose_forcefully(self.stream)

    def _finish(self) -> None:
        self.farewell = self.farewell or Farewell(DROPPED)
        self._over = True
        self._hurry()
        self._wake.set()

    def _hurry(self) -> None:
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + _GRACE)

    def _queue(self, data: bytes) -> None:
        self._outgoing.append(data)
        self._queued += len(data)
        if self._queued > _UNREAD:
            self.cut()
        self._wake.set()

    async def _write(self) -> None:
        while True:
            while self._outgoing:
                data = b"".join(self._outgoing)
                self._outgoing.clear()
                await self.stream.send_all(data)
                self._queued -= len(data)
                self._space.set()
            if self._over:
                return
            self._wake = trio.Event()
            await self._wake.wait()

    async def _read(self, hear: Callable[[str | bytes], None]) -> None:
        data: bytes | bytearray = self.leftover
        while True:
            if data and not self._take(bytes(data), hear):
                return
            data = await self.stream.receive_some(_READ)
            while trio.current_time() < self.stalled_until:  # noqa: ASYNC110 - it may be put off meanwhile
                await trio.sleep_until(self.stalled_until)
            if not data:
                return

    def _take(self, data: bytes, hear: Callable[[str | bytes], None]) -> bool:
        """Reads what the bytes bring; False when nothing more is to be read."""
        self._frames.receive_data(data)
        for event in self._frames.events():
            if isinstance(event, TextMessage | BytesMessage):
                if self.open:
                    self._gather(event, hear)
            elif isinstance(event, CloseConnection):
                return self._part(event)
            elif isinstance(event, Ping) and self.open and self.answers_pings:
                (self.answer_ping or self._queue)(self._frames.send(event.response()))
        return True

    def _part(self, event: CloseConnection) -> bool:
        """Answers a close frame, or what wsproto makes of frames that are none; False when all is said."""
        if self._frames.state is ConnectionState.OPEN:
            self.close(event.code, event.reason or "")
            return True
        if self._frames.state is ConnectionState.REMOTE_CLOSING:
            self.farewell = Farewell(int(event.code), event.reason or "")
            self._queue(self._frames.send(event.response()))
        return False

    def _gather(self, event: TextMessage | BytesMessage, hear: Callable[[str | bytes], None]) -> None:
        self._message.append(event.data if isinstance(event.data, str) else bytes(event.data))
        self._size += len(event.data)
        if self._size > LONGEST_MESSAGE or len(self._message) > _MOST_PIECES:
            self.close(TOO_BIG, f"Message exceeds {LONGEST_MESSAGE} bytes.")
            return
        if not event.message_finished:
            return
        empty: str | bytes = "" if isinstance(event, TextMessage) else b""
        whole = empty.join(self._message)  # type: ignore[arg-type]  # wsproto never mixes the two in one message
        self._message.clear()
        self._size = 0
        try:
            hear(whole)
        except Breach as breach:
            self.close(breach.code, breach.reason)
