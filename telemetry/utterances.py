"""What the user said, stretch by stretch, and which of it a reply answers. Times of any clock, as long as it is one."""

from collections import deque

import attrs

PAUSE_MS = 3000.0  # silence within one utterance: someone thinks, and goes on
REMEMBERED = 64  # stretches


@attrs.define
class Stretch:
    """Speech without a pause: its ends on the microphone's clock, and on that of whoever listens."""

    begin_ms: float
    began: float
    end_ms: float | None = None
    ended: float | None = None
    turn: int | None = None


@attrs.frozen
class Words:
    """What a turn answers: when it began, and when it ended if it has."""

    began: float
    ended: float | None


@attrs.define
class Utterances:
    """Follows the user's speech; a stretch belongs to the turn that answers it, and to no other."""

    _said: deque[Stretch] = attrs.field(factory=lambda: deque(maxlen=REMEMBERED), init=False)

    def starts(self, ms: float, at: float) -> None:
        """Speech begins, `ms` on the microphone's clock and `at` on the listener's."""
        self._said.append(Stretch(ms, at))

    def ends(self, ms: float, at: float) -> None:
        """It has ended."""
        if self._said and self._said[-1].ended is None:
            self._said[-1].end_ms, self._said[-1].ended = ms, at

    def answered(self, turn: int, asked_ms: float) -> Words | None:
        """Gives the words of the turn, which ended at that time; None where nobody spoke, as with typed ones."""
        found = next((n for n, one in enumerate(self._said) if one.end_ms and abs(one.end_ms - asked_ms) <= 1.0), None)
        return self._claimed(turn, found)

    def latest(self, turn: int) -> Words | None:
        """Gives what was said last as the words of the turn, unless they are another's: the best guess there is."""
        free = bool(self._said) and self._said[-1].turn in (None, turn)
        return self._claimed(turn, len(self._said) - 1 if free else None)

    def _claimed(self, turn: int, last: int | None) -> Words | None:
        for one in self._said:
            one.turn = None if one.turn == turn else one.turn
        if last is None:
            return None
        first = last
        while first and self._goes_on(self._said[first - 1], self._said[first]):
            first -= 1
        for number in range(first, last + 1):
            self._said[number].turn = turn
        return Words(self._said[first].began, self._said[last].ended)

    def _goes_on(self, before: Stretch, after: Stretch) -> bool:
        """Whether the second continues the first, after a pause."""
        return before.turn is None and before.end_ms is not None and after.begin_ms - before.end_ms < PAUSE_MS
