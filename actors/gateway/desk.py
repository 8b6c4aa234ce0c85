"""The desk: what every endpoint of the gateway gets. It knows who is there, lets them in, and remembers who is in."""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

import attrs
import limits
import trio
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from actors.gateway.access import Caller, Door, User
from actors.gateway.audit import Audit
from actors.gateway.counts import Counts
from actors.gateway.credentials import Signer, same
from actors.gateway.offer import Offer
from actors.gateway.problems import Problem
from actors.gateway.register import Register
from actors.gateway.settings import Settings
from actors.gateway.store import Pulse, Store
from actors.gateway.tokens import Mint
from pipeline.environment import Environment
from pipeline.events import Bus
from pipeline.plan import Plan

COOKIE = "gateway_login"
LOGIN = "login"
CALLER = "gateway.caller"  # where the guard puts it in the connection's scope
EVERYBODY = "sessions"
LEASE = 90.0  # seconds a session counts as open after its last sign of life
BEAT = 30.0  # seconds between two signs of life
LOOK = 5.0  # seconds between two looks whether an open session has been revoked
FAREWELL = 1.0  # seconds to close a socket in
ENDED_BY_OPERATOR = "the operator has ended your sessions"
GOING_AWAY, REVOKED, OUT_OF_TIME = 1001, 4001, 4002  # close codes; those from 4000 are the gateway's own


@attrs.define(eq=False)
class Visit:
    """A socket of a session that this process holds open, such as a page's of a relayed conversation.

    `since` is when the session began, which may be before its socket came. `scope` is cancelled when it has to end;
    `code` and `reason` are then what to close its socket with.
    """

    id: str
    user: User
    address: str
    kind: str
    since: float
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    code: int = 1000
    reason: str = ""
    _counts: Counts = attrs.field(factory=Counts, repr=False)

    def end(self, code: int, reason: str) -> None:
        """Has the session end; the first reason counts."""
        if not self.scope.cancel_called:
            self.code, self.reason = code, reason
            self.scope.cancel(reason)

    def beat(self, turns: int = 0, latency_ms: Sequence[float] = ()) -> None:
        """Tells the dashboard of turns that are over."""
        self._counts.heard(turns, latency_ms)


def groups(user: str, settings: Settings) -> dict[str, int]:
    """Names what a session of the user of this name is counted in, with the limit of each."""
    return {EVERYBODY: settings.limits.sessions, f"{EVERYBODY}:{user}": settings.limits.sessions_per_user}


@attrs.define(eq=False)
class Desk:
    """See the module.

    `conversation_plan` gives a plan of one conversation, to be changed at will. `live_port` is where the embedded
    service answers, if it does: on the host by which a caller reaches the gateway.
    """

    conversation_plan: Callable[[], Plan]
    environment: Environment
    bus: Bus
    settings: Settings
    store: Store
    audit: Audit
    counts: Counts
    door: Door
    offer: Offer
    mint: Mint
    signer: Signer
    live_url: str
    live_port: int | None = None
    clock: Callable[[], float] = time.time
    closing: trio.Event = attrs.field(factory=trio.Event, init=False)
    visits: dict[str, Visit] = attrs.field(factory=dict, init=False)
    # What holds sessions whose page may be away: ends a user's, and tells how many it has ended.
    enders: list[Callable[[str, str], int]] = attrs.field(factory=list, init=False)
    pulse: Pulse = attrs.field(factory=Pulse, init=False)
    register: Register = attrs.field(factory=Register, init=False)

    def live_url_for(self, caller: Caller) -> str:
        """Gives the base URL of the Live service as this caller reaches it."""
        if self.live_port is None:
            return self.live_url
        name = urlsplit(f"//{caller.host}").hostname or "localhost"
        return f"ws://{f'[{name}]' if ':' in name else name}:{self.live_port}"

    # -- who is there ----------------------------------------------------------------------------------------

    @staticmethod
    def caller(connection: HTTPConnection) -> Caller:
        """Gives the far end of a connection, as the guard has found it."""
        found: Caller = connection.scope[CALLER]
        return found

    async def identify(self, connection: HTTPConnection) -> User:
        """Tells who is there; Problem 401 if nobody is signed in, 503 if that cannot be told."""
        user = await self.recognise(connection)
        if user is None:
            raise Problem("not-signed-in", f"Nobody is signed in here; {self._advice()}.")
        return user

    async def recognise(self, connection: HTTPConnection) -> User | None:
        """Tells who is there; None if nobody is signed in."""
        caller, key = self.caller(connection), self.environment.access_key
        if caller.named is not None:
            return User(caller.named, "proxy")
        if key is not None and bearer(connection) is not None:
            if self.shows_key(connection):
                return User("owner", "key")
            await self.take(self.settings.limits.logins_per_address, caller.address, "logins")
        if key is not None and (signed := connection.cookies.get(COOKIE)):
            return await self._signed_in(signed)
        if self.open_to_all and self.door.by_local(caller):
            return User("local", "local")
        return None

    def shows_key(self, connection: HTTPConnection) -> bool:
        """Tells whether a request shows the operator's access key."""
        key, shown = self.environment.access_key, bearer(connection)
        return key is not None and shown is not None and same(shown, key)

    @property
    def open_to_all(self) -> bool:
        """Whether whoever reaches this gateway need not sign in."""
        return self.environment.access_key is None and not self.settings.proxy.user_header

    async def _signed_in(self, signed: str) -> User | None:
        claims = self.signer.read(LOGIN, signed, self.clock())
        if claims is None or await self.store.get(f"out:{claims.get('id')}") is not None:
            return None
        user = User(str(claims.get("user")), "key")
        return None if await self.revoked(user.name, float(claims.get("since", 0))) else user

    def _advice(self) -> str:
        if self.environment.access_key is not None:
            return "show the access key at /api/login"
        return "come by the proxy that the operator has declared, or from this machine"

    # -- how often, and how many ----------------------------------------------------------------------------

    async def take(self, rate: str, key: str, what: str) -> None:
        """Counts one event of a rate; Problem 429 says when to come back."""
        wait = await self.store.hit(limits.parse(rate), f"{what}:{key}")
        if wait:
            raise Problem("too-often", f"There are at most {rate} of {what}; come back later.", retry_after=wait)

    async def enter(self, user: str, member: str) -> None:
        """Counts a user's session as open for the length of a lease; Problem 429 if there are too many."""
        full = await self.store.enter(groups(user, self.settings), member, LEASE)
        if full is not None:
            whose = "The gateway has" if full == EVERYBODY else "You have"
            raise Problem("too-often", f"{whose} too many sessions open; end one, or come back later.", retry_after=30)

    async def leave(self, user: str, member: str) -> None:
        """Counts a session as over."""
        await self.store.leave(list(groups(user, self.settings)), member)

    async def revoke(self, name: str) -> int:
        """Ends a user's sessions everywhere, and all that was signed for them; gives how many ended here at once."""
        life = max(self.settings.session_life, self.settings.login_life)
        await self.store.put(f"revoked:{name}", repr(self.clock()).encode(), life)
        ended = [visit for visit in self.visits.values() if visit.user.name == name]
        for visit in ended:
            visit.end(REVOKED, ENDED_BY_OPERATOR)
        return len(ended) + sum(end(name, ENDED_BY_OPERATOR) for end in self.enders)

    async def revoked(self, user: str, since: float) -> bool:
        """Tells whether what a user began at that time has been revoked since."""
        at = await self.store.get(f"revoked:{user}")
        return at is not None and float(at) >= since

    async def check_standing(self, user: str, since: float) -> None:
        """Problem 401 if what a user began at that time has been revoked since, or its time is up."""
        if since + self.settings.session_life <= self.clock():
            raise Problem("session-over", "The time of this session is up; begin a new one.")
        if await self.revoked(user, since):
            raise Problem("revoked", "The operator has ended this session.")

    # -- visits ----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def visit(self, websocket: WebSocket, kind: str) -> AsyncIterator[Visit]:
        """Lets a WebSocket in for the length of the block; its socket is closed behind it if it had to end.

        Problem 401, 429 or 503 if it may not come in, which is noted. What it comes for is counted by whoever has it.
        """
        caller, name = self.caller(websocket), None
        try:
            user = await self.identify(websocket)
            name = user.name
            await self.take(self.settings.limits.tokens_per_user, name, f"{kind}s of a user")
        except Problem as problem:
            self.refuse("session.begin", caller.address, problem, user=name, kind=kind)
            raise
        visit = Visit(secrets.token_hex(8), user, caller.address, kind, self.clock(), counts=self.counts)
        self.settle(visit, visit.since)
        self.visits[visit.id] = visit
        self.counts.open.inc()
        if self.closing.is_set():
            visit.end(GOING_AWAY, "the gateway ends")
        try:
            with visit.scope:
                yield visit
            if visit.scope.cancelled_caught:
                await self._see_out(websocket, visit)
        finally:
            self.visits.pop(visit.id, None)
            self.counts.open.dec()

    def settle(self, visit: Visit, since: float) -> None:
        """Has a visit be part of what began at that time, and end with it."""
        visit.since = since
        visit.scope.deadline = trio.current_time() + since + self.settings.session_life - self.clock()

    async def keep(self) -> None:
        """Ends visits that are revoked, and notes the end of sessions that end elsewhere; until cancelled."""
        while True:
            await trio.sleep(LOOK)
            with suppress(Problem):  # a store that is away revokes nobody, and lets nobody new in
                for visit in list(self.visits.values()):
                    if await self.revoked(visit.user.name, visit.since):
                        visit.end(REVOKED, ENDED_BY_OPERATOR)
                await self.register.look(self.store, self.revoked, self.clock(), self.audit)

    def refuse(self, what: str, address: str, problem: Problem, **more: object) -> None:
        """Counts and notes what was refused where no endpoint answers for it."""
        self.counts.problem(problem.slug)
        self.audit.refuse(what, address, problem.slug, **more)

    def close(self) -> None:
        """Ends every visit: the gateway goes."""
        self.closing.set()
        for visit in self.visits.values():
            visit.end(GOING_AWAY, "the gateway ends")

    async def _see_out(self, websocket: WebSocket, visit: Visit) -> None:
        if not visit.reason:
            visit.code, visit.reason = OUT_OF_TIME, "the time of this session is up"
        with trio.move_on_after(FAREWELL), suppress(RuntimeError, trio.BrokenResourceError, trio.ClosedResourceError):
            await websocket.close(visit.code, visit.reason)  # RuntimeError: it is closed already

    def moment(self) -> datetime:
        """Gives the present time."""
        return datetime.fromtimestamp(self.clock(), UTC)


def bearer(connection: HTTPConnection) -> str | None:
    """Gives the secret that a request bears, if it bears one."""
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and secret.strip() else None
