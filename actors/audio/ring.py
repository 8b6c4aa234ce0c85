"""The play ring: where the Trio side puts samples and the device's callback thread takes them.

One writer, one reader, one preallocated buffer. The lock is held for copies of at most one block; without it samples
are lost at a reply's start. Positions count samples from the ring's birth and never wrap.
"""

import threading
from collections import deque
from collections.abc import Callable
from functools import lru_cache

import attrs
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]
FADE_MS = 5.0  # cuts shorter than 3 ms are heard as a click
CROSSINGS = 256  # unread crossings kept; a turn makes two or three


@attrs.frozen
class Crossing:
    """A mark was passed: the sample at `position` is heard at the moment `at`, and `heard` real ones were before it.

    `taken` is when the reader took it, where the reader knows.
    """

    tag: int
    position: int
    at: float
    heard: int
    taken: float | None = None


@attrs.frozen
class _Mark:
    tag: int
    position: int
    due: int  # the read position from which on the mark counts as passed


@attrs.frozen
class _Ramp:
    goal: float
    samples: float  # within which the gain gets there


@lru_cache(8)
def _falling(length: int) -> NDArray[np.float64]:
    """Gives the loudness of each sample of a fade; made once, since the device's thread waits meanwhile."""
    return np.linspace(1.0, 0.0, length + 1)[1:]


def _nobody() -> None:
    """Nobody waits."""


@attrs.define
class PlayRing:
    """Hands out exactly what was written, in order; silence where there is nothing.

    int16 mono at `rate`; `seconds` bounds what is between writer and reader. `wake` is called from the reader's
    thread, at most once a block: when a writer that was refused room can have it (half the ring is free), when a mark
    was passed, and when a fade is finished. `heard` counts real samples handed out, `underruns` how often the sound
    ran dry while `expecting` was set. `tap` is a recorder's: it is shown each block, its time and its rate in the
    reader's thread, and copies what it keeps. `crossings` keeps the newest passed marks: its owner takes them with
    popleft.
    """

    rate: int
    seconds: float = 0.4
    wake: Callable[[], object] = attrs.field(default=_nobody)
    expecting: bool = attrs.field(default=False, init=False)
    heard: int = attrs.field(default=0, init=False)
    underruns: int = attrs.field(default=0, init=False)
    crossings: deque[Crossing] = attrs.field(factory=lambda: deque(maxlen=CROSSINGS), init=False)
    tap: Callable[[Samples, float, int], object] | None = attrs.field(default=None, init=False)
    _buffer: Samples = attrs.field(init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _written: int = attrs.field(default=0, init=False)
    _read: int = attrs.field(default=0, init=False)
    _last: int = attrs.field(default=0, init=False)  # the sample handed out last, 0 once silent
    _marks: deque[_Mark] = attrs.field(factory=deque, init=False)
    _fillers: deque[tuple[int, int]] = attrs.field(factory=deque, init=False)  # a fade's own samples, not heard
    _fade_end: int | None = attrs.field(default=None, init=False)
    _refused: bool = attrs.field(default=False, init=False)
    _dry: bool = attrs.field(default=True, init=False)
    _ramp: _Ramp = attrs.field(default=_Ramp(1.0, 1.0), init=False)  # replaced whole by the writer
    _followed: _Ramp = attrs.field(default=_Ramp(1.0, 1.0), init=False)  # this and the next two: the reader's own
    _step: float = attrs.field(default=0.0, init=False)
    _gain: float = attrs.field(default=1.0, init=False)
    _count: NDArray[np.float32] = attrs.field(init=False)
    _gains: NDArray[np.float32] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        size = round(self.rate * self.seconds)
        if size < 1:
            raise ValueError(f"a ring needs room for a sample, found {self.seconds} s at {self.rate} Hz")
        self._buffer = np.zeros(size, np.int16)
        self._size_scratch(size)

    @property
    def buffered(self) -> int:
        """Samples written and not yet handed out."""
        return self._written - self._read

    @property
    def position(self) -> int:
        """Samples handed out so far, a fade's own included; what crossings and marks count in."""
        return self._read

    def room(self) -> int:
        """Tells how many samples fit now."""
        return len(self._buffer) - self.buffered

    def write(self, samples: Samples) -> int:
        """Takes as many samples as fit, from the front, and tells how many; `wake` follows a refusal."""
        with self._lock:
            taken = min(len(samples), self.room())
            self._refused = taken < len(samples)
            self._put(self._written, samples[:taken])
            self._written += taken
        return taken

    def peek(self, seconds: float = 0.02) -> Samples:
        """Gives a copy of what the reader gets next, at its present loudness, without taking it."""
        with self._lock:
            sound = self._get(self._read, min(self.buffered, round(self.rate * seconds)))
        return sound if self._gain == 1.0 else np.rint(sound * self._gain).astype(np.int16)

    def mark(self, tag: int, *, start: bool = False) -> None:
        """Marks the position after the last written sample.

        The mark is passed when everything before it was handed out; with `start`, when the sample after it is, which
        tells when a sound yet to be written begins. A start without a sound before the next mark is taken back.
        """
        with self._lock:
            if self._marks and self._marks[-1].due > self._written:
                self._marks.pop()
            self._marks.append(_Mark(tag, self._written, self._written + start))

    def fade_out(self, ms: float = FADE_MS) -> int:
        """Ends the sound by a linear fade from the read position on; returns how many samples are discarded.

        Marks beyond the fade go with the samples. Where less sound is left than the fade is long, its last sample
        dies away over the rest. A fade under way goes on as it is. Nothing more is expected afterwards, and what is
        written follows the fade.
        """
        with self._lock:
            length = min(max(1, round(self.rate * ms / 1000)), len(self._buffer))
            kept = self._read + min(length, self.buffered) if self._fade_end is None else self._fade_end
            dropped = self._written - kept
            self._written = kept
            self._marks = deque(mark for mark in self._marks if mark.due <= kept)
            self._fillers = deque((begin, min(end, kept)) for begin, end in self._fillers if begin < kept)
            if self._fade_end is None:
                self._bake_fade(length)
            self._fade_end = self._written
            self.expecting = self._refused = False
        return dropped

    def duck(self, gain: float, ms: float = 50.0) -> None:
        """Lets the loudness glide to `gain`, 0 to 1 of the original, within `ms` from the next block on."""
        if not 0.0 <= gain <= 1.0:
            raise ValueError(f"a ring's gain lies between 0 and 1, found {gain}")
        self._ramp = _Ramp(gain, max(1.0, self.rate * ms / 1000))

    def unduck(self, ms: float = 50.0) -> None:
        """Lets the loudness glide back to the original within `ms`."""
        self.duck(1.0, ms)

    def read_into(self, out: Samples, at: float = 0.0, now: float | None = None, most: int | None = None) -> int:
        """Fills `out` with the next samples, then silence; returns how many are sound, which are `most` at most.

        Called by the device's callback at the time `now`. `at` is when the first sample of `out` is heard. Both are on
        the pipeline's clock.
        """
        with self._lock:
            start = self._read
            count = min(len(out), self.buffered, len(out) if most is None else most)
            self._copy(start, out[:count])
            self._read += count
            wake = self._pass_marks(start, at, now) | self._pass_fade() | self._grant_room()
            self.heard += self._real(start, self._read)
            while self._fillers and self._fillers[0][1] <= self._read:
                self._fillers.popleft()
        out[count:] = 0
        self._last = int(out[-1]) if count and count == len(out) else 0
        self._count_underrun(ran_dry=count < len(out))
        self._apply_gain(out)
        if self.tap is not None:
            self.tap(out, at, self.rate)
        if wake:
            self.wake()
        return count

    def _copy(self, position: int, out: Samples) -> None:
        begin = position % len(self._buffer)
        first = min(len(out), len(self._buffer) - begin)
        out[:first] = self._buffer[begin : begin + first]
        if first < len(out):
            out[first:] = self._buffer[: len(out) - first]

    def _get(self, position: int, count: int) -> Samples:
        out = np.empty(count, np.int16)
        self._copy(position, out)
        return out

    def _put(self, position: int, samples: Samples | NDArray[np.float64]) -> None:
        begin = position % len(self._buffer)
        first = min(len(samples), len(self._buffer) - begin)
        self._buffer[begin : begin + first] = samples[:first]
        if first < len(samples):
            self._buffer[: len(samples) - first] = samples[first:]

    def _bake_fade(self, length: int) -> None:
        """Lowers what is buffered, and adds what the fade has to make up, where that is not silence."""
        ramp, sound = _falling(length), self.buffered
        last = int(self._buffer[(self._written - 1) % len(self._buffer)]) if sound else self._last
        first = min(sound, len(self._buffer) - self._read % len(self._buffer))
        self._lower(self._read, ramp[:first])
        if first < sound:
            self._lower(self._read + first, ramp[first:sound])
        if sound == length:
            return
        tail = last * ramp[sound:]
        if tail.any():
            self._put(self._written, np.rint(tail))
            self._fillers.append((self._written, self._written + len(tail)))
            self._written += len(tail)

    def _lower(self, position: int, ramp: NDArray[np.float64]) -> None:
        """Multiplies what lies there in one piece, where it lies: an interruption waits for it."""
        begin = position % len(self._buffer)
        part = self._buffer[begin : begin + len(ramp)]
        np.rint(part * ramp, out=part, casting="unsafe")

    def _real(self, start: int, end: int) -> int:
        """Counts the samples between two positions that were written, and not made up by a fade."""
        return end - start - sum(max(0, min(end, b) - max(start, a)) for a, b in self._fillers)

    def _pass_marks(self, start: int, at: float, now: float | None) -> bool:
        passed = False
        while self._marks and self._marks[0].due <= self._read:
            mark = self._marks.popleft()
            moment = at + (mark.position - start) / self.rate
            heard = self.heard + self._real(start, mark.position)
            self.crossings.append(Crossing(mark.tag, mark.position, moment, heard, now))
            passed = True
        return passed

    def _pass_fade(self) -> bool:
        if self._fade_end is None or self._read < self._fade_end:
            return False
        self._fade_end = None
        return True

    def _grant_room(self) -> bool:
        if not self._refused or self.room() < len(self._buffer) // 2:
            return False
        self._refused = False
        return True

    def _count_underrun(self, *, ran_dry: bool) -> None:
        if ran_dry and not self._dry and self.expecting:
            self.underruns += 1
        self._dry = ran_dry

    def _apply_gain(self, out: Samples) -> None:
        ramp = self._ramp
        if ramp is not self._followed:
            self._followed = ramp
            self._step = (ramp.goal - self._gain) / ramp.samples
        if self._gain == ramp.goal == 1.0 or not len(out):
            return
        if len(out) > len(self._gains):
            self._size_scratch(len(out))
        gains = self._gains[: len(out)]
        np.multiply(self._count[: len(out)], self._step, out=gains)
        gains += self._gain
        bound = np.minimum if self._step > 0 else np.maximum
        bound(gains, ramp.goal, out=gains)
        self._gain = float(gains[-1])
        gains *= out
        np.rint(gains, out=gains)
        out[:] = gains

    def _size_scratch(self, size: int) -> None:
        self._count = np.arange(1, size + 1, dtype=np.float32)
        self._gains = np.empty(size, np.float32)
