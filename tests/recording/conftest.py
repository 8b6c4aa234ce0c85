"""Conversations with a tape running: the whole pipeline, the embedded service, memory streams, virtual time."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from actors.emulator.hearing import Hearing
from actors.emulator.service import Service
from actors.emulator.settings import Settings
from actors.emulator.voice import Voice
from pipeline import Bus, Conversation, Event, Plan, converse
from pipeline.environment import Environment
from telemetry.tape import Tape

FIXTURES = Path(__file__).parents[1] / "fixtures"


@attrs.define
class Recorded:
    """A conversation that is being recorded into `folder`."""

    folder: Path
    conversation: Conversation
    service: Service
    tape: Tape
    events: list[Event]

    def named(self, name: str) -> list[Any]:
        return [event for event in self.events if event.name == name]

    async def until(self, done: Callable[[], object], patience: float = 60.0) -> None:
        with trio.fail_after(patience):
            while not done():  # noqa: ASYNC110 - anything at all may be waited for, and time is virtual
                await trio.sleep(0.01)

    async def turns(self, number: int) -> None:
        await self.until(lambda: len(self.named("turn.end")) >= number)
        await trio.sleep(0.3)


@pytest.fixture(scope="session")
def hearing() -> Hearing:
    return Hearing()


@pytest.fixture(scope="session")
def voice() -> Voice:
    return Voice()


@pytest.fixture
def recording(hearing: Hearing, voice: Voice, tmp_path: Path) -> Callable[..., Any]:
    """Gives `async with recording(sound, **plan) as recorded`; a `secret` is one that the conversation knows."""

    @asynccontextmanager
    async def start(
        sound: str | None = None, folder: Path | None = None, secret: str | None = None, **keys: object
    ) -> AsyncIterator[Recorded]:
        service = Service(Settings(threads=False), voice, hearing)
        plan = Plan.load(folder=tmp_path)
        plan.set("tools.use", ["tools.clock"])
        plan.set("actors.vad.use", "actors.vad:Energy")
        microphone = {"use": "actors.microphone:Silence"}
        if sound is not None:
            microphone = {"use": "actors.microphone:Recording", "path": str(FIXTURES / sound)}
        plan.set("actors.microphone", microphone)
        plan.set("actors.playback.use", "actors.playback:Discard")
        plan.set("actors.connection", {"endpoint": "ws://far.end", "threads": False})
        plan.set("state.toolbox", {"inline": True})
        for key, value in keys.items():
            plan.set(key.replace("__", "."), value)
        async with trio.open_nursery() as nursery:

            async def dial(_address: object) -> trio.abc.Stream:
                ours, theirs = trio.testing.memory_stream_pair()
                nursery.start_soon(service.serve_stream, theirs)
                await trio.lowlevel.checkpoint()
                return ours

            bus, events = Bus(), []
            bus.secrets.hide(secret)
            tape = Tape.open(folder or tmp_path / "tape", plan, bus, threads=False)
            tape.plug(plan)
            plan.set("actors.connection.dial", dial)
            nursery.start_soon(tape.run, bus.subscribe(65536, content=tape.level, gauges=1.0))

            async def gather() -> None:
                async for event in bus.subscribe(100_000):
                    events.append(event)  # noqa: PERF401 - read while it grows

            nursery.start_soon(gather)
            await trio.testing.wait_all_tasks_blocked()
            async with converse(plan, bus=bus, environment=Environment()) as conversation:
                tape.meet(conversation)
                yield Recorded(folder or tmp_path / "tape", conversation, service, tape, events)
            service.close()
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel("the test is over")

    return start
