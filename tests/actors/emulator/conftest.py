"""A client of raw frames over memory streams, and a service with a voice and ears that need no models."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs
import numpy as np
import pytest
import trio
import trio.testing
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Pong, Request, TextMessage
from wsproto.utilities import LocalProtocolError

from actors.emulator.connection import Observed
from actors.emulator.mind import Call, Declared, Exchange, Say, Source
from actors.emulator.scenario import Scenario
from actors.emulator.service import Service
from actors.emulator.settings import Settings

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
MODEL = "models/gemini-3.8-live"


class Tongue:
    """Speaks any text as a hum, 40 ms a character."""

    def speak(self, text: str, *, voice: str = "Kore") -> bytes:
        pitch = 100 + len(voice)
        return tone(0.04 * len(text), pitch, 24_000)


@attrs.define
class Script:
    """Hears what it is told to hear, one line after the other; then nothing."""

    lines: list[str] = attrs.field(factory=list)
    heard: list[bytes] = attrs.field(factory=list)

    def understand(self, pcm: bytes) -> str:
        self.heard.append(pcm)
        return self.lines.pop(0) if self.lines else ""


@attrs.define
class Parrot:
    """Repeats what it hears; "call NAMES" calls functions, "say X then call NAMES" does both, "hush" does nothing."""

    asked: list[tuple[str, tuple[str, ...]]] = attrs.field(factory=list)

    def respond(
        self, heard: str, context: Sequence[Exchange], declared: Sequence[Declared], *, search: bool
    ) -> tuple[Say | Call, ...]:
        self.asked.append((heard, tuple(f"{exchange.who}: {exchange.text}" for exchange in context)))
        if heard.startswith("say "):
            first, _, rest = heard.removeprefix("say ").partition(" then ")
            return (Say(first), *self.respond(rest, context, declared, search=search))
        if heard.startswith("call "):
            return tuple(Call(name, {"who_is": {"it_is": "me"}}) for name in heard.split()[1:])
        if heard == "search" and search:
            return (Say("Found it.", (Source("A page", "https://page.example/"),), ("it",)),)
        return () if heard == "hush" else (Say(f"You said {heard}."),)

    def answer(self, call: Call, response: Mapping[str, object]) -> Say:
        return Say(f"{call.name} gave {response.get('output', response)}.")


def tone(seconds: float, pitch: float = 440.0, rate: int = 16_000) -> bytes:
    at = np.arange(int(seconds * rate)) / rate
    return (8000 * np.sin(2 * np.pi * pitch * at)).astype("<i2").tobytes()


def speech(seconds: float, rate: int = 16_000) -> bytes:
    """Syllables: a tone that swells and fades five times a second."""
    at = np.arange(int(seconds * rate)) / rate
    return (8000 * np.sin(2 * np.pi * 440 * at) * np.sin(2 * np.pi * 2.5 * at) ** 2).astype("<i2").tobytes()


def silence(seconds: float, rate: int = 16_000) -> bytes:
    return bytes(2 * int(seconds * rate))


class Closed(Exception):
    def __init__(self, code: int, reason: str) -> None:
        self.code, self.reason = code, reason
        super().__init__(f"{code} {reason}")


class Client:
    """A client made of wsproto alone: what it is sent and what it sends are plain JSON."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.ws = WSConnection(ConnectionType.CLIENT)
        self.pending: list[Any] = []
        self.partial: list[bytes | str] = []
        self.pongs: list[bytes] = []
        self.opcodes: list[type] = []
        self.raw: list[bytes | str] = []
        self.handle = ""
        self.patience = 60.0

    async def connect(self, target: str = PATH + "?key=test", headers: dict[str, str] | None = None) -> None:
        extra = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        await self.stream.send_all(self.ws.send(Request(host="far.end", target=target, extra_headers=extra)))
        while not self.pending:
            await self.pump()
        assert isinstance(self.pending.pop(0), AcceptConnection)

    async def pump(self) -> None:
        data = await self.stream.receive_some(65536)
        self.ws.receive_data(bytes(data) or None)
        for event in self.ws.events():
            if isinstance(event, TextMessage | BytesMessage):
                self.partial.append(event.data)
                if event.message_finished:
                    whole = type(event.data)().join(self.partial)  # type: ignore[arg-type]
                    self.partial.clear()
                    self.opcodes.append(type(event))
                    self.raw.append(whole)
                    self.pending.append(json.loads(whole))
            elif isinstance(event, Ping):
                await self.stream.send_all(self.ws.send(event.response()))
            elif isinstance(event, Pong):
                self.pongs.append(bytes(event.payload))
            elif isinstance(event, CloseConnection):
                with suppress(LocalProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
                    await self.stream.send_all(self.ws.send(event.response()))
                self.pending.append(Closed(event.code, event.reason or ""))
            else:
                self.pending.append(event)

    async def receive(self) -> Any:
        """The next message; raises Closed at the end, TooSlowError when there is none."""
        with trio.fail_after(self.patience):
            while not self.pending:
                await self.pump()
        found = self.pending.pop(0)
        if isinstance(found, Closed):
            self.pending.append(found)
            raise found
        update = found.get("sessionResumptionUpdate", {}) if isinstance(found, dict) else {}
        self.handle = update.get("newHandle") or self.handle
        return found

    async def until(self, *names: str) -> list[Any]:
        """Everything up to a message that has one of these names in it, at its top or in its serverContent."""
        seen = []
        while True:
            seen.append(await self.receive())
            if any(name in seen[-1] or name in seen[-1].get("serverContent", {}) for name in names):
                return seen

    async def quiet(self, seconds: float) -> list[Any]:
        """Everything that comes within so many seconds."""
        seen = []
        with trio.move_on_after(seconds):
            while True:
                seen.append(await self.receive())
        return seen

    async def closed(self) -> Closed:
        while True:
            try:
                await self.receive()
            except Closed as closed:
                return closed

    async def send(self, message: Any) -> None:
        await self.stream.send_all(self.ws.send(TextMessage(data=json.dumps(message))))

    async def send_text(self, payload: str) -> None:
        await self.stream.send_all(self.ws.send(TextMessage(data=payload)))

    async def send_bytes(self, payload: bytes) -> None:
        await self.stream.send_all(self.ws.send(BytesMessage(data=payload)))

    async def setup(self, **fields: Any) -> Any:
        await self.send({"setup": {"model": MODEL} | fields})
        return await self.receive()

    async def say(self, pcm: bytes, rate: int = 16_000, piece: float = 0.02) -> None:
        """Sends sound in real time."""
        size = 2 * int(rate * piece)
        for start in range(0, len(pcm), size):
            data = base64.b64encode(pcm[start : start + size]).decode()
            await self.send({"realtimeInput": {"audio": {"mimeType": f"audio/pcm;rate={rate}", "data": data}}})
            await trio.sleep(piece)

    async def text(self, text: str) -> None:
        await self.send({"realtimeInput": {"text": text}})

    async def answer(self, id_: str, response: Any, **fields: Any) -> None:
        await self.send(
            {"toolResponse": {"functionResponses": [{"id": id_, "name": "f", "response": response} | fields]}}
        )

    async def close(self, code: int = 1000) -> None:
        await self.stream.send_all(self.ws.send(CloseConnection(code=code)))
        with trio.fail_after(10):
            while not any(isinstance(found, Closed) for found in self.pending):
                await self.pump()
        await self.stream.aclose()


def audio(messages: list[Any]) -> bytes:
    """All reply audio in these messages."""
    parts = [
        part
        for message in messages
        for part in message.get("serverContent", {}).get("modelTurn", {}).get("parts", [])
        if "inlineData" in part
    ]
    return b"".join(base64.b64decode(part["inlineData"]["data"], validate=True) for part in parts)


def names(messages: list[Any]) -> list[str]:
    """What the messages are, one word each, runs of the same word as one."""
    found: list[str] = []
    for message in messages:
        for key in message.get("serverContent", message):
            if key not in {"usageMetadata", "interactionStatus"} and found[-1:] != [key]:
                found.append(key)
    return found


def spoken(messages: list[Any], key: str = "outputTranscription") -> str:
    return "".join(m["serverContent"][key]["text"] for m in messages if key in m.get("serverContent", {}))


@pytest.fixture(name="audio")
def _audio() -> Callable[[list[Any]], bytes]:
    return audio


@pytest.fixture(name="names")
def _names() -> Callable[[list[Any]], list[str]]:
    return names


@pytest.fixture(name="spoken")
def _spoken() -> Callable[..., str]:
    return spoken


@pytest.fixture(name="speech")
def _speech() -> Callable[..., bytes]:
    return speech


@pytest.fixture(name="silence")
def _silence() -> Callable[..., bytes]:
    return silence


@pytest.fixture
def client_of() -> Callable[..., Any]:
    """Connects a client over any stream."""

    async def connected(stream: trio.abc.Stream) -> Client:
        client = Client(stream)
        await client.connect()
        return client

    return connected


@pytest.fixture(name="tone")
def _tone() -> Callable[..., bytes]:
    return tone


@attrs.define
class World:
    """A service, what it observed, and clients for it."""

    service: Service
    ears: Script
    mind: Any
    observed: list[Observed]
    nursery: trio.Nursery
    faults: list[Exception]
    """The service's own, which it has survived."""
    closed: type[Closed] = Closed

    async def stream(self) -> trio.abc.Stream:
        here, there = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self.service.serve_stream, there)
        return here

    async def client(
        self,
        target: str = PATH + "?key=test",
        headers: dict[str, str] | None = None,
        stream: trio.abc.Stream | None = None,
    ) -> Client:
        client = Client(stream or await self.stream())
        await client.connect(target, headers)
        return client

    async def ready(self, stream: trio.abc.Stream | None = None, **fields: Any) -> Client:
        """A client behind its setup; transcripts are asked for."""
        client = await self.client(stream=stream)
        await client.setup(**({"outputAudioTranscription": {}, "inputAudioTranscription": {}} | fields))
        return client

    def states(self) -> list[str]:
        return [found.detail for found in self.observed if found.kind == "state"]


@pytest.fixture
def build() -> Callable[..., Any]:
    """Opens a world: `async with build(*lines, scenario=..., mind=..., time_scale=...) as world`."""

    @asynccontextmanager
    async def opened(
        *lines: str, scenario: Scenario | None = None, mind: Any = None, **settings: Any
    ) -> AsyncIterator[World]:
        observed: list[Observed] = []
        ears, mind = Script(list(lines)), mind or Parrot()
        settled = Settings(**({"threads": False} | settings))
        service = Service(settled, Tongue(), ears, observed.append, mind=mind, scenario=scenario)
        faults: list[Exception] = []
        tell = service.failed

        def failed(error: Exception) -> None:
            faults.append(error)
            tell(error)

        service.failed = failed  # type: ignore[method-assign]
        async with trio.open_nursery() as nursery:
            yield World(service, ears, mind, observed, nursery, faults)
            nursery.cancel_scope.cancel("the test is over")

    return opened
