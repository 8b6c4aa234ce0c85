"""The microphone: blocks of a sound device, as 16 kHz mono with the time they were spoken."""

from collections import deque
from types import TracebackType
from typing import Self

import attrs
import numpy as np
import trio
from numpy.typing import NDArray

from actors.audio.resample import SAMPLE_BYTES, Resampler
from actors.audio.stream import BLOCK_MS, DeviceStream, StreamInfo

SERVICE_RATE = 16000  # what the service takes; Live API, realtimeInput
KEEP_SECONDS = 2.0


@attrs.frozen
class Block:
    """Sound as it was picked up: s16le mono at 16 kHz, and the time of its first sample on Trio's clock."""

    pcm: bytes
    at: float


@attrs.define(eq=False)
class Microphone:
    """An input device, named or the computer's own choice; who opens it closes it, best by `async with`.

    It runs at 16 kHz where the device takes that, else at the device's own rate, or at `rate` where one is asked for.
    Blocks nobody takes are kept for `keep` seconds, then the oldest go, counted in `dropped_ms`. The callback only
    copies; the rate is changed by who takes the block.
    """

    device: str | int | None = None
    block_ms: float = BLOCK_MS
    rate: int | None = None
    keep: float = KEEP_SECONDS
    dropped_ms: float = attrs.field(default=0.0, init=False)
    _room: int = attrs.field(init=False)  # blocks
    _stream: DeviceStream = attrs.field(init=False)
    _resampler: Resampler = attrs.field(init=False)
    _raw: deque[tuple[NDArray[np.int16], float]] = attrs.field(factory=deque, init=False)

    @property
    def info(self) -> StreamInfo:
        """What was opened, at the device's own rate."""
        return self._stream.info

    @property
    def overflows(self) -> int:
        """How often the device itself lost sound."""
        return self._stream.flagged

    async def open(self) -> StreamInfo:
        """Opens the device and starts to listen, once for each object; tells what was opened.

        DeviceUnavailable where the device is not there, refuses or hangs for 5 s; PlanError where its name is
        ambiguous. Cancelled means: whatever opens later is closed.
        """
        self._room = max(2, round(1000 * self.keep / self.block_ms))
        rates = [self.rate or SERVICE_RATE]
        self._stream = DeviceStream("input", self.device, rates, self.block_ms, self._step)
        await self._stream.open()
        self._resampler = Resampler(self.info.rate, SERVICE_RATE, live=True)
        return self.info

    async def next(self) -> Block:
        """Waits for the next block, 20 ms long or, where the rate is changed, of about that; a checkpoint.

        DeviceUnavailable when the device is lost and everything it gave was taken. Cancelled means: not taken.
        """
        await trio.lowlevel.checkpoint()
        while True:
            while self._raw:
                block = self._convert(*self._raw.popleft())
                if block.pcm:
                    return block
            if self._stream.ended:
                raise self._stream.end()
            with trio.move_on_after(self._stream.patience) as patience:
                await self._stream.changed.park()
            if patience.cancelled_caught and not self._raw:
                raise self._stream.silence()

    async def close(self) -> None:
        """Closes the device; shielded, at most 5 s. Idempotent."""
        await self._stream.close()

    def _step(self, data: NDArray[np.int16], at: float) -> bool:
        """Runs in the device's thread, which uses its buffer again: hence the copy."""
        if len(self._raw) >= self._room:
            self._raw.popleft()
            self.dropped_ms += self.block_ms
        self._raw.append((data.copy(), at))
        return True

    def _convert(self, data: NDArray[np.int16], at: float) -> Block:
        mono = data[:, 0] if data.shape[1] == 1 else data.mean(axis=1).astype(np.int16)
        end = at + len(mono) / self.info.rate
        pcm = self._resampler.push(mono.astype("<i2").tobytes())
        return Block(pcm, end - self._resampler.held_back - len(pcm) / SAMPLE_BYTES / SERVICE_RATE)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()  # noqa: ASYNC102 - close is shielded and bounded by itself
