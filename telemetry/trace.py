"""The trace as a file: one span a line, written as soon as nothing can change it any more. Needs no account."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, ClassVar

import attrs

from pipeline.errors import BadRecording
from pipeline.events import Bus, Subscription, Trouble
from telemetry.log import encoded
from telemetry.spans import Span, Spans
from telemetry.writer import writing


@attrs.define
class TraceFile:
    """Writes spans to a file; closed by `run` when the bus closes."""

    path: Path
    bus: Bus
    spans: Spans
    _file: BinaryIO
    threads: bool = True
    gauges: ClassVar[float] = 1.0  # so that the loop is watched; measurements themselves are no part of a trace

    @property
    def name(self) -> str:
        """What is said of it when it loses events."""
        return f"the trace {self.path}"

    @classmethod
    def open(cls, path: Path, bus: Bus, spans: Spans, *, threads: bool = True) -> "TraceFile":
        """Creates the file; BadRecording when it cannot be made."""
        try:
            return cls(path, bus, spans, path.open("wb", buffering=0), threads)
        except OSError as error:
            raise BadRecording(f"cannot write the trace {path}: {error.strerror}; name another file") from None

    async def run(self, events: Subscription) -> None:
        """Writes until the bus closes, the session last. A full disk ends the trace and not the conversation."""
        with self._file:
            try:
                async with writing(self._file.write, events, threads=self.threads) as writer:
                    await trace(self.spans, events, lambda span: writer.put(self._line(span)))
            except OSError as error:
                trouble = Trouble(f"{self.name} ends: {error.strerror}", "disk", "the conversation goes on")
                self.bus.publish(trouble)

    def _line(self, span: Span) -> bytes:
        return self.bus.secrets.redact(encoded(span.fields())).encode() + b"\n"


async def trace(spans: Spans, events: Subscription, take: Callable[[Span], object]) -> None:
    """Hands over every span of a conversation, until its events end."""
    async for event in events:
        for span in () if event.passing else spans.feed(event):
            take(span)
    for span in spans.close():
        take(span)
