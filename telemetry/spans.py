"""Builds the trace of a conversation from its events: events in, finished spans out; no clock, file or network.

One trace a conversation: the root `session`; beneath it a `turn` for each reply, and each `token refresh`; beneath a
turn its `tool NAME`. A span is given out once nothing can change it any more, so a parent comes after its children.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import attrs

from pipeline import events as e
from pipeline.bus import WITHHELD
from pipeline.sections import Price
from telemetry.usage import Tokens
from telemetry.utterances import Utterances, Words

PROVIDER = "gcp.gemini"  # OpenTelemetry's GenAI conventions: gen_ai.provider.name
MOST_MARKS = 2000  # span events that are kept of one span: a day of a bad network has more
SETTLED_AFTER = 5.0  # seconds after a turn's end in which its token counts may still come
# What is worth noting on the session, with the fields that say what it was.
NOTED = (
    e.SessionStateChanged, e.SessionResumed, e.GoingAway, e.DeviceChanged, e.Dropped, e.ActorRestarted, e.Trouble,
    e.LoopStalled, e.ListenerLost, e.RecordingSent, e.Unanswered,
)  # fmt: skip
FAILED = frozenset({"failed", "error", "timeout"})
Attribute = str | int | float | bool | list[str]


@attrs.frozen
class Mark:
    """Something that happened within a span; `time` in Unix seconds."""

    name: str
    time: float
    attributes: Mapping[str, Attribute]


@attrs.define
class Span:
    """One span; times in Unix seconds, ids in OpenTelemetry's hex. `kind` is TOOL, LLM or DEFAULT."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent: "Span | None"
    start: float
    end: float
    attributes: dict[str, Attribute] = attrs.field(factory=dict)
    events: list[Mark] = attrs.field(factory=list)

    @property
    def failed(self) -> bool:
        """Whether it ended in an error."""
        return self.attributes.get("outcome") in FAILED

    def fields(self) -> dict[str, object]:
        """Gives the span as one line of a trace file shows it."""
        return {
            "name": self.name,
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "parent_id": self.parent.span_id if self.parent else None,
            "start": self.start,
            "end": self.end,
            "attributes": self.attributes,
            "events": [attrs.asdict(mark) for mark in self.events],
        }

    def cover(self, start: float, end: float) -> None:
        """Stretches it, and what it is in, to hold all of that time."""
        self.start, self.end = min(self.start, start), max(self.end, end)
        if self.parent is not None:
            self.parent.cover(start, end)


@attrs.define
class _Turn:
    span: Span
    ended_at: float | None = None  # in the pipeline's time
    tokens: Tokens | None = None
    said: dict[str, str] = attrs.field(factory=dict)
    answers: Words | None = None


@attrs.define
class Spans:
    """Takes events in order and gives spans; `wall` is what the pipeline's clock lacks to Unix time."""

    trace_id: str
    wall: float = 0.0
    model: str = ""
    voice: str | None = None
    price: Price | None = None
    _session: Span | None = attrs.field(default=None, init=False)
    _turns: dict[int, _Turn] = attrs.field(factory=dict, init=False)
    _gone: set[int] = attrs.field(factory=set, init=False)
    _tools: dict[str, Span] = attrs.field(factory=dict, init=False)
    _utterances: Utterances = attrs.field(factory=Utterances, init=False)
    _zero: float | None = attrs.field(default=None, init=False)  # the microphone's first sample
    _made: int = attrs.field(default=0, init=False)
    _latest: int = attrs.field(default=0, init=False)

    def feed(self, event: e.Event) -> list[Span]:
        """Takes the next event; gives the spans that are finished by now."""
        session = self._root(event.at)
        session.cover(self._time(event.at), self._time(event.at))
        if isinstance(event, NOTED):
            self._note(event)
        react = self._reactions.get(type(event))
        finished = list(react(self, event) or ()) if react else []
        return [*finished, *self._settled(event.at)]

    def close(self) -> list[Span]:
        """The conversation is over: gives all that is still open, the session last."""
        if self._session is None:
            return []
        over = self._session.end
        for span in (*self._tools.values(), *(turn.span for turn in self._turns.values() if turn.ended_at is None)):
            span.cover(span.start, over)
        left = [self._end_tool(tool, "cancelled") for tool in list(self._tools)]
        for number in sorted(self._turns):
            left += self._finish(self._turns.pop(number))
        self._session.attributes.setdefault("outcome", "completed")
        return [*left, self._session]

    # -- what events do --------------------------------------------------------------------------------------

    def _began(self, event: e.Capturing) -> None:
        if self._zero is None:
            self._zero = event.at - event.age_ms / 1000

    def _user_started(self, event: e.UserStarted) -> None:
        self._utterances.starts(event.at_ms, self._on_clock(event.at_ms, event.at))

    def _user_ended(self, event: e.UserEnded) -> None:
        self._utterances.ends(event.at_ms, self._on_clock(event.at_ms, event.at))

    def _words(self, event: e.Transcript) -> None:
        if event.turn is not None:
            turn = self._turn(event.turn, event.at)
            if event.final and event.text != WITHHELD:
                turn.said[event.who] = f"{turn.said.get(event.who, '')} {event.text}".strip()

    def _first_audio(self, event: e.FirstAudio) -> None:
        turn = self._turn(event.turn, event.at)
        at = event.at
        if event.asked_ms is not None:
            asked = self._on_clock(event.asked_ms, event.at)
            turn.answers = self._utterances.answered(event.turn, event.asked_ms) or Words(asked, None)
            if event.latency_ms is not None:
                at = min(event.at, asked + event.latency_ms / 1000)
        if event.latency_ms is not None:
            turn.span.attributes["latency_ms"] = event.latency_ms
        self._mark(turn.span, "reply.first_audio", at)

    def _timed(self, event: e.TurnTimed) -> None:
        attributes = self._turn(event.turn, event.at).span.attributes
        attributes.update({f"latency.{part}_ms": ms for part, ms in event.parts.items() if ms is not None})

    def _interrupted(self, event: e.TurnInterrupted) -> None:
        span = self._turn(event.turn, event.at).span
        span.attributes["silent_after_ms"] = event.silent_after_ms
        self._mark(span, "interruption", event.at)

    def _ended(self, event: e.TurnEnded) -> None:
        turn = self._turn(event.turn, event.at)
        turn.span.attributes |= {"heard_ms": event.heard_ms, "outcome": event.outcome, "underruns": event.underruns}
        turn.span.end = max(turn.span.end, self._time(event.at))
        turn.ended_at = event.at

    def _usage(self, event: e.Usage) -> None:
        turn = self._turn(event.turn if event.turn is not None else self._latest, event.at)
        tokens = Tokens.of(event.counts)
        turn.tokens = tokens if turn.tokens is None else turn.tokens + tokens

    def _sources(self, event: e.Sources) -> None:
        if event.sources or event.queries:
            found = {
                "sources.uris": [str(source.get("uri", "")) for source in event.sources],
                "sources.titles": [str(source.get("title", "")) for source in event.sources],
                "sources.queries": [str(query) for query in event.queries],
            }
            self._turn(event.turn, event.at).span.attributes |= found

    def _tool_started(self, event: e.ToolStarted) -> Iterator[Span]:
        if event.id in self._tools:  # a service that gives an id twice: nothing more comes of the first
            yield self._end_tool(event.id, "void")
        turn = self._turn(event.turn if event.turn is not None else self._latest, event.at)
        span = self._span(f"tool {event.name_}", "TOOL", turn.span, event.at)
        span.attributes |= {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": event.name_,
            "gen_ai.tool.call.id": event.id,
            "gen_ai.tool.type": "function",
        }
        if event.args:
            span.attributes["gen_ai.tool.call.arguments"] = _json(event.args)
        self._tools[event.id] = span

    def _tool_ended(self, event: e.ToolEnded) -> Iterator[Span]:
        if event.id in self._tools:
            span = self._tools[event.id]
            span.cover(span.start, self._time(event.at))
            span.attributes["duration_ms"] = event.ms
            if event.result:
                span.attributes["gen_ai.tool.call.result"] = _json(event.result)
            yield self._end_tool(event.id, event.outcome)

    def _refreshed(self, event: e.TokenRefreshed) -> Iterator[Span]:
        span = self._span("token refresh", "DEFAULT", self._root(event.at), event.at - event.ms / 1000)
        span.cover(span.start, self._time(event.at))
        span.attributes["outcome"] = event.outcome
        yield span

    def _trouble(self, event: e.Trouble) -> None:
        """Notes it on the turns under way, too: they are what it may have hurt."""
        if event.action == e.ENDS:
            self._root(event.at).attributes |= {"outcome": "failed", "error.type": str(event.code)}
        for turn in self._turns.values():
            if turn.ended_at is None:
                self._mark(turn.span, event.name, event.at, _plain(event))

    # -- spans -----------------------------------------------------------------------------------------------

    def _turn(self, number: int, at: float) -> _Turn:
        """Gives the turn of that number, a new one where there is none yet.

        It began when the user began to say what it answers: what was said last, until the first sound tells exactly.
        What comes for a turn that was given out long ago, or before the first, goes to the session.
        """
        if number in self._gone or number < 1:
            return _Turn(self._root(at))
        if number not in self._turns:
            span = self._span("turn", "LLM", self._root(at), at)
            span.attributes |= {"gen_ai.operation.name": "chat", "gen_ai.output.type": "speech", "turn": number}
            span.attributes |= self._names()
            self._turns[number] = _Turn(span, answers=self._utterances.latest(number))
            self._latest = max(self._latest, number)
        return self._turns[number]

    def _settled(self, now: float) -> Iterator[Span]:
        """Gives the turns about which nothing more is to come."""
        for number, turn in list(self._turns.items()):
            busy = any(tool.parent is turn.span for tool in self._tools.values())
            if turn.ended_at is not None and now > turn.ended_at + SETTLED_AFTER and not busy:
                self._gone.add(number)
                yield from self._finish(self._turns.pop(number))

    def _finish(self, turn: _Turn) -> list[Span]:
        attributes = turn.span.attributes
        self._begin_with(turn.span, turn.answers)
        if turn.tokens is not None:
            attributes["gen_ai.usage.input_tokens"] = turn.tokens.input
            attributes["gen_ai.usage.output_tokens"] = turn.tokens.output
            for direction, modality, count in turn.tokens.rows():
                attributes[f"gen_ai.usage.{direction}_tokens.{modality}"] = count
            cost = turn.tokens.cost(self.price)
            if cost is not None and self.price is not None:
                attributes |= {"cost": round(cost, 8), "cost.unit": self.price.unit}
        for who, (key, role) in _MESSAGES.items():
            if who in turn.said:
                message = {"role": role, "parts": [{"type": "text", "content": turn.said[who]}]}
                attributes[key] = _json([message])
        attributes.setdefault("outcome", "failed")
        return [turn.span]

    def _begin_with(self, span: Span, words: Words | None) -> None:
        """The turn began with the words that it answers, if they came before all else of it."""
        first = min([span.start, *(mark.time for mark in span.events)])
        if words is None or self._time(words.began) >= first:
            return
        self._mark(span, "user.speech.start", words.began)
        if words.ended is not None:
            self._mark(span, "user.speech.end", words.ended)
        span.events.sort(key=lambda mark: mark.time)

    def _end_tool(self, call: str, outcome: str) -> Span:
        span = self._tools.pop(call)
        span.attributes["outcome"] = outcome
        if outcome in FAILED:
            span.attributes["error.type"] = outcome
        return span

    def _root(self, at: float) -> Span:
        if self._session is None:
            self._session = self._span("session", "DEFAULT", None, at)
            self._session.attributes |= {"gen_ai.conversation.id": self.trace_id, **self._names()}
        return self._session

    def _span(self, name: str, kind: str, parent: Span | None, at: float) -> Span:
        self._made += 1
        made = hashlib.sha256(f"{self.trace_id} {self._made}".encode()).hexdigest()[:16]
        start = self._time(at)
        if parent is not None:
            parent.cover(start, start)
        return Span(name, kind, self.trace_id, made, parent, start, start)

    def _names(self) -> dict[str, Attribute]:
        names: dict[str, Attribute] = {"gen_ai.provider.name": PROVIDER, "gen_ai.request.model": self.model}
        return names | ({"voice": self.voice} if self.voice else {})

    def _note(self, event: e.Event) -> None:
        self._mark(self._root(event.at), event.name, event.at, _plain(event))

    def _mark(self, span: Span, name: str, at: float, attributes: Mapping[str, Attribute] | None = None) -> None:
        time = self._time(at)
        span.cover(time, time)
        if len(span.events) < MOST_MARKS:
            span.events.append(Mark(name, time, attributes or {}))
        else:
            span.attributes["events.left_out"] = int(str(span.attributes.get("events.left_out", 0))) + 1

    def _time(self, at: float) -> float:
        return round(at + self.wall, 6)

    def _on_clock(self, ms: float, at: float) -> float:
        """Gives the time of a moment that is counted from the microphone's first sample."""
        return at if self._zero is None else min(at, self._zero + ms / 1000)

    _reactions: ClassVar[Mapping[type, Callable[..., Any]]] = {
        e.Capturing: _began,
        e.UserStarted: _user_started,
        e.UserEnded: _user_ended,
        e.Transcript: _words,
        e.FirstAudio: _first_audio,
        e.TurnTimed: _timed,
        e.TurnInterrupted: _interrupted,
        e.TurnEnded: _ended,
        e.Usage: _usage,
        e.Sources: _sources,
        e.ToolStarted: _tool_started,
        e.ToolEnded: _tool_ended,
        e.TokenRefreshed: _refreshed,
        e.Trouble: _trouble,
    }


_MESSAGES = {"user": ("gen_ai.input.messages", "user"), "model": ("gen_ai.output.messages", "assistant")}


def _plain(event: e.Event) -> dict[str, Attribute]:
    return {
        key: value if isinstance(value, str | int | float | bool) else _json(value)
        for key, value in event.fields().items()
        if value is not None and value != WITHHELD
    }


def _json(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False, skipkeys=True)
