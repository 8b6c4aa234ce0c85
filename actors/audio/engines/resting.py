"""Rest for a costly engine: while nothing stands out of a steady background, only loudness is looked at."""

from collections import deque

import attrs
import numpy as np

from actors.audio.engines import RATE, Engine, check_length
from actors.audio.engines.energy import SILENCE_DB, level_of

FOLLOW = 0.1  # of the distance, a frame, by which a background's picture moves to what is there
MARGIN_DB = 1.0  # and
MARGIN_SPREADS = 3.0  # as many of the background's own spreads: what is nearer to its mean is a part of it
WIDEST_DB = 6.0  # what counts for the spread at most: a word or a slammed door is soon forgotten
STEADY_DB = 0.5  # spread up to which a background is steady; hiss in frames of 32 ms has 0.2
DOUBT = 0.2  # probability from which on the engine is not sure that there is nothing
RESTS_AFTER = 0.5  # seconds without doubt in which nothing stands out
LOOKS_UP = 0.256  # seconds that it hears at least when it woke for nothing, and of the time before it woke


@attrs.define
class Background:
    """The level of what is always there, and how far it strays, in dB; both follow within a second."""

    mean: float = SILENCE_DB
    spread: float = 0.0

    def strays(self, level: float) -> bool:
        """Takes a frame's level, and tells whether it is none of the background's: then it may be a new one."""
        off = level - self.mean
        strays = abs(off) > MARGIN_DB + MARGIN_SPREADS * self.spread
        self.mean += off if strays else FOLLOW * off
        self.spread += FOLLOW * (min(abs(off), WIDEST_DB) - self.spread)
        return strays


@attrs.define
class Resting:
    """Hears as its engine does, which is not asked, and hears nothing, in a background that has been steady a while.

    Nearly all of a day is such: a room with a fan, a hall, a muted microphone. Watched are the level and that of the
    differences between samples, which is steady where rumble sways the other. What stands out of either, as speech does
    that is as loud as the background, wakes the engine and is heard in the same call; fainter speech may be missed.
    """

    engine: Engine
    _whole: Background = attrs.field(factory=Background, init=False)
    _steps: Background = attrs.field(factory=Background, init=False)
    _calm: int = attrs.field(default=0, init=False)  # frames
    _rests_after: int = attrs.field(init=False)
    _looks_up: int = attrs.field(init=False)
    _unheard: deque[bytes] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._rests_after = round(RESTS_AFTER * RATE / self.samples)
        self._looks_up = round(LOOKS_UP * RATE / self.samples)
        self._unheard = deque(maxlen=self._looks_up)

    @property
    def samples(self) -> int:
        """The length of a frame: the engine's."""
        return self.engine.samples

    def probability(self, frame: bytes) -> float:
        """Tells how likely the next frame is speech; ValueError for a frame of another length."""
        check_length(frame, self.samples)
        wave = np.frombuffer(frame, "<i2").astype(np.float32)
        strays = self._whole.strays(level_of(wave)) | self._steps.strays(level_of(wave[1:] - wave[:-1]))
        # A hum or an offset makes the level steady and hides what is in it: there the differences must tell.
        steady = min(self._whole.spread, self._steps.spread) <= STEADY_DB and self._steps.spread <= 2 * STEADY_DB
        if self._calm >= self._rests_after and steady and not strays:
            self._unheard.append(frame)
            return 0.0
        if self._unheard:
            self._wake()
        if strays:
            self._calm = max(0, min(self._calm, self._rests_after) - self._looks_up)
        heard = self.engine.probability(frame)
        self._calm = 0 if heard >= DOUBT else self._calm + 1
        return heard

    def reset(self) -> None:
        """Forgets what was heard, background and all."""
        self.engine.reset()
        self._unheard.clear()
        self._whole, self._steps, self._calm = Background(), Background(), 0

    def _wake(self) -> None:
        """The engine hears what was right before: words begin softly. After a longer rest it begins anew with that."""
        if len(self._unheard) == self._looks_up:
            self.engine.reset()
        for frame in self._unheard:
            self.engine.probability(frame)
        self._unheard.clear()
