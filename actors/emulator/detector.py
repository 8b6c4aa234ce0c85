"""Finds speech in a stream of 16 kHz sound, as the service does when the client leaves that to it.

By energy alone, frame by frame: speech is what stands out from the noise floor and moves. The floor is the quietest
level of the last seconds, so it follows a fan or a street within that time; what is loud but flat (hiss, hum) is no
speech however loud. No clock and no chance: the same sound in any cutting gives the same result.
"""

import math
from collections import deque
from typing import Final, Self

import attrs
import numpy as np
from numpy.typing import NDArray

RATE: Final = 16_000
"""Samples a second the detector works at."""

FRAME = 320  # samples: 20 ms
_FRAME_BYTES = 2 * FRAME
_FRAME_MS = 20
_SILENT = -75.0  # dBFS: below this every room is taken to be equally quiet
_BUCKET = 15  # frames whose quietest makes one entry of the floor's memory
_BUCKETS = 8  # so the floor remembers 2.4 s: longer than a word, shorter than patience with a fan
_SPAN = 25  # frames over which sound must move to be speech: half a second
_MOVES = 6.0  # dB between the softest and loudest frame of that span for speech to begin
_MOVES_AT_FIRST = 12.0  # the same while the floor is a guess: rumble moves by 9
_FLAT = 4.0  # dB below which a full span is steady noise; white noise stays within 3
_GAPS = 2  # soft frames allowed among those that count as loud together
_SUSTAINED = 3  # loud frames together that keep speech going; noise rises above its floor for one or two
_MARGIN_MS = 300  # sound kept before the first and after the last loud frame, for soft consonants
_LONGEST_MS = 120_000  # then the turn ends whatever is heard
_BAND = np.arange(200 * FRAME // RATE, 4000 * FRAME // RATE)


@attrs.frozen
class Sensitivity:
    """How readily speech begins and ends. Levels in dB: `margin` and `hold` over the floor, `quiet` full scale."""

    margin: float
    hold: float
    quiet: float
    onset_ms: int
    silence_ms: int

    @classmethod
    def of(
        cls,
        *,
        eager_start: bool = True,
        eager_end: bool = True,
        prefix_ms: int | None = None,
        silence_ms: int | None = None,
    ) -> Self:
        """Gives the numbers behind the Live API's HIGH (eager) and LOW; those are not published, these are ours.

        A prefix padding shorter than a syllable would take every click for speech, so it only lengthens the onset.
        """
        return cls(
            margin=9.0 if eager_start else 15.0,
            hold=6.0 if eager_end else 5.0,
            quiet=-65.0 if eager_start else -55.0,
            onset_ms=max(prefix_ms or 0, 100 if eager_start else 200),
            silence_ms=(800 if eager_end else 1200) if silence_ms is None else silence_ms,
        )


@attrs.frozen
class Started:
    """Speech was recognised as such; it began `at` samples into the stream."""

    at: int


@attrs.frozen
class Ended:
    """Speech is over: its sound, 16 kHz s16le mono, with a little of what surrounds it; it ended `at` samples in."""

    pcm: bytes
    at: int


Event = Started | Ended


@attrs.define
class _Floor:
    """The quietest smoothed level of the last seconds, in dBFS. A stream begins in a quiet room, until it does not."""

    _memory: deque[float] = attrs.field(factory=lambda: deque([_SILENT] * _BUCKETS, maxlen=_BUCKETS))
    _recent: deque[float] = attrs.field(factory=lambda: deque(maxlen=5))
    _lowest: float = 0.0
    _frames: int = 0
    _guesses: int = _BUCKETS
    level: float = _SILENT

    @property
    def guessed(self) -> bool:
        return self._guesses > 0

    def hear(self, level: float) -> None:
        self._recent.append(level)
        self._lowest = min(self._lowest, sum(self._recent) / len(self._recent))
        self._frames += 1
        if self._frames == _BUCKET:
            self._memory.append(self._lowest)
            self._lowest, self._frames = 0.0, 0
            self._guesses = max(0, self._guesses - 1)
        self.level = max(_SILENT, min(self._lowest, *self._memory))


@attrs.define
class Detector:
    """Turns 16 kHz s16le mono, in pieces of any size, into Started and Ended, in turns.

    `speaking` tells whether a turn is open. Not thread-safe; costs about 10 us per 20 ms of sound.
    """

    sensitivity: Sensitivity = attrs.field(factory=Sensitivity.of)
    speaking: bool = attrs.field(default=False, init=False)
    _rest: bytes = attrs.field(default=b"", init=False)
    _held: bytearray = attrs.field(factory=bytearray, init=False)
    _at: int = attrs.field(default=0, init=False)
    _floor: _Floor = attrs.field(factory=_Floor, init=False)
    _levels: deque[float] = attrs.field(factory=lambda: deque(maxlen=_SPAN), init=False)
    _loud: deque[bool] = attrs.field(factory=deque, init=False)
    _quiet_for: int = attrs.field(default=0, init=False)

    @property
    def sound(self) -> bytes:
        """The open turn's sound so far; b"" between turns."""
        return bytes(self._held) if self.speaking else b""

    def push(self, pcm: bytes) -> list[Event]:
        """Takes the next sound, whole samples, and tells what it brought."""
        sound = self._rest + pcm
        whole = len(sound) - len(sound) % _FRAME_BYTES
        self._rest = sound[whole:]
        events: list[Event] = []
        for start in range(0, whole, _FRAME_BYTES):
            frame = sound[start : start + _FRAME_BYTES]
            event = self._hear(frame, _level(frame))
            if event is not None:
                events.append(event)
        return events

    def end(self) -> list[Event]:
        """Takes the stream to have paused: an open turn is over, and what comes next is unrelated."""
        self._rest = b""
        events: list[Event] = [self._finish()] if self.speaking else []
        self._forget()
        return events

    def _hear(self, frame: bytes, level: float) -> Event | None:
        self._held += frame
        self._at += FRAME
        self._floor.hear(level)
        self._levels.append(level)
        return self._go_on(level) if self.speaking else self._wait(level)

    def _wait(self, level: float) -> Started | None:
        wanted = -(-self.sensitivity.onset_ms // _FRAME_MS)
        self._loud.append(level > max(self._floor.level + self.sensitivity.margin, self.sensitivity.quiet))
        while len(self._loud) > wanted + _GAPS:
            self._loud.popleft()
        spare = len(self._held) - _bytes(_MARGIN_MS) - _FRAME_BYTES * len(self._loud)
        if spare > 0:
            del self._held[:spare]
        moves = _MOVES_AT_FIRST if self._floor.guessed else _MOVES
        if sum(self._loud) < wanted or max(self._levels) - min(self._levels) < moves:
            return None
        self.speaking, self._quiet_for = True, 0
        self._loud.clear()
        return Started(self._at - len(self._held) // 2)

    def _go_on(self, level: float) -> Ended | None:
        flat = len(self._levels) == _SPAN and max(self._levels) - min(self._levels) < _FLAT
        threshold = max(self._floor.level + self.sensitivity.hold, self.sensitivity.quiet - _FLAT)
        self._loud.append(level > threshold)
        while len(self._loud) > _SUSTAINED + _GAPS:
            self._loud.popleft()
        loud = sum(self._loud) >= _SUSTAINED and not flat
        self._quiet_for = 0 if loud else self._quiet_for + _FRAME_MS
        if self._quiet_for < max(self.sensitivity.silence_ms, _FRAME_MS) and len(self._held) < _bytes(_LONGEST_MS):
            return None
        return self._finish()

    def _finish(self) -> Ended:
        spare = max(0, _bytes(self._quiet_for - _MARGIN_MS))
        ended = Ended(bytes(self._held[: len(self._held) - spare]), self._at - spare // 2)
        self._forget()
        return ended

    def _forget(self) -> None:
        self.speaking, self._quiet_for = False, 0
        self._held.clear()
        self._loud.clear()


def _bytes(ms: int) -> int:
    return ms * RATE // 1000 * 2


def _waves() -> NDArray[np.float32]:
    """Gives the cosines and sines of the band, windowed, scaled so that their squares sum up to the mean square.

    For the one frame that mostly comes at a time, a product with these is twice as quick as a Fourier transform.
    """
    window = np.hanning(FRAME)
    angles = 2 * np.pi * np.outer(np.arange(FRAME), _BAND) / FRAME
    to_root_mean_square = np.sqrt(2 / (FRAME * np.square(window).sum())) / 32768  # Parseval, one-sided
    waves = np.hstack([np.cos(angles), np.sin(angles)]) * (window * to_root_mean_square)[:, None]
    found: NDArray[np.float32] = waves.astype(np.float32)
    return found


_WAVES = _waves()


def _level(frame: bytes) -> float:
    """Gives a frame's level in dBFS, in the band of telephone speech: neither rumble nor hiss counts.

    One frame at a time and few calls: between two pieces of sound the caches have gone cold, and each call costs then.
    """
    parts = np.frombuffer(frame, "<i2").astype(np.float32).dot(_WAVES)
    return 10 * math.log10(parts.dot(parts) + 1e-12)
