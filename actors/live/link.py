"""What the actors around the socket tell each other of it: the link itself, and reports to its owner."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import attrs
import trio

from actors.live.address import Address
from actors.live.signals import Signal

HANDSHAKE_DEADLINE = 5.0
WRITE_DEADLINE = 10.0  # seconds; a frame that the far end does not take for so long never will be
LARGEST = 16 * 2**20  # bytes in a message; libraries' own limit of 1 MiB is below what tools may answer
NORMAL = 1000  # RFC 6455, 7.4.1


class Socket(Protocol):
    """A WebSocket as a library makes it; every method raises TransportLost when the socket is gone."""

    async def send(self, frame: str) -> None:
        """Writes a whole frame. Cancelled in the middle of it leaves half a frame: the socket is good for nothing."""

    async def receive(self) -> bytes | str:
        """Waits for the next message. Cancelled means: not taken. One task at a time."""

    def ready(self) -> Iterator[bytes | str]:
        """Takes further messages that are at hand, one when it is asked for, without a checkpoint."""

    async def ping(self) -> None:
        """Sends a ping and waits for its pong. Cancelled in the middle of the write it leaves half a frame."""

    async def close(self) -> None:
        """Closes with code 1000 and waits for the answer; never raises for the far end's sake."""


Opener = Callable[[trio.abc.Stream, Address, trio.CancelScope], AbstractAsyncContextManager[Socket]]
"""Makes a socket on a stream, for the time of a block; a bare TransportLost when the far end will not have it.

The scope is what closing waits under: it may be cancelled when there is nothing more to wait for.
"""


class Wire(Protocol):
    """One open connection as the uplink and the downlink see it."""

    async def send(self, frame: str) -> None:
        """Writes a whole frame, also when cancelled meanwhile; TransportLost when the socket is gone."""

    async def receive(self) -> bytes | str:
        """Waits for the next message; TransportLost when there will be none. Cancelled means: not taken."""

    def ready(self) -> Iterator[bytes | str]:
        """Takes further messages that are at hand, one when it is asked for, without a checkpoint."""

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
