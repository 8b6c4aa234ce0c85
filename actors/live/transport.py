"""One WebSocket connection on any Trio stream, whichever library speaks it, with deadlines and without half frames.

A cancelled write would leave half a frame on the wire and poison the rest, so writes are shielded and bounded in time;
every other step has a deadline here, too.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import attrs
import trio

from actors.live.address import Address
from actors.live.by_websockets import opened as opened_by_websockets
from actors.live.dialling import ABNORMAL, Dial, dial_tcp, dialled
from actors.live.link import WRITE_DEADLINE, Opener, Socket, Tap, unheard
from pipeline.errors import TransportLost, first_error

CLOSE_DEADLINE = 0.5


@attrs.define
class Transport:
    """An open connection; `connected` makes and closes it."""

    _socket: Socket
    _scope: trio.CancelScope
    _tap: Tap = unheard
    aborted: bool = attrs.field(default=False, init=False)
    _heard_at: float = attrs.field(factory=trio.current_time, init=False)

    async def send(self, frame: str) -> None:
        """Writes a whole frame.

        Cancellation waits until the frame is written, at most `WRITE_DEADLINE`. Raises TransportLost when the
        socket is gone or takes nothing any more; the connection is then broken for both directions.
        """
        with trio.CancelScope(shield=True, deadline=trio.current_time() + WRITE_DEADLINE) as deadline:
            await self._socket.send(frame)
        if deadline.cancelled_caught:
            self.abort()
            raise TransportLost(ABNORMAL, f"the far end took nothing for {WRITE_DEADLINE:g} s")
        self._tap("out", frame)

    async def receive(self) -> bytes | str:
        """Waits for the next message; TransportLost when there will be none. Cancelled means: not taken."""
        message = await self._socket.receive()
        self._heard_at = trio.current_time()
        self._tap("in", message)
        return message

    def ready(self) -> Iterator[bytes | str]:
        """Takes further messages that are at hand, one when it is asked for, without a checkpoint."""
        for message in self._socket.ready():
            self._tap("in", message)
            yield message

    async def pong(self, patience: float) -> bool:
        """Sends a ping and tells whether its pong came within `patience` seconds; TransportLost when none can.

        Cancelled in the middle of the write it leaves half a frame: the connection is only good for closing then.
        """
        with trio.move_on_after(patience):
            await self._socket.ping()
            return True
        return False

    async def alive(self, patience: float) -> bool:
        """Sends a ping and waits for its pong; tells that none came, nor any message, for `patience` seconds.

        Traffic counts because pongs come late, or not at all, from busy services (live-protocol 9, row 2): after each
        message the time begins anew.
        """
        since = trio.current_time()
        with suppress(TransportLost):
            while not await self.pong(since + patience - trio.current_time()):
                if self._heard_at <= since:
                    return False
                since = self._heard_at
            return True
        return False

    def abort(self) -> None:
        """Breaks the connection at once, without a close frame."""
        self.aborted = True
        self._scope.cancel("the link is given up")


@asynccontextmanager
async def connected(
    address: Address, dial: Dial = dial_tcp, tap: Tap = unheard, opened: Opener = opened_by_websockets
) -> AsyncIterator[Transport]:
    """Gives an open WebSocket connection and closes it, with code 1000, however the block ends.

    Raises a bare TransportLost for anything the network or the far end does: the code is the close
    code, the HTTP status of a refused handshake, or 1006. Closing takes no longer than the far end takes to agree,
    at most `CLOSE_DEADLINE`, also when cancelled. `tap` hears every frame, in the order of the wire. After `abort` the
    block is left without an error of ours.
    """
    stream = await dialled(address, dial)
    closing = trio.CancelScope(shield=True)
    lost: TransportLost | None = None
    try:
        with trio.CancelScope() as scope:
            async with opened(stream, address, closing) as socket:
                transport = Transport(socket, scope, tap)
                try:
                    yield transport
                finally:
                    if not transport.aborted:
                        closing.deadline = trio.current_time() + CLOSE_DEADLINE
                        with closing:
                            await socket.close()  # noqa: ASYNC102 - shielded, and with a deadline, two lines above
    except* TransportLost as group:
        lost = first_error(group)
    finally:
        await trio.aclose_forcefully(stream)
    if lost is not None:
        raise lost
