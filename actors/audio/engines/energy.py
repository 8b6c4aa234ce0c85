"""The energy engine: whatever is clearly louder than the background is speech. Needs nothing but numpy."""

import math

import attrs
import numpy as np
from numpy.typing import NDArray

from actors.audio.engines import RATE, check_length

FULL_SCALE_DB = 20 * math.log10(32768)
SILENCE_DB = -90.0  # below the noise of any converter; digital silence has no level
LOWEST_FLOOR_DB = -60.0  # a quiet room's background through a headset; lower and any rustle is speech
SLOPE_DB = 2.0  # dB around the margin within which the answer is neither yes nor no
FALL = 0.25  # of the distance, a frame: the pauses between syllables bring the floor back down
RISE_DB = 5.0  # a second: a fan switched on is background after some seconds, a sentence never


@attrs.define
class Energy:
    """Compares the level of each 20 ms with a noise floor that falls quickly and rises slowly.

    `margin_db` above the floor is as likely speech as not.
    """

    margin_db: float = 9.0
    samples: int = attrs.field(default=RATE // 50, init=False)
    floor_db: float = attrs.field(default=LOWEST_FLOOR_DB, init=False)

    def probability(self, frame: bytes) -> float:
        """Tells how likely the next frame is speech; ValueError for a frame of another length."""
        check_length(frame, self.samples)
        level = level_of(np.frombuffer(frame, "<i2").astype(np.float32))
        answer = 1.0 / (1.0 + math.exp(-(level - self.floor_db - self.margin_db) / SLOPE_DB))
        if level < self.floor_db:
            self.floor_db += FALL * (level - self.floor_db)
        else:
            self.floor_db = min(level, self.floor_db + RISE_DB * self.samples / RATE)
        self.floor_db = max(LOWEST_FLOOR_DB, self.floor_db)
        return answer

    def reset(self) -> None:
        """Forgets the background."""
        self.floor_db = LOWEST_FLOOR_DB


def level_of(wave: NDArray[np.float32]) -> float:
    """Gives the level of samples on the scale of int16, in dB below full scale, SILENCE_DB at least."""
    power = float(wave @ wave) / len(wave)
    return max(SILENCE_DB, 10.0 * math.log10(power) - FULL_SCALE_DB) if power else SILENCE_DB
