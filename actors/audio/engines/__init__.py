"""Engines that tell how likely a frame of sound is speech, behind one face; each third-party one in its own module."""

from typing import Protocol

import attrs

from actors.audio.resample import SAMPLE_BYTES

RATE = 16000  # what every engine here listens at


class Engine(Protocol):
    """Hears one stream of s16le mono at 16 kHz, frame after frame; keeps state between frames, so one for each stream.

    Synchronous and quick (a few milliseconds at most); not safe to share between threads.
    """

    @property
    def samples(self) -> int:
        """The length of a frame."""

    def probability(self, frame: bytes) -> float:
        """Tells how likely the next frame is speech, 0 to 1; ValueError for a frame of another length."""

    def reset(self) -> None:
        """Forgets what was heard: the next frame begins an unrelated stream."""


@attrs.define
class Reframer:
    """Cuts a stream of pieces of any size into frames of `samples`, keeping what is left for the next."""

    samples: int
    _left: bytearray = attrs.field(factory=bytearray, init=False)

    def push(self, pcm: bytes) -> list[bytes]:
        """Takes a piece and gives the frames that it completes, in order."""
        self._left += pcm
        size = self.samples * SAMPLE_BYTES
        whole = len(self._left) - len(self._left) % size
        frames = [bytes(self._left[start : start + size]) for start in range(0, whole, size)]
        del self._left[:whole]
        return frames

    def reset(self) -> None:
        """Forgets the incomplete frame."""
        self._left.clear()


@attrs.define
class Ear:
    """Gives a probability for blocks of any length, from an engine that wants frames of its own."""

    engine: Engine
    _frames: Reframer = attrs.field(init=False)
    _last: float = attrs.field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self._frames = Reframer(self.engine.samples)

    def hear(self, pcm: bytes) -> float:
        """Gives the highest probability of the frames this block completes; the one before where it completes none."""
        self._last = max(map(self.engine.probability, self._frames.push(pcm)), default=self._last)
        return self._last

    def reset(self) -> None:
        """Forgets the stream, incomplete frame and all."""
        self.engine.reset()
        self._frames.reset()
        self._last = 0.0


def check_length(frame: bytes, samples: int) -> None:
    """Raises ValueError for a frame that is not `samples` long."""
    if len(frame) != samples * SAMPLE_BYTES:
        raise ValueError(f"this engine hears frames of {samples} samples, found {len(frame) / SAMPLE_BYTES:g}")
