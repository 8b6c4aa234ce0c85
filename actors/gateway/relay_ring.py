"""The play ring whose reader is a browser: what was sent to a page, what it has played, what it has to be sent again.

Sans-io. Positions count 24 kHz samples since the conversation began. The page reports how far it has played; what it
has not played yet is kept here, so that a page that lost its network, or was reloaded, goes on where it was. At most
`window` samples lie between the ear and the writer, so a page that is slow or away holds up nobody but the writer.
"""

from collections import deque
from collections.abc import Callable

import attrs
import numpy as np

from actors.audio.ring import FADE_MS, Crossing, Samples
from pipeline.messages import OUTPUT_RATE, SAMPLE_BYTES

WINDOW = 4 * OUTPUT_RATE  # samples: long enough for a lost second or two, short enough that a slow link obeys soon
PIECE = OUTPUT_RATE // 10  # samples that are written at once
FRAME = 4 * PIECE  # samples in one frame, at most
SUPPLIED = 2 * PIECE  # samples yet to play beyond which half of the supply may go by while a frame comes together


@attrs.frozen
class Piece:
    """A frame of sound, and where its first sample lies."""

    position: int
    pcm: bytes

    @property
    def end(self) -> int:
        """The position after its last sample."""
        return self.position + len(self.pcm) // SAMPLE_BYTES


@attrs.frozen
class Flush:
    """Told to the page: fade out, and let go of what comes before `until`. It answers where it fell silent."""

    id: int
    until: int
    fade_ms: float


@attrs.frozen
class Level:
    """Told to the page: let the loudness glide."""

    gain: float
    ms: float


@attrs.frozen
class Whole:
    """Told to the page: once it has received up to this position, nothing more is to be waited for."""

    position: int


@attrs.frozen
class _Mark:
    tag: int
    due: int
    position: int
    fades: int  # how many flushes there had been when it was made


def _nobody() -> None:
    """Nobody waits."""


@attrs.define
class PageRing:
    """Has the face of `actors.audio.ring.PlayRing` towards the player; `wake` is called when there is something new."""

    base: int = 0
    window: int = WINDOW
    rate: int = OUTPUT_RATE
    wake: Callable[[], object] = attrs.field(default=_nobody)
    underruns: int = attrs.field(default=0, init=False)  # counted by the page, which alone can know
    tap: Callable[[Samples, float, int], object] | None = attrs.field(default=None, init=False)
    heard: int = attrs.field(default=0, init=False)
    crossings: deque[Crossing] = attrs.field(factory=lambda: deque(maxlen=256), init=False)
    controls: deque[Flush | Level | Whole] = attrs.field(factory=lambda: deque(maxlen=64), init=False)
    present: bool = attrs.field(default=False, init=False)
    position: int = attrs.field(init=False)
    written: int = attrs.field(init=False)
    sent: int = attrs.field(init=False)
    stale_before: int = attrs.field(default=0, init=False)
    _pieces: deque[Piece] = attrs.field(factory=deque, init=False)
    _marks: deque[_Mark] = attrs.field(factory=deque, init=False)
    _flushes: deque[Flush] = attrs.field(factory=deque, init=False)
    _fades: int = attrs.field(default=0, init=False)
    _expecting: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.position = self.written = self.sent = self.base

    # -- the player's side -----------------------------------------------------------------------------------

    @property
    def expecting(self) -> bool:
        """Whether more sound is to come, so that a gap would be one."""
        return self._expecting

    @expecting.setter
    def expecting(self, more: bool) -> None:
        if self._expecting and not more:
            self.controls.append(Whole(self.written))
            self.wake()
        self._expecting = more

    @property
    def room(self) -> bool:
        """Whether another piece fits."""
        return self.written - self.position < self.window

    def write(self, pcm: bytes) -> None:
        """Takes one piece, whether there is room or not."""
        self._pieces.append(Piece(self.written, pcm))
        self.written += len(pcm) // SAMPLE_BYTES
        self.wake()

    def mark(self, tag: int, *, start: bool = False) -> None:
        """Marks the position after the last written sample; with `start` it is passed by the sample behind it."""
        if self._marks and self._marks[-1].due > self.written:
            self._marks.pop()
        self._marks.append(_Mark(tag, self.written + start, self.written, self._fades))
        self._pass(self.position)

    def fade_out(self, ms: float = FADE_MS) -> int:
        """Has the page fall silent, and lets go of what it has not played; gives how many samples were not sent yet."""
        dropped = self.written - self.sent
        while self._pieces and self._pieces[-1].position >= self.sent:
            self._pieces.pop()
        self.written = self.stale_before = self.sent
        self._fades += 1
        flush = Flush(self._fades, self.written, ms)
        self._flushes.append(flush)
        if not self.present or self.sent == self.position:
            self._settle(flush, self.position)
        if self.present:
            self.controls.append(flush)
        self._expecting = False
        self.wake()
        return dropped

    def peek(self, seconds: float = 0.02) -> Samples:
        """Gives a copy of what the page plays next."""
        if not self._pieces:
            return np.zeros(0, np.int16)
        first = self._pieces[0]
        begin = max(0, self.position - first.position)
        return np.frombuffer(first.pcm, "<i2")[begin : begin + round(self.rate * seconds)].copy()

    def duck(self, gain: float, ms: float = 50.0) -> None:
        """Lets the loudness glide to `gain`, 0 to 1 of the original."""
        self.controls.append(Level(gain, ms))
        self.wake()

    def unduck(self, ms: float = 50.0) -> None:
        """Lets the loudness glide back to the original."""
        self.duck(1.0, ms)

    # -- the page's side -------------------------------------------------------------------------------------

    def take(self) -> Piece | None:
        """Gives what to send next, if there is something: a frame for the page costs far more than what is in it.

        So pieces go together, and where the page has enough to play, they wait for each other.
        """
        unsent: deque[Piece] = deque()
        for piece in reversed(self._pieces):  # most of those kept were sent and wait to be played
            if piece.end <= self.sent:
                break
            unsent.appendleft(piece)
        if not unsent or unsent[-1].end - unsent[0].position < self._patience:
            return None
        together = [unsent.popleft()]
        while unsent and unsent[0].end - together[0].position <= FRAME:
            together.append(unsent.popleft())
        self.sent = together[-1].end
        return Piece(together[0].position, b"".join(piece.pcm for piece in together))

    @property
    def _patience(self) -> int:
        """How many samples of a frame to wait for; what a flush has made stale is no supply."""
        supply = self.sent - max(self.position, self.stale_before)
        return min(FRAME, (supply - SUPPLIED) // 2) if self._expecting else 0

    def reached(self, position: int, at: float) -> None:
        """The page has played up to this position, at this time; one beyond a flush has obeyed it."""
        while self._flushes and position > self._flushes[0].until:
            self._settle(self._flushes[0], self.position, at)
        if not self._flushes:
            self._advance(min(position, self.sent), at)

    def flushed(self, number: int, position: int, at: float) -> None:
        """The page has fallen silent at this position, as it was told by that flush."""
        while self._flushes and self._flushes[0].id <= number:
            self._settle(self._flushes[0], position, at)

    def attach(self, received: int | None, heard: int, at: float) -> int:
        """A page is there that has received up to one position and played up to another; gives where sending goes on.

        None: a page that has nothing, such as one that was reloaded.
        """
        self._settle_all(heard, at)
        if received is None:
            self.sent = self.position
        else:
            self.reached(heard, at)
            self.sent = min(max(received, self.position), self.written)
        self.present = True
        if not self._expecting:
            self.controls.append(Whole(self.written))
        self.wake()
        return self.sent

    def detach(self) -> None:
        """The page is away: what it was told and has not answered counts as obeyed where it was last heard of."""
        self.present = False
        self.controls.clear()
        self._settle_all(self.position, None)

    # -- positions -------------------------------------------------------------------------------------------

    def _settle_all(self, heard: int, at: float | None) -> None:
        while self._flushes:
            self._settle(self._flushes[0], heard, at)

    def _settle(self, flush: Flush, position: int, at: float | None = None) -> None:
        """The sound before this flush is over, and was heard up to the position."""
        self._flushes.remove(flush)
        silent = max(self.position, min(position, flush.until))
        self._advance(silent, at)
        self._marks = deque(mark for mark in self._marks if mark.fades >= flush.id)
        while self._pieces and self._pieces[0].position < flush.until:
            self._pieces.popleft()
        self.position = flush.until
        self._pass(self.position, at)

    def _advance(self, position: int, at: float | None) -> None:
        if position <= self.position:
            return
        self.heard += position - self.position
        self.position = position
        while self._pieces and self._pieces[0].end <= position:
            piece = self._pieces.popleft()
            if self.tap is not None and at is not None:
                began = at - (position - piece.position) / self.rate
                self.tap(np.frombuffer(piece.pcm, "<i2"), began, self.rate)
        self._pass(position, at)

    def _pass(self, position: int, at: float | None = None) -> None:
        pending = self._flushes[0].id if self._flushes else self._fades + 1
        while self._marks and self._marks[0].due <= position and self._marks[0].fades < pending:
            mark = self._marks.popleft()
            behind = position - mark.position
            moment = float("nan") if at is None else at - behind / self.rate
            self.crossings.append(Crossing(mark.tag, mark.position, moment, self.heard - behind))
        self.wake()
