"""Resumption handles: which snapshot each stands for, and whether it still may be used.

Secret like a key: whoever has a handle has the conversation. A session's handles stay good as long as a connection of
it lives and for two hours after.
"""

import math
import secrets
from collections import OrderedDict

import attrs

from actors.emulator.session import Snapshot

LIFE = 7200.0
"""Seconds a handle outlives its session's last connection (live-protocol 6)."""


@attrs.define
class _Life:
    """A session's time on the wire so far, and when it was last there; infinity while it is."""

    connected: float = 0.0
    ended: float = math.inf


@attrs.define
class Handles:
    """At most `limit` snapshots under their handles, and `heaviest` bytes; and how their sessions fare.

    The oldest are forgotten first.
    """

    limit: int = 1000
    heaviest: int = 64 << 20
    life: float = LIFE
    _kept: OrderedDict[str, Snapshot] = attrs.field(factory=OrderedDict, init=False)
    _weight: int = attrs.field(default=0, init=False)
    _lives: dict[str, _Life] = attrs.field(factory=dict, init=False)

    def issue(self, snapshot: Snapshot) -> str:
        """Keeps the snapshot and gives a handle never given before."""
        handle = secrets.token_urlsafe(48)
        self._kept[handle] = snapshot
        self._weight += snapshot.weight
        while len(self._kept) > self.limit or self._weight > self.heaviest:
            self._drop(next(iter(self._kept)))
        return handle

    def find(self, handle: str, now: float) -> Snapshot | None:
        """Gives what the handle stands for; None if it is unknown, forgotten or too old. A handle may be used again."""
        snapshot = self._kept.get(handle)
        return None if snapshot is None or self._stale(snapshot, now) else snapshot

    def connected(self, session: str) -> float:
        """Takes note that a connection of the session begins; gives the seconds of those it had before."""
        life = self._lives.setdefault(session, _Life())
        life.ended = math.inf
        return life.connected

    def ended(self, session: str, now: float, seconds: float) -> None:
        """Takes note that the session's connection is gone after so many seconds, and forgets what is out of date."""
        life = self._lives.setdefault(session, _Life())
        life.connected += seconds
        life.ended = now
        for handle in [handle for handle, snapshot in self._kept.items() if self._stale(snapshot, now)]:
            self._drop(handle)
        known = {snapshot.session for snapshot in self._kept.values()}
        self._lives = {name: life for name, life in self._lives.items() if name in known or life.ended == math.inf}

    def _drop(self, handle: str) -> None:
        self._weight -= self._kept.pop(handle).weight

    def _stale(self, snapshot: Snapshot, now: float) -> bool:
        life = self._lives.get(snapshot.session)
        return life is not None and now - life.ended > self.life
