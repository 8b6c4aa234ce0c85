"""Two voices on one clock: pieces of sound with their times become the two channels of one recording.

The user is on the left, the assistant on the right; sample 0 is the microphone's first. A piece that comes later than
the one before it ended leaves silence between them, and one that begins too early loses what overlaps. A device's
times jitter, because a busy machine calls back late, so a small deviation counts only once it has lasted.
"""

from collections import deque

import attrs
import numpy as np

from actors.audio.resample import SAMPLE_BYTES, Resampler

RATE = 24_000
GAP = 0.25  # seconds beside the end of the last piece that are no jitter
SLACK = 0.03  # seconds that are none either, where every one of the last pieces lay so far beside
LASTING = 25  # pieces
APART = 2.0  # seconds after which a side that brings nothing is taken for silent


@attrs.define
class Track:
    """One voice: takes pieces of any rate in order, gives 24 kHz s16le mono without a gap."""

    ready: bytearray = attrs.field(factory=bytearray, init=False)
    given: float = attrs.field(default=0.0, init=False)  # seconds that came in, silence included
    _waiting: bytearray = attrs.field(factory=bytearray, init=False)  # given, and not yet at the rate of the recording
    _beside: deque[float] = attrs.field(factory=lambda: deque(maxlen=LASTING), init=False)
    _rate: int = attrs.field(default=RATE, init=False)
    _resampler: Resampler = attrs.field(factory=lambda: Resampler(RATE, RATE), init=False)

    def place(self, at: float, pcm: bytes, rate: int) -> None:
        """Puts a piece at `at` seconds after the recording's beginning."""
        if rate != self._rate:
            self.convert()
            self.ready += self._resampler.flush()
            self._rate, self._resampler = rate, Resampler(rate, RATE)
        late = self._deviation(at - self.given)
        if late > 0:
            self._push(bytes(round(late * rate) * SAMPLE_BYTES))
        self._push(pcm[round(max(0.0, -late) * rate) * SAMPLE_BYTES :])

    def _deviation(self, late: float) -> float:
        """Gives by how much the next piece is to be moved: nothing for jitter, the least of what has lasted."""
        self._beside.append(late)
        least, most = min(self._beside), max(self._beside)
        if abs(late) <= GAP:
            lasted = len(self._beside) == LASTING
            late = least if lasted and least > SLACK else most if lasted and most < -SLACK else 0.0
        if late:
            self._beside.clear()
        return late

    def silence_until(self, at: float) -> None:
        """Fills up with silence."""
        missing = round((at - self.given) * self._rate)
        if missing > 0:
            self._push(bytes(missing * SAMPLE_BYTES))

    def finish(self) -> None:
        """Gives what the change of rate holds back."""
        self.convert()
        self.ready += self._resampler.flush()

    def _push(self, pcm: bytes) -> None:
        self.given += len(pcm) / (SAMPLE_BYTES * self._rate)
        self._waiting += pcm

    def convert(self) -> None:
        """Brings what was given to the rate of the recording: many pieces at once cost a fraction of each by itself."""
        if self._waiting:
            self.ready += self._resampler.push(bytes(self._waiting))
            self._waiting.clear()


@attrs.define
class Tracks:
    """Both voices; `take` gives what is complete of them."""

    user: Track = attrs.field(factory=Track)
    assistant: Track = attrs.field(factory=Track)

    def take(self) -> bytes:
        """Gives the stereo frames, s16le, for which both sides are known; a side far behind counts as silent."""
        for track, other in ((self.user, self.assistant), (self.assistant, self.user)):
            if other.given - track.given > APART:
                track.silence_until(other.given - APART / 2)
            track.convert()
        return self._interleaved(min(len(self.user.ready), len(self.assistant.ready)))

    def rest(self) -> bytes:
        """Gives all that is left at the end, the shorter side made up with silence."""
        longest = max(self.user.given, self.assistant.given)
        for track in (self.user, self.assistant):
            track.silence_until(longest)
            track.finish()
        return self._interleaved(max(len(self.user.ready), len(self.assistant.ready)))

    def _interleaved(self, length: int) -> bytes:
        frames = np.zeros((length // SAMPLE_BYTES, 2), "<i2")
        for side, track in enumerate((self.user, self.assistant)):
            samples = np.frombuffer(bytes(track.ready[:length]), "<i2")
            frames[: len(samples), side] = samples
            del track.ready[:length]
        return frames.tobytes()
