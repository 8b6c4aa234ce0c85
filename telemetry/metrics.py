"""Counts and distributions of conversations, in a registry of their own, as Prometheus reads them.

docs/OBSERVABILITY.md lists them. Everything comes from events, so that no actor knows of a metric.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import attrs
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from pipeline import events as e
from pipeline.errors import BadRecording
from pipeline.sections import Price
from telemetry.usage import Tokens, part_cost, price_of
from telemetry.writer import writing

MOST_NAMES = 100  # of tools and codes that a far end may make up; the rest is counted as "other"
MILLI = 1e-3
LATENCY = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
SHORT = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
WIDE = (*SHORT, 10.0, 30.0)
TO_WIRE = ("microphone", "gate", "uplink", "socket")
UP = ("CONNECTED", "INTERRUPTED")


class _Family:
    """The metrics themselves; each is named once, here."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, help_text: str, *labels: str) -> Counter:
            return Counter(f"assistant_{name}", help_text, labels, registry=registry)

        def gauge(name: str, help_text: str, *labels: str) -> Gauge:
            return Gauge(f"assistant_{name}", help_text, labels, registry=registry)

        def histogram(name: str, help_text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"assistant_{name}", help_text, labels, registry=registry, buckets=buckets)

        self.latency = histogram("turn_latency_seconds", "From the last word to the first sound", LATENCY)
        self.part = histogram("turn_part_seconds", "The parts of that latency", WIDE, "part")
        self.to_wire = histogram("mic_to_wire_seconds", "From the last word to the socket", SHORT)
        self.turns = counter("turns", "Replies that are over", "outcome")
        self.unanswered = counter("unanswered", "Times the user got no reply", "where")
        self.heard = counter("heard_seconds", "Reply sound that was heard")
        self.silence = histogram("interruption_silence_seconds", "From the word on the wire to silence", SHORT)
        self.gap = histogram("reconnect_gap_seconds", "Without a link, until it stood again", WIDE)
        self.reconnects = counter("reconnects", "Links made again", "session")
        self.lost = counter("speech_lost_seconds", "Speech that was let go for want of room")
        self.tool = histogram("tool_seconds", "How long tools took", LATENCY, "tool")
        self.tools = counter("tools", "Tool calls that are settled", "tool", "outcome")
        self.tokens = counter("tokens", "Tokens by direction and modality", "model", "direction", "modality")
        self.cost = counter("cost", "What tokens with a known price cost", "model", "unit", "direction", "modality")
        self.unpriced = counter("unpriced_tokens", "Tokens without a known price", "model", "direction", "modality")
        self.dropped = counter("dropped", "Messages for which an edge had no room", "edge")
        self.dropped_seconds = counter("dropped_seconds", "Sound for which an edge had no room", "edge")
        self.waiting = gauge("edge_messages", "Messages that wait on an edge", "edge")
        self.fill = gauge("edge_fill_ratio", "How full an edge is, 0 to 1", "edge")
        self.age = gauge("edge_age_seconds", "How long the oldest message has waited", "edge")
        self.restarts = counter("restarts", "Actors started again", "actor", "cause")
        self.troubles = counter("troubles", "What went wrong while the conversation went on", "code")
        self.step = gauge("loop_longest_step_seconds", "The longest step of one task in the last second")
        self.stalls = counter("loop_stalls", "Steps that kept all else waiting for 50 ms or more")
        self.underruns = counter("underruns", "Times a reply ran dry at the speaker")
        self.refreshes = counter("token_refreshes", "Ephemeral tokens asked for", "outcome")
        self.missed = counter("listener_lost", "Events that a slow listener missed", "listener")
        self.linked = gauge("session_up", "1 while a session stands")


def writable(path: Path) -> Path:
    """Gives the path, empty and writable; BadRecording when it is not."""
    try:
        path.write_bytes(b"")
    except OSError as error:
        raise BadRecording(f"cannot write the metrics {path}: {error.strerror}; name another file") from None
    return path


@attrs.define
class Metrics:
    """Takes events and keeps counts; `exposition` gives them. As a sink it writes them to `path` at the end."""

    model: str = ""
    prices: Mapping[str, Price] = attrs.field(factory=dict)
    path: Path | None = None
    threads: bool = True
    name: ClassVar[str] = "the metrics"
    gauges: ClassVar[float] = 1.0
    registry: CollectorRegistry = attrs.field(factory=CollectorRegistry, init=False)
    _family: _Family = attrs.field(init=False)
    _names: set[str] = attrs.field(factory=set, init=False)
    _underruns: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._family = _Family(self.registry)

    def feed(self, event: e.Event) -> None:
        """Takes the next event."""
        count = self._counted.get(type(event))
        if count is not None:
            count(self, event, self._family)

    def exposition(self) -> bytes:
        """Gives everything in Prometheus' text format, as /metrics serves it."""
        return generate_latest(self.registry)

    async def run(self, events: e.Subscription) -> None:
        """Counts until the bus closes, and then writes the file where there is to be one."""
        async for event in events:
            self.feed(event)
        if self.path is not None:
            async with writing(self.path.write_bytes, events, threads=self.threads) as writer:
                writer.put(self.exposition())

    def _named(self, name: str) -> str:
        if name not in self._names and len(self._names) >= MOST_NAMES:
            return "other"
        self._names.add(name)
        return name

    # -- what events count -----------------------------------------------------------------------------------

    def _timed(self, event: e.TurnTimed, to: _Family) -> None:
        if event.latency_ms is not None:
            to.latency.observe(event.latency_ms * MILLI)
        for part, ms in event.parts.items():
            if ms is not None:
                to.part.labels(part).observe(ms * MILLI)
        way = [event.parts.get(part) for part in TO_WIRE]
        known = [ms for ms in way if ms is not None]
        if len(known) == len(way):
            to.to_wire.observe(sum(known) * MILLI)

    def _ended(self, event: e.TurnEnded, to: _Family) -> None:
        to.turns.labels(event.outcome).inc()
        to.heard.inc(event.heard_ms * MILLI)

    def _interrupted(self, event: e.TurnInterrupted, to: _Family) -> None:
        to.silence.observe(event.silent_after_ms * MILLI)

    def _resumed(self, event: e.SessionResumed, to: _Family) -> None:
        to.gap.observe(event.gap_ms * MILLI)
        to.reconnects.labels("fresh" if event.fresh else "resumed").inc()
        to.lost.inc(event.lost_ms * MILLI)

    def _settled(self, event: e.ToolEnded, to: _Family) -> None:
        tool = self._named(event.name_)
        to.tool.labels(tool).observe(event.ms * MILLI)
        to.tools.labels(tool, event.outcome).inc()

    def _used(self, event: e.Usage, to: _Family) -> None:
        price = price_of(self.model, self.prices)
        for direction, modality, count in Tokens.of(event.counts).rows():
            kind = (self.model, direction, self._named(modality))
            to.tokens.labels(*kind).inc(count)
            cost = part_cost(direction, modality, count, price)
            if cost is None or price is None:
                to.unpriced.labels(*kind).inc(count)
            else:
                to.cost.labels(self.model, price.unit, *kind[1:]).inc(cost)

    def _dropped(self, event: e.Dropped, to: _Family) -> None:
        to.dropped.labels(event.edge).inc(event.dropped)
        to.dropped_seconds.labels(event.edge).inc(event.ms * MILLI)

    def _measured(self, event: e.Gauges, to: _Family) -> None:
        to.step.set(event.longest_step_ms * MILLI)
        to.underruns.inc(max(0, event.underruns - self._underruns))
        self._underruns = event.underruns
        for name, edge in event.edges.items():
            to.waiting.labels(name).set(edge.waiting)
            to.fill.labels(name).set(edge.held / edge.capacity)
            to.age.labels(name).set(edge.age)

    _counted: ClassVar[Mapping[type, Callable[..., Any]]] = {
        e.TurnTimed: _timed,
        e.TurnEnded: _ended,
        e.TurnInterrupted: _interrupted,
        e.SessionResumed: _resumed,
        e.ToolEnded: _settled,
        e.Usage: _used,
        e.Dropped: _dropped,
        e.Gauges: _measured,
        e.SessionStateChanged: lambda _, event, to: to.linked.set(event.to in UP),
        e.ActorRestarted: lambda _, event, to: to.restarts.labels(
            event.actor, "asked" if event.asked else "crash"
        ).inc(),
        e.Trouble: lambda self, event, to: to.troubles.labels(self._named(str(event.code))).inc(),
        e.Unanswered: lambda _, event, to: to.unanswered.labels(event.where).inc(),
        e.LoopStalled: lambda _, _event, to: to.stalls.inc(),
        e.TokenRefreshed: lambda _, event, to: to.refreshes.labels(event.outcome).inc(),
        e.ListenerLost: lambda _, event, to: to.missed.labels(event.listener).inc(event.lost),
    }
