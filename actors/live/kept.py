"""What the user said and the service has not answered for yet: a log with a cursor, bounded in seconds.

Sending walks the cursor through the log; an answer trims the log's head; a new link moves the cursor back to the
head. So a replay is nothing special: the same items, in order, once, as fast as the link takes them.

A reply may be to something older than the last words, when those still wait in some buffer on their way. So words are
let go of once they are answered for and known to have arrived, where the link tells that: a pong follows all that was
written before its ping (RFC 6455, 5.5.3).
"""

from collections import deque
from typing import Annotated

import attrs

from pipeline.messages import Request, Say, SpeechEnded, SpeechStarted, Uttered, Voiced
from pipeline.settings import Within

Item = Uttered | Request
KeptSeconds = Annotated[float, Within(1, 3600)]
ONSET = 0.3  # seconds: speech has gone on for a while before a detector takes it for speech, hence the pre-roll
SLACK = 1e-6  # seconds: block times are sums of floats


@attrs.define
class Kept:
    """The log; indices count items since the conversation began.

    `limit` is in seconds of audio. Beyond it the oldest audio is let go and counted in `lost_ms`; marks and text stay.
    The last whole utterance on the wire ends before `said`, what is known to have arrived before `arrived`. `confirms`:
    the far end tells what has.
    """

    limit: float = 120.0
    base: int = 0
    cursor: int = 0
    lost_ms: float = 0.0
    said: int = 0
    arrived: int = 0
    confirms: bool = False
    speech_open: bool = False
    spoke_until: float | None = None
    _items: deque[Item] = attrs.field(factory=deque, init=False)
    _seconds: float = attrs.field(default=0.0, init=False)
    _answered: int = attrs.field(default=0, init=False)
    _settled: int = attrs.field(default=0, init=False)
    _marked: bool = attrs.field(default=False, init=False)

    @property
    def end(self) -> int:
        """The index after the last item."""
        return self.base + len(self._items)

    def unanswered(self) -> list[SpeechStarted | Say]:
        """Gives what has not been answered for: where each utterance begins, and typed text."""
        return [item for item in self._items if isinstance(item, SpeechStarted | Say)]

    @property
    def asking(self) -> bool:
        """Whether something was said, or is being said, that no answer has begun for."""
        items = enumerate(self._items, self.base)
        return any(index >= self._answered for index, item in items if isinstance(item, SpeechStarted | Say))

    @property
    def seconds(self) -> float:
        """How much audio is kept."""
        return self._seconds

    def keep(self, *items: Item) -> None:
        """Takes items to the end of the log."""
        for item in items:
            if isinstance(item, SpeechStarted):
                self.speech_open = self._marked = True
            elif isinstance(item, SpeechEnded):
                self.speech_open = False
                self.spoke_until = item.at
            self._items.append(item)
            self._seconds += _seconds(item)
            while self._seconds > self.limit:
                self.lost_ms += 1000 * self._drop_oldest()

    def next(self) -> Item | None:
        """Gives the item at the cursor, if there is one."""
        return self._items[self.cursor - self.base] if self.cursor < self.end else None

    def advance(self, item: Item) -> None:
        """Moves the cursor past the item it stands at: it is on the wire. Any other item was let go meanwhile."""
        if self.next() is item:
            self.cursor += 1
            if isinstance(item, SpeechEnded | Say):
                self.said = self.cursor

    def answer_begins(self) -> None:
        """Notes that the service answers: everything sent so far is answered for, but an utterance sent in part.

        What last went through an open gate may be the beginning of one, whose mark is still to come.
        """
        sent = self.cursor - self.base
        begun: int | None = None
        for index, item in enumerate(self._items):
            if index >= sent and begun is not None:
                break
            if isinstance(item, SpeechStarted):
                begun = self._onset(index)
            elif isinstance(item, SpeechEnded):
                begun = None
        if begun is None and self._marked and sent and isinstance(last := self._items[sent - 1], Voiced):
            begun = self._back(sent, last.at + last.seconds - ONSET)
        self._answered = self.base + (sent if begun is None else min(sent, begun))

    def settle(self) -> None:
        """Lets go of what has been answered for, as far as it is known to have arrived; the answer is complete."""
        self._settled = max(self._settled, min(self._answered, self.cursor))
        self._release()
        self.lost_ms = 0.0

    def confirm(self, until: int, *, confirms: bool) -> None:
        """Takes that what stands before `until` has arrived, or that the far end does not tell."""
        self.confirms = confirms
        self.arrived = min(max(self.arrived, until), self.cursor)
        self._release()

    def rewind(self) -> float:
        """Moves the cursor to the first item worth sending again; gives the milliseconds of audio from there on.

        Where the gate marks speech, what lies before the first mark is the silence after an answered utterance.
        """
        if self._marked:
            marks = (index for index, item in enumerate(self._items) if isinstance(item, SpeechStarted | Say))
            for _ in range(self._onset(next(marks, len(self._items)))):
                self._let_go()
        self.cursor = self.said = self.arrived = self._settled = self.base
        return self._seconds * 1000

    def _onset(self, mark: int) -> int:
        """Gives where an utterance begins in the deque: an open gate lets its first blocks through before the mark."""
        started = self._items[mark] if mark < len(self._items) else None
        return self._back(mark, started.at - ONSET) if isinstance(started, SpeechStarted) else mark

    def _back(self, index: int, since: float) -> int:
        """Gives where the audio before that index begins, no further back than `since`."""
        while index:
            before = self._items[index - 1]
            if not isinstance(before, Voiced) or before.at + before.seconds <= since + SLACK:
                break
            index -= 1
        return index

    def _drop_oldest(self) -> float:
        """Lets go of the oldest audio, and of an utterance's marks with its last audio; gives its seconds.

        What stands before it stays and moves up by one, so the cursor and the answer move along.
        """
        index = next(index for index, item in enumerate(self._items) if isinstance(item, Voiced))
        gone = _seconds(self._items[index])
        self._remove(index)
        half_sent = self.cursor == self.base + index
        if 0 < index < len(self._items) and not half_sent:
            around = self._items[index - 1], self._items[index]
            if isinstance(around[0], SpeechStarted) and isinstance(around[1], SpeechEnded):
                self._remove(index)
                self._remove(index - 1)
        self._seconds = max(0.0, self._seconds - gone)
        return gone

    def _remove(self, index: int) -> None:
        place = self.base + index
        del self._items[index]
        self.base += 1
        self.cursor += self.cursor <= place
        self._answered += self._answered <= place
        self._settled += self._settled <= place
        self.said += self.said <= place
        self.arrived += self.arrived <= place

    def _release(self) -> None:
        doubted = self.confirms and self.arrived < self.said
        while self.base < (min(self._settled, self.arrived) if doubted else self._settled):
            self._let_go()

    def _let_go(self) -> float:
        gone = _seconds(self._items.popleft())
        self.base += 1
        self.cursor = max(self.cursor, self.base)
        self._seconds = max(0.0, self._seconds - gone)
        return gone


def _seconds(item: Item) -> float:
    return item.seconds if isinstance(item, Voiced) else 0.0
