"""The embedded Live service: what all its connections share, and the listener that brings them.

`async with running(Service()) as address` is all it takes; any client of the Live API then finds it at
`address.live_url`, or at `address.url` where it wants a base URL.
"""

import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus

import attrs
import trio

from actors.emulator import door, forecast
from actors.emulator import mind as default_mind
from actors.emulator.admission import ANY_PAGE, admit, leave, makes_token, refusal
from actors.emulator.connection import INTERNAL, UNAVAILABLE, Connection, Observed
from actors.emulator.door import Request, Response
from actors.emulator.faculties import Faculties, Listener, Mind, Speaker
from actors.emulator.handles import Handles
from actors.emulator.link import Link
from actors.emulator.protojson import Breach
from actors.emulator.scenario import Scenario
from actors.emulator.script import Script
from actors.emulator.settings import Settings
from actors.emulator.tokens import Tokens

GOING_AWAY = 1001
_log = logging.getLogger(__name__)
_MOMENT = 0.25  # seconds in which a client's first message is here
_FAREWELL = 3.0  # seconds for clients to answer the last close frame


@attrs.frozen
class Address:
    """Where the service listens; `url` is its base for HTTP, `live_url` for WebSockets."""

    host: str
    port: int
    secure: bool = False

    @property
    def url(self) -> str:
        """The base URL for clients that take http or https."""
        return f"http{'s' if self.secure else ''}://{self._place}"

    @property
    def live_url(self) -> str:
        """The base URL for clients that take ws or wss."""
        return f"ws{'s' if self.secure else ''}://{self._place}"

    @property
    def _place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Service:
    """A Live service for any number of streams. Sessions outlive connections here, and nowhere else.

    Without `voice`, `hearing` and `mind` the real ones are used, and loaded when first needed. `observe` is called
    synchronously with everything that happens. A `scenario` has its say in all of that.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        voice: Speaker | None = None,
        hearing: Listener | None = None,
        observe: Callable[[Observed], None] | None = None,
        *,
        mind: Mind | None = None,
        scenario: Scenario | None = None,
    ) -> None:
        scenario = scenario or Scenario()
        self.settings = scenario.over(settings or Settings())
        self.script = Script(scenario, self.settings.time_scale)
        self.faculties = Faculties(voice, hearing, threads=self.settings.threads, mind=mind or default_mind)
        self.handles = Handles(self.settings.handles, life=self.settings.handle_life / self.settings.time_scale)
        self.tokens = Tokens(self.settings.tokens)
        self.observe = observe
        self._connections: dict[int, Connection] = {}
        self._lobby: set[trio.CancelScope] = set()
        self._count = 0

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The live WebSockets, oldest first."""
        return tuple(self._connections.values())

    def is_live(self, session: str) -> bool:
        """Tells whether an open connection has this session."""
        return any(connection.session == session and connection.open for connection in self.connections)

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Serves one connection until it ends, and closes it. The far end's faults raise nothing, nor do ours."""
        if len(self._connections) + len(self._lobby) >= 2 * self.settings.connections:
            await trio.aclose_forcefully(stream)
            return
        try:
            entered = None
            with self._waiting():
                entered = await door.enter(stream, self.answer)
            if entered is not None:
                await self._serve_live(stream, *entered)
        except* Exception as group:  # noqa: BLE001 - what could not be told the client any more
            self.failed(group)
            await trio.aclose_forcefully(stream)

    def failed(self, error: Exception) -> None:
        """Tells of a fault of the service's own; it ends the connection on which it showed, and no other."""
        _log.error("a fault of the embedded service's own", exc_info=error)

    def answer(self, request: Request) -> Response:
        """Answers a request that is no WebSocket."""
        try:
            return self._answered(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are served on
            self.failed(error)
            return door.failure(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL)

    def _answered(self, request: Request) -> Response:
        if makes_token(request):
            made = refusal(request, self.settings.key) or self._make_token(request.body)
            return attrs.evolve(made, headers=ANY_PAGE)
        if (answer := leave(request)) is not None:
            return answer
        found = forecast.reply(request.path, request.query) if request.method == "GET" else None
        if found is None:
            return door.failure(HTTPStatus.NOT_FOUND, f"Nothing is served at {request.method} {request.path[:80]}.")
        status, body = found
        return Response(status, body)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Counts a caller that has no conversation; it is dropped when the service ends."""
        with trio.CancelScope() as scope:
            self._lobby.add(scope)
            try:
                yield
            finally:
                self._lobby.discard(scope)

    def _make_token(self, body: bytes) -> Response:
        try:
            name = self.tokens.make(body, trio.current_time(), datetime.now(UTC), self.settings.time_scale)
        except Breach as breach:
            return door.failure(HTTPStatus.BAD_REQUEST, breach.reason)
        return Response(HTTPStatus.OK, {"name": name})

    def close(self) -> None:
        """Ends every connection with 1001, and drops those that are no WebSockets."""
        for connection in self.connections:
            connection.close(GOING_AWAY)
        for scope in self._lobby:
            scope.cancel("the service ends")

    async def _serve_live(self, stream: trio.abc.Stream, request: Request, leftover: bytes) -> None:
        link = Link(stream, leftover)
        try:
            caller = admit(request, self.settings.key, self.tokens, trio.current_time())
            if len(self._connections) >= self.settings.connections:
                raise Breach("The service is currently unavailable.", UNAVAILABLE)
        except Breach as breach:
            with self._waiting():
                await _turn_away(link, breach)
            return
        self._count += 1
        connection = Connection(self._count, link, self, caller)
        self._connections[connection.number] = connection
        try:
            await connection.run()
        finally:
            del self._connections[connection.number]


async def _turn_away(link: Link, breach: Breach) -> None:
    """Refuses a caller once it has said something, or a moment later.

    The official client takes a close frame that is there before its setup for a broken connection; from the real
    service, a network away, none ever is.
    """

    def refuse(_raw: str | bytes) -> None:
        raise breach

    async def refuse_later() -> None:
        await trio.sleep(_MOMENT)
        link.close(breach.code, breach.reason)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(refuse_later)
        await link.run(refuse)
        nursery.cancel_scope.cancel("the caller is gone")


@asynccontextmanager
async def running(
    service: Service,
    host: str = "127.0.0.1",
    port: int = 0,
    ssl_context: ssl.SSLContext | None = None,
    *,
    warm: bool = True,
) -> AsyncIterator[Address]:
    """Has the service listen on TCP while the context lasts; port 0 is any free one, given in the Address.

    `warm` loads voice and hearing at once, so that the first turn is as quick as the others.
    Leaving ends open connections with 1001 and waits a few seconds for the clients to agree; cancelling drops them.
    OSError if the address cannot be bound.
    """
    sockets = await trio.open_tcp_listeners(port, host=host)
    listeners: list[trio.abc.Listener[trio.abc.Stream]] = [
        trio.SSLListener(listener, ssl_context, https_compatible=True) if ssl_context else listener
        for listener in sockets
    ]
    bound = sockets[0].socket.getsockname()[1]
    try:
        async with trio.open_nursery() as clients:
            async with trio.open_nursery() as listening:
                if warm and service.settings.threads:
                    listening.start_soon(service.faculties.warm_up)
                serve = partial(trio.serve_listeners, service.serve_stream, listeners, handler_nursery=clients)
                listening.start_soon(serve)  # noqa: ASYNC113 - the sockets listen already; accepting may come later
                yield Address(host, bound, secure=ssl_context is not None)
                listening.cancel_scope.cancel("the service ends")
            service.close()
            clients.cancel_scope.deadline = trio.current_time() + _FAREWELL
    finally:
        service.faculties.close()
