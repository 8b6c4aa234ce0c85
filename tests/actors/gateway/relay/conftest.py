"""Pages without browsers: a socket in memory, a speaker that plays by the clock, a recording as microphone."""

import math
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import msgspec
import numpy as np
import pytest
import trio
import trio.testing

from actors.audio.recording import open_recording
from actors.audio.resample import Resampler
from actors.emulator.connection import Observed
from actors.emulator.hearing import Hearing
from actors.emulator.service import Service
from actors.emulator.settings import Settings
from actors.emulator.voice import Voice
from actors.gateway import relay_wire as wire
from actors.gateway.access import Door, User
from actors.gateway.audit import Audit
from actors.gateway.counts import Counts
from actors.gateway.credentials import Signer
from actors.gateway.desk import Desk, Visit
from actors.gateway.offer import Offer
from actors.gateway.relay import Relay
from actors.gateway.relay_talk import SocketGone
from actors.gateway.settings import Settings as GatewaySettings
from actors.gateway.store import Memory
from actors.gateway.tokens import Mint
from pipeline import Plan
from pipeline.environment import Environment
from pipeline.events import Bus
from tools.toolbox import Toolbox

FIXTURES = Path(__file__).parents[3] / "fixtures"
BLOCK = 640
STEP = 0.04
LOUD = 500
WALL = 1_800_000_000.0  # wall time when a test begins


def spoken(name: str) -> bytes:
    """A recorded question as a page sends it: 16 kHz, s16le."""
    with open_recording(FIXTURES / name) as recording:
        resampler = Resampler(recording.rate, 16_000)
        return b"".join([*map(resampler.push, recording.blocks(4096)), resampler.flush()])


@attrs.define(eq=False)
class Wire:
    """The gateway's end of a socket in memory; `slow` is how long the page takes for a frame."""

    incoming: trio.MemoryReceiveChannel[str | bytes]
    outgoing: trio.MemorySendChannel[str | bytes]
    slow: float = 0.0
    closed: tuple[int, str] | None = None

    async def receive(self) -> str | bytes:
        try:
            return await self.incoming.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise SocketGone from None

    async def send(self, frame: str | bytes) -> None:
        await trio.sleep(self.slow)
        try:
            self.outgoing.send_nowait(frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise SocketGone from None

    async def close(self, code: int, reason: str = "") -> None:
        self.closed = (code, reason)


@attrs.define(eq=False)
class Browser:
    """A page: speaks, plays by the clock, remembers what it was told. `link` is its end of the present socket."""

    microphone: bytes = b""
    said: int = 0
    base: int | None = None
    received: int | None = None
    heard: int = 0
    seen: int = 0
    kept: dict[str, str] = attrs.field(factory=dict)
    sound: dict[int, bytes] = attrs.field(factory=dict)
    told: list[dict[str, Any]] = attrs.field(factory=list)
    events: list[dict[str, Any]] = attrs.field(factory=list)
    settled: int = 0
    link: trio.MemorySendChannel[str | bytes] | None = None
    opening: str | bytes | None = None  # in place of a hello

    def hello(self) -> str | bytes:
        if self.opening is not None:
            return self.opening
        more = {"received": self.received, "heard": self.heard, "seen": self.seen} if self.kept else {}
        return wire.say("hello", **self.kept, **more)

    def send(self, kind: str, **fields: object) -> None:
        self.give(wire.say(kind, **fields))

    def give(self, frame: str | bytes) -> None:
        if self.link is not None:
            try:
                self.link.send_nowait(frame)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.link = None

    async def speak(self) -> None:
        """Gives the microphone in real time; silence follows. What finds no socket is given on the next."""
        captured = 0
        while True:
            await trio.sleep(STEP)
            captured += BLOCK
            while self.base is not None and self.link is not None and self.said + BLOCK <= captured:
                self.give(wire.HEADER.pack(self.base + self.said) + self._block(self.said))
                self.said += BLOCK

    def _block(self, position: int) -> bytes:
        return self.microphone[2 * position : 2 * (position + BLOCK)].ljust(2 * BLOCK, b"\0")

    async def play(self) -> None:
        while True:
            await trio.sleep(STEP)
            if self.received is not None and self.heard < self.received:
                self.heard = min(self.received, self.heard + 960)
                self.send("heard", position=self.heard)

    def take(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            (position,) = wire.HEADER.unpack_from(frame)
            self.sound[position] = frame[wire.HEADER.size :]
            self.received = position + (len(frame) - wire.HEADER.size) // 2
            return
        message = msgspec.json.decode(frame)
        self.told.append(message)
        getattr(self, f"on_{message['type']}", lambda _message: None)(message)

    def on_welcome(self, message: dict[str, Any]) -> None:
        self.kept = {"session": message["session"], "secret": message["secret"]}
        if self.base is None:
            self.base = message["mic"]
        else:
            self.said = message["mic"] - self.base
        self.received = message["play"]
        self.heard = min(self.heard, message["play"])

    def on_event(self, message: dict[str, Any]) -> None:
        self.seen = message["number"]
        self.events.append({"event": message["event"], **message["fields"]})

    def on_mic(self, message: dict[str, Any]) -> None:
        self.settled = message["settled"]

    def on_flush(self, message: dict[str, Any]) -> None:
        at = min(self.heard + 120, message["until"])
        self.sound = {position: pcm for position, pcm in self.sound.items() if position < at}
        self.send("flushed", id=message["id"], position=at)
        self.heard = message["until"]

    def heard_words(self, who: str) -> list[str]:
        return [e["text"] for e in self.events if e["event"] == "transcript" and e["who"] == who and e["final"]]

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]

    def audio(self) -> bytes:
        """All that came, each sample once, in order; a gap shows as a failure."""
        out, at = b"", None
        for position, pcm in sorted(self.sound.items()):
            assert at is None or position <= at, f"samples are missing before {position}"
            new = pcm if at is None else pcm[2 * max(0, at - position) :]
            out, at = out + new, position + len(pcm) // 2
        return out


async def until(done: Callable[[], object], patience: float = 60.0) -> None:
    """Waits, in virtual time, until something holds."""
    with trio.fail_after(patience):
        while not done():  # noqa: ASYNC110 - anything at all may be waited for, and time is virtual
            await trio.sleep(0.01)


def place(needle: bytes, haystack: bytes) -> float:
    """How alike a piece of sound, without the silence around it, is to its best place in a longer one, 0 to 1."""
    small, large = (np.frombuffer(pcm[: len(pcm) & ~1], "<i2").astype(float) for pcm in (needle, haystack))
    (loud,) = np.nonzero(np.abs(small) > LOUD)
    small = small[loud[0] : loud[-1]]
    size = len(small) + len(large)
    product = np.fft.irfft(np.fft.rfft(large, size) * np.conj(np.fft.rfft(small, size)), size)
    at = int(np.argmax(product[: max(1, len(large) - len(small) + 1)]))
    there = large[at : at + len(small)]
    return float(there @ small[: len(there)] / (np.linalg.norm(there) * np.linalg.norm(small) + 1e-9))


def desk_of(plan: Callable[[], Plan], folder: Path, **settings: Any) -> Desk:
    """A desk on virtual time whose conversations have this plan."""

    def clock() -> float:
        return WALL + trio.current_time()

    found, bus = GatewaySettings.of(settings), Bus()
    offered = Toolbox({"use": plan().table("tools").get("use", []), "google_search": True}, folder)
    return Desk(
        conversation_plan=plan,
        environment=Environment(),
        bus=bus,
        settings=found,
        store=Memory(clock),
        audit=Audit(folder / "audit.jsonl", bus),
        counts=Counts(),
        door=Door(found),
        offer=Offer(found, plan().table("live"), offered),
        mint=Mint("key"),
        signer=Signer.of(None),
        live_url="ws://far.end",
        clock=clock,
    )


@attrs.define(eq=False)
class House:
    """A gateway's relay, the Live service behind it, and pages before it."""

    desk: Desk
    relay: Relay
    nursery: trio.Nursery
    seen: list[Observed]
    sockets: list[Wire] = attrs.field(factory=list)
    user: str = "somebody"

    until = staticmethod(until)
    place = staticmethod(place)
    spoken = staticmethod(spoken)
    socket = Wire

    def page(self, recording: str = "") -> Browser:
        """A page at which somebody says this; its microphone and its speaker run from now on."""
        browser = Browser(spoken(recording) if recording else b"")
        self.nursery.start_soon(browser.speak)
        self.nursery.start_soon(browser.play)
        return browser

    def reload(self, browser: Browser) -> Browser:
        """The page is loaded anew: it remembers its session and secret, and nothing else."""
        self.cut(browser)
        fresh = self.page()
        fresh.kept = browser.kept
        return fresh

    def another(self) -> "House":
        """A second gateway with the same store."""
        return attrs.evolve(self, relay=Relay(self.desk, kept_for=self.relay.kept_for, threads=False), sockets=[])

    async def connect(self, browser: Browser, *, slow: float = 0.0) -> Wire:
        """Opens a socket for a page and has it say hello."""
        ours, incoming = trio.open_memory_channel[str | bytes](math.inf)
        outgoing, theirs = trio.open_memory_channel[str | bytes](math.inf)
        socket = Wire(incoming, outgoing, slow)
        self.sockets.append(socket)
        browser.link = ours
        browser.give(browser.hello())
        self.nursery.start_soon(self._serve, socket)
        self.nursery.start_soon(self._read, browser, theirs)
        return socket

    async def _serve(self, socket: Wire) -> None:
        visit = self.visit()
        with visit.scope:
            await socket.close(*await self.relay.serve(socket, visit))
        if visit.scope.cancelled_caught:
            await socket.close(visit.code, visit.reason)
        self.desk.visits.pop(visit.id, None)
        socket.outgoing.close()
        socket.incoming.close()

    def visit(self, **more: Any) -> Visit:
        """A socket of this user's that the desk has let in."""
        made = Visit(secrets.token_hex(4), User(self.user, "key"), "192.0.2.1", "relay", self.desk.clock(), **more)
        self.desk.visits[made.id] = made
        return made

    @property
    def audit(self) -> list[dict[str, Any]]:
        assert self.desk.audit.path is not None
        return [msgspec.json.decode(line) for line in self.desk.audit.path.read_bytes().splitlines()]

    async def _read(self, browser: Browser, theirs: trio.MemoryReceiveChannel[str | bytes]) -> None:
        async for frame in theirs:
            browser.take(frame)

    def cut(self, browser: Browser) -> None:
        """The page's network is gone."""
        if browser.link is not None:
            browser.link.close()
        browser.link = None

    def audio(self) -> bytes:
        """What the service received, in order."""
        return b"".join(one.pcm for one in self.seen if one.kind == "audio")


@pytest.fixture(scope="session")
def hearing() -> Hearing:
    return Hearing()


@pytest.fixture(scope="session")
def voice() -> Voice:
    return Voice()


@pytest.fixture
def relaying(hearing: Hearing, voice: Voice, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Gives `async with relaying(kept_for=..., plan={...}, **settings) as house`; `plan` lies over the tests' own."""
    desks: list[Desk] = []

    @asynccontextmanager
    async def start(
        kept_for: float = 120.0, plan: dict[str, Any] | None = None, **settings: Any
    ) -> AsyncIterator[House]:
        over = plan or {}
        service = Service(Settings(threads=False), voice, hearing)
        seen: list[Observed] = []
        service.observe = seen.append
        async with trio.open_nursery() as nursery:

            async def dial(_address: object) -> trio.abc.Stream:
                ours, theirs = trio.testing.memory_stream_pair()
                nursery.start_soon(service.serve_stream, theirs)
                await trio.lowlevel.checkpoint()
                return ours

            def planned() -> Plan:
                made = Plan.load(folder=tmp_path)
                made.set("tools.use", [])
                made.set("actors.vad.use", "actors.vad:Energy")
                made.set("actors.connection", {"endpoint": "ws://far.end", "threads": False, "dial": dial})
                made.set("state.toolbox", {"inline": True})
                for key, value in over.items():
                    made.set(key, value)
                return made

            desk = desk_of(planned, tmp_path, **settings)
            desks.append(desk)
            relay = Relay(desk, kept_for=kept_for, threads=False)
            await nursery.start(relay.run)
            yield House(desk, relay, nursery, seen)
            service.close()
            nursery.cancel_scope.cancel("the test is over")

    yield start
    for desk in desks:
        desk.audit.close()
