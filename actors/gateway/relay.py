"""The relay: conversations of pages that talk to the gateway instead of the Live service.

`Relay.run` lives in the gateway's nursery and holds the conversations; `Relay.endpoint` serves one WebSocket that the
desk lets in. Where a conversation stands is kept in the store, handle included, so that another gateway can go on.
"""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import attrs
import msgspec
import trio
from starlette.websockets import WebSocket, WebSocketDisconnect

from actors.gateway import relay_wire as wire
from actors.gateway.desk import GOING_AWAY, Desk
from actors.gateway.offer import Wish
from actors.gateway.page_audio import Page
from actors.gateway.problems import Problem
from actors.gateway.relay_ring import PageRing
from actors.gateway.relay_talk import Socket, SocketGone, Talk, digest
from pipeline.errors import PlanError, first_error
from pipeline.events import Trouble
from pipeline.plan import Plan

HELLO_WITHIN = 5.0  # seconds for a page's first message
KEPT_FOR = 120.0  # seconds that a conversation waits for its page
SAVED_EVERY = 1.0  # seconds between two looks at where a conversation stands
ELSEWHERE = "it goes on at another gateway"
REFUSALS = {"too-often": wire.TOO_MANY, "not-ready": wire.NOT_READY}  # a page lets go of what is not found
LONGEST_REASON = 120  # bytes of a close frame's reason (RFC 6455, 5.5: 125 with the code)


@attrs.frozen
class Standing:
    """Where a conversation stands, as any gateway may read it; `gateway` is who has it now."""

    secret: str
    user: str
    gateway: str
    handle: str = attrs.field(repr=False)
    settled: int
    received: int
    played: int
    answered: int
    model: str | None = None
    voice: str | None = None
    language: str | None = None


@attrs.define(eq=False)
class Relay:
    """Holds this process's relayed conversations. `kept_for` is how long one waits for its page, in seconds.

    `threads` may be switched off where time is virtual.
    """

    desk: Desk
    kept_for: float = KEPT_FOR
    threads: bool = True
    name: str = attrs.field(factory=lambda: secrets.token_hex(8))
    talks: dict[str, Talk] = attrs.field(factory=dict, init=False)
    _nursery: trio.Nursery | None = attrs.field(default=None, init=False)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Holds the conversations until cancelled, which ends them in order."""
        async with trio.open_nursery() as self._nursery:
            if self.threads:
                self._nursery.start_soon(self._warm_up)
            task_status.started()
            await trio.sleep_forever()

    async def _warm_up(self) -> None:
        """Has a thread do what is slow the first time, so that the first page to come holds up no other."""
        with suppress(Problem, PlanError):
            await trio.to_thread.run_sync(self._plan, Wish(), abandon_on_cancel=True)

    async def serve(self, socket: Socket, user: str, visit: Any = None) -> tuple[int, str]:  # noqa: ANN401 - a Visit, or none
        """Serves one page: finds or begins its conversation, and attends it. Gives code and reason to close with."""
        try:
            with trio.fail_after(HELLO_WITHIN):
                hello = wire.parse(await socket.receive())
        except trio.TooSlowError:
            return wire.TOO_SLOW, "no hello came"
        except wire.Misspoken as fault:
            return wire.NOT_UNDERSTOOD, str(fault)
        except SocketGone:
            return 1006, "the page is gone"
        if not isinstance(hello, wire.Hello):
            return wire.NOT_UNDERSTOOD, "the first message is a hello"
        try:
            talk, secret = await self._found(hello, user) if hello.session else await self._begun(hello, user)
        except Problem as problem:
            return REFUSALS.get(problem.slug, wire.NOT_FOUND), problem.detail
        if visit is not None:
            talk.note = lambda turns, ms: visit.beat(turns, [] if ms is None else [ms])
        welcome: dict[str, object] = {"session": talk.id, "secret": secret, "kept_for": self.kept_for}
        try:
            return await talk.attend(socket, hello, welcome)
        finally:
            if visit is not None and visit.scope.cancel_called and visit.code != GOING_AWAY:
                talk.end(visit.reason or "the time of this session is up")

    async def endpoint(self, websocket: WebSocket, desk: Desk) -> None:
        """Serves a WebSocket of /api/relay; whoever may not come in is told by a close frame: pages read no status."""
        await websocket.accept()
        socket = _Starlette(websocket)
        try:
            async with desk.visit(websocket, "relay") as visit:
                await socket.close(*await self.serve(socket, visit.user.name, visit))
        except Problem as problem:
            wait = f"; retry after {problem.retry_after}" if problem.retry_after is not None else ""
            await socket.close(4000 + problem.status, problem.detail + wait)

    # -- conversations ---------------------------------------------------------------------------------------

    async def _begun(self, hello: wire.Hello, user: str) -> tuple[Talk, str]:
        wish = Wish(hello.model, hello.voice, hello.language)
        plan = self._plan(wish)
        self._make_room(user)
        secret = secrets.token_urlsafe(32)
        talk = Talk(secrets.token_hex(16), digest(secret), user, plan, self.desk.environment)
        self._start(talk, wish)
        return talk, secret

    async def _found(self, hello: wire.Hello, user: str) -> tuple[Talk, str]:
        """Gives the conversation of a page that comes back, from here or from another gateway."""
        talk = self.talks.get(hello.session)
        if talk is not None and await self._gone_elsewhere(talk.id):  # what is here is the older part of it
            talk.end(ELSEWHERE)
            self.talks.pop(talk.id, None)
            talk = None
        talk = talk or await self._taken_over(hello, user)
        if talk is None or talk.over is not None or not talk.knows(hello.secret, user):
            raise Problem("unknown-path", "this conversation is over, or was never here")
        return talk, hello.secret

    async def _taken_over(self, hello: wire.Hello, user: str) -> Talk | None:
        saved = await self.desk.store.load_relay(hello.session)
        if saved is None:
            return None
        standing = msgspec.json.decode(saved, type=Standing)
        if standing.user != user or standing.secret != digest(hello.secret) or not standing.handle:
            return None
        # The other gateway, should it live, lets go of it from here on.
        taken = msgspec.json.encode(attrs.evolve(standing, gateway=self.name))
        await self.desk.store.save_relay(hello.session, taken, 2 * self.kept_for)
        if hello.session in self.talks:  # another socket of the page's has come for it meanwhile
            return self.talks[hello.session]
        # A reply whose question is answered for plays on at the page; any other comes again, so what is there is stale.
        base = standing.played if hello.received is None else hello.received
        ring = PageRing(base)
        ring.stale_before = 0 if standing.settled == standing.received else base
        wish = Wish(standing.model, standing.voice, standing.language)
        self._make_room(user)
        talk = Talk(
            hello.session, standing.secret, user, self._plan(wish), self.desk.environment,
            Page(ring, standing.settled), standing.handle,
        )  # fmt: skip
        talk.outbox.last, talk.said = hello.seen, standing.answered  # numbers go on where the page has them
        self._start(talk, wish)
        return talk

    def _plan(self, wish: Wish) -> Plan:
        """Gives the plan of one conversation; Problem 422 where the wish is for what is not to be had."""
        agreed = self.desk.offer.agree(wish)
        plan = self.desk.conversation_plan()
        plan.set("live.model", agreed.model)
        if "speech_config" in agreed.config:
            plan.set("live.speech_config", agreed.config["speech_config"])
        plan.set("actors.connection.handle_file", "")
        plan.set("actors.connection.resume", value=False)
        return plan

    def _make_room(self, user: str) -> None:
        """A user's conversations without a page make room for a new one, the longest alone first."""
        own = [talk for talk in self.talks.values() if talk.user == user and talk.over is None]
        alone = sorted((talk for talk in own if talk.away), key=lambda talk: talk.away_since)
        for talk in alone[: max(0, len(own) + 1 - self.desk.settings.limits.sessions_per_user)]:
            talk.end("another conversation was begun")

    def _start(self, talk: Talk, wish: Wish) -> None:
        if self._nursery is None:
            raise Problem("not-ready", "the relay is not running yet")
        self.talks[talk.id] = talk
        self._nursery.start_soon(self._hold, talk, wish)

    async def _hold(self, talk: Talk, wish: Wish) -> None:
        """Runs a conversation, saves where it stands, and ends it when nobody comes back for it."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._save, talk, wish)
                await talk.run()
                nursery.cancel_scope.cancel("the conversation is over")
        except* PlanError as group:
            talk.over = str(group.exceptions[0])
        except* Exception as group:  # noqa: BLE001 - one conversation's bug must not end the others
            what = f"a relayed conversation failed: {type(first_error(group)).__name__}"
            self.desk.bus.publish(Trouble(what, "gateway", "the others go on"))
        finally:
            if self.talks.get(talk.id) is talk:
                del self.talks[talk.id]
            with trio.move_on_after(1, shield=True), suppress(Problem):
                if self.desk.closing.is_set():  # another gateway may go on with it, or does already
                    if not await self._gone_elsewhere(talk.id):
                        await self._keep(talk, self._standing(talk, wish))
                elif talk.over != ELSEWHERE:
                    await self.desk.store.forget_relay(talk.id)

    async def _save(self, talk: Talk, wish: Wish) -> None:
        saved: Standing | None = None
        while True:
            await trio.sleep(SAVED_EVERY)
            if talk.away and trio.current_time() - talk.away_since > self.kept_for:
                talk.end("nobody came back for it")
            with suppress(Problem):  # a store that is away is asked again
                if await self._gone_elsewhere(talk.id):
                    talk.end(ELSEWHERE)
                    return
                standing = self._standing(talk, wish)
                if standing != saved:
                    await self._keep(talk, standing)
                    saved = standing

    async def _keep(self, talk: Talk, standing: Standing | None) -> None:
        if standing is not None:
            await self.desk.store.save_relay(talk.id, msgspec.json.encode(standing), 2 * self.kept_for)

    async def _gone_elsewhere(self, session: str) -> bool:
        kept = await self.desk.store.load_relay(session)
        return kept is not None and msgspec.json.decode(kept, type=Standing).gateway != self.name

    def _standing(self, talk: Talk, wish: Wish) -> Standing | None:
        if talk.session is None or talk.session.handle is None:
            return None
        received = talk.page.received
        settled = talk.settled
        if talk.quiet:
            settled, talk.answered = received, talk.said
        return Standing(
            talk.secret, talk.user, self.name, talk.session.handle, settled, received, talk.page.ring.position,
            talk.answered, wish.model, wish.voice, wish.language,
        )  # fmt: skip


@attrs.frozen
class _Starlette:
    """Starlette's WebSocket as the relay's Socket."""

    _websocket: WebSocket

    async def receive(self) -> str | bytes:
        try:
            message: Mapping[str, Any] = await self._websocket.receive()
        except (WebSocketDisconnect, RuntimeError):
            raise SocketGone from None
        if message["type"] == "websocket.disconnect":
            raise SocketGone
        frame: str | bytes = message["text"] if message.get("text") is not None else message["bytes"]
        return frame

    async def send(self, frame: str | bytes) -> None:
        try:
            if isinstance(frame, str):
                await self._websocket.send_text(frame)
            else:
                await self._websocket.send_bytes(frame)
        except (WebSocketDisconnect, RuntimeError, trio.BrokenResourceError, trio.ClosedResourceError):
            raise SocketGone from None

    async def close(self, code: int, reason: str = "") -> None:
        short = reason.encode()[:LONGEST_REASON].decode(errors="ignore")
        with trio.move_on_after(1), suppress(RuntimeError, trio.BrokenResourceError, trio.ClosedResourceError):
            await self._websocket.close(1000 if code < 1000 or code == 1006 else code, short)  # noqa: PLR2004 - RFC 6455, 7.4
