"""A far end for tests of the transport: a small WebSocket server over one end of a memory stream pair."""

from collections import deque
from collections.abc import Callable

import attrs
import pytest
import trio
import trio.testing
import wsproto
from wsproto.events import AcceptConnection, CloseConnection, Event, Message, Ping, RejectConnection, Request

from actors.live.address import Address

MADE_UP_KEY = "no-real-key"


@attrs.define
class FarEnd:
    """The server's side of one connection; the test says what it does and when."""

    stream: trio.testing.MemorySendStream | trio.abc.Stream
    ws: wsproto.WSConnection = attrs.field(factory=lambda: wsproto.WSConnection(wsproto.ConnectionType.SERVER))
    request: Request | None = None
    _events: deque[Event] = attrs.field(factory=deque)

    async def accept(self) -> None:
        request = await self.next()
        assert isinstance(request, Request)
        self.request = request
        await self.send(AcceptConnection())

    async def reject(self, status: int) -> None:
        assert isinstance(await self.next(), Request)
        await self.send(RejectConnection(status_code=status, headers=[(b"content-length", b"0")]))

    async def send(self, *events: Event) -> None:
        """Sends all of them in one write."""
        await self.stream.send_all(b"".join(self.ws.send(event) for event in events))

    async def next(self) -> Event:
        """Waits for the next event; a vanished peer is a CloseConnection with 1006."""
        while not self._events:
            data = await self.stream.receive_some(65536)
            self.ws.receive_data(data or None)
            self._events.extend(self.ws.events())
        return self._events.popleft()

    async def message(self) -> str:
        """Waits for a whole text message; pings are answered."""
        text = ""
        while True:
            event = await self.next()
            if isinstance(event, Ping):
                await self.send(event.response())
                continue
            assert isinstance(event, Message), event
            text += event.data
            if event.message_finished:
                return text

    async def behave(self) -> None:
        """Answers pings and closing like any good server, and hangs up after it."""
        while True:
            event = await self.next()
            if isinstance(event, Ping):
                await self.send(event.response())
            elif isinstance(event, CloseConnection):
                if self.ws.state is wsproto.connection.ConnectionState.REMOTE_CLOSING:
                    await self.send(event.response())
                await self.stream.aclose()
                return

    async def serve(self) -> None:
        """Accepts, then behaves."""
        await self.accept()
        await self.behave()


@attrs.define
class Line:
    """A way to dial `far`, the far end of a fresh pair of streams."""

    far: FarEnd
    near: trio.abc.Stream
    address: Address

    async def dial(self, _address: Address) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return self.near


@pytest.fixture
def line() -> Line:
    near, far = trio.testing.memory_stream_pair()
    return Line(FarEnd(far), near, Address.of("ws://far.test:81", "v1beta", MADE_UP_KEY))


@pytest.fixture
def tight_line() -> Line:
    """A line on which a write waits until the far end has read it."""
    near, far = trio.testing.lockstep_stream_pair()
    return Line(FarEnd(far), near, Address.of("ws://far.test:81", "v1beta", MADE_UP_KEY))


@pytest.fixture
def elapsed() -> Callable[[], float]:
    """Tells how much virtual time has passed since the first call."""
    began: list[float] = []

    def read() -> float:
        if not began:
            began.append(trio.current_time())
        return round(trio.current_time() - began[0], 6)

    return read
