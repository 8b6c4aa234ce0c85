"""The far end of every measurement: a minimal Live service in a process of its own, on raw WebSocket frames.

It answers any setup, notes when sound comes, and speaks as it is ordered, by lines of JSON on standard input. Each
order is answered with a line when it is done. It knows of a frame no more than it must: whether it holds sound, and
its stamp.

    pace {seconds}          fifty stamped pieces a second to every session; gives the delays of what came meanwhile
    flood {turns, pieces}   replies as fast as they are taken
    interrupt {ahead, paced, times}  so many pieces, one every 20 ms or all at once, then `interrupted`, and a rest; so
                            many times to the last session; gives the moments of `interrupted`
    cut {}                  breaks every connection; gives the moments of the cut, of the next sound on a new one, and
                            at which as many are set up as before
    heard {}                how many messages with sound have come, and when the first did
    count {}                how many sessions are set up
"""

import argparse
import base64
import hashlib
import json
import os
import re
import socket
import ssl
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any

import attrs
import trio

HEAD = b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"'
TAIL = b'"}}]}}}'
STAMPED = 9  # bytes that make exactly 12 characters of base64, so that a stamp goes in without encoding the rest
PIECE, PIECE_BYTES = 0.02, 960
LOOKED_AT = 192  # bytes of a frame within which sound shows itself
SOUND = re.compile(rb'"data": ?"([A-Za-z0-9+/_-]{12})')
ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
SHORT, LONG, LONGER = 125, 126, 127
LONGEST = 10**10  # nanoseconds; what is not a stamp is hardly ever within it
PATIENCE = 20.0  # seconds for a client to come back
REST, LONG_REST = 0.08, 0.3  # seconds after an interruption until the next reply begins


def frame(payload: bytes, kind: int = BINARY) -> bytes:
    """Gives a server's frame; the service sends its JSON in binary ones."""
    if len(payload) <= SHORT:
        return bytes((0x80 | kind, len(payload))) + payload
    return struct.pack(">BBH", 0x80 | kind, LONG, len(payload)) + payload


def said(stamp: int, body: bytes) -> bytes:
    """Gives a message with a piece of sound; `body` is the base64 after the stamp's twelve characters."""
    return frame(HEAD + base64.b64encode(struct.pack("<qb", stamp, 0)) + body + TAIL)


BODY = base64.b64encode(os.urandom(PIECE_BYTES - STAMPED))
INTERRUPTED = frame(b'{"serverContent":{"interrupted":true}}')
GENERATED = frame(b'{"serverContent":{"generationComplete":true}}')
COMPLETE = frame(b'{"serverContent":{"turnComplete":true}}')
READY = frame(b'{"setupComplete":{}}')
HANDLE = frame(b'{"sessionResumptionUpdate":{"newHandle":"bench-handle","resumable":true}}')


@attrs.define
class Frames:
    """Cuts what a client sends into frames; gives (kind, key, payload still masked)."""

    _left: bytearray = attrs.field(factory=bytearray)

    def push(self, data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
        """Takes bytes and yields the frames that they complete."""
        self._left += data
        while len(self._left) >= 6:
            size, start = self._left[1] & 0x7F, 2
            if size == LONG:
                size, start = int.from_bytes(self._left[2:4], "big"), 4
            elif size == LONGER:
                size, start = int.from_bytes(self._left[2:10], "big"), 10
            end = start + 4 + size
            if len(self._left) < end:
                return
            yield self._left[0] & 0x0F, bytes(self._left[start : start + 4]), bytes(self._left[start + 4 : end])
            del self._left[:end]


def unmasked(key: bytes, payload: bytes) -> bytes:
    """Takes the mask off."""
    mask = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(payload), "big")


@attrs.define(eq=False)
class Session:
    """One connection that is set up; writing is in turn, since pongs come between."""

    stream: trio.abc.Stream
    _turn: trio.Lock = attrs.field(factory=trio.Lock)

    async def send(self, data: bytes) -> None:
        """Writes frames; a client that has gone is no matter."""
        async with self._turn:
            try:
                await self.stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return


@attrs.define
class Far:
    """The service: its sessions, and what came."""

    sessions: list[Session] = attrs.field(factory=list)
    messages: int = 0
    first: int = 0
    delays: list[int] = attrs.field(factory=list)

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serves one connection until it ends."""
        session = Session(stream)
        try:
            frames = Frames()
            for kind, key, payload in frames.push(await self._greeted(stream)):
                await self._take(session, kind, key, payload)
            while data := await stream.receive_some(65536):
                for kind, key, payload in frames.push(bytes(data)):
                    await self._take(session, kind, key, payload)
        except (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError):
            return
        finally:
            if session in self.sessions:
                self.sessions.remove(session)
            await trio.aclose_forcefully(stream)

    async def _greeted(self, stream: trio.abc.Stream) -> bytes:
        """Answers the handshake; gives what came after it."""
        head = b""
        while b"\r\n\r\n" not in head:
            data = bytes(await stream.receive_some())
            if not data:
                raise trio.BrokenResourceError
            head += data
        head, _, rest = head.partition(b"\r\n\r\n")
        key = re.search(rb"(?i)sec-websocket-key:\s*(\S+)", head)
        assert key is not None
        accept = base64.b64encode(hashlib.sha1(key[1] + ACCEPT, usedforsecurity=False).digest())
        await stream.send_all(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        return rest

    async def _take(self, session: Session, kind: int, key: bytes, payload: bytes) -> None:
        now = time.monotonic_ns()
        if kind == PING:
            await session.send(frame(unmasked(key, payload), PONG))
        elif kind == CLOSE:
            await session.send(frame(unmasked(key, payload)[:2], CLOSE))
            raise trio.ClosedResourceError
        elif kind in (TEXT, BINARY):
            head = unmasked(key, payload[:LOOKED_AT])
            if session not in self.sessions:
                await session.send(READY + HANDLE)
                self.sessions.append(session)
            elif found := SOUND.search(head):
                stamp = struct.unpack_from("<q", base64.urlsafe_b64decode(found[1].translate(URL_SAFE)))[0]
                self.first = self.first or now
                self.messages += 1
                if 0 < now - stamp < LONGEST:  # else it begins in the middle of a piece
                    self.delays.append(now - stamp)

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Does what is ordered."""
        return await getattr(self, order.pop("op"))(**order)  # type: ignore[no-any-return]

    async def heard(self) -> dict[str, Any]:
        return {"messages": self.messages, "first": self.first}

    async def forget(self) -> dict[str, Any]:
        self.messages = self.first = 0
        self.delays.clear()
        return {}

    async def pace(self, seconds: float) -> dict[str, Any]:
        self.delays.clear()
        async with trio.open_nursery() as nursery:
            for number, session in enumerate(self.sessions):
                nursery.start_soon(self._pace, session, round(seconds / PIECE), PIECE * number / len(self.sessions))
        return {"up": list(self.delays)}

    async def _pace(self, session: Session, count: int, lag: float) -> None:
        began = trio.current_time() + lag
        for number in range(count):
            await trio.sleep_until(began + number * PIECE)
            await session.send(said(time.monotonic_ns(), BODY))
        await session.send(GENERATED + COMPLETE)

    async def flood(self, turns: int, pieces: int) -> dict[str, Any]:
        message = said(0, BODY)
        for session in self.sessions:
            for _ in range(turns):
                for _ in range(pieces):
                    await session.send(message)
                await session.send(GENERATED + COMPLETE)
        return {}

    async def interrupt(self, ahead: int, paced: bool, times: int = 1) -> dict[str, Any]:
        return {"at": [await self._interrupt(self.sessions[-1], ahead, paced) for _ in range(times)]}

    async def _interrupt(self, session: Session, ahead: int, paced: bool) -> int:
        began = trio.current_time()
        for number in range(ahead):
            if paced:
                await trio.sleep_until(began + number * PIECE)
            await session.send(said(time.monotonic_ns(), BODY))
        if paced:
            await trio.sleep(PIECE / 2)
        at = time.monotonic_ns()
        await session.send(INTERRUPTED)
        await session.send(COMPLETE)
        await trio.sleep(REST if paced else LONG_REST)
        return at

    async def cut(self) -> dict[str, Any]:
        at, before = time.monotonic_ns(), len(self.sessions)
        for session in list(self.sessions):
            below = session.stream
            while isinstance(below, trio.SSLStream):
                below = below.transport_stream
            assert isinstance(below, trio.SocketStream)
            below.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await trio.aclose_forcefully(below)
        self.sessions.clear()
        await self.forget()
        with trio.move_on_after(PATIENCE):
            while not self.first:  # noqa: ASYNC110 - a look a millisecond is nothing here
                await trio.sleep(0.001)
            while len(self.sessions) < before:  # noqa: ASYNC110 - the same
                await trio.sleep(0.001)
            return {"cut": at, "first": self.first, "back": time.monotonic_ns()}
        return {"cut": at, "first": self.first, "back": 0}

    async def count(self) -> dict[str, Any]:
        return {"sessions": len(self.sessions)}


URL_SAFE = bytes.maketrans(b"+/", b"-_")


async def main(certificate: str | None) -> None:
    """Listens, plain and over TLS, says where, and obeys until standard input ends."""
    far = Far()
    async with trio.open_nursery() as nursery:
        listeners: list[Any] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        ports = {"plain": listeners[0].socket.getsockname()[1]}
        nursery.start_soon(trio.serve_listeners, far.serve, listeners)
        if certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate)
            secure = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1", https_compatible=True)
            ports["tls"] = secure[0].transport_listener.socket.getsockname()[1]  # type: ignore[attr-defined]
            nursery.start_soon(trio.serve_listeners, far.serve, secure)
        print(json.dumps(ports), flush=True)  # noqa: T201 - the bench waits for it
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            print(json.dumps(await far.obey(json.loads(line))), flush=True)  # noqa: T201 - its answer
        os._exit(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate", help="a file with a key and a certificate: also listen over TLS")
    trio.run(main, parser.parse_args().certificate)
