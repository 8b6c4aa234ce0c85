"""The relay: conversations of pages that talk to the gateway instead of the Live service.

`Relay.run` lives in the gateway's nursery and holds the conversations; `Relay.endpoint` serves one WebSocket that the
desk lets in. Where a conversation stands is kept in the store, handle included, so that another gateway can go on.
"""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import attrs
import trio
from starlette.websockets import WebSocket, WebSocketDisconnect

from actors.gateway import relay_tools
from actors.gateway import relay_wire as wire
from actors.gateway.desk import GOING_AWAY, LOOK, OUT_OF_TIME, REVOKED, Desk, Visit
from actors.gateway.offer import Wish
from actors.gateway.pace import Pace
from actors.gateway.page_audio import Page
from actors.gateway.problems import Problem
from actors.gateway.relay_record import Record
from actors.gateway.relay_ring import PageRing
from actors.gateway.relay_standing import Shelf, Standing
from actors.gateway.relay_talk import Socket, SocketGone, Talk, digest
from pipeline.errors import PlanError, first_error
from pipeline.events import Trouble
from pipeline.plan import Plan

HELLO_WITHIN = 5.0  # seconds for a page's first message
KEPT_FOR = 120.0  # seconds that a conversation waits for its page
SAVED_EVERY = 1.0  # seconds between two looks at where a conversation stands
ELSEWHERE = "it goes on at another gateway"
OUT_OF_DATE = "the time of this session is up"
OVER = ("revoked", "session-over")
REFUSALS = {  # a page lets go of what is not found
    "too-often": wire.TOO_MANY,
    "not-ready": wire.NOT_READY,
    "not-allowed": wire.NOT_TO_BE_HAD,
    "revoked": REVOKED,
    "session-over": OUT_OF_TIME,
}
LONGEST_REASON = 120  # bytes of a close frame's reason (RFC 6455, 5.5: 125 with the code)


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
    _changed: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)
    _record: Record = attrs.field(init=False)
    _shelf: Shelf = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._record = Record(self.desk)
        self._shelf = Shelf(self.desk.store, self.name, 2 * self.kept_for)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Holds the conversations until the desk closes, and then lets go of them; until cancelled."""
        self.desk.enders.append(self._end_away)
        try:
            async with trio.open_nursery() as self._nursery:
                if self.threads:
                    self._nursery.start_soon(self._warm_up)
                task_status.started()
                await self.desk.closing.wait()
                for talk in self.talks.values():
                    talk.scope.cancel("the gateway ends")  # another one may go on with it
                await trio.sleep_forever()
        finally:
            self.desk.enders.remove(self._end_away)

    async def rest(self) -> None:
        """Waits until no conversation is left, and everything that listened to one has ended."""
        while self.talks:
            await self._changed.park()

    async def _warm_up(self) -> None:
        """Has a thread do what is slow the first time, so that the first page to come holds up no other."""
        with suppress(Problem, PlanError):
            await trio.to_thread.run_sync(self._plan, Wish(), abandon_on_cancel=True)

    async def serve(self, socket: Socket, visit: Visit) -> tuple[int, str]:
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
            talk, secret = await (self._found(hello, visit) if hello.session else self._begun(hello, visit))
        except Problem as problem:
            more = {"user": visit.user.name, "model": hello.model, "kind": visit.kind}
            self.desk.refuse("session.begin", visit.address, problem, **more)
            return REFUSALS.get(problem.slug, wire.NOT_FOUND), problem.farewell
        self.desk.settle(visit, talk.since)
        talk.note = lambda turns, ms: visit.beat(turns, [] if ms is None else [ms])
        welcome: dict[str, object] = {"session": talk.id, "secret": secret, "kept_for": self.kept_for}
        reason = ""
        try:
            code, reason = await talk.attend(socket, hello, welcome)
            return code, reason
        finally:
            why = visit.reason or OUT_OF_DATE
            if visit.scope.cancel_called and visit.code != GOING_AWAY:
                talk.end(why)
            self._record.note("session.leave", talk, visit, outcome=reason or why)

    async def endpoint(self, websocket: WebSocket, desk: Desk) -> None:
        """Serves a WebSocket of /api/relay; whoever may not come in is told by a close frame: pages read no status."""
        await websocket.accept()
        socket = _Starlette(websocket)
        try:
            async with desk.visit(websocket, "relay") as visit:
                await socket.close(*await self.serve(socket, visit))
        except Problem as problem:
            await socket.close(4000 + problem.status, problem.farewell)

    # -- conversations ---------------------------------------------------------------------------------------

    async def _begun(self, hello: wire.Hello, visit: Visit) -> tuple[Talk, str]:
        wish = Wish(hello.model, hello.voice, hello.language, hello.tools)
        self.desk.offer.check_tools(wish)
        plan = self._plan(wish)
        secret = secrets.token_urlsafe(32)
        talk = self._talk(secrets.token_hex(16), digest(secret), visit.user.name, plan, since=self.desk.clock())
        await self._start(talk, wish)
        self.desk.counts.session("relay")
        self._record.note("session.begin", talk, visit, outcome="begun")
        return talk, secret

    async def _found(self, hello: wire.Hello, visit: Visit) -> tuple[Talk, str]:
        """Gives the conversation of a page that comes back, from here or from another gateway."""
        user, outcome = visit.user.name, "resumed"
        talk = self.talks.get(hello.session)
        if talk is not None and await self._shelf.gone_elsewhere(talk.id):  # what is here is the older part of it
            talk.end(ELSEWHERE)
            self.talks.pop(talk.id, None)
            talk = None
        if talk is None:
            talk, outcome = await self._taken_over(hello, user), "taken over"
        if talk is None or talk.over is not None or not talk.knows(hello.secret, user):
            raise Problem("unknown-path", "this conversation is over, or was never here")
        try:
            await self.desk.check_standing(user, talk.since)
        except Problem as problem:
            if problem.slug in OVER:
                talk.end(problem.detail)
            raise
        self._record.note("session.resume", talk, visit, outcome=outcome)
        return talk, hello.secret

    async def _taken_over(self, hello: wire.Hello, user: str) -> Talk | None:
        standing = await self._shelf.load(hello.session)
        if standing is None or standing.user != user or not standing.handle:
            return None
        if standing.secret != digest(hello.secret):
            return None
        over: Problem | None = None
        try:
            await self.desk.check_standing(user, standing.since)
        except Problem as problem:
            if problem.slug not in OVER:
                raise
            over = problem
        if over is not None:  # nobody is to go on with it
            await self.desk.store.forget_relay(hello.session)
            raise over
        await self._shelf.take(hello.session, standing)
        if hello.session in self.talks:  # another socket of the page's has come for it meanwhile
            return self.talks[hello.session]
        # A reply whose question is answered for plays on at the page; any other comes again, so what is there is stale.
        base = standing.played if hello.received is None else hello.received
        ring = PageRing(base)
        ring.stale_before = 0 if standing.settled == standing.received else base
        talk = self._talk(hello.session, standing.secret, user, self._plan(standing.wish), since=standing.since)
        talk.page, talk.handle = Page(ring, standing.settled), standing.handle
        talk.outbox.last, talk.said = hello.seen, standing.answered  # numbers go on where the page has them
        await self._start(talk, standing.wish)
        return talk

    def _talk(self, ident: str, secret: str, user: str, plan: Plan, *, since: float) -> Talk:
        limits = self.desk.settings.limits
        talk = Talk(ident, secret, user, plan, self.desk.environment, since=since, threads=self.threads)
        talk.words, talk.messages = Pace.of(limits.words_per_conversation), Pace.of(limits.messages_per_conversation)
        talk.openers = self._record.openers(talk)
        return talk

    def _plan(self, wish: Wish) -> Plan:
        """Gives the plan of one conversation; Problem 422 where the wish is for what is not to be had."""
        agreed = self.desk.offer.agree(attrs.evolve(wish, tools=None))
        plan = self.desk.conversation_plan()
        plan.set("live.model", agreed.model)
        if "speech_config" in agreed.config:
            plan.set("live.speech_config", agreed.config["speech_config"])
        allowed = self.desk.offer.permitted(wish)
        if allowed is not None:
            plan.set("state.toolbox", {"use": relay_tools.NAME, "allowed": sorted(allowed)})
        plan.set("actors.connection.handle_file", "")
        plan.set("actors.connection.resume", value=False)
        return plan

    async def _make_room(self, new: Talk) -> None:
        """A user's conversations without a page make room for a new one, the longest alone first."""
        others = [talk for talk in self.talks.values() if talk is not new]
        own = [talk for talk in others if talk.user == new.user and talk.over is None]
        alone = sorted((talk for talk in own if talk.away), key=lambda talk: talk.away_since)
        for talk in alone[: max(0, len(own) + 1 - self.desk.settings.limits.sessions_per_user)]:
            talk.end("another conversation was begun")
            await self.desk.leave(talk.user, talk.id)

    def _end_away(self, user: str, why: str) -> int:
        """Ends a user's conversations whose page is away; the others end with the visits of their pages."""
        away = [talk for talk in self.talks.values() if talk.user == user and talk.away and talk.over is None]
        for talk in away:
            talk.end(why)
        return len(away)

    async def _start(self, talk: Talk, wish: Wish) -> None:
        """Has a conversation begin, counted as open; Problem 429 if there are too many."""
        if self._nursery is None:
            raise Problem("not-ready", "the relay is not running yet")
        self.talks[talk.id] = talk
        try:
            await self._make_room(talk)
            await self.desk.enter(talk.user, talk.id)
        except BaseException:
            self._let_go(talk)
            raise
        self._nursery.start_soon(self._hold, talk, wish)

    def _let_go(self, talk: Talk) -> None:
        if self.talks.get(talk.id) is talk:
            del self.talks[talk.id]
        self._changed.unpark_all()

    async def _hold(self, talk: Talk, wish: Wish) -> None:
        """Runs a conversation, saves where it stands, and ends it when nobody comes back for it."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._save, talk, wish)
                nursery.start_soon(self._check, talk)
                await talk.run()
                nursery.cancel_scope.cancel("the conversation is over")
        except* PlanError as group:
            talk.over = str(group.exceptions[0])
        except* Exception as group:  # noqa: BLE001 - one conversation's bug must not end the others
            what = f"a relayed conversation failed: {type(first_error(group)).__name__}"
            self.desk.bus.publish(Trouble(what, "gateway", "the others go on"))
        finally:
            self._let_go(talk)
            leaves = self.desk.closing.is_set() and not talk.finished
            self._record.note("session.end", talk, outcome="the gateway ends" if leaves else talk.over)
            with trio.move_on_after(1, shield=True), suppress(Problem):
                await self._put_away(talk, wish)

    async def _put_away(self, talk: Talk, wish: Wish) -> None:
        """Leaves in the store what another gateway needs to go on with it, and nothing of what is over."""
        if self.desk.closing.is_set() and not talk.finished:  # another gateway may go on with it, or does already
            if not await self._shelf.gone_elsewhere(talk.id):
                await self._shelf.save(talk.id, Standing.of(talk, wish, self.name))
        elif talk.over != ELSEWHERE:
            await self.desk.store.forget_relay(talk.id)
            await self.desk.leave(talk.user, talk.id)

    async def _save(self, talk: Talk, wish: Wish) -> None:
        saved: Standing | None = None
        while True:
            await trio.sleep(SAVED_EVERY)
            if talk.away and trio.current_time() - talk.away_since > self.kept_for:
                talk.end("nobody came back for it")
            with suppress(Problem):  # a store that is away is asked again
                if await self._shelf.gone_elsewhere(talk.id):
                    talk.end(ELSEWHERE)
                    return
                standing = Standing.of(talk, wish, self.name)
                if standing != saved:
                    await self._shelf.save(talk.id, standing)
                    saved = standing

    async def _check(self, talk: Talk) -> None:
        """Keeps a conversation counted as open, and ends it when it is revoked or its time is up, page or no page."""
        while True:
            await trio.sleep(LOOK)
            try:
                await self.desk.enter(talk.user, talk.id)
                await self.desk.check_standing(talk.user, talk.since)
            except Problem as problem:
                if problem.slug in OVER and talk.away:
                    talk.end(problem.detail)


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
