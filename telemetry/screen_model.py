"""What the live screen knows of a conversation: fed with events, asked by the view. No clock, no terminal."""

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import attrs

from pipeline import events as e
from pipeline.sections import Price
from telemetry.usage import Tokens

KEPT = 200  # entries of the talk that may still be scrolled into view by a taller terminal
LONGEST = 4000  # characters of one entry
INTERRUPTED, QUIT, MUTED, RESTARTED = "interrupt", "quit", "mute", "restart"


@attrs.define
class Words:
    """What one side says; open while it is being said."""

    who: str
    text: str
    open: bool = True


@attrs.define
class Note:
    """Something a person should know: `kind` is trouble, notice or link."""

    kind: str
    text: str


@attrs.define
class Call:
    """A tool call: running while it has no outcome; times are the events' own."""

    what: str
    began: float
    outcome: str | None = None
    ms: float = 0.0


Entry = Words | Note | Call


@attrs.define
class Model:
    """The conversation as the screen shows it. `who` says who answers, `price` what a token of the model costs."""

    who: str = ""
    price: Price | None = None
    state: str = "STARTING"  # then one of the session's six
    began: float | None = None
    turns: int = 0
    muted: bool = False
    choosing: bool = False
    used: Tokens = attrs.field(factory=Tokens)
    gauges: e.Gauges | None = None
    timed: e.TurnTimed | None = None
    talk: deque[Entry] = attrs.field(factory=lambda: deque(maxlen=KEPT))
    _calls: dict[str, Call] = attrs.field(factory=dict, init=False)

    def feed(self, event: e.Event) -> None:
        """Takes the next event."""
        if self.began is None:
            self.began = event.at
        take = self._taken.get(type(event))
        if take is not None:
            take(self, event)

    def press(self, key: str) -> tuple[str, str] | None:
        """Takes a key and gives what it asks for: an action, and the actor's name for a restart."""
        if self.choosing:
            self.choosing = False
            names = list(self.gauges.actors) if self.gauges else []
            place = CHOICES.find(key) if key else -1
            return (RESTARTED, names[place]) if 0 <= place < len(names) else None
        if key == "r":
            self.choosing = self.gauges is not None
        action = {"m": MUTED, " ": INTERRUPTED, "i": INTERRUPTED, "q": QUIT}.get(key)
        return (action, "") if action else None

    @property
    def cost(self) -> str:
        """What the tokens so far cost; empty while there are none."""
        if not self.used.total:
            return ""
        cost = self.used.cost(self.price)
        return "cost unknown" if cost is None or self.price is None else f"{cost:.4f} {self.price.unit}"

    @property
    def running(self) -> bool:
        """Whether a tool is at work, so that a timer goes on."""
        return bool(self._calls)

    # -- events ----------------------------------------------------------------------------------------------

    def _transcript(self, event: e.Transcript) -> None:
        words = self._open(event.who)
        if words is None:
            words = Words(event.who, "")
            self.talk.append(words)
        words.text = (event.text if event.final else words.text + event.text)[-LONGEST:]
        words.open = not event.final

    def _open(self, who: str) -> Words | None:
        return next(
            (one for one in reversed(self.talk) if isinstance(one, Words) and one.open and one.who == who), None
        )

    def _called(self, event: e.ToolStarted) -> None:
        arguments = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in event.args.items())
        call = self._calls[event.id] = Call(f"{event.name_}({arguments})"[:LONGEST], event.at)
        self.talk.append(call)

    def _answered(self, event: e.ToolEnded) -> None:
        call = self._calls.pop(event.id, None)
        if call is not None:
            call.outcome, call.ms = event.outcome, event.ms

    def _ended(self, event: e.TurnEnded) -> None:
        self.turns = max(self.turns, event.turn)
        words = self._open("model")
        if words is not None:
            words.open = False
        if event.underruns:
            times = "once" if event.underruns == 1 else f"{event.underruns} times"
            self.note("trouble", f"the reply ran dry at the speaker {times}")

    def _interrupted(self, event: e.TurnInterrupted) -> None:
        heard, silent = event.heard_ms / 1000, event.silent_after_ms
        self.note("link", f"interrupted at {heard:.1f} s, quiet in {silent:.0f} ms")

    def _resumed(self, event: e.SessionResumed) -> None:
        lost = f", {event.lost_ms:.0f} ms lost" if event.lost_ms else ", nothing lost"
        how = "begun afresh" if event.fresh else "resumed"
        self.note("link", f"session {how} after {event.gap_ms:.0f} ms; {event.replayed_ms:.0f} ms said again{lost}")

    def _used(self, event: e.Usage) -> None:
        self.used += Tokens.of(event.counts)

    def note(self, kind: str, text: str) -> None:
        """Adds something that a person should know."""
        self.talk.append(Note(kind, text[:LONGEST]))

    def _set(self, **changes: Any) -> None:  # noqa: ANN401 - fields of this class
        for name, value in changes.items():
            setattr(self, name, value)

    _taken: ClassVar[Mapping[type, Callable[..., None]]] = {
        e.Transcript: _transcript,
        e.ToolStarted: _called,
        e.ToolEnded: _answered,
        e.TurnEnded: _ended,
        e.TurnInterrupted: _interrupted,
        e.SessionResumed: _resumed,
        e.Usage: _used,
        e.SessionStateChanged: lambda self, event: self._set(state=event.to),
        e.Gauges: lambda self, event: self._set(gauges=event),
        e.TurnTimed: lambda self, event: self._set(timed=event),
        e.Muted: lambda self, event: self._set(muted=event.muted),
        e.Trouble: lambda self, event: self.note("trouble", f"{event.what}; {event.action}"),
        e.Notice: lambda self, event: self.note("notice", event.text),
        e.Unanswered: lambda self, event: self.note("trouble", f"no reply after {event.ms / 1000:.0f} s: {event.why}"),
        e.GoingAway: lambda self, event: self.note("link", f"the service leaves in {event.left_ms / 1000:.0f} s"),
        e.ActorRestarted: lambda self, event: self.note(
            "notice" if event.asked else "trouble", f"{event.actor} started again: {restarted(event)}"
        ),
        e.Dropped: lambda self, event: self.note("trouble", f"{event.edge} dropped {event.ms:.0f} ms"),
    }


def restarted(event: e.ActorRestarted) -> str:
    """Says why an actor was started again, also where its own words are withheld."""
    return "asked to" if event.asked else event.error or "it crashed"


CHOICES = "123456789abcdefghijklmnop"
