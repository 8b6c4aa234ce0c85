"""The gateway as an actor: listens, serves, and tells where; what it shares with nobody it makes itself."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs
import trio

from actors.gateway.access import Door, is_loopback_host
from actors.gateway.app import build
from actors.gateway.audit import Audit
from actors.gateway.counts import Counts
from actors.gateway.credentials import SHORTEST_KEY, Signer
from actors.gateway.desk import Desk
from actors.gateway.offer import Offer
from actors.gateway.server import Server
from actors.gateway.settings import Settings
from actors.gateway.store import Memory, Store
from actors.gateway.tokens import Mint
from actors.live.address import GOOGLE, SCHEMES
from pipeline.actor import Shared, section
from pipeline.environment import Environment
from pipeline.errors import Fatal, PlanError
from pipeline.events import Bus, Trouble
from pipeline.graph import load_name
from pipeline.plan import Plan
from tools.toolbox import Toolbox

REST = 1.0  # seconds for what listens to relayed conversations to take in their end


@attrs.define
class Threshold:
    """Where the gateway listens, and the moments that it and the program around it tell each other of."""

    ready: trio.Event = attrs.field(factory=trio.Event, init=False)
    closing: trio.Event = attrs.field(factory=trio.Event, init=False)
    ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    host: str = attrs.field(default="", init=False)
    port: int = attrs.field(default=0, init=False)
    live_url: str = attrs.field(default="", init=False)

    @property
    def url(self) -> str:
        """The base URL for browsers on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - listens nowhere
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


@attrs.define
class Gateway:
    """Serves the web client and gives out tokens. Settings of the plan's `[gateway]` are in `settings`.

    Listens on `host` and `port`, 0 being any, and tells `threshold` when it does; runs until the threshold's
    `closing` is set, and then ends in order: sockets with 1001, requests under way within three seconds. PlanError
    for settings that make no sense or would let everybody in, Fatal if it cannot listen. Cancellation drops everyone.
    """

    plan: Plan
    environment: Environment
    bus: Bus
    toolbox: Shared[Toolbox]
    threshold: Shared[Threshold]
    table: Mapping[str, Any] = section("gateway")
    live: Mapping[str, Any] = section("live")
    host: str = "127.0.0.1"
    port: int = 8000
    endpoint: str = ""
    live_port: int = 0
    conversation: Callable[[], Plan] = Plan.load

    async def run(self) -> None:
        """Serves until the threshold says so."""
        settings = Settings.of(self.table, self.plan.where("gateway"))
        check_exposure(self.host, settings, self.environment.access_key)
        path = self.plan.folder / settings.audit if settings.audit else None
        desk = self._desk(settings, Audit(path, self.bus, settings.audit_size, settings.audit_files))
        relay = load_name(settings.relay, "[gateway] relay")(desk) if settings.mode == "relay" else None
        server = Server(
            build(desk, relay.endpoint if relay is not None else None),
            settings.limits,
            failed=lambda error: self.bus.publish(
                Trouble(f"a connection failed: {type(error).__name__}", "gateway", "the others go on")
            ),
            counted=desk.door.counts,
        )
        try:
            listeners = await trio.open_tcp_listeners(self.threshold.port or self.port, host=self.host)
        except OSError as error:
            where = f"listen on {self.host}:{self.port}: {error.strerror or error}"
            raise Fatal(f"cannot {where}; choose another --port, or 0 for any") from None
        self.threshold.host, self.threshold.port = self.host, listeners[0].socket.getsockname()[1]
        self.threshold.live_url = desk.live_url
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(desk.keep)
                nursery.start_soon(self._close, desk)
                nursery.start_soon(desk.counts.conversations.run, self.bus.subscribe())
                if relay is not None:
                    await nursery.start(relay.run)
                self.threshold.ready.set()
                await server.run(listeners, desk.closing)
                if relay is not None:
                    with trio.move_on_after(REST):
                        await relay.rest()
                self.threshold.ended.set()
                nursery.cancel_scope.cancel("the gateway has ended")
        finally:
            desk.audit.close()
            with trio.move_on_after(1, shield=True):
                await desk.store.aclose()

    async def _close(self, desk: Desk) -> None:
        await self.threshold.closing.wait()
        desk.close()

    def _desk(self, settings: Settings, audit: Audit) -> Desk:
        key, base = self.environment.google_key or "", self.endpoint or self.environment.base_url or GOOGLE
        return Desk(
            conversation_plan=self.conversation,
            environment=self.environment,
            bus=self.bus,
            settings=settings,
            store=_store(settings),
            audit=audit,
            counts=Counts(),
            door=Door(settings, is_loopback_host(self.host)),
            offer=Offer(settings, self.live, self.toolbox),
            mint=Mint(
                key,
                http_url(base),
                settings.token_life,
                settings.token_start,
                settings.token_uses,
            ),
            signer=Signer.of(self.environment.access_key),
            live_url=socket_url(base),
            live_port=self.live_port or None,
        )


def _store(settings: Settings) -> Store:
    if not settings.redis:
        return Memory()
    from actors.gateway.redis_store import RedisStore  # noqa: PLC0415 - most gateways need none

    return RedisStore(settings.redis)


def check_exposure(host: str, settings: Settings, access_key: str | None) -> None:
    """Refuses, by PlanError, to let everybody in who can reach the machine, or whoever guesses a short key."""
    guarded = access_key is not None or bool(settings.proxy.user_header)
    if not is_loopback_host(host) and not guarded:
        raise PlanError(
            f"serving on {host} would let everybody in who can reach it: set ASSISTANT_ACCESS_KEY to a long random "
            f"text, or declare the proxy that signs people in under [gateway.proxy]"
        )
    elsewhere = [name for name in (*settings.hosts, *map(_host_of, settings.origins)) if not is_loopback_host(name)]
    if elsewhere and not guarded:
        raise PlanError(
            f"serving {elsewhere[0]} to whoever comes would let everybody in: set ASSISTANT_ACCESS_KEY to a long "
            "random text, or declare the proxy that signs people in under [gateway.proxy]"
        )
    if access_key is not None and len(access_key) < SHORTEST_KEY:
        raise PlanError(
            f"ASSISTANT_ACCESS_KEY has {len(access_key)} characters; give it {SHORTEST_KEY} or more, "
            "best from a password generator"
        )


def _host_of(origin: str) -> str:
    return urlsplit(origin).hostname or origin


def http_url(base: str) -> str:
    """Gives the base URL for HTTP."""
    return _with_scheme(base, "https", "http")


def socket_url(base: str) -> str:
    """Gives the base URL for WebSockets."""
    return _with_scheme(base, "wss", "ws")


def _with_scheme(base: str, secure: str, plain: str) -> str:
    scheme, found, rest = base.partition("://")
    if not found or scheme not in SCHEMES:
        raise PlanError(f"the endpoint {base!r} is no URL of a service; write it as wss://HOST or http://HOST:PORT")
    return f"{secure if SCHEMES[scheme] else plain}://{rest.rstrip('/')}"
