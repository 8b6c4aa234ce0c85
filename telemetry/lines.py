"""What a terminal shows of a conversation: plain lines, one for each thing a person would want to know."""

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import attrs

from pipeline import events as e
from pipeline.secrets import Secrets
from telemetry.writer import pour, writing
from tools.search import Grounding

# What a far end sends must not steer the terminal or begin a line of its own.
_STEERING = dict.fromkeys([*range(32), *range(127, 160)], " ")


def _print(line: str) -> None:
    """Writes to standard output, past its buffer where there is a file."""
    encoding = sys.stdout.encoding or "utf-8"
    shown = f"{line}\n".encode(encoding, "replace")
    try:
        number = sys.stdout.fileno()
    except OSError:  # no file but a buffer of a program's own
        print(shown.decode(encoding), end="", flush=True)  # noqa: T201 - its job
        return
    pour(number, shown)


@attrs.define
class Lines:
    """Prints events as lines; `write` takes one line without its end."""

    secrets: Secrets = attrs.field(factory=Secrets)
    write: Callable[[str], None] = _print
    threads: bool = True
    name: ClassVar[str] = "the lines on the screen"
    _calls: dict[str, str] = attrs.field(factory=dict, init=False)

    async def run(self, events: e.Subscription) -> None:
        """Prints until the bus closes. A disk that is full ends the lines and not the conversation."""
        try:
            async with writing(self.write, events, threads=self.threads) as writer:
                async for event in events:
                    for line in self.lines(event):
                        writer.put(self.secrets.redact(line).translate(_STEERING))
        except BrokenPipeError:  # whoever read has left, and that ends a program by custom
            raise
        except OSError:
            return

    def lines(self, event: e.Event) -> Iterator[str]:
        """Gives the lines an event is worth."""
        show = _SHOWN.get(type(event))
        if show is not None:
            yield from show(self, event)

    def call(self, event: e.ToolStarted) -> Iterator[str]:
        """Remembers a call's name and arguments for the line of its result."""
        arguments = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in event.args.items())
        self._calls[event.id] = f"{event.name_}({arguments})"
        yield f"     tool   {self._calls[event.id]}"

    def result(self, event: e.ToolEnded) -> Iterator[str]:
        """Says how a call ended."""
        yield f"     tool   {self._calls.pop(event.id, event.name_)}: {event.outcome} after {event.ms:.0f} ms"


def _transcript(_lines: Lines, event: e.Transcript) -> Iterator[str]:
    if event.final:
        yield f"{'you' if event.who == 'user' else 'assistant':>9}: {event.text}"


def _state(_lines: Lines, event: e.SessionStateChanged) -> Iterator[str]:
    if event.to in ("CONNECTED", "CLOSED") and event.from_ != "INTERRUPTED":
        yield f"     link   {event.to.lower()} ({event.reason})"


def _resumed(_lines: Lines, event: e.SessionResumed) -> Iterator[str]:
    how = "a fresh session, told what was said before" if event.fresh else "resumed"
    lost = f", {event.lost_ms:.0f} ms of speech lost" if event.lost_ms else ", nothing lost"
    yield f"     link   {how} after {event.gap_ms:.0f} ms; {event.replayed_ms:.0f} ms of speech sent again{lost}"


def _device(_lines: Lines, event: e.DeviceChanged) -> Iterator[str]:
    latency = f", {event.latency_ms:.0f} ms" if event.latency_ms is not None else ""
    yield f"    sound   {event.which} {event.what}: {event.device}{latency}"


def _sources(_lines: Lines, event: e.Sources) -> Iterator[str]:
    for line in Grounding.told(event.fields()).text().splitlines():
        yield f"   source   {line}"


def _trouble(_lines: Lines, event: e.Trouble) -> Iterator[str]:
    detail = f": {event.detail}" if event.detail else ""
    yield f"  trouble   {event.what}{detail} ({event.code}); {event.action}"


def _one(text: Callable[[Any], str]) -> Callable[[Lines, Any], Iterator[str]]:
    def show(_lines: Lines, event: Any) -> Iterator[str]:  # noqa: ANN401 - one of the events below
        yield text(event)

    return show


_SHOWN: dict[type, Callable[[Lines, Any], Iterator[str]]] = {
    e.Transcript: _transcript,
    e.SessionStateChanged: _state,
    e.SessionResumed: _resumed,
    e.DeviceChanged: _device,
    e.Sources: _sources,
    e.ToolStarted: Lines.call,
    e.ToolEnded: Lines.result,
    e.UserStarted: _one(lambda _: "     mic    you are speaking"),
    e.FirstAudio: _one(
        lambda event: (
            "     reply  begins"
            + (f", {event.latency_ms:.0f} ms after your last word" if event.latency_ms is not None else "")
        )
    ),
    e.TurnInterrupted: _one(
        lambda event: (
            f"     reply  interrupted: {event.heard_ms / 1000:.1f} s were heard, "
            f"silent {event.silent_after_ms:.0f} ms after the word came"
        )
    ),
    e.Unanswered: _one(lambda event: f"     reply  none after {event.ms / 1000:.0f} s: {event.why}"),
    e.GoingAway: _one(lambda event: f"     link   the service will leave in {event.left_ms / 1000:.0f} s"),
    e.ActorRestarted: _one(
        lambda event: (
            f"  restart   {event.actor}: {event.error or 'asked to'}{f' at {event.where}' if event.where else ''}"
        )
    ),
    e.Dropped: _one(lambda event: f"     drop   {event.edge}: {event.dropped} messages, {event.ms:.0f} ms"),
    e.Trouble: _trouble,
    e.ListenerLost: _one(lambda event: f"     note   {event.listener} missed {event.lost} events"),
    e.TokenRefreshed: _one(lambda event: f"     note   token refresh {event.outcome} after {event.ms:.0f} ms"),
    e.Farewell: _one(lambda event: f"     link   ends: {event.reason}"),
    e.Notice: _one(lambda event: f"     note   {event.text}"),
}
