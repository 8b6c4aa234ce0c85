"""One light client of the Live API: it speaks in real time and takes note of when it is answered.

Frames are made beforehand, unmasked in effect (RFC 6455 allows a mask of zeros), one clock drives all callers, and
sound that comes is measured by the length of its base64: so a client costs little of what the service has to spend on
it.
"""

import base64
import json
import math
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial

import attrs
import trio

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=load"
SETUP = {
    "setup": {
        "model": "models/gemini-3.8-live",
        "generationConfig": {"responseModalities": ["AUDIO"]},
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
        "contextWindowCompression": {"slidingWindow": {}},
    }
}
PIECE = 0.02  # seconds of sound in a message, as microphones give it
_PIECE_BYTES = 640
_BEATS = 10  # moments within the time of a piece at which some of the callers send theirs
_FINAL, _TEXT, _MASKED, _LONG, _LONGER = 0x80, 0x1, 0x80, 126, 127
_TYPED = re.compile(rb'"data":\s*"([^"]*)"')
_HEARD = re.compile(rb'"inputTranscription":\s*\{\s*"text":\s*"([^"]*)"')


def frame(message: object) -> bytes:
    """Gives the whole frame of a text message."""
    return framed(_TEXT, json.dumps(message).encode())


def framed(kind: int, payload: bytes) -> bytes:
    """Gives the whole frame of a message of up to 64 KiB; `kind` is 1 for text, 2 for bytes, 10 for a pong."""
    head = bytes([_FINAL | kind])
    if len(payload) < _LONG:
        head += bytes([_MASKED | len(payload)])
    else:
        head += bytes([_MASKED | _LONG]) + struct.pack(">H", len(payload))
    return head + bytes(4) + payload


def sound(pcm: bytes) -> list[bytes]:
    """Gives the frames of 16 kHz s16le mono, a piece each."""
    padded = pcm + bytes(-len(pcm) % _PIECE_BYTES)
    pieces = [padded[start : start + _PIECE_BYTES] for start in range(0, len(padded), _PIECE_BYTES)]
    return [
        frame({"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": base64.b64encode(p).decode()}}})
        for p in pieces
    ]


SILENCE = sound(bytes(_PIECE_BYTES))[0]


@attrs.frozen
class Question:
    """One thing to say, as frames, and the words it has."""

    frames: list[bytes]
    text: str

    @classmethod
    def of(cls, pcm: bytes, text: str) -> "Question":
        """Makes a question of its sound."""
        return cls(sound(pcm), text)


@attrs.define
class Metronome:
    """One clock for all callers, so that they cost little: each sends every `period` seconds, a tenth together."""

    period: float = PIECE
    _steps: list[list[Callable[[float], None]]] = attrs.field(factory=lambda: [[] for _ in range(_BEATS)], init=False)

    @contextmanager
    def beating(self, number: int, beat: Callable[[float], None]) -> Iterator[None]:
        """Has `beat` called every `period` seconds, with the seconds by which that is late."""
        step = self._steps[number % _BEATS]
        step.append(beat)
        try:
            yield
        finally:
            step.remove(beat)

    async def run(self) -> None:
        """Beats until it is cancelled."""
        due = trio.current_time()
        while True:
            for step in self._steps:
                due += self.period / _BEATS
                await trio.sleep_until(due)
                for beat in step:
                    beat(trio.current_time() - due)


@attrs.define
class Caller:
    """One conversation for ever. `slips` are the seconds by which it sent late itself, one for each piece.

    `waits` are from the last sound of a question to the first of its answer; `lateness` is by how much each piece of an
    answer came after the moment at which a listener who began at once would have needed it, 0 for most.
    """

    number: int
    questions: list[Question]
    slips: list[float] = attrs.field(factory=list)
    waits: list[float] = attrs.field(factory=list)
    lateness: list[float] = attrs.field(factory=list)
    asked: int = 0
    understood: int = 0
    unanswered: int = 0
    _ended: float = math.nan
    _plays_until: float = 0.0
    _heard: str = ""
    _complete: trio.Event = attrs.field(factory=trio.Event)

    def forget(self) -> None:
        """Begins the measurement."""
        for kept in (self.slips, self.waits, self.lateness):
            kept.clear()
        self.asked = self.understood = self.unanswered = 0

    async def run(self, host: str, port: int, metronome: Metronome) -> None:
        """Asks one question after the other, a piece at each of its beats, until it is cancelled."""
        address = (await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))[0][4]
        with socket.create_connection(address[:2]) as line:
            data = await upgraded(line, PATH, host)
            line.send(frame(SETUP))
            with metronome.beating(self.number, partial(self._beat, line, self._speech())):
                async for _kind, payload in messages(line, data):
                    self._hear(payload)

    def _beat(self, line: socket.socket, speech: Iterator[bytes], slip: float) -> None:
        self.slips.append(slip)
        piece = next(speech)
        if line.send(piece) != len(piece):
            raise BlockingIOError("the service leaves more unread than the system keeps")

    def _speech(self) -> Iterator[bytes]:
        """Yields the frames of questions, each with silence until its answer has been heard, and some seconds more."""
        turn = self.number
        while True:
            question = self.questions[turn % len(self.questions)]
            self._complete, self._heard = trio.Event(), ""
            self._ended = math.nan
            yield from question.frames
            self._ended = trio.current_time()
            self.asked += 1
            for _ in range(round(20 / PIECE)):
                yield SILENCE
                if self._complete.is_set():
                    break
            else:
                self.unanswered += 1
            self.understood += self._heard.strip() == question.text
            for _ in range(round((2 + self.number % 5 / 2) / PIECE)):  # people take two to four seconds
                yield SILENCE
            turn += 1

    def _hear(self, payload: bytes) -> None:
        found = _TYPED.search(payload)
        if found is not None:
            self._sound(trio.current_time(), len(found[1]) * 3 / 4 / 48_000)
        for words in _HEARD.findall(payload):
            self._heard += words.decode()
        if b'"turnComplete"' in payload:
            self._complete.set()

    def _sound(self, now: float, seconds: float) -> None:
        if not math.isnan(self._ended):
            self.waits.append(now - self._ended)
            self._ended = math.nan
            self._plays_until = now
        self.lateness.append(max(0.0, now - (self._plays_until or now)))
        self._plays_until = max(now, self._plays_until) + seconds


async def upgraded(line: socket.socket, path: str, host: str, headers: str = "") -> bytearray:
    """Makes a WebSocket of a connection (RFC 6455, 4.1); gives what has come behind the answer."""
    key = base64.b64encode(bytes(16)).decode()
    head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{headers}"
    line.sendall(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    line.settimeout(0)
    data = bytearray()
    while b"\r\n\r\n" not in data:
        data += await _more(line)
    del data[: data.index(b"\r\n\r\n") + 4]
    return data


async def messages(line: socket.socket, data: bytearray) -> AsyncIterator[tuple[int, bytes]]:
    """Gives the kind and the payload of every frame that comes behind `data`; ConnectionError at the end."""
    while True:
        while (found := _cut(data)) is not None:
            yield found
        data += await _more(line)


async def _more(line: socket.socket) -> bytes:
    await trio.lowlevel.wait_readable(line)
    more = line.recv(65_536)
    if not more:
        raise ConnectionAbortedError("the far end has closed the connection")
    return more


def _cut(data: bytearray) -> tuple[int, bytes] | None:
    """Takes the first frame from what has come, if all of it is there; frames are unmasked and whole."""
    start, size = 2, data[1] if len(data) > 1 else _LONGER + 1
    if size == _LONG and len(data) >= 4:
        start, (size,) = 4, struct.unpack_from(">H", data, 2)
    elif size == _LONGER and len(data) >= 10:
        start, (size,) = 10, struct.unpack_from(">Q", data, 2)
    elif size >= _LONG:
        return None
    if len(data) < start + size:
        return None
    found = data[0] & ~_FINAL, bytes(data[start : start + size])
    del data[: start + size]
    return found
