"""A recording told as a story: turns with what was said, tools, gaps in the link, faults. From events alone."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import attrs

from pipeline.errors import BadRecording
from pipeline.events import HELD, PARTS
from telemetry.tape_reading import Line, Taped
from telemetry.usage import Tokens
from telemetry.utterances import Utterances
from tools.search import Grounding


@attrs.define
class Tool:
    """A tool call; `end` is None while it never came back."""

    name: str
    args: Mapping[str, object]
    begin: float
    end: float | None = None
    ms: float | None = None
    outcome: str = "unfinished"
    turn: int | None = None


@attrs.define
class Turn:
    """One reply and what led to it. Times are seconds since the recording began, None where something never came."""

    number: int
    asked: float | None = None
    first_audio: float | None = None
    end: float | None = None
    latency_ms: float | None = None
    heard_ms: float = 0.0
    silent_after_ms: float | None = None
    underruns: int = 0
    outcome: str = "unfinished"
    parts: Mapping[str, float | None] = attrs.field(factory=dict)
    said: dict[str, str] = attrs.field(factory=dict)
    tools: list[Tool] = attrs.field(factory=list)
    sources: Grounding = attrs.field(factory=Grounding)

    @property
    def begin(self) -> float | None:
        """When the first of it can be heard."""
        return self.asked if self.asked is not None else self.first_audio


@attrs.frozen
class Gap:
    """The link was down."""

    begin: float
    end: float
    why: str


@attrs.define
class Story:
    """What a report tells."""

    turns: dict[int, Turn] = attrs.field(factory=dict)
    speech: list[tuple[float, float]] = attrs.field(factory=list)
    tools: list[Tool] = attrs.field(factory=list)
    gaps: list[Gap] = attrs.field(factory=list)
    faults: list[Line] = attrs.field(factory=list)
    interruptions: list[Line] = attrs.field(factory=list)
    resumed: list[Line] = attrs.field(factory=list)
    stalls: list[float] = attrs.field(factory=list)
    depths: dict[str, list[tuple[float, float]]] = attrs.field(factory=dict)
    dropped: dict[str, int] = attrs.field(factory=dict)
    unanswered: list[Line] = attrs.field(factory=list)
    tokens: int = 0
    used: Tokens = attrs.field(factory=Tokens)
    _utterances: Utterances = attrs.field(factory=Utterances, init=False)
    _speaking: float | None = attrs.field(default=None, init=False)
    _down: tuple[float, str] | None = attrs.field(default=None, init=False)
    _calls: dict[str, Tool] = attrs.field(factory=dict, init=False)

    @classmethod
    def of(cls, taped: Taped) -> "Story":
        """Reads the events of a recording."""
        story = cls()
        for event in taped.events:
            take = story._told.get(str(event.get("event")))
            try:
                if take is not None:
                    take(story, event, float(event["t"]))
            except (TypeError, ValueError, AttributeError, OverflowError) as error:
                found = f"{event.get('event')} at {event['t']} s: {error}"
                raise BadRecording(f"the events of {taped.path} are damaged, in {found}") from error
        if story._speaking is not None:
            story.speech.append((story._speaking, taped.seconds))
        if story._down is not None:
            story.gaps.append(Gap(story._down[0], taped.seconds, story._down[1]))
        return story

    def latencies(self) -> list[float]:
        """Gives the milliseconds to each reply's first sample."""
        return [turn.latency_ms for turn in self.turns.values() if turn.latency_ms is not None]

    def _turn(self, event: Line) -> Turn:
        number = int(event.get("turn") or 0)
        if number not in self.turns:
            said = self._utterances.latest(number)  # a guess, until the first sound tells exactly
            self.turns[number] = Turn(number, None if said is None else said.began)
        return self.turns[number]

    # -- one method an event ---------------------------------------------------------------------------------

    def _turn_user_start(self, event: Line, t: float) -> None:
        self._speaking = t
        self._utterances.starts(float(event.get("at_ms") or 0.0), t)

    def _turn_user_end(self, event: Line, t: float) -> None:
        self._utterances.ends(float(event.get("at_ms") or 0.0), t)
        if self._speaking is not None:
            self.speech.append((self._speaking, t))
            self._speaking = None

    def _turn_first_audio(self, event: Line, t: float) -> None:
        turn = self._turn(event)
        turn.first_audio, turn.latency_ms = t, _number(event.get("latency_ms"))
        asked_ms = _number(event.get("asked_ms"))
        if asked_ms is not None:
            said = self._utterances.answered(turn.number, asked_ms)
            turn.asked = said.began if said is not None else t - (turn.latency_ms or 0.0) / 1000

    def _turn_unanswered(self, event: Line, _t: float) -> None:
        until, where = _number(event.get("at_ms")) or 0.0, str(event.get("where"))
        what = f"no reply to what was said up to {until / 1000:.1f} s: {HELD.get(where, where)}"
        self.unanswered.append(event)
        self.faults.append({**event, "what": what, "code": "unanswered", "action": "the conversation goes on"})

    def _turn_timed(self, event: Line, _t: float) -> None:
        parts = event.get("parts") or {}
        self._turn(event).parts = {name: _number(parts[name]) for name in PARTS if name in parts}

    def _turn_interrupted(self, event: Line, _t: float) -> None:
        self._turn(event).silent_after_ms = _number(event.get("silent_after_ms"))
        self.interruptions.append(event)

    def _turn_end(self, event: Line, t: float) -> None:
        turn = self._turn(event)
        turn.end, turn.heard_ms, turn.outcome = t, float(event.get("heard_ms") or 0.0), str(event.get("outcome"))
        turn.underruns = int(event.get("underruns") or 0)

    def _transcript(self, event: Line, _t: float) -> None:
        if event.get("final") and event.get("turn"):
            said = self._turn(event).said
            who = str(event.get("who"))
            said[who] = f"{said.get(who, '')} {event.get('text', '')}".strip()

    def _sources(self, event: Line, _t: float) -> None:
        if event.get("turn"):
            self._turn(event).sources = Grounding.told(event)  # each has all there are by then

    def _tool_call(self, event: Line, t: float) -> None:
        args = event.get("args")
        tool = Tool(str(event.get("name")), args if isinstance(args, Mapping) else {}, t, turn=event.get("turn"))
        self._calls[str(event.get("id"))] = tool
        self.tools.append(tool)
        if tool.turn:
            self._turn(event).tools.append(tool)

    def _tool_result(self, event: Line, t: float) -> None:
        tool = self._calls.pop(str(event.get("id")), None)
        if tool is not None:
            tool.end, tool.ms, tool.outcome = t, _number(event.get("ms")), str(event.get("outcome"))

    def _session_state(self, event: Line, t: float) -> None:
        if event.get("to") == "DISCONNECTED":
            self._down = (t, str(event.get("reason", "")))
        elif event.get("to") == "CONNECTED" and self._down is not None:
            self.gaps.append(Gap(self._down[0], t, self._down[1]))
            self._down = None

    def _session_resumed(self, event: Line, _t: float) -> None:
        self.resumed.append({**event, "gap_ms": _number(event.get("gap_ms"))})

    def _error(self, event: Line, _t: float) -> None:
        self.faults.append(event)

    def _actor_restart(self, event: Line, _t: float) -> None:
        what = f"{event.get('actor')} was started again: {event.get('error') or 'asked to'}"
        self.faults.append({**event, "what": what, "code": "restart", "action": "the conversation goes on"})

    def _channel_drop(self, event: Line, _t: float) -> None:
        what = f"{event.get('edge')} let go of {event.get('dropped')} messages, {event.get('ms')} ms of sound"
        self.faults.append({**event, "what": what, "code": "drop", "action": "what came later went through"})

    def _loop_stall(self, event: Line, _t: float) -> None:
        self.stalls.append(float(event.get("ms") or 0.0))

    def _usage(self, event: Line, _t: float) -> None:
        self.tokens += int(event.get("totalTokenCount") or 0)
        self.used += Tokens.of(event)

    def _gauges(self, event: Line, t: float) -> None:
        edges = event.get("edges")
        found = edges if isinstance(edges, Mapping) else {}
        for name in {*self.depths, *found}:
            edge = found.get(name, {})
            self.depths.setdefault(name, [(0.0, 0.0)]).append((t, float(edge.get("waiting", 0))))
            self.dropped[name] = max(self.dropped.get(name, 0), int(edge.get("dropped", 0)))

    _told: ClassVar[Mapping[str, Callable[..., None]]] = {
        "turn.user_start": _turn_user_start,
        "turn.user_end": _turn_user_end,
        "turn.first_audio": _turn_first_audio,
        "turn.timed": _turn_timed,
        "turn.unanswered": _turn_unanswered,
        "turn.interrupted": _turn_interrupted,
        "turn.end": _turn_end,
        "transcript": _transcript,
        "sources": _sources,
        "tool.call": _tool_call,
        "tool.result": _tool_result,
        "session.state": _session_state,
        "session.resumed": _session_resumed,
        "error": _error,
        "actor.restart": _actor_restart,
        "channel.drop": _channel_drop,
        "loop.stall": _loop_stall,
        "usage": _usage,
        "gauges": _gauges,
    }


def _number(value: Any) -> float | None:  # noqa: ANN401 - JSON
    return None if value is None else float(value)


def quantile(values: Sequence[float], share: float) -> float:
    """Gives the smallest value that is no less than that share of them (the nearest-rank method)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
