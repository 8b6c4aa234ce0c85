"""The whole pipeline against the embedded service over memory streams, under virtual time."""

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from actors.emulator.connection import Observed
from actors.emulator.hearing import Hearing
from actors.emulator.scenario import Scenario
from actors.emulator.service import Service
from actors.emulator.settings import Settings
from actors.emulator.voice import Voice
from pipeline import Bus, Conversation, Event, Plan, converse
from pipeline.environment import Environment

FIXTURES = Path(__file__).parent.parent / "fixtures"


@attrs.define
class Far:
    """The far end: the service, what it received, and how often it was dialled."""

    service: Service
    seen: list[Observed] = attrs.field(factory=list)
    dialled: int = 0
    refuse: int = 0

    def audio(self, connection: int | None = None) -> bytes:
        """What arrived as audio, on one connection or on all, in order."""
        return b"".join(one.pcm for one in self.seen if one.kind == "audio" and connection in (None, one.connection))

    def spoken(self, connection: int | None = None) -> bytes:
        """What the service said, at 24 kHz, in order."""
        contents = [
            one.sent.get("serverContent", {})
            for one in self.seen
            if one.kind == "sent" and one.sent and connection in (None, one.connection)
        ]
        parts = [part for content in contents for part in content.get("modelTurn", {}).get("parts", [])]
        return b"".join(base64.b64decode(part["inlineData"]["data"]) for part in parts if "inlineData" in part)


@attrs.define
class Near:
    """Our end: the running conversation and its events so far."""

    conversation: Conversation
    events: list[Event]

    def named(self, name: str) -> list[Any]:
        """The events of one name."""
        return [event for event in self.events if event.name == name]

    def finals(self, who: str) -> list[str]:
        """What one side said, turn by turn."""
        return [event.text for event in self.named("transcript") if event.final and event.who == who]

    def outcomes(self) -> list[str]:
        """How the turns ended."""
        return [event.outcome for event in self.named("turn.end")]

    async def until(self, done: Callable[[], object], patience: float = 60.0) -> None:
        """Waits, in virtual time, until something holds."""
        with trio.fail_after(patience):
            while not done():  # noqa: ASYNC110 - anything at all may be waited for, and time is virtual
                await trio.sleep(0.01)


Ends = tuple[Near, Far]


@pytest.fixture(scope="session")
def hearing() -> Hearing:
    return Hearing()


@pytest.fixture(scope="session")
def voice() -> Voice:
    return Voice()


@pytest.fixture
def talking(hearing: Hearing, voice: Voice, tmp_path: Path) -> Callable[..., Any]:
    """Gives `async with talking(recording, settings, scenario, **plan) as (near, far)`."""

    @asynccontextmanager
    async def start(
        recording: Path | None = None,
        settings: Mapping[str, Any] | None = None,
        scenario: Scenario | None = None,
        **keys: object,
    ) -> AsyncIterator[Ends]:
        settled = Settings(**{"threads": False, **(settings or {})})
        far = Far(Service(settled, voice, hearing, scenario=scenario))
        far.service.observe = far.seen.append
        plan = Plan.load(folder=tmp_path)
        plan.set("tools.use", [])
        plan.set("actors.vad.use", "actors.vad:Energy")
        if recording is None:
            plan.set("actors.microphone.use", "actors.microphone:Silence")
        else:
            plan.set("actors.microphone", {"use": "actors.microphone:Recording", "path": str(recording)})
        plan.set("actors.playback", {"use": "actors.playback:Recording", "path": str(tmp_path / "out.wav")})
        plan.set("actors.connection", {"endpoint": "ws://far.end", "threads": False})
        plan.set("state.toolbox", {"inline": True})
        for key, value in keys.items():
            plan.set(key.replace("__", "."), value)
        async with trio.open_nursery() as nursery:

            async def dial(_address: object) -> trio.abc.Stream:
                far.dialled += 1
                if far.refuse > 0:
                    far.refuse -= 1
                    raise OSError("connection refused")
                ours, theirs = trio.testing.memory_stream_pair()
                nursery.start_soon(far.service.serve_stream, theirs)
                await trio.lowlevel.checkpoint()
                return ours

            plan.set("actors.connection.dial", dial)
            bus = Bus()
            events: list[Event] = []

            async def gather() -> None:
                async for event in bus.subscribe(100_000):
                    events.append(event)  # noqa: PERF401 - read while it grows

            nursery.start_soon(gather)
            await trio.testing.wait_all_tasks_blocked()
            async with converse(plan, bus=bus, environment=Environment()) as conversation:
                yield Near(conversation, events), far
            far.service.close()
            nursery.cancel_scope.cancel("the test is over")

    return start
