from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Pulse = Any
Place = Callable[[Any, Any], tuple[int, float]]


def speech_like(rate: int, seconds: float = 2.0, seed: int = 3) -> np.ndarray:
    """Noise with speech's share of low tones, which is found at one place only."""
    noise = np.random.default_rng(seed).normal(0, 1, round(rate * seconds))
    spectrum = np.fft.rfft(noise)
    spectrum *= 1 / (1 + (np.fft.rfftfreq(len(noise), 1 / rate) / 1200) ** 2)
    wave = np.fft.irfft(spectrum, len(noise))
    return (wave / np.abs(wave).max() * 20000).astype("<i2")


@pytest.mark.parametrize("rate", [None, 48000])
def test_the_microphone_carries_what_is_played_to_it(
    pulse: Pulse, place: Place, tmp_path: Path, rate: int | None
) -> None:
    sound = speech_like(16000)
    (tmp_path / "said.raw").write_bytes(sound.tobytes())
    scenario = pulse.scenario("listen", path=str(tmp_path / "heard.raw"), seconds=4.0, rate=rate)
    assert scenario.tell_until("opened")["rate"] == (rate or 16000)
    player = pulse.play(tmp_path / "said.raw", 16000)
    found = scenario.tell_until("blocks")
    scenario.end()
    player.wait(10)
    heard = np.frombuffer((tmp_path / "heard.raw").read_bytes(), "<i2")
    # In pieces, because the sound server itself skips now and then on a busy machine.
    pieces = sound.reshape(-1, 1600)
    places = [place(piece, heard) for piece in pieces]
    whole = [(piece, offset) for piece, (offset, alike) in zip(pieces, places, strict=True) if alike > 0.99]
    assert len(whole) >= 0.7 * len(pieces)
    offsets = [offset for _, offset in whole]
    assert offsets == sorted(offsets)
    if rate is None:
        exact = [np.array_equal(heard[offset : offset + len(piece)], piece) for piece, offset in whole]
        assert sum(exact) >= 0.9 * len(exact), "not one bit is changed on the way, but where the server skipped"
    assert found["dropped_ms"] == 0
    assert 18 <= found["intervals"]["p50"] <= 22
    assert 0 <= found["age"]["p50"] < 60, "a block is young when it is taken, and never from the future"


def test_a_late_reader_gets_the_newest_sound(pulse: Pulse) -> None:
    scenario = pulse.scenario("late", seconds=1.0)
    found = scenario.tell_until("dropped_ms")
    scenario.end()
    assert found["dropped_ms"] > 500
    assert found["age"] < 0.4
