"""A WebSocket by trio-websocket, with its measured traps contained.

The traps: while nobody reads, pings go unanswered; an error in the library's reader task must not end the conversation;
a peer that goes away before the handshake is waited for a minute. So: the queue is long and the reader never waits, the
connection lives in a nursery of its own, and the handshake has a deadline here.
"""

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import attrs
import h11
import trio
import trio_websocket as ws
from wsproto.utilities import LocalProtocolError

from actors.live.address import Address
from actors.live.dialling import ABNORMAL
from actors.live.link import HANDSHAKE_DEADLINE, LARGEST
from pipeline.errors import TransportLost

QUEUE = 512  # messages read ahead, so that pings are answered while a burst is being handed on


@attrs.define
class BufferedSocket:
    """See `actors.live.link.Socket`; a task of the library's reads ahead."""

    _connection: ws.WebSocketConnection

    async def send(self, frame: str) -> None:
        """Writes a whole frame."""
        with _translated():
            await self._connection.send_message(frame)

    async def receive(self) -> bytes | str:
        """Waits for the next message."""
        with _translated():
            return await self._connection.get_message()

    def ready(self) -> Iterator[bytes | str]:
        """Has nothing at hand: the library gives messages one by one."""
        return iter(())

    async def ping(self) -> None:
        """Sends a ping and waits for its pong."""
        with _translated():
            await self._connection.ping()

    async def close(self) -> None:
        """Closes in order."""
        await self._connection.aclose()


@asynccontextmanager
async def opened(stream: trio.abc.Stream, address: Address, closing: trio.CancelScope) -> AsyncIterator[BufferedSocket]:
    """Gives an open socket on this stream; see `actors.live.link.Opener`."""
    lost: TransportLost | None = None
    try:
        async with trio.open_nursery() as nursery:
            connection, reading = await nursery.start(_read, stream, address, closing)
            try:
                yield BufferedSocket(connection)
            finally:
                reading.cancel("the connection is closed")
    except* ws.ConnectionRejected as group:
        status = next(_leaves(group, ws.ConnectionRejected)).status_code
        lost = TransportLost(status, f"{address.shown} answered the handshake with HTTP {status}")
    except* h11.ProtocolError:
        lost = TransportLost(ABNORMAL, f"what answers at {address.shown} does not speak HTTP")
    except* (LocalProtocolError, ws.HandshakeError, ws.ConnectionClosed, OSError) as group:
        lost = TransportLost(ABNORMAL, f"the connection failed: {next(_leaves(group, Exception))}")
    if lost is not None:
        raise lost


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ws.ConnectionClosed as closed:
        reason = closed.reason
        code, words = (ABNORMAL, "") if reason is None else (int(reason.code), reason.reason or "")
        raise TransportLost(code, words) from None
    except LocalProtocolError:
        raise TransportLost(ABNORMAL, "the connection was already closing") from None


async def _read(
    stream: trio.abc.Stream,
    address: Address,
    closing: trio.CancelScope,
    task_status: trio.TaskStatus[tuple[ws.WebSocketConnection, trio.CancelScope]],
) -> None:
    """Runs the library's reader, shielded once the connection is open: closing in order needs it when cancelled, too.

    Whatever ends it, `closing` then waits no longer. What it raises while we close concerns nobody any more.
    """
    connection: ws.WebSocketConnection | None = None
    try:
        with trio.CancelScope() as reading:
            async with trio.open_nursery() as nursery:
                connection = await _handshaken(nursery, stream, address)
                reading.shield = True
                task_status.started((connection, reading))
    except* LocalProtocolError:
        if connection is None or not closing.deadline < math.inf:
            raise
    finally:
        closing.cancel("nobody reads any more")


async def _handshaken(nursery: trio.Nursery, stream: trio.abc.Stream, address: Address) -> ws.WebSocketConnection:
    try:
        with trio.fail_after(HANDSHAKE_DEADLINE):
            return await ws.wrap_client_stream(
                nursery,
                stream,  # type: ignore[arg-type] # the library asks only for what every trio.abc.Stream has
                address.authority,
                address.resource,
                extra_headers=list(address.headers),
                message_queue_size=QUEUE,
                max_message_size=LARGEST,
                receive_buffer_size=None,
            )
    except trio.TooSlowError:
        what = f"{address.shown} did not complete the handshake within {HANDSHAKE_DEADLINE:g} s"
        raise TransportLost(ABNORMAL, what) from None


E = TypeVar("E", bound=BaseException)


def _leaves(group: BaseExceptionGroup[Any], kind: type[E]) -> Iterator[E]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error, kind)
        elif isinstance(error, kind):
            yield error
