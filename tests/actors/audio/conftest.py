import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray

from actors.audio import device, stream

MakeVowel = Callable[..., bytes]


def _vowel(seconds: float, rate: int = 16000, pitch: float = 120.0, peak: float = 0.3) -> bytes:
    """Makes something a speech detector takes for a voice: a gliding harmonic tone shaped by moving formants,
    in syllables of 200 ms."""
    time = np.arange(round(seconds * rate)) / rate
    glide = pitch * (1 + 0.12 * np.sin(2 * np.pi * 1.7 * time))
    phase = 2 * np.pi * np.cumsum(glide) / rate
    formants = ((650 + 250 * np.sin(2 * np.pi * 2.3 * time), 90), (1500 + 500 * np.sin(2 * np.pi * 1.1 * time), 130),
                (2500 + 100 * np.sin(2 * np.pi * 3 * time), 180))  # fmt: skip
    wave = np.zeros_like(time)
    for harmonic in range(1, 30):
        frequency = harmonic * glide
        weight = sum(1 / (1 + ((frequency - centre) / width) ** 2) for centre, width in formants)
        wave += np.where(frequency < rate / 2, weight, 0) / harmonic**0.5 * np.sin(harmonic * phase)
    wave *= 0.15 + np.clip(1.4 * np.sin(np.pi * time / 0.2) ** 2, 0, 1)
    return (wave / np.abs(wave).max() * peak * 32767).astype("<i2").tobytes()


def _noise(seconds: float, rate: int = 16000, level: float = 0.003, seed: int = 1) -> bytes:
    wave = np.random.default_rng(seed).normal(0, level, round(seconds * rate))
    return (wave * 32767).astype("<i2").tobytes()


@pytest.fixture
def vowel() -> MakeVowel:
    return _vowel


@pytest.fixture
def noise() -> MakeVowel:
    return _noise


class PortAudioError(Exception):
    """What the library raises."""


@attrs.define(eq=False)
class FakeStream:
    """A stream of the fake library; the test plays the device's thread."""

    card: "SoundCard"
    kind: str
    settings: dict[str, Any]
    latency: float = 0.04
    state: str = "open"

    def start(self) -> None:
        if self.card.start_refusal:
            raise PortAudioError(self.card.start_refusal)
        self.state = "running"

    def abort(self) -> None:
        if self.card.hang_close is not None:
            self.card.hang_close.wait(20)
        self.state = "aborted"

    def close(self) -> None:
        self.state = "closed"
        self.card.closed.set()

    def block(self, data: NDArray[np.int16], lag: float = 0.0, *, flags: bool = False) -> None:
        """Calls back with one block, as the device's thread does."""
        clock = SimpleNamespace(inputBufferAdcTime=70.0 + lag, outputBufferDacTime=70.0 + lag, currentTime=70.0)
        self.settings["callback"](data, len(data), clock, flags)

    def hear(self, mono: NDArray[np.int16], lag: float = -0.02) -> None:
        self.block(np.repeat(mono[:, np.newaxis], self.settings["channels"], axis=1), lag)

    def play(self) -> NDArray[np.int16]:
        out = np.full((self.settings["blocksize"], self.settings["channels"]), 77, np.int16)
        self.block(out, 0.03)
        return out

    def vanish(self) -> None:
        """Ends by itself, as an unplugged device's stream does."""
        self.settings["finished_callback"]()


@attrs.define(eq=False)
class SoundCard:
    """A stand-in for the sounddevice module: one device, with the rates and channels the test gives it."""

    rates: tuple[int, ...] = (16000, 24000)
    native: int = 48000
    channels: tuple[int, ...] = (1, 2)
    most: int = 2
    start_refusal: str = ""
    hang_open: threading.Event | None = None
    hang_close: threading.Event | None = None
    opening: threading.Event = attrs.field(factory=threading.Event)
    closed: threading.Event = attrs.field(factory=threading.Event)
    streams: list[FakeStream] = attrs.field(factory=list)
    PortAudioError: type[PortAudioError] = PortAudioError
    default: Any = attrs.field(factory=lambda: SimpleNamespace(device=(0, 0)))

    def query_hostapis(self) -> list[dict[str, Any]]:
        return [{"name": "FakeAPI"}]

    def query_devices(self) -> list[dict[str, Any]]:
        return [
            {"name": "Fake card", "hostapi": 0, "max_input_channels": self.most, "max_output_channels": self.most,
             "default_samplerate": float(self.native)}
        ]  # fmt: skip

    def InputStream(self, **settings: Any) -> FakeStream:  # noqa: N802 - the library's own name
        return self._open("input", settings)

    def OutputStream(self, **settings: Any) -> FakeStream:  # noqa: N802 - the library's own name
        return self._open("output", settings)

    def _open(self, kind: str, settings: dict[str, Any]) -> FakeStream:
        self.opening.set()
        if self.hang_open is not None:
            self.hang_open.wait(20)
        if settings["samplerate"] not in self.rates:
            raise PortAudioError("Invalid sample rate")
        if settings["channels"] not in self.channels:
            raise PortAudioError("Invalid number of channels")
        self.streams.append(FakeStream(self, kind, settings))
        return self.streams[-1]


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> SoundCard:
    fake = SoundCard()
    for module in (device, stream):
        monkeypatch.setattr(module, "portaudio", lambda: fake)
    return fake
