"""Times on the way of the user's last words, from the microphone to the wire: what a turn's waterfall is made of."""

from collections import deque

import attrs

from pipeline.messages import Asked, Request, SpeechEnded, Uttered, Voiced

WRITES = 256  # blocks whose writing is remembered: five seconds of them, far more than a gate takes to find an end
SLACK = 1e-6  # seconds: block times are sums of floats


@attrs.define
class Marks:
    """Follows the words that the next reply answers; times are the pipeline's, in seconds."""

    asked: Asked | None = None
    _writes: deque[tuple[float, float, float]] = attrs.field(factory=lambda: deque(maxlen=WRITES), init=False)
    _waits_since: float | None = attrs.field(default=None, init=False)
    _waited: float = attrs.field(default=0.0, init=False)

    def spoke(self, end: SpeechEnded) -> None:
        """The user's words have ended; what ends the turn may be on the wire already, or follow."""
        written = next((one for one in reversed(self._writes) if one[0] <= end.at + SLACK), None)
        fits = written is not None and written[0] >= end.at - SLACK
        began, over = written[1:] if written and fits else (None, None)
        self._ask(Asked(end.at, end.taken, end.passed, began, over))

    def typed(self, began: float, now: float) -> None:
        """Typed words are on the wire; they count from there, and there is no microphone and no gate to speak of."""
        self._ask(Asked(now, None, None, began, now))

    def wrote(self, item: Uttered | Request, began: float, now: float) -> None:
        """A piece of what the user said was written between these two times."""
        if isinstance(item, Voiced):
            self._writes.append((item.at + item.seconds, began, now))
        elif isinstance(item, SpeechEnded) and self.asked is not None:  # the end itself goes over the wire: local turns
            self.asked = attrs.evolve(self.asked, began=began, written=now)

    def called(self, now: float) -> None:
        """The service waits for a tool from now on."""
        if self._waits_since is None:
            self._waits_since = now

    def answered(self, now: float, *, more: bool) -> None:
        """A tool's answer is written; `more` are owed."""
        if self._waits_since is not None and not more:
            self._waited += now - self._waits_since
            self._waits_since = None

    def take(self, now: float) -> Asked | None:
        """The reply begins to sound: gives what it answers, once."""
        asked, self.asked = self.asked, None
        if self._waits_since is not None:  # it speaks while a tool still works
            self.answered(now, more=False)
        return asked and attrs.evolve(asked, tools=self._waited)

    def _ask(self, asked: Asked) -> None:
        self.asked, self._waited, self._waits_since = asked, 0.0, None
