"""The answers: notices when the user has said something and no reply begins, and says how far the words have come."""

from typing import Literal

import attrs
import trio

from actors.audio.timeline import Timeline
from actors.live.session import Session
from pipeline import events as e
from pipeline.actor import Shared
from telemetry.utterances import PAUSE_MS

WAIT = 6.0  # seconds after the end of speech in which a reply may still begin
SLACK = 1e-3  # seconds: events tell times in tenths of milliseconds
Where = Literal["gate", "uplink", "service"]


@attrs.frozen
class Words:
    """What the user has said; `ended` is when that was known, and `at_ms` None for typed words."""

    at_ms: float | None
    ended: float


@attrs.define
class Owed:
    """What no reply has begun for; sync, fed with events, asked for a time.

    A reply answers the words before it, and what is said within a few seconds belongs together; what was said long
    before them is still owed. A tool that is called is a reply. What is spoken over a reply that goes on all the same
    is owed none: people hum while they listen.
    """

    waiting: list[Words] = attrs.field(factory=list)
    _aside: list[Words] = attrs.field(factory=list, init=False)  # spoken over a reply, which may yet be interrupted
    _over: bool = attrs.field(default=False, init=False)
    _under_way: set[int] = attrs.field(factory=set, init=False)
    _latest: int = attrs.field(default=0, init=False)

    def feed(self, event: e.Event) -> None:
        """Takes the next event."""
        if isinstance(event, e.UserStarted):
            self._over = bool(self._under_way)
            if self.waiting and event.at_ms - (self.waiting[-1].at_ms or -PAUSE_MS) < PAUSE_MS:
                self.waiting.pop()
        elif isinstance(event, e.UserEnded):
            words = self._aside if self._over and self._under_way else self.waiting
            words.append(Words(event.at_ms, event.at))
        elif isinstance(event, e.Transcript) and event.who == "user":
            if event.final and event.turn is None:
                self.waiting.append(Words(None, event.at))
        elif isinstance(event, e.FirstAudio | e.ToolStarted | e.Transcript | e.TurnInterrupted | e.TurnEnded):
            self._reply(event, event.turn or self._latest)

    def _reply(self, event: e.Event, turn: int) -> None:
        if turn > self._latest:
            self._latest = turn
            self._under_way.add(turn)
            self._answered()
        if isinstance(event, e.TurnInterrupted) or (isinstance(event, e.TurnEnded) and event.outcome != "completed"):
            self._over = False
            self.waiting += self._aside
            self._aside.clear()
        if isinstance(event, e.TurnEnded):
            self._under_way = {one for one in self._under_way if one > turn}
            self._aside.clear()

    def _answered(self) -> None:
        """A reply begins: the latest words are answered."""
        if self.waiting:
            self.waiting.pop()

    def due(self) -> float:
        """Gives the time at which the first of what waits has waited too long."""
        return self.waiting[0].ended + WAIT if self.waiting else float("inf")

    def take(self) -> Words:
        """Gives what has waited longest, and forgets it."""
        return self.waiting.pop(0)


@attrs.define
class Answers:
    """Tells of words without an answer, `turn.unanswered`; it does nothing about them."""

    session: Shared[Session]
    timeline: Shared[Timeline]
    bus: e.Bus

    async def run(self) -> None:
        """Runs until cancelled."""
        events, owed = self.bus.subscribe(), Owed()
        while True:
            with trio.move_on_at(owed.due()) as deadline:
                owed.feed(await anext(events))
            if deadline.cancelled_caught:
                self._tell(owed.take(), trio.current_time())

    def _tell(self, words: Words, now: float) -> None:
        at_ms = self.timeline.ms(words.ended) if words.at_ms is None else words.at_ms
        ms = round(max(0.0, self.timeline.ms(now) - at_ms), 1) if words.at_ms is not None else WAIT * 1000
        self.bus.publish(e.Unanswered(at_ms, self._where(words), ms))

    def _where(self, words: Words) -> Where:
        """Tells how far the words have come."""
        kept, origin = self.session.kept, self.timeline.origin
        if words.at_ms is not None and origin is not None:
            ended = origin + words.at_ms / 1000
            if kept.spoke_until is None or kept.spoke_until < ended - SLACK:
                return "gate"
            waits = kept.next()
            if waits is not None and getattr(waits, "at", ended) <= ended + SLACK:
                return "uplink"
            return "service" if self.session.linked else "uplink"
        return "service" if self.session.linked and kept.next() is None else "uplink"
