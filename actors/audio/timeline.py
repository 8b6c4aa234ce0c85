"""The conversation's one clock: zero is the microphone's first sample."""

import attrs
import trio

from pipeline.events import milliseconds


@attrs.define
class Timeline:
    """Knows when the microphone's first sample was taken, in `trio.current_time()` seconds."""

    origin: float | None = attrs.field(default=None, init=False)
    _begun: trio.Event = attrs.field(factory=trio.Event, init=False)

    def begin(self, at: float) -> float:
        """Sets the origin, unless a microphone before a restart has done so; gives it."""
        if self.origin is None:
            self.origin = at
            self._begun.set()
        return self.origin

    async def begun(self) -> float:
        """Waits for the first sample and gives its time."""
        await self._begun.wait()
        assert self.origin is not None  # noqa: S101 - begin() sets both
        return self.origin

    def ms(self, at: float) -> float:
        """Gives a time as milliseconds since the first sample."""
        return milliseconds(at - (self.origin if self.origin is not None else at))

    def position(self, at: float, rate: int) -> int:
        """Gives a time as a count of samples since the first."""
        return round((at - (self.origin if self.origin is not None else at)) * rate)
