"""The conversation's one clock: zero is the microphone's first sample. And the recordings that lie on it."""

from pathlib import Path

import attrs
import trio

from actors.audio.recording import WavWriter
from pipeline.errors import DeviceUnavailable
from pipeline.events import Bus, Trouble, milliseconds

PATIENCE = 10.0  # seconds for the first sample: longer than a device may take to open and to begin


@attrs.define
class Timeline:
    """Knows when the microphone's first sample was taken, in `trio.current_time()` seconds.

    Recordings are kept here, so that an actor that is started again goes on with its own. `close` ends them.
    """

    bus: Bus
    origin: float | None = attrs.field(default=None, init=False)
    _begun: trio.Event = attrs.field(factory=trio.Event, init=False)
    _recordings: dict[Path, WavWriter] = attrs.field(factory=dict, init=False)

    def begin(self, at: float) -> float:
        """Sets the origin, unless a microphone before a restart has done so; gives it."""
        if self.origin is None:
            self.origin = at
            self._begun.set()
        return self.origin

    async def begun(self) -> float:
        """Waits for the first sample and gives its time; a microphone that gives none for 10 s sets no zero."""
        with trio.move_on_after(PATIENCE):
            await self._begun.wait()
        return self.begin(trio.current_time())

    def recording(self, path: Path, rate: int) -> WavWriter:
        """Gives the recording of that name, begun now or before; BadRecording when it cannot be made."""
        if path not in self._recordings:
            self._recordings[path] = WavWriter(path, rate)
        return self._recordings[path]

    def close(self) -> None:
        """Ends the recordings; a disk that is full is told on the bus."""
        for writer in self._recordings.values():
            try:
                writer.close()
            except DeviceUnavailable as error:
                self.bus.publish(Trouble(str(error), "disk", "the recording ends early"))

    def ms(self, at: float) -> float:
        """Gives a time as milliseconds since the first sample."""
        return milliseconds(at - (self.origin if self.origin is not None else at))

    def position(self, at: float, rate: int) -> int:
        """Gives a time as a count of samples since the first."""
        return round((at - (self.origin if self.origin is not None else at)) * rate)
