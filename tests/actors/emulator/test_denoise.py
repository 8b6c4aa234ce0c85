"""Steady noise goes, speech stays, and nothing is done where nothing needs to be."""

import numpy as np

from actors.emulator.denoise import denoised

RATE = 16_000


def speech(seconds: float = 2.0) -> np.ndarray:
    """Syllables between silences."""
    at = np.arange(int(seconds * RATE)) / RATE
    voiced = np.sin(2 * np.pi * 220 * at) + 0.5 * np.sin(2 * np.pi * 1100 * at)
    return (4000 * voiced * (np.sin(2 * np.pi * 2 * at) > 0.3)).astype(np.float32)


def noise(level: float, seconds: float = 2.0) -> np.ndarray:
    return (np.random.default_rng(1).standard_normal(int(seconds * RATE)) * level).astype(np.float32)


def test_noise_goes_and_speech_stays() -> None:
    clean, hiss = speech(), noise(900)
    heard = denoised(clean + hiss)
    assert len(heard) == len(clean)
    assert np.mean((heard - clean) ** 2) < 0.4 * np.mean(hiss**2)
    assert 0.7 < np.sum(heard * clean) / np.sum(clean**2) < 1.1


def test_clean_speech_steady_noise_and_next_to_nothing_are_left_alone() -> None:
    for sound in (speech(), speech() + noise(5), noise(3000), noise(100, 0.05), noise(1, 0)):
        assert denoised(sound) is sound
