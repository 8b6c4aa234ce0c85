"""Sessions of pages that talk to the Live service directly: a secret, what it may do, and until when.

The page shows the secret and never the token. The store keeps a hash of it, so that any gateway knows the session.
"""

import hashlib
import secrets

import attrs
import msgspec

from actors.gateway.access import User
from actors.gateway.desk import LEASE, Desk
from actors.gateway.problems import Problem
from actors.gateway.register import Entry

REMEMBERED = 3600.0  # seconds for which a session that is over is known as such


@attrs.frozen
class Session:
    """One session: who has it, from where, what it may call, and when it began and ends (seconds of wall time)."""

    id: str
    user: str
    how: str
    address: str
    model: str
    tools: tuple[str, ...]
    since: float
    until: float

    @property
    def owner(self) -> User:
        """Whose it is."""
        return User(self.user, self.how)  # type: ignore[arg-type]  # it came from a User


async def begin(desk: Desk, user: User, address: str, model: str, tools: tuple[str, ...]) -> tuple[str, Session]:
    """Opens a session and gives its secret; Problem 429 if there are too many."""
    now = desk.clock()
    session = Session(
        secrets.token_hex(8), user.name, user.how, address, model, tools, now, now + desk.settings.session_life
    )
    await desk.enter(user.name, session.id)
    secret = secrets.token_urlsafe(32)
    await keep(desk, secret, session)
    desk.counts.session("direct")
    entry = Entry(_name(secret), user.name, address, model, session.since, session.until)
    desk.register.enter(session.id, entry)
    return secret, session


async def keep(desk: Desk, secret: str, session: Session) -> None:
    """Keeps a session until its time is up, and for a while longer, so that its page can be told so."""
    life = session.until - desk.clock() + REMEMBERED
    await desk.store.put(_name(secret), msgspec.json.encode(attrs.asdict(session)), life)


async def find(desk: Desk, secret: str | None) -> Session:
    """Gives the session of a secret and counts it as alive; Problem 401 if it is none, and if it is over or revoked."""
    kept = await desk.store.get(_name(secret)) if secret else None
    if kept is None:
        raise Problem("not-signed-in", "This needs the secret of an open session, as /api/token gives it.")
    session = msgspec.json.decode(kept)
    found = Session(**session | {"tools": tuple(session["tools"])})
    if found.until <= desk.clock():
        raise Problem("session-over", "The time of this session is up; begin a new one.")
    await desk.check_standing(found.user, found.since)
    await desk.enter(found.user, found.id)
    return found


async def end(desk: Desk, secret: str, session: Session) -> None:
    """Ends a session: its secret is good for nothing any more."""
    await desk.store.forget(_name(secret))
    desk.register.forget(session.id)
    await desk.leave(session.user, session.id)


async def run_once(desk: Desk, session: Session, call: str) -> None:
    """Problem 409 if this session has had a call of this id before."""
    digest = hashlib.sha256(f"{session.id} {call}".encode()).hexdigest()
    if not await desk.store.claim(f"call:{digest}", session.until - desk.clock() + LEASE):
        raise Problem("seen-before", "This call was run before; a call of another id may be.")


def _name(secret: str) -> str:
    return f"session:{hashlib.sha256(secret.encode()).hexdigest()}"
