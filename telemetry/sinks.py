"""Opens everything that listens to a conversation, and sees to it that nothing waits for any of it.

A sink has a name and a coroutine `run(events)` that ends when its events do. It gets a subscription of its own, at the
plan's level of content, so that what the level forbids cannot reach it. One that is slow loses events, which are
counted and told; one that dies is told, and the conversation goes on. A new sink is one line in `SINKS`.
"""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import attrs
import trio

from pipeline.bus import Bus, Subscription
from pipeline.conversation import Conversation
from pipeline.environment import Environment
from pipeline.events import ListenerLost, Trouble
from pipeline.plan import Plan
from pipeline.sections import Telemetry, path_of, section_of
from telemetry.laminar import Collector, Exporter, Laminar
from telemetry.lines import Lines
from telemetry.log import EventLog
from telemetry.screen_terminal import suits
from telemetry.spans import Spans
from telemetry.tape import Tape
from telemetry.trace import TraceFile
from telemetry.usage import price_of

LOOK_PERIOD = 1.0  # seconds between two looks for what listeners have lost
ROOM = 65536  # events that may wait for one sink


class Sink(Protocol):
    """Something that listens.

    One that measures also has `gauges`, the seconds between two measurements; one that acts on the conversation has
    `meet(conversation)`, which is called once it runs; one that holds the terminal has `release`; and one that was
    asked for with a level of content of its own has `level`.
    """

    @property
    def name(self) -> str:
        """What people are told it is."""

    async def run(self, events: Subscription) -> None:
        """Takes events until the bus closes. BrokenPipeError ends the program; any other error only the sink."""


@attrs.frozen
class Occasion:
    """What a sink is opened for: the conversation's plan, bus and surroundings, and the command's options by name.

    `threads` is False under a virtual clock: then every sink writes inline.
    """

    bus: Bus
    plan: Plan
    environment: Environment
    options: Mapping[str, Any]
    settings: Telemetry
    threads: bool = True
    trace_id: str = attrs.field(factory=lambda: secrets.token_hex(16))
    wall: float = attrs.field(factory=lambda: time.time() - trio.current_time())

    @classmethod
    def of(
        cls, bus: Bus, plan: Plan, environment: Environment, options: Mapping[str, Any], *, threads: bool = True
    ) -> "Occasion":
        """Reads [telemetry]; PlanError where it is wrong."""
        return cls(bus, plan, environment, options, section_of(plan, "telemetry", Telemetry), threads)

    @property
    def model(self) -> str:
        """The model that the plan names."""
        return str(self.plan.table("live").get("model", ""))

    def spans(self) -> Spans:
        """Gives a fresh core for the trace; every one of an occasion makes the same ids."""
        voice: Any = self.plan.table("live")
        for name in ("speech_config", "voice_config", "prebuilt_voice_config", "voice_name"):
            voice = voice.get(name) if isinstance(voice, Mapping) else None
        price = price_of(self.model, self.settings.prices)
        return Spans(self.trace_id, self.wall, self.model, voice, price)

    def path(self, option: str) -> Path | None:
        """Gives the path that an option names, if it does."""
        given = self.options.get(option)
        return Path(given) if given else None


def _lines(occasion: Occasion) -> Sink | None:
    """Opens what a person sees: nothing, the live screen where it can be drawn, or lines."""
    if occasion.options.get("quiet"):
        return None
    if not occasion.options.get("plain") and occasion.threads and suits():
        from telemetry.screen import Screen  # noqa: PLC0415 - rich is slow to import, and not always wanted

        price = price_of(occasion.model, occasion.settings.prices)
        return Screen(str(occasion.options.get("who", "")), price, occasion.bus.secrets)
    return Lines(occasion.bus.secrets, threads=occasion.threads)


def _tape(occasion: Occasion) -> Sink | None:
    path = occasion.path("record")
    if path is None:
        return None
    tape = Tape.open(path, occasion.plan, occasion.bus, occasion.spans(), threads=occasion.threads)
    tape.plug(occasion.plan)
    return tape


def _log(occasion: Occasion) -> Sink | None:
    path = occasion.path("events")
    return EventLog.open(path, occasion.bus, threads=occasion.threads) if path else None


def _trace(occasion: Occasion) -> Sink | None:
    path = occasion.path("trace")
    return TraceFile.open(path, occasion.bus, occasion.spans(), threads=occasion.threads) if path else None


def _laminar(occasion: Occasion) -> Sink | None:
    key = occasion.environment.laminar_key
    if not (key and occasion.settings.laminar):
        return None
    exporter = Exporter(Collector.of(occasion.environment.laminar_url), key)
    return Laminar(occasion.bus, occasion.spans(), exporter, occasion.threads)


def _story(occasion: Occasion) -> Sink | None:
    settings, bus = occasion.settings, occasion.bus
    if settings.log == "off":
        return None
    from telemetry.story import Story  # noqa: PLC0415 - structlog is not always wanted

    file = path_of(occasion.plan, settings.log_file)
    return Story.open(file, bus.secrets, settings.log, occasion.wall, threads=occasion.threads)


def _metrics(occasion: Occasion) -> Sink | None:
    path = occasion.path("metrics") or path_of(occasion.plan, occasion.settings.metrics)
    if path is None:
        return None
    from telemetry.metrics import Metrics, writable  # noqa: PLC0415 - prometheus-client is not always wanted

    return Metrics(occasion.model, occasion.settings.prices, writable(path), occasion.threads)


# The recording comes last: it takes an empty folder only, and one that another sink's refusal left would be none.
SINKS: tuple[Callable[[Occasion], Sink | None], ...] = (_log, _trace, _laminar, _story, _metrics, _lines, _tape)


@attrs.define(eq=False)
class Listening:
    """The sinks that are open; made by `listening`. `lost` counts what each has missed, once it is over."""

    bus: Bus
    lost: dict[str, int] = attrs.field(factory=dict)
    _sinks: list[tuple[Sink, Subscription]] = attrs.field(factory=list)
    _ended: set[str] = attrs.field(factory=set, init=False)

    def meet(self, conversation: Conversation) -> None:
        """Introduces the running conversation to those sinks that act on it."""
        for sink, _ in self._sinks:
            meet = getattr(sink, "meet", None)
            if meet is not None:
                meet(conversation)

    def release(self) -> None:
        """Has every sink that holds the terminal give it back at once; from any thread."""
        for sink, _ in self._sinks:
            release = getattr(sink, "release", None)
            if release is not None:
                release()

    def tell_losses(self) -> None:
        """Publishes what was lost since the last time."""
        for sink, events in self._sinks:
            new = events.lost - self.lost.get(sink.name, 0)
            if new and sink.name not in self._ended:
                self.bus.publish(ListenerLost(sink.name, new))
                self.lost[sink.name] = events.lost  # with this report, should it be lost there, too

    async def watch(self) -> None:
        """Looks for losses until cancelled."""
        while True:
            await trio.sleep(LOOK_PERIOD)
            self.tell_losses()

    async def run(self, sink: Sink, events: Subscription) -> None:
        """Runs a sink; its death is told and ends nothing else."""
        try:
            await sink.run(events)
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the conversation does not end for it
            what, action = f"{sink.name} ended", "the conversation goes on without it"
            self.bus.publish(Trouble(what, type(error).__name__, action, detail=str(error)))
        self._ended.add(sink.name)
        async for _ in events:  # what it would have heard is lost
            events.lost += 1


@asynccontextmanager
async def listening(
    occasion: Occasion, openers: tuple[Callable[[Occasion], Sink | None], ...] = SINKS
) -> AsyncIterator[Listening]:
    """Opens the sinks for a block and closes the bus at its end; they hear its last event before this ends.

    Raises what a sink raises when it cannot be opened. At the end a sink that writes gets a second for what waits.
    """
    bus, level = occasion.bus, occasion.settings.content
    sinks = [sink for sink in (opener(occasion) for opener in openers) if sink is not None]
    heard = [
        (sink, bus.subscribe(ROOM, content=getattr(sink, "level", level), gauges=getattr(sink, "gauges", None)))
        for sink in sinks
    ]
    listeners = Listening(bus, sinks=heard)
    async with trio.open_nursery() as nursery:
        for sink, events in heard:
            nursery.start_soon(listeners.run, sink, events, name=sink.name)
        async with trio.open_nursery() as watching:
            watching.start_soon(listeners.watch)
            try:
                yield listeners
            finally:
                listeners.tell_losses()
                bus.close()
                watching.cancel_scope.cancel("the conversation is over")
    for sink, events in heard:
        if events.lost:
            listeners.lost[sink.name] = events.lost
