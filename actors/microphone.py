"""The microphone: 16 kHz blocks with the time they were spoken, from a device, a recording, or made up.

Capture begins before the connection does. What nobody takes is dropped oldest first, and counted by its edge.
"""

import math
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Annotated

import attrs
import numpy as np
import trio

from actors.audio.capture import Microphone
from actors.audio.recording import Recording as SoundFile
from actors.audio.recording import open_recording
from actors.audio.resample import Resampler
from actors.audio.timeline import Timeline
from pipeline.actor import Shared
from pipeline.channels import Outlet
from pipeline.errors import DeviceUnavailable, Fatal
from pipeline.events import Bus, Capturing, DeviceChanged, Notice, RecordingSent, Trouble, milliseconds
from pipeline.messages import INPUT_RATE, SAMPLE_BYTES, Captured
from pipeline.settings import Within

BLOCK = 320  # samples, 20 ms: live-protocol 5.2 asks for 20 to 100 ms
REOPEN_PERIOD = 1.0  # seconds between two attempts to have a lost device back
FULL_SCALE = 32767


@attrs.define
class _Microphone:
    """What the variants share: one outlet, and a position that goes on across restarts."""

    captured: Outlet[Captured]
    timeline: Shared[Timeline]
    bus: Bus

    async def _pace(self, blocks: Iterator[bytes], what: str, rate: int) -> None:
        """Sends block after block in real time: each when its last sample would have been spoken."""
        now = trio.current_time()
        origin = self.timeline.begin(now)
        self.bus.publish(Capturing(what, rate, milliseconds(now - origin)))
        position = self.timeline.position(now, INPUT_RATE)
        for pcm in blocks:
            begins = origin + position / INPUT_RATE
            samples = len(pcm) // SAMPLE_BYTES
            await trio.sleep_until(begins + samples / INPUT_RATE)
            self.captured.send_nowait(Captured(pcm, begins, position, taken=trio.current_time()))
            position += samples


@attrs.define
class Device(_Microphone):
    """A sound device, by name or number; empty means the computer's own choice.

    A device that is lost is taken back as soon as it returns, and the conversation goes on meanwhile. Raises Fatal
    when there is no device to begin with.
    """

    device: str | int = ""
    block_ms: Annotated[float, Within(1, 200)] = 20.0
    _lost: bool = attrs.field(default=False, init=False)

    async def run(self) -> None:
        """Runs until cancelled; the device is closed within 5 s."""
        while True:
            try:
                await self._listen()
            except DeviceUnavailable as error:
                if self.timeline.origin is None:
                    raise Fatal(str(error)) from None
                if not self._lost:
                    self.bus.publish(DeviceChanged("microphone", "lost", str(self.device) or "the default"))
                    self.bus.publish(Trouble(str(error), "microphone", "waiting for it to come back"))
                self._lost = True
            await trio.sleep(REOPEN_PERIOD)

    async def _listen(self) -> None:
        async with Microphone(self.device if self.device != "" else None, self.block_ms) as microphone:
            info = microphone.info
            block = await microphone.next()
            change, self._lost = "back" if self._lost else "opened", False
            self.bus.publish(DeviceChanged("microphone", change, info.device, milliseconds(info.latency)))
            origin = self.timeline.begin(block.at)
            self.bus.publish(Capturing(info.device, info.rate, milliseconds(trio.current_time() - origin)))
            position = max(0, self.timeline.position(block.at, INPUT_RATE))
            while True:
                now = trio.current_time()
                self.captured.send_nowait(Captured(block.pcm, block.at, position, acoustic=True, taken=now))
                position += len(block.pcm) // SAMPLE_BYTES
                block = await microphone.next()


@attrs.define
class Recording(_Microphone):
    """A sound file in place of a device, in real time; silence follows it, as a microphone would give.

    Any rate, width and channel count that soundfile reads. Raises BadRecording when the file cannot be used; one that
    turns out to be damaged is told of where it ends.
    """

    path: Path = attrs.field(kw_only=True)

    async def run(self) -> None:
        """Runs until cancelled."""
        with open_recording(self.path) as recording:
            told = recording.warning
            if told:
                self.bus.publish(Notice(told))
            resampler = Resampler(recording.rate, INPUT_RATE)
            native = recording.blocks(max(1, recording.rate // 50))
            skipped = self._skip(recording.rate, native)
            sound = _reblocked(chain((resampler.push(pcm) for pcm in skipped), map(_flushed, [resampler])))
            await self._pace(chain(sound, self._afterwards(recording, told)), self.path.name, recording.rate)

    def _skip(self, rate: int, native: Iterator[bytes]) -> Iterator[bytes]:
        """After a restart the recording goes on where the clock is, as a live microphone would."""
        origin = self.timeline.origin
        gone = 0 if origin is None else round((trio.current_time() - origin) * rate) * SAMPLE_BYTES
        for pcm in native:
            if gone < len(pcm):
                yield pcm[gone:]
            gone = max(0, gone - len(pcm))

    def _afterwards(self, recording: SoundFile, told: str) -> Iterator[bytes]:
        if recording.warning != told:
            self.bus.publish(Notice(recording.warning))
        self.bus.publish(RecordingSent(round(recording.given, 3)))
        yield from repeat(bytes(BLOCK * SAMPLE_BYTES))


@attrs.define
class Silence(_Microphone):
    """Nobody speaks."""

    async def run(self) -> None:
        """Runs until cancelled."""
        await self._pace(repeat(bytes(BLOCK * SAMPLE_BYTES)), "silence", INPUT_RATE)


@attrs.define
class Tone(_Microphone):
    """A steady sine, for measuring: `frequency` in Hz, `level` in dB below full scale."""

    frequency: Annotated[float, Within(0, INPUT_RATE / 2)] = 440.0
    level: Annotated[float, Within(-200, 0)] = -20.0

    async def run(self) -> None:
        """Runs until cancelled."""
        await self._pace(self._blocks(), f"a tone of {self.frequency:g} Hz", INPUT_RATE)

    def _blocks(self) -> Iterator[bytes]:
        peak = FULL_SCALE * 10 ** (self.level / 20)
        position = 0
        while True:
            angle = 2 * math.pi * self.frequency * (position + np.arange(BLOCK)) / INPUT_RATE
            yield np.rint(peak * np.sin(angle)).astype("<i2").tobytes()
            position += BLOCK


def _flushed(resampler: Resampler) -> bytes:
    return resampler.flush()


def _reblocked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Cuts audio into blocks of 20 ms; the last one is shorter."""
    size = BLOCK * SAMPLE_BYTES
    held = b""
    for piece in pieces:
        held += piece
        while len(held) >= size:
            yield held[:size]
            held = held[size:]
    if held:
        yield held
