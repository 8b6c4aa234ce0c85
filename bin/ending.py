"""When a conversation over a recording is over: sync, fed with events, asked for a time."""

import attrs

from pipeline import events as e

GRACE = 0.5  # seconds after the last reply in which a late word may still come
PATIENCE = 20.0  # seconds for a reply that is owed; a model may also stay silent on purpose


@attrs.define
class Ending:
    """Watches a conversation for its end.

    It is over once the recording is sent and everything is answered and played, or after `linger` seconds with
    nothing to play or wait for, or when the session has closed for good.
    """

    linger: float
    closed: bool = False
    farewell: str = ""
    sent: bool = False
    _last: float = attrs.field(default=0.0, init=False)
    _speaking: bool = attrs.field(default=False, init=False)
    _owed: bool = attrs.field(default=False, init=False)
    _answered: bool = attrs.field(default=False, init=False)
    _linked: bool = attrs.field(default=False, init=False)
    _playing: set[int] = attrs.field(factory=set, init=False)
    _calls: set[str] = attrs.field(factory=set, init=False)

    def feed(self, event: e.Event) -> None:
        """Takes the next event."""
        if isinstance(event, e.Usage | e.Notice | e.Dropped | e.Unanswered):
            return
        self._last = event.at
        self._hear(event)
        self._answer(event)
        if isinstance(event, e.SessionStateChanged):
            self._linked = event.to in ("CONNECTED", "INTERRUPTED")
            self.closed = self.closed or event.to == "CLOSED"
        elif isinstance(event, e.Farewell):
            self.closed, self.farewell = True, event.reason
        elif isinstance(event, e.ActorRestarted) and event.actor == "playback":
            self._playing.clear()  # a turn that goes on is announced again

    def _hear(self, event: e.Event) -> None:
        """Follows the user: whoever speaks is owed a reply."""
        if isinstance(event, e.RecordingSent):
            self.sent = True
        elif isinstance(event, e.UserStarted):
            self._speaking = self._owed = True
            self._answered = False
        elif isinstance(event, e.UserEnded):
            self._speaking = False
        elif isinstance(event, e.Transcript) and event.who == "user" and not self._playing:
            self._owed = self._owed or not event.final  # an open gate says nothing else of the user

    def _answer(self, event: e.Event) -> None:
        """Follows the assistant: a reply that sounds pays what was owed before it, and none that was cut short."""
        if isinstance(event, e.FirstAudio):
            self._playing.add(event.turn)
            self._owed = False
        elif isinstance(event, e.TurnEnded):
            if event.outcome == "interrupted":
                self._owed = True
            elif event.outcome == "completed" and event.turn not in self._playing:
                self._owed = self._speaking
            self._playing.discard(event.turn)
            self._answered = event.outcome == "completed" and not self._owed
        elif isinstance(event, e.ToolStarted):
            self._calls.add(event.id)
        elif isinstance(event, e.ToolEnded):
            self._calls.discard(event.id)
            self._answered = False  # the model may have something to say of it

    def due(self) -> float:
        """Gives the time at which the conversation is over if nothing more happens."""
        if self.closed:
            return float("-inf")
        if not self.sent or self._playing or self._calls or not self._linked:
            return float("inf")
        if self._answered and not self._owed:
            return self._last + GRACE
        return self._last + (max(PATIENCE, self.linger) if self._owed else self.linger)
