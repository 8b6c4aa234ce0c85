"""Serves the application by Hypercorn on Trio, with bounds of our own around each connection.

Hypercorn brings HTTP/1.1 and WebSockets. Added here: a bound on connections, deadlines on writes (Hypercorn shields
them, so a client that does not read would hold up the end of the process), no HTTP/2 over clear text (a way around
proxies), no compression on WebSockets (a way to fill our memory), and no fault of a client that could end more than
its own connection.
"""

import math
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any

import attrs
import h11
import trio
from hypercorn.config import Config
from hypercorn.events import Closed
from hypercorn.protocol.events import EndBody, Event, Response
from hypercorn.protocol.h11 import H11Protocol, H11WSConnection
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app

from actors.gateway.problems import Problem
from actors.gateway.settings import Limits
from pipeline.errors import first_error

GRACE = 3.0  # seconds for requests under way when the gateway ends
DISCARDED = 1 << 16
LINGER = 1.0  # seconds for a client to close its side
PING_EVERY = 20.0
SILENT_FOR = 60  # seconds without a byte after which a connection is dead
UNWANTED = (b"sec-websocket-extensions",)  # permessage-deflate: a small frame can hold a very large one
ASCII = (b"connection", b"upgrade", b"sec-websocket-protocol", b"sec-websocket-key", b"sec-websocket-version")


def config_of(limits: Limits) -> Config:
    """Gives Hypercorn's configuration for these limits."""
    config = Config()
    config.h11_max_incomplete_size = limits.headers
    config.websocket_max_message_size = limits.frame
    config.websocket_ping_interval = PING_EVERY
    config.read_timeout = SILENT_FOR
    config.keep_alive_timeout = limits.patience  # for the head of a request to arrive, and between two requests
    config.include_server_header = False
    config.errorlog = config.accesslog = None
    return config


@attrs.define(eq=False)
class _Patient:
    """A TCP stream whose writes have a deadline; the far end is taken for gone when it does not read.

    Closing waits a moment for the far end to close, too: what it has sent meanwhile would otherwise reset the
    connection, and with it go the last words it was told, such as why its WebSocket was closed.
    """

    stream: trio.SocketStream
    patience: float
    _ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    _reading: bool = attrs.field(default=False, init=False)
    _closing: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def socket(self) -> trio.socket.SocketType:
        return self.stream.socket

    async def send_all(self, data: bytes) -> None:
        with trio.move_on_after(self.patience):
            await self.stream.send_all(data)
            return
        await trio.aclose_forcefully(self.stream)
        raise trio.BrokenResourceError("the far end does not read")

    async def receive_some(self, most: int) -> bytes:
        data = b""
        if self._closing.is_set():
            return data
        self._reading = True
        try:
            data = bytes(await self.stream.receive_some(most))
            while data and self._closing.is_set():  # what comes after our farewell is of no interest
                data = bytes(await self.stream.receive_some(most))
        finally:
            self._reading = False
            if not data:
                self._ended.set()
        return data

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    async def aclose(self) -> None:
        self._closing.set()
        with trio.move_on_after(LINGER), suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            if self._reading:
                await self._ended.wait()
            while not self._ended.is_set() and await self.stream.receive_some(DISCARDED):
                pass
        await self.stream.aclose()


class _HTTP1(H11Protocol):
    """Hypercorn's HTTP/1.1 without the ways out of it, and with problem documents for what is no HTTP."""

    async def _check_protocol(self, event: h11.Request) -> None:
        """Offers no HTTP/2: an upgrade to it is ignored, as RFC 9110 (7.8) allows."""

    async def _create_stream(self, request: h11.Request) -> None:
        kept = [
            (name, value)
            for name, value in request.headers
            if name not in UNWANTED and (value.isascii() or name not in ASCII)  # Hypercorn would stumble over these
        ]
        plain = h11.Request(
            method=request.method, target=request.target, headers=kept, http_version=request.http_version
        )
        await super()._create_stream(plain)

    async def stream_send(self, event: Event) -> None:
        if isinstance(event, Response) and self.connection.their_state is h11.SEND_BODY:
            # The answer is ahead of the body, so the connection closes behind it: nobody should ask on it again.
            event = replace(event, headers=[*event.headers, (b"connection", b"close")])
        await super().stream_send(event)
        if isinstance(event, EndBody) and isinstance(self.connection, H11WSConnection):
            await self.send(Closed())  # a socket that was refused would otherwise stay open until it times out

    async def _send_error_response(self, status_code: int) -> None:
        known = status_code < HTTPStatus.INTERNAL_SERVER_ERROR  # h11 says 501 of an encoding that nobody knows
        answer = Problem.of_status(
            status_code if known else HTTPStatus.BAD_REQUEST, "The request is not HTTP/1.1 as it should be."
        ).response()
        headers = [*answer.raw_headers, (b"x-content-type-options", b"nosniff")]
        headers += self.config.response_headers("h11")
        if not any(name == b"connection" for name, _ in headers):
            headers.append((b"connection", b"close"))
        await self._send_h11_event(h11.Response(status_code=answer.status_code, headers=headers))
        await self._send_h11_event(h11.Data(data=bytes(answer.body)))
        await self._send_h11_event(h11.EndOfMessage())


class _Context(WorkerContext):
    """Hypercorn's context for one connection: a wait between two pings ends with it, and not up to 20 s later."""

    def __init__(self, shared: WorkerContext, over: trio.Event) -> None:
        super().__init__(None)
        self.terminated = shared.terminated
        self._over = over

    async def sleep(self, wait: float) -> None:  # type: ignore[override]  # Hypercorn's is static
        with trio.move_on_after(wait):
            await self._over.wait()


class _Connection(TCPServer):
    """One connection, spoken to in HTTP/1.1."""

    async def _read_data(self) -> None:
        made = self.protocol
        made.protocol = _HTTP1(
            made.app,
            made.config,
            made.context,
            made.task_group,
            made.state,
            made.ssl,
            made.client,
            made.server,
            made.send,
        )
        over = trio.Event()
        context: Any = _Context(self.context, over)
        made.protocol.context = context
        try:
            await super()._read_data()
        finally:
            over.set()


@attrs.define(eq=False)
class Server:
    """Accepts connections for an application, `limits.connections` at once; further ones are dropped unanswered.

    `counted` tells whether an address has a bound of its own: a proxy, behind which everybody comes, has none.
    `failed` hears of a connection that ended by a bug.
    """

    app: Any
    limits: Limits
    failed: Callable[[Exception], None]
    counted: Callable[[str], bool]
    _open: Counter[str] = attrs.field(factory=Counter, init=False)

    async def run(self, listeners: list[trio.SocketListener], closing: trio.Event) -> None:
        """Serves until `closing`; then requests under way have a few seconds, and idle connections end."""
        context, config = WorkerContext(None), config_of(self.limits)
        serve = partial(self._serve, wrap_app(self.app, 0, "asgi"), config, context)
        async with trio.open_nursery() as clients:
            async with trio.open_nursery() as listening:
                listening.start_soon(partial(trio.serve_listeners, serve, listeners, handler_nursery=clients))
                await closing.wait()
                listening.cancel_scope.cancel("the gateway ends")
            await context.terminated.set()
            clients.cancel_scope.deadline = trio.current_time() + GRACE

    async def _serve(self, app: Any, config: Config, context: WorkerContext, stream: trio.SocketStream) -> None:  # noqa: ANN401 - Hypercorn's own
        try:
            address = str(stream.socket.getpeername()[0])
        except OSError:  # gone already
            await trio.aclose_forcefully(stream)
            return
        most = self.limits.connections_per_address if self.counted(address) else math.inf
        if self._open.total() >= self.limits.connections or self._open[address] >= most:
            await trio.aclose_forcefully(stream)
            return
        self._open[address] += 1
        try:
            patient: Any = _Patient(stream, self.limits.patience)
            await _Connection(app, config, context, ConnectionState({}), patient).run()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except* Exception as group:  # noqa: BLE001 - one client's doing must not end the gateway
            self.failed(first_error(group))
        finally:
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]
            await trio.aclose_forcefully(stream)
