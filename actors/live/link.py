"""What the actors around the socket tell each other of it: the link itself, and reports to its owner."""

from collections.abc import Callable
from typing import Literal, Protocol

import attrs

from actors.live.signals import Signal


class Wire(Protocol):
    """One open connection as the uplink and the downlink see it."""

    async def send(self, frame: str) -> None:
        """Writes a whole frame, also when cancelled meanwhile; TransportLost when the socket is gone."""

    async def receive(self) -> bytes | str:
        """Waits for the next message; TransportLost when there will be none. Cancelled means: not taken."""

    async def pong(self, patience: float) -> bool:
        """Tells whether all written so far is known to have arrived, within these seconds; TransportLost as above."""

    def abort(self) -> None:
        """Breaks the connection at once; both directions then raise TransportLost."""


Tap = Callable[[Literal["dial", "open", "in", "out", "lost", "left"], str | bytes], None]
"""Who listens in on the wire: told of a link's steps, of every frame, and of a loss as `CODE reason`. Never raises."""


def unheard(_step: str, _what: str | bytes) -> None:
    """Nobody listens in."""


@attrs.frozen
class Link:
    """A connection whose setup is complete; `epoch` numbers the links of a conversation.

    `early` is what the service had said by then.
    """

    epoch: int
    wire: Wire
    early: tuple[Signal, ...] = ()


@attrs.frozen
class Report:
    """What the link's owner has to know; `epoch` says of which link, so that stale news is recognised."""

    epoch: int


@attrs.frozen
class LinkLost(Report):
    """The link is gone."""

    code: int
    reason: str


@attrs.frozen
class LeaveBy(Report):
    """The service ends this connection at `deadline` (goAway)."""

    deadline: float


@attrs.frozen
class Settled(Report):
    """A turn is over: this may be a boundary."""


@attrs.frozen
class Renewed(Report):
    """The session has a new resumable handle."""
