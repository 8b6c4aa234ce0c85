"""Sends the trace to Laminar, in the cloud or self-hosted: the same spans as in the file, with their true times.

Everything of it happens in a thread of its own, the slow import included, which waits for the first sound of a reply.
Of lmnr only the span processor is used: its `initialize` replaces parts of `threading` and reads others' `.env`.
"""

import importlib
import logging
import os
import uuid
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import urlsplit

import attrs

from pipeline.errors import PlanError
from pipeline.events import Bus, FirstAudio, Subscription
from telemetry.spans import MOST_MARKS, Span, Spans
from telemetry.writer import writing

HOSTED = "https://api.lmnr.ai"
SERVICE = "live-assistant"
EXPORT_SECONDS = 1  # for one request; lmnr's own shutdown then takes no longer (a dead collector: 20 s without it)
PATIENCE = 1.2  # seconds at the end: a collector may delay the exit by two at most, and Ctrl-C leaves 1.8
NANO = 1_000_000_000
# What Laminar shows of a span comes from attributes of these names (lmnr 0.8).
TYPE, INPUT, OUTPUT = "lmnr.span.type", "lmnr.span.input", "lmnr.span.output"
PARENT_PATH, PARENT_IDS = "lmnr.span.parent_path", "lmnr.span.parent_ids_path"
SHOWN = {
    "gen_ai.input.messages": INPUT,
    "gen_ai.output.messages": OUTPUT,
    "gen_ai.tool.call.arguments": INPUT,
    "gen_ai.tool.call.result": OUTPUT,
}


@attrs.frozen
class Collector:
    """Where spans go: scheme and host, and the port, which lmnr wants apart."""

    base: str
    port: int

    @classmethod
    def of(cls, url: str | None) -> "Collector":
        """Reads LMNR_BASE_URL; no scheme means https. PlanError where it is no URL of a host alone."""
        given = url or HOSTED
        try:
            parts = urlsplit(given if "://" in given else f"https://{given}")
            port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        except (ValueError, KeyError):
            raise PlanError(f"LMNR_BASE_URL is {given!r}, no address; write it as http://HOST:PORT") from None
        if not parts.hostname or parts.path.strip("/") or parts.query:
            raise PlanError(f"LMNR_BASE_URL is {given!r}; it takes a host and a port and no path: http://HOST:PORT")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(f"{parts.scheme}://{host}", port)


@attrs.define
class Exporter:
    """Turns spans into OpenTelemetry's and hands them to lmnr; every method runs in the writer's thread."""

    collector: Collector
    key: str = attrs.field(repr=False)
    _provider: Any = attrs.field(default=None, init=False)
    _tracer: Any = attrs.field(default=None, init=False)
    _ids: "list[tuple[int, int]]" = attrs.field(factory=list, init=False)

    def take(self, span: Span | None) -> None:
        """Sends a span; None only makes ready."""
        if self._provider is None:
            self._open()
        if span is not None:
            self._send(span)

    def finish(self) -> None:
        """Sends what is left, within the deadline of a request, and ends."""
        if self._provider is not None:
            self._provider.shutdown()

    def _open(self) -> None:
        # lmnr looks for each of these in `.env` files of parent folders, twice a span, unless it finds them here.
        os.environ.setdefault("LMNR_DISABLE_TRACING", "false")
        os.environ.setdefault("LMNR_LOG_LEVEL", "ERROR")
        for name in ("opentelemetry", "lmnr"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        lmnr = importlib.import_module("lmnr")
        trace = importlib.import_module("opentelemetry.sdk.trace")
        resources = importlib.import_module("opentelemetry.sdk.resources")
        processor = lmnr.LaminarSpanProcessor(
            base_url=self.collector.base,
            http_port=self.collector.port,
            api_key=self.key,
            timeout_seconds=EXPORT_SECONDS,
            force_http=True,
        )
        self._provider = trace.TracerProvider(
            resource=resources.Resource({"service.name": SERVICE}),
            span_limits=trace.SpanLimits(max_span_attributes=MOST_MARKS, max_events=MOST_MARKS),
            id_generator=self,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(SERVICE)

    def _send(self, span: Span) -> None:
        api = importlib.import_module("opentelemetry.trace")
        self._ids[:] = [(int(span.trace_id, 16), int(span.span_id, 16))]
        context = None
        attributes = dict(span.attributes) | {TYPE: span.kind}
        if span.parent is not None:
            parent = api.SpanContext(
                int(span.trace_id, 16), int(span.parent.span_id, 16), is_remote=False, trace_flags=api.TraceFlags(1)
            )
            context = api.set_span_in_context(api.NonRecordingSpan(parent))
            above = list(_above(span))
            attributes |= {
                PARENT_PATH: [one.name for one in above],
                PARENT_IDS: [str(uuid.UUID(int=int(one.span_id, 16))) for one in above],
            }
        attributes |= {shown: attributes[key] for key, shown in SHOWN.items() if key in attributes}
        sent = self._tracer.start_span(
            span.name, context=context, attributes=attributes, start_time=_nanoseconds(span.start)
        )
        for mark in span.events:
            sent.add_event(mark.name, dict(mark.attributes), _nanoseconds(mark.time))
        if span.failed:
            sent.set_status(api.Status(api.StatusCode.ERROR, str(span.attributes.get("error.type", ""))))
        sent.end(_nanoseconds(span.end))

    # OpenTelemetry asks its id generator for the ids of each span: they are those of the file.

    def generate_span_id(self) -> int:
        """Gives the id of the span that is being sent."""
        return self._ids[0][1]

    def generate_trace_id(self) -> int:
        """Gives the id of its trace."""
        return self._ids[0][0]

    def is_trace_id_random(self) -> bool:
        """Whether trace ids are random."""
        return True


@attrs.define
class Laminar:
    """Sends a conversation's trace; whatever becomes of it, the conversation does not notice."""

    bus: Bus
    spans: Spans
    exporter: Exporter
    threads: bool = True
    name: ClassVar[str] = "Laminar"
    gauges: ClassVar[float] = 1.0  # so that the loop is watched

    async def run(self, events: Subscription) -> None:
        """Sends until the bus closes, and for at most two seconds more."""
        take: Callable[[Span | None], object] = self.exporter.take
        finish, threads = self.exporter.finish, self.threads
        async with writing(take, events, threads=threads, finish=finish, patience=PATIENCE) as writer:
            async for event in events:
                if isinstance(event, FirstAudio) and event.turn == 1:
                    writer.put(None)
                for span in () if event.passing else self.spans.feed(event):
                    writer.put(self._redacted(span))
            for span in self.spans.close():
                writer.put(self._redacted(span))

    def _redacted(self, span: Span) -> Span:
        """Gives the span without what has become a secret since its events were published."""
        redacted = self.bus.secrets.redacted
        span.attributes = redacted(span.attributes)
        span.events = [attrs.evolve(mark, attributes=redacted(mark.attributes)) for mark in span.events]
        return span


def _above(span: Span) -> list[Span]:
    """Gives what a span is in, the outermost first."""
    return [] if span.parent is None else [*_above(span.parent), span.parent]


def _nanoseconds(seconds: float) -> int:
    return round(seconds * NANO)
