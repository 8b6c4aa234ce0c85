"""What the user said and the service has not answered for yet: a log with a cursor, bounded in seconds.

Sending walks the cursor through the log; an answer trims the log's head; a new link moves the cursor back to the
head. So a replay is nothing special: the same items, in order, once, as fast as the link takes them.
"""

from collections import deque

import attrs

from pipeline.messages import Request, Say, SpeechEnded, SpeechStarted, Uttered, Voiced

Item = Uttered | Request


@attrs.define
class Kept:
    """The log; indices count items since the conversation began.

    `limit` is in seconds of audio. Beyond it the oldest audio is let go and counted in `lost_ms`.
    """

    limit: float = 120.0
    base: int = 0
    cursor: int = 0
    lost_ms: float = 0.0
    speech_open: bool = False
    spoke_until: float | None = None
    _items: deque[Item] = attrs.field(factory=deque, init=False)
    _seconds: float = attrs.field(default=0.0, init=False)
    _utterance: int | None = attrs.field(default=None, init=False)
    _answered: int = attrs.field(default=0, init=False)
    _marked: bool = attrs.field(default=False, init=False)

    @property
    def end(self) -> int:
        """The index after the last item."""
        return self.base + len(self._items)

    @property
    def seconds(self) -> float:
        """How much audio is kept."""
        return self._seconds

    def keep(self, item: Item) -> None:
        """Takes an item to the end of the log."""
        if isinstance(item, SpeechStarted):
            self.speech_open = self._marked = True
            self._utterance = self.end
        elif isinstance(item, SpeechEnded):
            self.speech_open = False
            self.spoke_until = item.at
        self._items.append(item)
        self._seconds += _seconds(item)
        while self._seconds > self.limit:
            self.lost_ms += 1000 * self._let_go()

    def next(self) -> Item | None:
        """Gives the item at the cursor, if there is one."""
        return self._items[self.cursor - self.base] if self.cursor < self.end else None

    def advance(self, index: int) -> None:
        """Moves the cursor past the item of that index: it is on the wire."""
        self.cursor = max(self.cursor, index + 1)

    def answer_begins(self) -> None:
        """Notes that the service answers: everything sent so far is answered for, but an utterance in progress."""
        self._answered = self._utterance if self.speech_open and self._utterance is not None else self.cursor

    def settle(self) -> None:
        """Lets go of what has been answered for; the answer is complete."""
        while self.base < min(self._answered, self.cursor):
            self._let_go()
        self.lost_ms = 0.0

    def rewind(self) -> float:
        """Moves the cursor to the first item worth sending again; gives the milliseconds of audio from there on.

        Where the gate marks speech, what lies before the first mark is the silence after an answered utterance.
        """
        if self._marked:
            while self._items and not isinstance(self._items[0], SpeechStarted | Say):
                self._let_go()
        self.cursor = self.base
        return self._seconds * 1000

    def _let_go(self) -> float:
        gone = _seconds(self._items.popleft())
        self.base += 1
        self.cursor = max(self.cursor, self.base)
        self._seconds = max(0.0, self._seconds - gone)
        return gone


def _seconds(item: Item) -> float:
    return item.seconds if isinstance(item, Voiced) else 0.0
