"""A whole conversation against the embedded service under virtual time, with every sink that is asked for listening."""

import gzip
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from actors.emulator.hearing import Hearing
from actors.emulator.scenario import Scenario
from actors.emulator.service import Service
from actors.emulator.settings import Settings
from actors.emulator.voice import Voice
from pipeline import Bus, Conversation, Event, Plan, converse
from pipeline.environment import Environment
from telemetry.sinks import Occasion, listening

FIXTURES = Path(__file__).parent.parent / "fixtures"


@attrs.define
class Watched:
    """The running conversation, the service at its far end, and its events so far."""

    conversation: Conversation
    service: Service
    events: list[Event]
    down: bool = False  # nobody can be dialled

    def named(self, name: str) -> list[Any]:
        return [event for event in self.events if event.name == name]

    def finals_of(self, who: str) -> list[str]:
        """What one side said, turn by turn."""
        return [event.text for event in self.named("transcript") if event.final and event.who == who]

    def cut(self) -> None:
        """Breaks every connection, as a network would."""
        for connection in list(self.service.connections):
            connection.cut()

    async def until(self, done: Callable[[], object], patience: float = 60.0) -> None:
        """Waits, in virtual time, until something holds."""
        with trio.fail_after(patience):
            while not done():  # noqa: ASYNC110 - anything at all may be waited for, and time is virtual
                await trio.sleep(0.01)


@pytest.fixture(scope="session")
def faculties() -> tuple[Voice, Hearing]:
    return Voice(), Hearing()


@pytest.fixture
def watched(faculties: tuple[Voice, Hearing], tmp_path: Path) -> Callable[..., Any]:
    """Gives `async with watched(recording, options, environment, settings, **plan) as conversation`."""

    @asynccontextmanager
    async def start(
        recording: str,
        options: Mapping[str, Any] | None = None,
        environment: Environment | None = None,
        settings: Mapping[str, Any] | None = None,
        wrap: Callable[[trio.abc.Stream], trio.abc.Stream] = lambda stream: stream,
        scenario: Scenario | None = None,
        **keys: object,
    ) -> AsyncIterator[Watched]:
        service = Service(Settings(**{"threads": False, **(settings or {})}), *faculties, scenario=scenario)
        environment = environment or Environment()
        plan = Plan.load(folder=tmp_path)
        plan.set("actors.vad.use", "actors.vad:Energy")
        plan.set("actors.microphone", {"use": "actors.microphone:Recording", "path": str(FIXTURES / recording)})
        plan.set("actors.playback.use", "actors.playback:Discard")
        plan.set("actors.connection", {"endpoint": "ws://far.end", "threads": False})
        plan.set("state.toolbox", {"inline": True})
        for key, value in {"tools.use": ["tools.clock"], **keys}.items():
            plan.set(key.replace("__", "."), value)
        bus = Bus(environment.secrets())
        async with trio.open_nursery() as nursery:

            async def dial(_address: object) -> trio.abc.Stream:
                if made and made[0].down:
                    raise OSError(111, "Connection refused")
                ours, theirs = trio.testing.memory_stream_pair()
                nursery.start_soon(service.serve_stream, theirs)
                await trio.lowlevel.checkpoint()
                return wrap(ours)

            plan.set("actors.connection.dial", dial)
            occasion = Occasion.of(bus, plan, environment, {"quiet": True, **(options or {})}, threads=False)
            events: list[Event] = []
            made: list[Watched] = []

            async def gather() -> None:
                async for event in bus.subscribe(100_000):
                    events.append(event)  # noqa: PERF401 - read while it grows

            nursery.start_soon(gather)
            await trio.testing.wait_all_tasks_blocked()
            async with listening(occasion) as listeners, converse(plan, bus=bus, environment=environment) as running:
                listeners.meet(running)
                made.append(Watched(running, service, events))
                yield made[0]
            service.close()
            nursery.cancel_scope.cancel("the test is over")

    return start


@attrs.define
class Collector:
    """A real OTLP receiver on loopback: keeps what it is sent, or misbehaves."""

    url: str
    requests: list[tuple[str, Mapping[str, str], bytes]] = attrs.field(factory=list)

    def spans(self) -> list[Any]:
        """Everything that arrived, decoded by the official definitions."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        found = []
        for _, _, body in self.requests:
            request = ExportTraceServiceRequest.FromString(body)
            found += [span for batch in request.resource_spans for scope in batch.scope_spans for span in scope.spans]
        return found


@pytest.fixture
def collector() -> Iterator[Callable[..., Collector]]:
    """Gives `collector(status=200, hang=None)`: a receiver; one that hangs does so until the test is over."""
    servers: list[ThreadingHTTPServer] = []
    over = threading.Event()

    def start(status: int = 200, *, hang: bool = False) -> Collector:
        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                if hang:
                    over.wait(20)
                    return
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                found.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        found = Collector(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return found

    yield start
    over.set()
    for server in servers:
        server.shutdown()
        server.server_close()
