"""The WebRTC engine: a small statistical detector; the only module that knows webrtcvad.

Measured: 3 us a frame. It takes some tenths of a second to learn a new background noise, which counts as speech
until then, and it has no opinion between yes and no.
"""

from typing import Any, Literal

import attrs

from actors.audio.engines import RATE, check_length
from pipeline.errors import PlanError


@attrs.define
class Webrtc:
    """Hears speech by WebRTC's detector; 0 takes much for speech, 3 little. PlanError where it is missing."""

    aggressiveness: Literal[0, 1, 2, 3] = 2
    frame_ms: Literal[10, 20, 30] = 20
    _detector: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        if self.aggressiveness not in (0, 1, 2, 3) or self.frame_ms not in (10, 20, 30):
            raise PlanError(
                f"the WebRTC speech detector has aggressiveness 0 to 3 and frames of 10, 20 or 30 ms, "
                f"found {self.aggressiveness} and {self.frame_ms}"
            )
        self.reset()

    @property
    def samples(self) -> int:
        """The length of a frame."""
        return RATE * self.frame_ms // 1000

    def probability(self, frame: bytes) -> float:
        """Gives 1 for speech, 0 for none; ValueError for a frame of another length."""
        check_length(frame, self.samples)
        return float(self._detector.is_speech(frame, RATE))

    def reset(self) -> None:
        """Forgets what was heard; the library can only be made anew."""
        try:
            import webrtcvad  # noqa: PLC0415 - a wheel without a build for every platform
        except (ImportError, OSError) as error:
            raise PlanError(
                f"cannot load the WebRTC speech detector ({error}); install it with `pip install webrtcvad-wheels`, "
                f"or choose the Silero or energy engine for actors.vad"
            ) from error
        self._detector = webrtcvad.Vad(self.aggressiveness)
