from collections.abc import Callable, Iterable

import numpy as np
import pytest

from actors.audio.engines import Engine, Reframer
from actors.audio.engines.resting import Resting
from actors.audio.engines.silero import Silero

Sound = Callable[..., bytes]
FRAME = 512
SECOND = round(16000 / FRAME)


class Watched:
    """An engine that notes what it hears, and answers as it is told to."""

    samples = FRAME

    def __init__(self, answer: float = 0.0) -> None:
        self.answer = answer
        self.heard: list[bytes] = []
        self.resets = 0

    def probability(self, frame: bytes) -> float:
        self.heard.append(frame)
        return self.answer

    def reset(self) -> None:
        self.resets += 1


def frames(*pieces: bytes) -> list[bytes]:
    return Reframer(FRAME).push(b"".join(pieces))


def hiss(seconds: float, level: float, seed: int = 1) -> bytes:
    wave = np.random.default_rng(seed).normal(0, level * 32767, round(seconds * 16000))
    return wave.clip(-32768, 32767).astype("<i2").tobytes()


def rumble(seconds: float, level: float) -> bytes:
    """Brown noise, whose loudness sways by many dB."""
    wave = np.cumsum(np.random.default_rng(2).normal(0, 1, round(seconds * 16000)))
    wave -= np.linspace(wave[0], wave[-1], len(wave))
    return (wave / wave.std() * level * 32767).clip(-32768, 32767).astype("<i2").tobytes()


def asked(engine: Resting, watched: Watched, told: Iterable[bytes]) -> int:
    before = len(watched.heard)
    for frame in told:
        engine.probability(frame)
    return len(watched.heard) - before


@pytest.mark.parametrize(
    ("background", "share"),
    [(bytes(640_000), 0), (hiss(20, 0.0001), 0.05), (hiss(20, 0.02), 0.05), (rumble(20, 0.05), 0.6)],
    ids=["digital silence", "a converter's noise", "a loud fan", "traffic"],
)
def test_in_a_steady_background_the_engine_is_hardly_asked(background: bytes, share: float) -> None:
    engine = Resting(watched := Watched())
    told = frames(background)
    asked(engine, watched, told[: 4 * SECOND])
    assert asked(engine, watched, told[4 * SECOND :]) <= share * (len(told) - 4 * SECOND)


def test_what_stands_out_is_heard_at_once_and_what_was_before_it() -> None:
    engine = Resting(watched := Watched())
    quiet, loud = frames(hiss(6, 0.001)), frames(hiss(0.032, 0.01, seed=2))
    asked(engine, watched, quiet)
    watched.answer, watched.resets = 0.9, 0
    already = len(watched.heard)
    assert engine.probability(loud[0]) == 0.9
    assert watched.heard[already:] == [*quiet[-8:], *loud]
    assert watched.resets == 1


def test_while_the_engine_doubts_it_is_always_asked() -> None:
    engine = Resting(watched := Watched(0.2))
    told = frames(hiss(10, 0.001))
    assert asked(engine, watched, told) == len(told)


def test_what_was_for_nothing_costs_a_second() -> None:
    engine = Resting(watched := Watched())
    asked(engine, watched, frames(hiss(6, 0.001)))
    knock, rest = frames(hiss(0.032, 0.02, seed=3)), frames(hiss(20, 0.001, seed=4))
    assert 1 < asked(engine, watched, [*knock, *rest]) <= SECOND


@pytest.mark.parametrize("hidden_by", ["an offset", "a hum"])
def test_what_hides_in_a_steady_level_is_heard(hidden_by: str) -> None:
    """Beside a hum nothing else moves the level, and what sways beside it is no background to rest in."""
    times = np.arange(10 * 16_000) / 16_000
    steady = np.full(len(times), 1000.0) if hidden_by == "an offset" else 3000 * np.sin(2 * np.pi * 62.5 * times)
    swaying = np.frombuffer(hiss(10, 0.004), "<i2")[: len(times)] * 10 ** (6 * np.sin(2 * np.pi * 1.5 * times) / 20)
    engine = Resting(watched := Watched())
    told = frames((steady + swaying).round().astype("<i2").tobytes())
    assert asked(engine, watched, told) > 0.9 * len(told)


def test_a_background_that_ends_is_a_new_one() -> None:
    """Whoever speaks softly once the fan is off is heard, however loud it was."""
    engine = Resting(watched := Watched())
    asked(engine, watched, frames(hiss(6, 0.05), hiss(3, 0.0005, seed=2)))
    assert asked(engine, watched, frames(hiss(0.1, 0.005, seed=3))) >= 3


def test_after_a_reset_the_engine_is_asked_again() -> None:
    engine = Resting(watched := Watched())
    told = frames(hiss(6, 0.001))
    first = asked(engine, watched, told)
    engine.reset()
    assert watched.resets == 1
    assert asked(engine, watched, told) == first


@pytest.mark.parametrize("level", [0.0005, 0.005])
def test_speech_is_found_as_soon_as_without_rest(vowel: Sound, level: float) -> None:
    def openings(engine: Engine) -> np.ndarray:
        clean = np.concatenate([np.zeros(96_000), np.frombuffer(vowel(1.5), "<i2"), np.zeros(48_000)])
        noisy = clean + np.frombuffer(hiss(len(clean) / 16000, level), "<i2")[: len(clean)]
        told = frames(noisy.clip(-32768, 32767).astype("<i2").tobytes())
        return np.flatnonzero([engine.probability(frame) >= 0.5 for frame in told])

    bare, rested = openings(Silero()), openings(Resting(Silero()))
    assert abs(bare[0] - rested[0]) <= 1
    assert abs(len(bare) - len(rested)) <= 2


@pytest.mark.parametrize("wrong", [b"", bytes(2), bytes(2000)])
@pytest.mark.parametrize("before", [0, 3], ids=["at the beginning", "at rest"])
def test_a_frame_of_another_length_is_refused(wrong: bytes, before: int) -> None:
    engine = Resting(watched := Watched())
    asked(engine, watched, frames(bytes(32_000 * before)))
    with pytest.raises(ValueError, match="hears frames of"):
        engine.probability(wrong)
