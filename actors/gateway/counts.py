"""What the gateway counts: for the dashboard, and for whoever scrapes /metrics. Numbers only, no names, no contents."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

import attrs
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from pipeline import events as e
from pipeline.sections import Price
from telemetry.metrics import UP, Metrics

LATEST = 1000  # turns whose latency the dashboard summarises
_BUCKETS = (0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_LONGEST_LATENCY = 120.0


@attrs.define(eq=False)
class Conversations(Metrics):
    """The counts of all conversations that are relayed here; `assistant_session_up` is how many sessions stand."""

    def sink(self, model: str, prices: Mapping[str, Price]) -> "Counting":
        """Gives a sink that counts one conversation more."""
        return Counting(self, model, prices)

    def link(self, by: int) -> None:
        """Counts a session that stands from now on, or does no longer."""
        self._family.linked.inc(by)


@attrs.define(eq=False)
class Counting:
    """A sink: feeds one conversation's events to the counts of all."""

    counts: Conversations
    model: str
    prices: Mapping[str, Price]
    name: ClassVar[str] = "the gateway's counters"

    async def run(self, events: e.Subscription) -> None:
        """Counts until the bus closes."""
        up = False
        try:
            async for event in events:
                if isinstance(event, e.SessionStateChanged):
                    self.counts.link((event.to in UP) - up)
                    up = event.to in UP
                else:
                    self.counts.model, self.counts.prices = self.model, self.prices
                    self.counts.feed(event)
        finally:
            self.counts.link(-up)


@attrs.define(eq=False)
class Counts:
    """Counters of one gateway process; `conversations` counts the events of those that are relayed here."""

    clock: Callable[[], float] = time.time
    registry: CollectorRegistry = attrs.field(factory=CollectorRegistry)
    conversations: Conversations = attrs.field(factory=Conversations)
    since: float = attrs.field(init=False)
    tokens_given: int = attrs.field(default=0, init=False)
    tokens_refused: int = attrs.field(default=0, init=False)
    sessions_total: int = attrs.field(default=0, init=False)
    turns: int = attrs.field(default=0, init=False)
    errors: dict[str, int] = attrs.field(factory=dict, init=False)
    _latencies: deque[float] = attrs.field(factory=lambda: deque(maxlen=LATEST), init=False)
    _tokens: Counter = attrs.field(init=False)
    _problems: Counter = attrs.field(init=False)
    _sessions: Counter = attrs.field(init=False)
    _calls: Counter = attrs.field(init=False)
    _latency: Histogram = attrs.field(init=False)
    open: Gauge = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.since = self.clock()
        kept = self.registry
        self._tokens = Counter("gateway_tokens", "Ephemeral tokens asked for", ["outcome"], registry=kept)
        self._problems = Counter("gateway_problems", "Requests that were not done", ["problem"], registry=kept)
        self._sessions = Counter("gateway_sessions", "Sessions begun", ["kind"], registry=kept)
        self._calls = Counter("gateway_tool_calls", "Tools run for browsers", ["outcome"], registry=kept)
        self.open = Gauge("gateway_sessions_open", "Sockets of sessions open in this process", registry=kept)
        words = "Last word to first sound, as pages report it"
        self._latency = Histogram("gateway_turn_latency_seconds", words, buckets=_BUCKETS, registry=kept)

    def token(self, *, given: bool) -> None:
        """Counts a request for a token."""
        self.tokens_given += given
        self.tokens_refused += not given
        self._tokens.labels("given" if given else "refused").inc()

    def session(self, kind: str) -> None:
        """Counts the beginning of a session."""
        self.sessions_total += 1
        self._sessions.labels(kind).inc()

    def problem(self, slug: str) -> None:
        """Counts a request that ended in a problem."""
        self.errors[slug] = self.errors.get(slug, 0) + 1
        self._problems.labels(slug).inc()

    def call(self, outcome: str) -> None:
        """Counts a tool call."""
        self._calls.labels(outcome).inc()

    def heard(self, turns: int, latencies_ms: Iterable[float]) -> None:
        """Takes what a page tells of its turns."""
        self.turns += turns
        for latency in latencies_ms:
            if 0 <= latency <= 1000 * _LONGEST_LATENCY:
                self._latencies.append(latency)
                self._latency.observe(latency / 1000)

    def latency(self) -> dict[str, float | int | None]:
        """Summarises the latest turns: how many, and the 50th, 90th and 99th percentile in milliseconds."""
        found = sorted(self._latencies)
        told: dict[str, float | int | None] = {"count": len(found)}
        for percent in (50, 90, 99):
            told[f"p{percent}"] = found[min(len(found) - 1, len(found) * percent // 100)] if found else None
        return told

    def exposition(self) -> bytes:
        """Gives all counters in Prometheus' text format."""
        return generate_latest(self.registry) + self.conversations.exposition()
