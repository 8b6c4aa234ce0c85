"""The log of a running program: a line a turn, and one for each trouble, through structlog."""

from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

import attrs
import structlog

from pipeline import events as e
from pipeline.bus import WITHHELD
from pipeline.errors import BadRecording
from pipeline.secrets import Secrets
from telemetry.writer import Writer, pour, writing

STDERR = 2
QUIET = 10.0  # seconds in which the same line is not written again
Line = MutableMapping[str, Any]
Style = Literal["console", "json"]


def _to_stderr(line: bytes) -> None:
    pour(STDERR, line)


def _nothing() -> None:
    """Stderr stays open."""


@attrs.define
class Turn:
    """What the line of a turn says, gathered until it ends."""

    latency_ms: float | None = None
    parts: Mapping[str, float | None] = attrs.field(factory=dict)
    tools: int = 0
    said: dict[str, str] = attrs.field(factory=dict)


@attrs.define
class Redaction:
    """A structlog processor: takes every secret out of a line, wherever in it."""

    secrets: Secrets

    def __call__(self, _logger: object, _method: str, line: Line) -> Line:
        """Gives the line without secrets."""
        redacted: Line = self.secrets.redacted(dict(line))
        return redacted


@attrs.define
class Repeats:
    """A structlog processor: lets the same line through once in a while, and says then how often it was held back.

    Lines are the same whose event, actor and code are; `at` is when it happened, in seconds.
    """

    quiet: float = QUIET
    _last: dict[tuple[object, ...], float] = attrs.field(factory=dict, init=False)
    _held: dict[tuple[object, ...], int] = attrs.field(factory=dict, init=False)

    def __call__(self, _logger: object, method: str, line: Line) -> Line:
        """Gives the line, or raises structlog.DropEvent."""
        if method == "info":
            return line
        kind, at = (line["event"], line.get("actor"), line.get("code"), line.get("what")), line["at"]
        if at - self._last.get(kind, -self.quiet) < self.quiet:
            self._held[kind] = self._held.get(kind, 0) + 1
            raise structlog.DropEvent
        self._last[kind] = at
        held = self._held.pop(kind, 0)
        return {**line, "repeated": held} if held else line


@attrs.frozen
class Clock:
    """A structlog processor: turns the pipeline's time into the calendar's."""

    wall: float = 0.0

    def __call__(self, _logger: object, method: str, line: Line) -> Line:
        """Gives the line with its time and level in front."""
        moment = datetime.fromtimestamp(line.pop("at") + self.wall, UTC).isoformat(timespec="milliseconds")
        return {"time": moment, "level": method, **line}


@attrs.frozen
class _Sink:
    """What structlog writes to: one line at a time into the writer."""

    writer: Writer[bytes]

    def info(self, line: str) -> None:
        self.writer.put(line.encode(errors="replace") + b"\n")

    warning = error = info


@attrs.define
class Story:
    """Writes lines to stderr or a file until the bus closes; `write` takes one with its end."""

    secrets: Secrets
    write: Callable[[bytes], object]
    style: Style = "json"
    finish: Callable[[], object] = _nothing
    wall: float = 0.0
    threads: bool = True
    name: ClassVar[str] = "the log"
    gauges: ClassVar[float] = 1.0  # so that the loop is watched
    _turns: dict[int, Turn] = attrs.field(factory=dict, init=False)

    @classmethod
    def open(cls, file: Path | None, secrets: Secrets, style: Style, wall: float, *, threads: bool = True) -> "Story":
        """Appends to a file, or writes to stderr; BadRecording when the file cannot be written."""
        try:
            out = None if file is None else file.open("ab", buffering=0)
        except OSError as error:
            raise BadRecording(f"cannot write the log {file}: {error.strerror}; name another file") from None
        if out is None:
            return cls(secrets, _to_stderr, style, wall=wall, threads=threads)
        return cls(secrets, out.write, style, out.close, wall, threads)

    async def run(self, events: e.Subscription) -> None:
        """Writes until the bus closes. A disk that is full ends the log and not the conversation."""
        try:
            async with writing(self.write, events, threads=self.threads, finish=self.finish) as writer:
                log = self.logger(_Sink(writer))
                async for event in events:
                    self.tell(event, log)
        except OSError:
            return

    def logger(self, sink: object) -> Any:  # noqa: ANN401 - structlog's loggers have no type of their own
        """Gives a logger whose lines pass every processor and end in `sink`."""
        render: Any = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if self.style == "console":
            render = structlog.dev.ConsoleRenderer(colors=False, timestamp_key="time", pad_event_to=12)
        return structlog.wrap_logger(
            sink,
            processors=[Redaction(self.secrets), Repeats(), Clock(self.wall), render],
            wrapper_class=structlog.make_filtering_bound_logger("INFO"),
            cache_logger_on_first_use=True,
        )

    def tell(self, event: e.Event, log: Any) -> None:  # noqa: ANN401 - a structlog logger
        """Writes what an event is worth."""
        gather = self._gathered.get(type(event))
        if gather is not None:
            gather(self, event)
        elif isinstance(event, e.TurnEnded):
            self._turn_ended(event, log)
        elif type(event) in _WARNED:
            actor, method = _WARNED[type(event)]
            bound = log.bind(actor=getattr(event, "actor", actor), turn=max(self._turns, default=None), at=event.at)
            fields = {key: value for key, value in event.fields().items() if key != "actor"}
            getattr(bound, method)(event.name, **fields)

    def _turn_ended(self, event: e.TurnEnded, log: Any) -> None:  # noqa: ANN401 - a structlog logger
        turn = self._turns.get(event.turn, Turn())
        for past in [number for number in self._turns if number <= event.turn]:
            del self._turns[past]
        bound = log.bind(actor="playback", turn=event.turn, at=event.at)
        bound.info(
            "turn",
            outcome=event.outcome,
            latency_ms=turn.latency_ms,
            heard_ms=event.heard_ms,
            underruns=event.underruns,
            tools=turn.tools,
            parts=dict(turn.parts),
            **turn.said,
        )

    def _turn(self, number: int) -> Turn:
        return self._turns.setdefault(number, Turn())

    def _timed(self, event: e.TurnTimed) -> None:
        turn = self._turn(event.turn)
        turn.latency_ms, turn.parts = event.latency_ms, event.parts

    def _called(self, event: e.ToolStarted) -> None:
        if event.turn is not None:
            self._turn(event.turn).tools += 1

    def _said(self, event: e.Transcript) -> None:
        if event.turn is not None and event.final and event.text != WITHHELD:
            said = self._turn(event.turn).said
            said[event.who] = f"{said.get(event.who, '')} {event.text}".strip()

    _gathered: ClassVar[Mapping[type, Callable[..., None]]] = {
        e.TurnTimed: _timed,
        e.ToolStarted: _called,
        e.Transcript: _said,
    }


# What is worth a line of its own, whose it is, and how loudly.
_WARNED: Mapping[type, tuple[str, str]] = {
    e.Unanswered: ("answers", "warning"),
    e.SessionResumed: ("connection", "warning"),
    e.ActorRestarted: ("supervisor", "error"),
    e.Trouble: ("house", "error"),
    e.Dropped: ("house", "warning"),
    e.LoopStalled: ("house", "warning"),
    e.ListenerLost: ("telemetry", "warning"),
}
