"""A WebSocket by the Sans-I/O protocol of websockets: whoever waits for a message reads the stream.

So a message costs one waking and not two, and what has come with it is at hand at once: behind a burst an interruption
is heard after the burst was parsed, and not after as many turns of the loop. The price: pings are answered, and the
end of a connection is noticed, only while somebody waits for a message, which the downlink always does.
"""

import itertools
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import attrs
import trio
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.uri import WebSocketURI

from actors.live.address import Address
from actors.live.dialling import ABNORMAL
from actors.live.link import HANDSHAKE_DEADLINE, LARGEST, NORMAL, WRITE_DEADLINE
from pipeline.errors import TransportLost

READ = 1 << 16  # bytes at a time: what a reader hands on without letting others have their turn
ANSWERED = {Opcode.PING, Opcode.CLOSE}  # by the library, which leaves the writing to us
LINE = 64  # bytes of a status line that are kept
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")  # RFC 9112, 4
GOING = {0, HTTPStatus.SWITCHING_PROTOCOLS}  # of a handshake that may still succeed
MOST_PARTS = 4096  # of a message: empty ones count for nothing in its size
# The library would write requests, and with them keys; this logger is out of reach of whoever configures logging.
_MUTE = logging.Logger("websockets", logging.CRITICAL + 1)  # noqa: LOG001


@attrs.define(eq=False)
class DirectSocket:
    """See `actors.live.link.Socket`."""

    _stream: trio.abc.Stream
    _protocol: ClientProtocol
    _messages: deque[bytes | str] = attrs.field(factory=deque, init=False)
    _parts: list[Frame] = attrs.field(factory=list, init=False)
    _pings: dict[bytes, trio.Event] = attrs.field(factory=dict, init=False)
    _numbers: Iterator[int] = attrs.field(factory=itertools.count, init=False)
    _writing: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _reading: bool = attrs.field(default=False, init=False)
    _read_over: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)
    _cut: bool = attrs.field(default=False, init=False)  # whether a frame was begun and not finished
    _head: bytes = attrs.field(default=b"", init=False)  # how the far end began its answer to the handshake
    _response: Response | None = attrs.field(default=None, init=False)
    _over: bool = attrs.field(default=False, init=False)  # whether there will be no more messages

    async def shake_hands(self, address: Address) -> None:
        """Makes a WebSocket of the stream; TransportLost when the far end will not have it."""
        request = self._protocol.connect()
        for name, value in address.headers:
            request.headers[name.decode("ascii")] = value.decode("ascii")
        self._protocol.send_request(request)
        with suppress(TransportLost):
            await self._write()
            while self._response is None and not self._over and self._status in GOING:
                await self._read()
        if self._response is None or self._protocol.handshake_exc is not None:
            raise self.refusal(address)

    @property
    def _status(self) -> int:
        """The status with which the far end began its answer; 0 when there is none yet, or none at all.

        The library tells it when the answer is whole, which one that refuses need never be.
        """
        answer = STATUS.match(self._head)
        return int(answer[1]) if answer else 0

    def refusal(self, address: Address) -> TransportLost:
        """Tells how the handshake ended, by what came of an answer."""
        if self._status not in GOING:
            return TransportLost(self._status, f"{address.shown} answered the handshake with HTTP {self._status}")
        if self._status:
            return TransportLost(ABNORMAL, f"the connection failed: {self._protocol.handshake_exc}")
        if self._head:
            return TransportLost(ABNORMAL, f"what answers at {address.shown} does not speak HTTP")
        if self._over or self._cut:
            return TransportLost(ABNORMAL, "the connection failed: it was closed during the handshake")
        what = f"{address.shown} did not complete the handshake within {HANDSHAKE_DEADLINE:g} s"
        return TransportLost(ABNORMAL, what)

    async def send(self, frame: str) -> None:
        """Writes a whole frame."""
        try:
            self._protocol.send_text(frame.encode())
        except InvalidState:
            raise self._loss() from None
        await self._write()

    async def receive(self) -> bytes | str:
        """Waits for the next message."""
        if self._messages:
            await trio.lowlevel.checkpoint()
        while not self._messages:
            if self._over:
                raise self._loss()
            await self._read()
        return self._messages.popleft()

    def ready(self) -> Iterator[bytes | str]:
        """Takes what has come already, one when it is asked for."""
        while self._messages:
            yield self._messages.popleft()

    async def ping(self) -> None:
        """Sends a ping and waits for its pong."""
        payload = b"%d" % next(self._numbers)
        answered = self._pings[payload] = trio.Event()
        try:
            self._protocol.send_ping(payload)
            await self._write()
            if self._over:
                raise self._loss()
            await answered.wait()
            if payload in self._pings:
                raise self._loss()
        except InvalidState:
            raise self._loss() from None
        finally:
            self._pings.pop(payload, None)

    async def close(self) -> None:
        """Closes in order: says so, and waits for the answer."""
        with suppress(TransportLost, InvalidState):
            self._protocol.send_close(NORMAL)
            await self._write()
        while not self._over:
            await self._read()

    async def _read(self) -> None:
        """Takes in what the stream has, waiting for something; answers what wants an answer.

        Where another task reads, waits until it has read or was cancelled: the caller looks again. Cancelled means: not
        read, or read and not answered.
        """
        if self._reading:
            await self._read_over.park()
            return
        self._reading = True
        try:
            data = await self._stream.receive_some(READ)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        finally:
            self._reading = False
            self._read_over.unpark_all()
        if self._response is None:
            self._head = (self._head + data)[:LINE]
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        answered = False
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._response = event
            elif isinstance(event, Frame):
                self._take(event)
                answered = answered or event.opcode in ANSWERED
        protocol = self._protocol
        if protocol.close_rcvd or protocol.parser_exc or protocol.handshake_exc:
            self._end()
        if answered or self._over:
            await self._answer()

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            self._confirm(bytes(frame.data))
        elif frame.opcode not in ANSWERED and not self._over:
            self._parts.append(frame)
            if frame.fin:
                self._assemble()
            elif len(self._parts) == MOST_PARTS:
                self._protocol.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
                self._end()

    def _assemble(self) -> None:
        parts, self._parts = self._parts, []
        data = bytes(parts[0].data) if len(parts) == 1 else b"".join(part.data for part in parts)
        try:
            self._messages.append(data.decode() if parts[0].opcode is Opcode.TEXT else data)
        except UnicodeDecodeError as error:
            self._protocol.fail(CloseCode.INVALID_DATA, f"{error.reason} at position {error.start}")
            self._end()

    def _confirm(self, payload: bytes) -> None:
        """A pong stands for all pings before it (RFC 6455, 5.5.3)."""
        if payload in self._pings:
            for one in list(self._pings):
                self._pings.pop(one).set()
                if one == payload:
                    return

    def _end(self) -> None:
        """There will be no more messages."""
        self._over = True
        for ping in self._pings.values():
            ping.set()

    async def _answer(self) -> None:
        """Writes pongs and closes, unless somebody writes, who then does."""
        if not self._writing.locked():
            with trio.move_on_after(WRITE_DEADLINE) as patience, suppress(TransportLost):
                await self._write()
            if patience.cancelled_caught:
                self._end()

    async def _write(self) -> None:
        """Writes all that the protocol has to say, behind whoever writes now.

        Cancelled in the middle of a frame it leaves half of it: nothing is written after that, here or by others.
        """
        try:
            self._writing.acquire_nowait()
        except trio.WouldBlock:
            await self._writing.acquire()
        try:
            if self._cut:
                raise self._loss()
            while said := b"".join(self._protocol.data_to_send()):
                self._cut = True
                await self._stream.send_all(said)
                self._cut = False
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise self._loss() from None
        finally:
            self._writing.release()

    def _loss(self) -> TransportLost:
        """How the connection ended: by a close of theirs, a fault of theirs, or without a word."""
        if theirs := self._protocol.close_rcvd:
            return TransportLost(int(theirs.code), theirs.reason)
        ours = self._protocol.close_sent
        if ours is None:
            return TransportLost(ABNORMAL, "")
        if ours.code == NORMAL:
            return TransportLost(ABNORMAL, "the connection was already closing")
        return TransportLost(int(ours.code), ours.reason)


@asynccontextmanager
async def opened(stream: trio.abc.Stream, address: Address, _closing: trio.CancelScope) -> AsyncIterator[DirectSocket]:
    """Gives an open socket on this stream; see `actors.live.link.Opener`."""
    path, _, query = address.resource.partition("?")
    uri = WebSocketURI(address.tls, address.host, address.port, path, query)
    socket = DirectSocket(stream, ClientProtocol(uri, max_size=LARGEST, logger=_MUTE))
    with trio.move_on_after(HANDSHAKE_DEADLINE) as patience:
        await socket.shake_hands(address)
    if patience.cancelled_caught:
        raise socket.refusal(address)
    yield socket
