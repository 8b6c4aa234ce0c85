"""Opening, watching and closing a device's stream.

PortAudio blocks, and for good when a device dies at the wrong moment. So every call that can is made in a thread which
is abandoned after a deadline.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import attrs
import numpy as np
import trio
from numpy.typing import NDArray

from actors.audio.device import DeviceInfo, Kind, find, portaudio
from pipeline.errors import DeviceUnavailable

T = TypeVar("T")
Step = Callable[[NDArray[np.int16], float], bool]  # frames x channels, when the first of them sounds; whether to wake
BLOCK_MS = 20.0
OPEN_DEADLINE = CLOSE_DEADLINE = 5.0  # seconds
SILENCE_LIMIT = 1.0  # seconds without a block after which a device counts as lost
FIRST_LIMIT = 3.0  # the same before the first block: wireless headsets and sleeping mixers take their time
LOOK_PERIOD = 0.5  # seconds between two looks at the count of blocks
GATE_DEADLINE = 2.0  # seconds to wait for another thread's open or close
SANE_LAG = 2.0  # seconds; some hosts give stream times of another clock, or zeros

_gate = threading.Lock()  # PortAudio's list of streams has none of its own
_unclosed: list[object] = []  # freeing a stream that would not close would crash a late callback


@attrs.frozen
class StreamInfo:
    """What was opened: the device's name, its rate, channels, frames a block, and its latency in seconds."""

    device: str
    rate: int
    channels: int
    block: int
    latency: float


@attrs.define(eq=False)
class DeviceStream:
    """One stream of one device; who awaits `open` awaits `close`. The counters may be read at any time.

    Opens at the first of `rates` that the device takes, else at the device's own. `step` is called in the device's
    thread with each block (int16, frames x channels; to be read or filled) and the moment, on Trio's clock, its first
    frame was or will be heard.

    `changed` wakes those parked in it after a block whose step gave True, and when the stream has ended. As the
    event loop alone wakes and parks, looking first and parking then loses nothing.
    """

    kind: Kind
    device: str | int | None
    rates: Sequence[int]
    block_ms: float
    step: Step
    info: StreamInfo = attrs.field(init=False)
    blocks: int = attrs.field(default=0, init=False)
    lag: float = attrs.field(default=0.0, init=False)  # seconds from the present block's callback to its first frame
    flagged: int = attrs.field(default=0, init=False)  # blocks that the device called over- or underflown
    changed: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)
    _token: trio.lowlevel.TrioToken = attrs.field(factory=trio.lowlevel.current_trio_token, init=False)
    _shift: float = attrs.field(factory=lambda: trio.current_time() - time.perf_counter(), init=False)
    _ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    _handover: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _stream: Any = attrs.field(default=None, init=False)
    _closing: bool = attrs.field(default=False, init=False)

    async def open(self) -> None:
        """Opens the device and starts it, once for each object.

        DeviceUnavailable where the device is not there, refuses or hangs for 5 s; PlanError where its name is
        ambiguous. Cancelled means: whatever opens later is closed.
        """
        running = False
        try:
            await in_thread(f"opening the {self.kind} device", self._open, OPEN_DEADLINE)
            running = True
        finally:
            if not running:
                self._abandon()

    async def lost(self) -> DeviceUnavailable:
        """Waits until the device is gone, and gives the error to raise.

        Gone means: the device ended the stream, or no block passed for `patience`. Nothing else tells: PortAudio raises
        no error and sets no flag. Cancelling changes nothing.
        """
        seen, since = self.blocks, trio.current_time()
        while not self._ended.is_set():
            with trio.move_on_after(LOOK_PERIOD):
                await self._ended.wait()
            if self.blocks != seen:
                seen, since = self.blocks, trio.current_time()
            elif trio.current_time() - since > self.patience:
                return self.silence()
        return self.end()

    async def close(self) -> None:
        """Ends the sound at once and closes the stream; shielded, and given up after 5 s. Idempotent."""
        if not self._closing:
            self._closing = True
            with trio.CancelScope(shield=True), contextlib.suppress(DeviceUnavailable):
                await in_thread(f"closing the {self.kind} device", self._release, CLOSE_DEADLINE)

    @property
    def ended(self) -> bool:
        """Whether the device has ended the stream by itself."""
        return self._ended.is_set()

    @property
    def patience(self) -> float:
        """Seconds without a block after which the device counts as lost."""
        return SILENCE_LIMIT if self.blocks else FIRST_LIMIT

    def silence(self) -> DeviceUnavailable:
        """Makes the error for a device that gives or takes nothing any more."""
        return self._loss(f"no sound passed for {self.patience:g} s")

    def end(self) -> DeviceUnavailable:
        """Makes the error for a stream that has ended."""
        return self._loss("its stream has ended")

    def _loss(self, found: str) -> DeviceUnavailable:
        return DeviceUnavailable(
            f"lost the {self.kind} device {self.info.device!r}: {found}; check that it is plugged in and switched on"
        )

    def _open(self) -> None:
        """Opens and starts, in a thread; closes again when nobody waits for it any more."""
        found = find(self.device, self.kind)
        refused: list[Exception] = []
        with _in_turn():
            opened = next(self._attempts(found, refused), None)
        if opened is not None:
            try:
                opened.start()
            except portaudio().PortAudioError as error:
                opened.close()
                opened = None
                refused.append(error)
        if opened is None:
            raise DeviceUnavailable(
                f"cannot open the {self.kind} device {found.name!r}: {refused[0]}; "
                f"check that it is plugged in, switched on and not kept by another program"
            ) from refused[0]
        with self._handover:
            self._stream = opened
            abandoned = self._closing
        if abandoned:
            self._release()

    def _attempts(self, found: DeviceInfo, refused: list[Exception]) -> Iterator[Any]:
        """Tries our rates and then the device's own, with one channel and with two."""
        sounddevice = portaudio()
        make = sounddevice.InputStream if self.kind == "input" else sounddevice.OutputStream
        for rate in dict.fromkeys((*self.rates, found.rate)):
            for channels in (1, 2)[: found.channels(self.kind)]:
                block = max(1, round(rate * self.block_ms / 1000))
                try:
                    stream = make(
                        samplerate=rate, blocksize=block, device=found.number, channels=channels, dtype="int16",
                        latency="low", callback=self._on_block, finished_callback=self._on_finished,
                    )  # fmt: skip
                except sounddevice.PortAudioError as error:
                    refused.append(error)
                    continue
                self.info = StreamInfo(found.name, rate, channels, block, float(stream.latency))
                yield stream

    def _on_block(self, data: NDArray[np.int16], frames: int, clock: Any, flags: object) -> None:  # noqa: ANN401
        """Runs in the device's thread: no logging, no waiting, no errors."""
        now = time.perf_counter() + self._shift
        self.blocks += 1
        if flags:
            self.flagged += 1
        if self.kind == "input":
            lag = clock.inputBufferAdcTime - clock.currentTime
            lag = lag if -SANE_LAG < lag < 0 else -self.info.latency
            lag = min(lag, -frames / self.info.rate)  # its last frame lies in the past, whatever the host says
        else:
            lag = clock.outputBufferDacTime - clock.currentTime
            lag = lag if 0 < lag < SANE_LAG else self.info.latency
        self.lag = lag
        if self.step(data, now + lag):
            self._call_soon(self.changed.unpark_all)

    def _on_finished(self) -> None:
        self._call_soon(self._end)

    def _end(self) -> None:
        self._ended.set()
        self.changed.unpark_all()

    def _call_soon(self, work: Callable[[], object]) -> None:
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(work, idempotent=True)

    def _abandon(self) -> None:
        """Sees to it that a stream nobody waits for is closed, whether its opening ends before or after this."""
        with self._handover:
            self._closing = True
            opened = self._stream is not None
        if opened:
            trio.lowlevel.start_thread_soon(self._release, lambda _outcome: None)

    def _release(self) -> None:
        if self._stream is None:
            return
        _unclosed.append(self._stream)
        self._stream.abort()
        with _in_turn():
            self._stream.close()
        _unclosed.remove(self._stream)


async def in_thread(what: str, work: Callable[[], T], deadline: float) -> T:
    """Runs what may block for good; after `deadline` seconds the thread is left to itself: DeviceUnavailable."""
    with trio.move_on_after(deadline):
        # A limiter of its own: threads that hang must not use up those of the others.
        return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=trio.CapacityLimiter(1))
    raise DeviceUnavailable(f"{what} took longer than {deadline:g} s: it hangs; unplug it and plug it in again")


@contextlib.contextmanager
def _in_turn() -> Iterator[None]:
    """Keeps two threads from opening and closing at once, but not for good: a hung one keeps its turn."""
    mine = _gate.acquire(timeout=GATE_DEADLINE)
    try:
        yield
    finally:
        if mine:
            _gate.release()
