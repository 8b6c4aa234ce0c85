"""One WebSocket connection over trio-websocket, on any Trio stream, with its measured traps contained.

The traps: a cancelled write leaves half a frame on the wire and poisons the rest; while nobody reads, pings go
unanswered; an error in the library's reader task must not end the conversation; a peer that goes away before the
handshake is waited for a minute. So: writes are shielded and bounded in time, the queue is long and the reader
never waits, the connection lives in a nursery of its own, and every step has a deadline here.
"""

import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any, TypeVar

import attrs
import certifi
import h11
import trio
import trio_websocket as ws
from wsproto.utilities import LocalProtocolError

from actors.live.address import Address
from actors.live.link import Tap, unheard
from pipeline.errors import TransportLost, first_error

DIAL_DEADLINE = 5.0  # seconds for TCP and TLS
HANDSHAKE_DEADLINE = 5.0
# Linux only; elsewhere the heartbeat alone finds out.
UNACKNOWLEDGED = 15.0  # seconds after which a far end whose TCP confirms nothing is gone (RFC 5482)
WRITE_DEADLINE = 10.0  # a frame that the far end does not take for so long never will be
CLOSE_DEADLINE = 0.5
QUEUE = 512  # messages read ahead, so that pings are answered while a burst is being handed on
LARGEST = 16 * 2**20  # bytes in a message; the library's own limit of 1 MiB is below what tools may answer
NORMAL = 1000
ABNORMAL = 1006  # RFC 6455, 7.1.5: no close frame came
UNTRUSTED = 1015  # RFC 6455, 7.1.5: the TLS handshake failed

Dial = Callable[[Address], Awaitable[trio.abc.Stream]]


async def dial_tcp(address: Address) -> trio.abc.Stream:
    """Opens TCP, and TLS on it where the address says so; OSError or ssl.SSLError when it cannot be had."""
    stream = await trio.open_tcp_stream(address.host, address.port)
    if isinstance(stream, trio.SocketStream) and hasattr(socket, "TCP_USER_TIMEOUT"):
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * UNACKNOWLEDGED))
    if not address.tls:
        return stream
    context = _trust(certifi.where(), os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    secure = trio.SSLStream(stream, context, server_hostname=address.host, https_compatible=True)
    try:
        await secure.do_handshake()
    except (trio.BrokenResourceError, OSError):
        await trio.aclose_forcefully(secure)
        raise
    return secure


@cache
def _trust(authorities: str, *_system: str | None) -> ssl.SSLContext:
    """Makes the context for these authorities and the system's, once: reading them takes 70 ms, at every reconnect."""
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=authorities)
    return context


@attrs.define
class Transport:
    """An open connection; `connected` makes and closes it."""

    _connection: ws.WebSocketConnection
    _scope: trio.CancelScope
    _tap: Tap = unheard
    aborted: bool = attrs.field(default=False, init=False)
    _heard_at: float = attrs.field(factory=trio.current_time, init=False)

    async def send(self, frame: str) -> None:
        """Writes a whole frame.

        Cancellation waits until the frame is written, at most `WRITE_DEADLINE`. Raises TransportLost when the
        socket is gone or takes nothing any more; the connection is then broken for both directions.
        """
        with trio.CancelScope(shield=True, deadline=trio.current_time() + WRITE_DEADLINE) as deadline:
            try:
                await self._connection.send_message(frame)
            except ws.ConnectionClosed as closed:
                raise _lost(closed) from None
            except LocalProtocolError:
                raise TransportLost(ABNORMAL, "the connection was already closing") from None
        if deadline.cancelled_caught:
            self.abort()
            raise TransportLost(ABNORMAL, f"the far end took nothing for {WRITE_DEADLINE:g} s")
        self._tap("out", frame)

    async def receive(self) -> bytes | str:
        """Waits for the next message; TransportLost when there will be none. Cancelled means: not taken."""
        try:
            message = await self._connection.get_message()
        except ws.ConnectionClosed as closed:
            raise _lost(closed) from None
        self._heard_at = trio.current_time()
        self._tap("in", message)
        return message

    async def pong(self, patience: float) -> bool:
        """Sends a ping and tells whether its pong came within `patience` seconds; TransportLost when none can.

        Cancelled in the middle of the write it leaves half a frame: the connection is only good for closing then.
        """
        with trio.move_on_after(patience):
            try:
                await self._connection.ping()
            except ws.ConnectionClosed as closed:
                raise _lost(closed) from None
            except LocalProtocolError:
                raise TransportLost(ABNORMAL, "the connection was already closing") from None
            return True
        return False

    async def alive(self, patience: float) -> bool:
        """Sends a ping and waits for its pong; tells that none came, nor any message, for `patience` seconds.

        Traffic counts because pongs come late, or not at all, from busy services (live-protocol 9, row 2): after each
        message the time begins anew.
        """
        since = trio.current_time()
        with suppress(TransportLost):
            while not await self.pong(since + patience - trio.current_time()):
                if self._heard_at <= since:
                    return False
                since = self._heard_at
            return True
        return False

    def abort(self) -> None:
        """Breaks the connection at once, without a close frame."""
        self.aborted = True
        self._scope.cancel("the link is given up")


def _lost(closed: ws.ConnectionClosed) -> TransportLost:
    reason = closed.reason
    return TransportLost(ABNORMAL, "") if reason is None else TransportLost(int(reason.code), reason.reason or "")


@asynccontextmanager
async def connected(address: Address, dial: Dial = dial_tcp, tap: Tap = unheard) -> AsyncIterator[Transport]:
    """Gives an open WebSocket connection and closes it, with code 1000, however the block ends.

    Raises a bare TransportLost for anything the network or the far end does: the code is the close
    code, the HTTP status of a refused handshake, or 1006. Closing takes no longer than the far end takes to agree,
    at most `CLOSE_DEADLINE`, also when cancelled. `tap` hears every frame, in the order of the wire. After `abort` the
    block is left without an error of ours.
    """
    stream = await _dialled(address, dial)
    closing = trio.CancelScope(shield=True)
    lost: TransportLost | None = None
    try:
        async with trio.open_nursery() as nursery:
            connection, reading = await nursery.start(_read, stream, address, closing)
            transport = Transport(connection, nursery.cancel_scope, tap)
            try:
                yield transport
            finally:
                if not transport.aborted:
                    closing.deadline = trio.current_time() + CLOSE_DEADLINE
                    with closing:
                        await connection.aclose()
                reading.cancel("the connection is closed")
    except* ws.ConnectionRejected as group:
        status = next(_leaves(group, ws.ConnectionRejected)).status_code
        lost = TransportLost(status, f"{address.shown} answered the handshake with HTTP {status}")
    except* h11.ProtocolError:
        lost = TransportLost(ABNORMAL, f"what answers at {address.shown} does not speak HTTP")
    except* (LocalProtocolError, ws.HandshakeError, ws.ConnectionClosed, OSError) as group:
        lost = TransportLost(ABNORMAL, f"the connection failed: {next(_leaves(group, Exception))}")
    except* TransportLost as group:
        lost = first_error(group)
    finally:
        await trio.aclose_forcefully(stream)
    if lost is not None:
        raise lost


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
        if connection is None or not closing.deadline < float("inf"):
            raise
    finally:
        closing.cancel("nobody reads any more")


async def _dialled(address: Address, dial: Dial) -> trio.abc.Stream:
    try:
        with trio.fail_after(DIAL_DEADLINE):
            return await dial(address)
    except trio.TooSlowError:
        raise TransportLost(ABNORMAL, f"{address.shown} did not answer within {DIAL_DEADLINE:g} s") from None
    except (OSError, trio.BrokenResourceError) as error:
        bad = next((e for e in (error, error.__cause__) if isinstance(e, ssl.SSLCertVerificationError)), None)
        if bad is not None:
            raise TransportLost(UNTRUSTED, f"{address.shown} shows a bad certificate: {bad.verify_message}") from None
        raise TransportLost(ABNORMAL, f"{address.shown} could not be reached: {_cause(error)}") from None


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


def _cause(error: BaseException) -> str:
    """Gives the plainest words for a failed dial: the system's, for the last address tried."""
    inner = error.__cause__
    while isinstance(inner, BaseExceptionGroup):
        inner = inner.exceptions[-1]
    shown = inner if isinstance(inner, OSError) else error
    number = getattr(shown, "errno", None)
    known = number in errno.errorcode and not isinstance(shown, socket.gaierror)
    return os.strerror(number) if known and number else str(getattr(shown, "strerror", None) or shown)


E = TypeVar("E", bound=BaseException)


def _leaves(group: BaseExceptionGroup[Any], kind: type[E]) -> Iterator[E]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error, kind)
        elif isinstance(error, kind):
            yield error
