"""What the tests of the Live protocol share: a far end in memory, and the stage on which playbooks are played."""

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import attrs
import pytest
import trio
import trio.testing
import wsproto
from wsproto.events import AcceptConnection, CloseConnection, Event, Message, Ping, RejectConnection, Request

from actors.live import by_trio_websocket, by_websockets
from actors.live import commands as c
from actors.live import signals as s
from actors.live.address import Address
from actors.live.link import LeaveBy, Opener, Settled
from actors.live.session import Session
from actors.live.transport import Transport, connected
from pipeline import events as e
from pipeline import messages as m
from pipeline.errors import TransportLost
from tests.actors.live.ends import Ends

MADE_UP_KEY = "no-real-key"
ASKED = """
    >> speak 3
    >> hush
    >> gate-shuts
    >> send
    << wire audio x3
    << wire AudioStreamEnd
"""
ANSWERED = """
    >> heard what is
    << user~ what is
    >> heard  it?
    << user~  it?
    >> says This
    << user: what is it?
    << model~ This
    >> audio
    << audio 1
    >> says  is it.
    << model~  is it.
    >> audio
    << audio 1
    >> generated
    << whole 1
    >> complete
    << completed 1
    << model: This is it.
    << boundary
"""
INTERRUPTED = """
    >> audio
    << audio 1
    >> interrupted
    << silence 1 interrupted
    << INTERRUPTED
"""


@attrs.define
class FarEnd:
    """The server's side of one connection; the test says what it does and when."""

    stream: trio.testing.MemorySendStream | trio.abc.Stream
    ws: wsproto.WSConnection = attrs.field(factory=lambda: wsproto.WSConnection(wsproto.ConnectionType.SERVER))
    request: Request | None = None
    _events: deque[Event] = attrs.field(factory=deque)

    async def accept(self) -> None:
        request = await self.next()
        assert isinstance(request, Request)
        self.request = request
        await self.send(AcceptConnection())

    async def reject(self, status: int) -> None:
        assert isinstance(await self.next(), Request)
        await self.send(RejectConnection(status_code=status, headers=[(b"content-length", b"0")]))

    async def send(self, *events: Event) -> None:
        """Sends all of them in one write."""
        await self.stream.send_all(b"".join(self.ws.send(event) for event in events))

    async def next(self) -> Event:
        """Waits for the next event; a vanished peer is a CloseConnection with 1006."""
        while not self._events:
            data = await self.stream.receive_some(65536)
            self.ws.receive_data(data or None)
            self._events.extend(self.ws.events())
        return self._events.popleft()

    async def message(self) -> str:
        """Waits for a whole text message; pings are answered."""
        text = ""
        while True:
            event = await self.next()
            if isinstance(event, Ping):
                await self.send(event.response())
                continue
            assert isinstance(event, Message), event
            text += event.data
            if event.message_finished:
                return text

    async def behave(self) -> None:
        """Answers pings and closing like any good server, and hangs up after it."""
        while True:
            event = await self.next()
            if isinstance(event, Ping):
                await self.send(event.response())
            elif isinstance(event, CloseConnection):
                if self.ws.state is wsproto.connection.ConnectionState.REMOTE_CLOSING:
                    await self.send(event.response())
                await self.stream.aclose()
                return

    async def serve(self) -> None:
        """Accepts, then behaves."""
        await self.accept()
        await self.behave()


@attrs.define
class Line:
    """A way to dial `far`, the far end of a fresh pair of streams."""

    far: FarEnd
    near: trio.abc.Stream
    address: Address
    opened: Opener

    def connected(self) -> AbstractAsyncContextManager[Transport]:
        """Connects to the far end by the library under test."""
        return connected(self.address, self.dial, opened=self.opened)

    async def dial(self, _address: Address) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return self.near


async def loss_of(line: Any, body: Callable[[Transport], Any] | None = None) -> TransportLost | None:
    """Connects, runs the body, and gives how the connection was lost, if it was."""
    found: TransportLost | None = None
    try:
        async with line.connected() as wire:
            if body is not None:
                await body(wire)
    except TransportLost as lost:
        found = lost
    return found


@pytest.fixture(name="loss_of")
def loss_of_fixture() -> Callable[..., Any]:
    return loss_of


@pytest.fixture(params=[by_websockets, by_trio_websocket], ids=["websockets", "trio-websocket"])
def opened(request: pytest.FixtureRequest) -> Opener:
    """Each library that speaks WebSocket."""
    return cast("Opener", request.param.opened)


@pytest.fixture
def line(opened: Opener) -> Line:
    near, far = trio.testing.memory_stream_pair()
    return Line(FarEnd(far), near, Address.of("ws://far.test:81", "v1beta", MADE_UP_KEY), opened)


@pytest.fixture
def tight_line(opened: Opener) -> Line:
    """A line on which a write waits until the far end has read it."""
    near, far = trio.testing.lockstep_stream_pair()
    return Line(FarEnd(far), near, Address.of("ws://far.test:81", "v1beta", MADE_UP_KEY), opened)


@pytest.fixture
def elapsed() -> Callable[[], float]:
    """Tells how much virtual time has passed since the first call."""
    began: list[float] = []

    def read() -> float:
        if not began:
            began.append(trio.current_time())
        return round(trio.current_time() - began[0], 6)

    return read


BLOCK = b"\0\1" * 320


SHOWN: Mapping[type, Callable[[Any], str]] = {
    m.ReplyAudio: lambda effect: f"audio {effect.turn}",
    m.ReplyWhole: lambda effect: f"whole {effect.turn}",
    m.ReplyEnded: lambda effect: f"{effect.outcome} {effect.turn}",
    m.Interrupted: lambda effect: f"silence {effect.turn} {effect.outcome}",
    m.ToolCalled: lambda effect: f"call {effect.id} {effect.name} {effect.turn}",
    m.CallsCancelled: lambda effect: f"cancelled {' '.join(effect.ids)}",
    LeaveBy: lambda effect: f"leave by {effect.deadline:g}",
    Settled: lambda _: "boundary",
    e.SessionStateChanged: lambda effect: str(effect.to),
    e.Transcript: lambda effect: f"{effect.who}{':' if effect.final else '~'} {effect.text}",
    e.Trouble: lambda effect: f"trouble {effect.code}",
}


def told(effects: tuple[Any, ...]) -> list[str]:
    """Effects in a few words each; what dispatch hears is in the transcripts already."""
    return [shown(effect) for effect in effects if not isinstance(effect, m.Heard)]


def shown(effect: Any) -> str:
    """One effect in a few words; a message with a turn names it."""
    return SHOWN.get(type(effect), lambda other: type(other).__name__.lower())(effect)


def on_the_wire(command: c.Command) -> str:
    match command:
        case c.Text():
            return f"wire text {command.text}"
        case c.ToolResponse():
            return f"wire answer {command.id}"
        case c.History():
            return "wire history " + " / ".join(f"{line.role} {line.text}" for line in command.lines)
    return f"wire {type(command).__name__}"


@attrs.define
class Stage:
    """A session, a clock, and what each word of a playbook does.

    In a playbook `>>` is what happens to the session, and the `<<` lines below it are all that follows. Time stands
    still but for `>> wait SECONDS`; `>> send` writes everything that belongs on the wire.
    """

    session: Session
    now: float = 0.0
    position: int = 0

    def play(self, script: str) -> None:
        happening, expected = "", []
        follows: list[str] = []
        for line in [*filter(None, map(str.strip, script.splitlines())), ">> "]:
            if line.startswith("<< "):
                expected.append(line[3:])
                continue
            assert (happening, follows) == (happening, expected)
            happening, expected = line[3:], []
            follows = self.happens(happening) if happening else []

    def happens(self, line: str) -> list[str]:
        word, _, rest = line.partition(" ")
        if word == "wait":
            self.now += float(rest)
            return []
        if word == "send":
            return self.send()
        if word in WORLD:
            return told(WORLD[word](self, rest))
        return told(self.session.receive(SIGNALS[word](rest), self.now))

    def send(self) -> list[str]:
        found: list[str] = []
        audio = 0
        while (command := self.session.next_command()) is not None:
            if isinstance(command, c.Audio):
                audio += 1
            else:
                found += [f"wire audio x{audio}"] * bool(audio) + [on_the_wire(command)]
                audio = 0
            self.session.wrote(command, self.now)
        return found + [f"wire audio x{audio}"] * bool(audio)

    def hear(self, *items: Any) -> tuple[Any, ...]:
        return tuple(effect for item in items for effect in self.session.hear(item))

    def blocks(self, count: str) -> list[m.Voiced]:
        found = []
        for _ in range(int(count)):
            found.append(m.Voiced(BLOCK, self.position / 16_000, self.position))
            self.position += 320
        return found

    def speak(self, count: str) -> tuple[Any, ...]:
        start = m.SpeechStarted(self.position / 16_000, self.position)
        return self.hear(start, *self.blocks(count))

    def link(self, how: str) -> tuple[Any, ...]:
        dialled = self.session.dialling("test") if self.session.state.value == "DISCONNECTED" else ()
        return (*dialled, *self.session.link(resumed=how == "resumed")[1])


WORLD: Mapping[str, Callable[[Stage, str], tuple[Any, ...]]] = {
    "link": Stage.link,
    "lose": lambda stage, _: stage.session.lost("test", stage.now),
    "speak": Stage.speak,
    "go-on": lambda stage, count: stage.hear(*stage.blocks(count)),
    "hush": lambda stage, _: stage.hear(m.SpeechEnded(stage.position / 16_000, stage.position)),
    "gate-shuts": lambda stage, _: stage.hear(m.StreamEnded()),
    "type": lambda stage, text: stage.hear(m.Say(text)),
    "stop": lambda stage, _: stage.hear(m.Stop()),
    "answer": lambda stage, call_id: stage.session.answer(m.ToolAnswer(call_id, "f", {"output": 1})),
    "part": lambda stage, call_id: stage.session.answer(m.ToolAnswer(call_id, "f", {}, will_continue=True)),
    "last": lambda stage, call_id: stage.session.answer(m.ToolAnswer(call_id, "f", {}, will_continue=False)),
}
SIGNALS: Mapping[str, Callable[[str], s.Signal]] = {
    "audio": lambda _: s.Speech(b"\0\0", 24_000),
    "says": s.OutputText,
    "heard": s.InputText,
    "guess": s.InterimText,
    "thinks": lambda text: s.Text(text, thought=True),
    "writes": lambda text: s.Text(text, thought=False),
    "interrupted": lambda _: s.Interruption(),
    "generated": lambda _: s.GenerationComplete(),
    "complete": s.TurnComplete,
    "cut-short": lambda reason: s.TurnComplete("", reason),
    "waiting": lambda _: s.WaitingForInput(),
    "calls": lambda ids: s.Calls(tuple(s.FunctionCall(i, "f", {}) for i in ids.split())),
    "void": lambda ids: s.CallsVoided(tuple(ids.split())),
    "handle": lambda handle: s.Handle(handle, resumable=True),
    "unresumable": lambda _: s.Handle("", resumable=False),
    "goaway": lambda left: s.GoAway(float(left)),
    "usage": lambda _: s.UsageReport({"totalTokenCount": 1}),
    "unknown": lambda name: s.Unrecognised((name,)),
}


@pytest.fixture
def stage() -> Stage:
    session = Session(e.Bus(clock=lambda: 0.0))
    stage = Stage(session)
    stage.play(
        """
        >> link fresh
        << CONNECTING
        << CONNECTED
        """
    )
    return stage


@pytest.fixture
def local_stage() -> Stage:
    """One on which we say where turns begin and end, without a link yet."""
    return Stage(Session(e.Bus(clock=lambda: 0.0), room={"turns": "local"}))


@pytest.fixture
def asked() -> str:
    """The playbook of a question."""
    return ASKED


@pytest.fixture
def answered() -> str:
    """The playbook of its answer, turn 1."""
    return ANSWERED


@pytest.fixture
def interrupted() -> str:
    """The playbook of an answer that is cut short."""
    return INTERRUPTED


@pytest.fixture
def ends() -> Ends:
    """Uplink and downlink, over a session of their own."""
    return Ends()
