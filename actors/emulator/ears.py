"""What comes in as realtime sound becomes the user's turns, by detection or by the client's own marks. Sans-io."""

import re
from functools import lru_cache

import attrs

from actors.audio.resample import Resampler
from actors.emulator.detector import RATE, Detector, Ended, Sensitivity, Started
from actors.emulator.protojson import Breach
from actors.emulator.requests import Blob

_MIME = re.compile(r"audio/(?:pcm|l16)\s*(?:;.*)?", re.IGNORECASE)
_RATE = re.compile(r";\s*rate\s*=\s*(\d+)\s*(?:;|$)", re.IGNORECASE)
_SLOWEST, _FASTEST = 8_000, 192_000
_LONGEST = 2 * RATE * 120  # bytes of one manually marked turn; the oldest sound is dropped beyond


@lru_cache(maxsize=64)
def _rate(mime_type: str) -> int:
    if not _MIME.fullmatch(mime_type):
        raise Breach(f"Request contains an invalid argument: mime type {mime_type[:40]!r} is not audio/pcm.")
    found = _RATE.search(mime_type)
    rate = int(found[1][:9]) if found else RATE
    if not _SLOWEST <= rate <= _FASTEST:
        raise Breach(f"Request contains an invalid argument: rate {rate} is not from {_SLOWEST} to {_FASTEST}.")
    return rate


@attrs.frozen
class Sound:
    """PCM, s16le mono, at the rate the client sent it."""

    pcm: bytes
    rate: int

    @classmethod
    def of(cls, blob: Blob) -> "Sound":
        """Reads a blob; Breach (1007) if it is no 16-bit PCM of a sensible rate."""
        rate = _rate(blob.mime_type)
        if len(blob.data) % 2:
            raise Breach(f"Request contains an invalid argument: {len(blob.data)} bytes are no whole 16-bit samples.")
        return cls(blob.data, rate)


@attrs.define
class Ears:
    """One connection's hearing. `sensitivity` None means that the client marks where speech begins and ends.

    `active` tells whether the user is taken to be speaking. `seconds` counts all sound that came in.
    """

    sensitivity: Sensitivity | None
    seconds: float = attrs.field(default=0.0, init=False)
    active: bool = attrs.field(default=False, init=False)
    _detector: Detector | None = attrs.field(init=False)
    _resampler: Resampler | None = attrs.field(default=None, init=False)
    _marked: bytearray = attrs.field(factory=bytearray, init=False)

    def __attrs_post_init__(self) -> None:
        self._detector = None if self.sensitivity is None else Detector(self.sensitivity)

    def hear(self, sound: Sound) -> list[Started | Ended]:
        """Takes sound; gives where the user's speech began and ended."""
        self.seconds += len(sound.pcm) / 2 / sound.rate
        pcm = self._at_own_rate(sound)
        if self._detector is not None:
            events = self._detector.push(pcm)
            self.active = self._detector.speaking
            return events
        if self.active:
            self._marked += pcm
            del self._marked[: max(0, len(self._marked) - _LONGEST)]
        return []

    @property
    def so_far(self) -> bytes:
        """The sound of the open utterance, 16 kHz s16le mono; b"" if there is none."""
        if self._detector is not None:
            return self._detector.sound
        return bytes(self._marked) if self.active else b""

    def pause(self) -> list[Started | Ended]:
        """The sound pauses (audioStreamEnd): open speech is over. Breach where the client marks activity."""
        if self._detector is None:
            raise Breach("audio_stream_end is not supported when automatic activity detection is disabled.")
        self._resampler = None
        events = self._detector.end()
        self.active = False
        return events

    def mark_start(self) -> None:
        """The client says that speech begins (activityStart); Breach unless it marks activity."""
        self._demand_marks()
        self.active = True

    def mark_end(self) -> Ended | None:
        """The client says that speech ends (activityEnd); None if it had not begun. Breach unless it marks activity."""
        self._demand_marks()
        if not self.active:
            return None
        self.active = False
        tail = self._resampler.flush() if self._resampler else b""
        pcm = bytes(self._marked) + tail
        self._marked.clear()
        self._resampler = None
        return Ended(pcm, int(self.seconds * RATE))

    def _demand_marks(self) -> None:
        if self._detector is not None:
            raise Breach("Explicit activity control is not supported when automatic activity detection is enabled.")

    def _at_own_rate(self, sound: Sound) -> bytes:
        if sound.rate == RATE:
            self._resampler = None
            return sound.pcm
        if self._resampler is None or self._resampler.source_rate != sound.rate:
            self._resampler = Resampler(sound.rate, RATE, live=True)
        return self._resampler.push(sound.pcm)
