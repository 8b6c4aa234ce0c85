"""The reply under way: what the session has to know of it until it is over, and its sound at one rate."""

import attrs

from actors.audio.resample import Resampler
from pipeline.messages import OUTPUT_RATE, Interrupted

STALE_FOR = 1.0  # seconds after `interrupted` in which content still belongs to the interrupted turn
QUIET = 3.0  # seconds without a word or sound after which a reply without an end is taken to have ended


@attrs.define
class UnderWay:
    """A reply that has begun and is not over.

    `generated`: all of it has come. `sounded`: some of it was sound. `settled`: the words that it answers need not be
    said again. `interrupted_at`: when the user spoke over it. `last`: when the last of it came. `outlived`: nothing
    more of it is to come but its end, which a service may forget, and the user has begun anew.
    """

    generated: bool = False
    sounded: bool = False
    settled: bool = False
    interrupted_at: float | None = None
    last: float = 0.0
    outlived: bool = False

    def outlive(self, at: float) -> None:
        """The user begins to say something at this time."""
        self.outlived = self.generated or at - self.last > QUIET

    @property
    def past(self) -> bool:
        """Whether what the user says now, and what answers that, belongs to the next reply."""
        return self.outlived or self.interrupted_at is not None

    def stale(self, now: float) -> bool:
        """Whether what comes now still belongs to what the user interrupted."""
        return self.interrupted_at is not None and now - self.interrupted_at <= STALE_FOR


@attrs.define
class Left:
    """Whether a whole reply of a link that is gone may sound on; the next link's service does not know of it.

    So nobody but us can tell that the user has spoken over it, and over what waits behind it. Where all of that was
    heard out already, nothing comes of it.
    """

    _sounds: bool = attrs.field(default=False, init=False)
    _spoken_over: bool = attrs.field(default=False, init=False)

    def leave(self) -> None:
        """A reply was whole when its link was lost."""
        self._sounds, self._spoken_over = True, False

    def speak(self) -> None:
        """The user has said something; whether the service takes it for words, its answer will tell."""
        self._spoken_over = True

    def cut(self, turn: int, now: float, *, heard: bool = False) -> list[Interrupted]:
        """The service has `heard` words, or an answer begins: gives the interruption of all up to this turn, once."""
        if not (self._sounds and (heard or self._spoken_over)):
            return []
        self._sounds = False
        return [Interrupted(turn, now)]


@attrs.define
class AtOutputRate:
    """Gives the service's sound at 24 kHz: as it is, which is the rule, or converted while it streams."""

    _resampler: Resampler | None = attrs.field(default=None, init=False)
    _rate: int = attrs.field(default=OUTPUT_RATE, init=False)

    def __call__(self, pcm: bytes, rate: int) -> bytes:
        """Takes s16le mono at `rate` and gives it at 24 kHz; a new rate begins a new stream."""
        if rate == OUTPUT_RATE:
            return pcm
        if self._resampler is None or rate != self._rate:
            self._resampler, self._rate = Resampler(rate, OUTPUT_RATE, live=True), rate
        return self._resampler.push(pcm)
