"""The house at a moment, as numbers: what `pipeline.gauges` measures for those who ask."""

from collections.abc import Mapping
from typing import ClassVar

import attrs

from pipeline.bus import Event


@attrs.frozen
class Level:
    """How loud a block of sound is, in dB below full scale: its highest sample and its average power."""

    peak: float
    rms: float


@attrs.frozen
class EdgeGauge:
    """An edge at a moment: messages waiting, what they weigh of its capacity, and since it was opened, the drops.

    `age` is how many seconds the oldest message has waited, to the measurement before.
    """

    waiting: int
    held: float
    capacity: float
    unit: str
    age: float
    dropped: int
    dropped_ms: float


@attrs.frozen
class ActorGauge:
    """An actor under supervision at a moment."""

    state: str
    restarts: int


@attrs.frozen
class Gauges(Event):
    """The house at a moment, for those who ask for it (`Bus.subscribe`); a level is None where there is no sound.

    `longest_step_ms` is the longest time one task kept the loop since the measurement before; `underruns` counts how
    often a reply has run dry at the speaker since the conversation began.
    """

    name: ClassVar[str] = "gauges"
    passing: ClassVar[bool] = True
    microphone: Level | None
    speaker: Level | None
    edges: Mapping[str, EdgeGauge]
    actors: Mapping[str, ActorGauge]
    longest_step_ms: float
    underruns: int

    def fields(self) -> dict[str, object]:
        """Gives every field, as plain tables."""
        return attrs.asdict(self, filter=lambda field, _: field.name != "at")
