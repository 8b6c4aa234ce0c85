"""The sessions of direct pages that this process has opened, remembered so that the audit log tells the end of each.

A direct session ends at the Live service and in the store; nobody calls here when its time is up.
"""

from collections.abc import Awaitable, Callable

import attrs

from actors.gateway.audit import Audit
from actors.gateway.store import Store

MOST = 100_000

Revoked = Callable[[str, float], Awaitable[bool]]


@attrs.frozen
class Entry:
    """A session: where the store has it, whose it is, and when it began and ends (seconds of wall time)."""

    name: str
    user: str
    address: str
    model: str
    since: float
    until: float


@attrs.define(eq=False)
class Register:
    """Holds sessions by id until their end is noted; the oldest is let go of where there are too many."""

    most: int = MOST
    _open: dict[str, Entry] = attrs.field(factory=dict, init=False)

    def enter(self, session: str, entry: Entry) -> None:
        """Remembers a session."""
        self._open[session] = entry
        if len(self._open) > self.most:
            del self._open[next(iter(self._open))]

    def forget(self, session: str) -> None:
        """Lets go of a session whose end is noted."""
        self._open.pop(session, None)

    async def look(self, store: Store, revoked: Revoked, now: float, audit: Audit) -> None:
        """Notes the ends that have come: revoked, or its time is up. One that was ended elsewhere is noted there.

        Problem 503 if the store is away; then the next look finds what this one has not.
        """
        users = {entry.user for entry in self._open.values()}
        struck = {user for user in users if await revoked(user, 0.0)}
        for session, entry in list(self._open.items()):
            if entry.user in struck and await revoked(entry.user, entry.since):
                outcome = "revoked"
            elif entry.until <= now:
                outcome = "the time is up"
            else:
                continue
            if await store.get(entry.name) is not None:
                told = {"user": entry.user, "address": entry.address, "model": entry.model, "session": session}
                audit.note("session.end", **told, kind="direct", outcome=outcome)
            self.forget(session)
