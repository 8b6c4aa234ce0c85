"""The speaker: a play ring with a sound device at its far end."""

from types import TracebackType
from typing import Self

import attrs
import numpy as np
import trio
from numpy.typing import NDArray

from actors.audio.resample import Resampler
from actors.audio.ring import FADE_MS, PlayRing
from actors.audio.stream import BLOCK_MS, DeviceStream, StreamInfo
from pipeline.errors import DeviceUnavailable

SERVICE_RATE = 24000  # what the service speaks; Live API, modelTurn
RING_SECONDS = 0.4


@attrs.define(eq=False)
class Speaker:
    """An output device, named or the computer's own choice; who opens it closes it, best by `async with`.

    It runs at 24 kHz where the device takes that, else at the device's own rate, or at `rate` where one is asked for;
    `ring` is there once it is open, runs at that rate and holds `seconds`: marks, crossings, gains, `heard` and
    `expecting` are the ring's. Sound goes in through `write`, which changes the rate where it must.
    """

    device: str | int | None = None
    block_ms: float = BLOCK_MS
    rate: int | None = None
    seconds: float = RING_SECONDS

    ring: PlayRing = attrs.field(init=False)
    _stream: DeviceStream = attrs.field(init=False)
    _resampler: Resampler = attrs.field(init=False)
    _ready: bool = attrs.field(default=False, init=False)
    _wanted: bool = attrs.field(default=False, init=False)
    _scratch: NDArray[np.int16] = attrs.field(factory=lambda: np.zeros(0, np.int16), init=False)

    @property
    def info(self) -> StreamInfo:
        """What was opened; `latency` is the floor of every interruption."""
        return self._stream.info

    @property
    def underflows(self) -> int:
        """How often the device itself got its sound too late."""
        return self._stream.flagged

    @property
    def heard(self) -> float:
        """Seconds of real sound handed to the device."""
        return self.ring.heard / self.ring.rate

    async def open(self) -> StreamInfo:
        """Opens the device and starts it, silent, once for each object; tells what was opened.

        DeviceUnavailable where the device is not there, refuses or hangs for 5 s; PlanError where its name is
        ambiguous. Cancelled means: whatever opens later is closed.
        """
        rates = [self.rate or SERVICE_RATE]
        self._stream = DeviceStream("output", self.device, rates, self.block_ms, self._step)
        await self._stream.open()
        self._resampler = Resampler(SERVICE_RATE, self.info.rate, live=True)
        self.ring = PlayRing(self.info.rate, self.seconds, wake=self._want)
        self._ready = True
        return self.info

    async def write(self, pcm: bytes) -> None:
        """Puts s16le mono at 24 kHz into the ring, waiting for room; DeviceUnavailable when the device has ended.

        Cancelled means: what is in the ring stays there, the rest of `pcm` is gone.
        """
        await self._put(self._resampler.push(pcm))

    async def finish(self) -> None:
        """Puts in what the change of rate held back: call it at a reply's end. Waits and is cancelled like write."""
        await self._put(self._resampler.flush())

    def fade_out(self, ms: float = FADE_MS) -> int:
        """Ends the sound: PlayRing.fade_out, and what the change of rate held back is forgotten."""
        self._resampler.reset()
        return self.ring.fade_out(ms)

    async def changed(self) -> None:
        """Waits until the ring has woken its owner, or the device has ended. Look at the ring first, then wait."""
        await self._stream.changed.park()

    async def lost(self) -> DeviceUnavailable:
        """Waits until the device is gone, and gives the error to raise. Cancelling changes nothing."""
        return await self._stream.lost()

    async def close(self) -> None:
        """Silences and closes the device; shielded, at most 5 s. Idempotent."""
        await self._stream.close()

    async def _put(self, pcm: bytes) -> None:
        samples = np.frombuffer(pcm, "<i2")
        while len(samples := samples[self.ring.write(samples) :]):
            if self._stream.ended:
                raise self._stream.end()
            await self.changed()
            await trio.lowlevel.checkpoint_if_cancelled()  # an interruption makes room, and cancels

    def _step(self, data: NDArray[np.int16], at: float) -> bool:
        """Runs in the device's thread: only copies."""
        if not self._ready:
            data.fill(0)
            return False
        self._wanted = False
        if data.shape[1] == 1:
            self.ring.read_into(data[:, 0], at, at - self._stream.lag)
            return self._wanted
        if len(self._scratch) < len(data):
            self._scratch = np.zeros(len(data), np.int16)
        mono = self._scratch[: len(data)]
        self.ring.read_into(mono, at, at - self._stream.lag)
        data[:] = mono[:, np.newaxis]
        return self._wanted

    def _want(self) -> None:
        self._wanted = True

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()  # noqa: ASYNC102 - close is shielded and bounded by itself
