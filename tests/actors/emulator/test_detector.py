"""Speech is found where there is speech, and nowhere else."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from actors.audio.resample import resample
from actors.emulator.detector import RATE, Detector, Ended, Sensitivity, Started
from actors.emulator.voice import Voice

Samples = NDArray[np.float64]
SENTENCES = ("What is the weather in Paris?", "Stop.", "Tell me the time in Tokyo, and what it will be tomorrow.")
LEAD = 2.0


def as_samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def as_pcm(samples: Samples) -> bytes:
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()


@pytest.fixture(scope="module")
def scene() -> tuple[Samples, list[tuple[float, float]]]:
    """Three sentences with pauses of two seconds, at -20 dBFS, and when each begins and ends."""
    voice = Voice()
    parts, marks = [np.zeros(int(LEAD * RATE))], []
    at = LEAD
    for sentence in SENTENCES:
        said = as_samples(resample(voice.speak(sentence), 24_000, RATE))
        marks.append((at, at + len(said) / RATE))
        parts += [said, np.zeros(2 * RATE)]
        at += len(said) / RATE + 2
    return np.concatenate(parts), marks


def noise(kind: str, count: int, level: float) -> Samples:
    """Noise of that colour at that many dBFS."""
    white = np.random.default_rng(7).standard_normal(count)
    slope = {"white": 0.0, "pink": 0.5, "brown": 1.0}[kind]
    spectrum = np.fft.rfft(white) / np.maximum(np.arange(count // 2 + 1), 20) ** slope
    found: Samples = np.fft.irfft(spectrum, count)
    scaled: Samples = found / np.sqrt(np.mean(found**2)) * 32768 * 10 ** (level / 20)
    return scaled


def find(samples: Samples, sensitivity: Sensitivity | None = None, piece: int = 640) -> list[Started | Ended]:
    detector = Detector(sensitivity or Sensitivity.of())
    pcm = as_pcm(samples)
    return [event for at in range(0, len(pcm), piece) for event in detector.push(pcm[at : at + piece])]


def spans(events: list[Started | Ended]) -> list[tuple[float, float]]:
    begun = [event.at / RATE for event in events if isinstance(event, Started)]
    ended = [event.at / RATE for event in events if isinstance(event, Ended)]
    assert len(begun) == len(ended)
    return list(zip(begun, ended, strict=True))


def assert_covered(found: list[tuple[float, float]], marks: list[tuple[float, float]], slack: float = 0.6) -> None:
    assert len(found) == len(marks)
    for (begun, ended), (first, last) in zip(found, marks, strict=True):
        assert first - slack <= begun <= first + 0.1
        assert last - 0.2 <= ended <= last + slack


@pytest.mark.parametrize("gain", [1.0, 0.1, 0.02, 0.01])
def test_each_sentence_is_one_turn_at_any_level(scene: tuple[Samples, list[tuple[float, float]]], gain: float) -> None:
    samples, marks = scene
    assert_covered(spans(find(samples * gain)), marks)


@pytest.mark.parametrize("level", [-50, -40, -35])
@pytest.mark.parametrize("kind", ["white", "pink", "brown"])
def test_noise_does_not_hide_speech(scene: tuple[Samples, list[tuple[float, float]]], kind: str, level: float) -> None:
    samples, marks = scene
    assert_covered(spans(find(samples + noise(kind, len(samples), level))), marks)


@pytest.mark.parametrize("level", [-60, -45, -30, -20])
@pytest.mark.parametrize("kind", ["white", "pink"])
def test_noise_alone_is_no_speech(kind: str, level: float) -> None:
    assert find(noise(kind, 10 * RATE, level)) == []


def test_hum_and_silence_are_no_speech() -> None:
    at = np.arange(10 * RATE) / RATE
    assert find(np.zeros(10 * RATE)) == []
    assert find(10_000 * np.sin(2 * np.pi * 50 * at)) == []
    assert find(np.full(10 * RATE, 5000.0)) == []


def test_noise_that_sets_in_passes_for_speech_but_briefly() -> None:
    samples = np.concatenate([np.zeros(3 * RATE), noise("white", 10 * RATE, -35)])
    assert all(ended - begun < 2 for begun, ended in spans(find(samples)))


def test_low_sensitivity_wants_more(scene: tuple[Samples, list[tuple[float, float]]]) -> None:
    samples, marks = scene
    low = Sensitivity.of(eager_start=False, eager_end=False)
    assert_covered(spans(find(samples, low)), marks)
    assert find(samples * 0.01, low) == []


def test_a_click_is_no_speech(tone: Callable[..., bytes]) -> None:
    click = as_samples(tone(0.04))
    assert find(np.concatenate([np.zeros(RATE), click, np.zeros(RATE)])) == []


@pytest.mark.parametrize("silence_ms", [100, 500, 800, 1500])
def test_speech_ends_after_the_silence_asked_for(silence_ms: int, speech: Callable[..., bytes]) -> None:
    samples = np.concatenate([np.zeros(RATE), as_samples(speech(1.0)), np.zeros(3 * RATE)])
    detector = Detector(Sensitivity.of(silence_ms=silence_ms))
    pcm = as_pcm(samples)
    ended = next(
        at / 2 / RATE
        for at in range(640, len(pcm), 640)
        if any(isinstance(event, Ended) for event in detector.push(pcm[at - 640 : at]))
    )
    assert 2.0 + silence_ms / 1000 - 0.15 <= ended <= 2.0 + silence_ms / 1000 + 0.15


def test_prefix_padding_is_how_much_speech_it_takes(tone: Callable[..., bytes]) -> None:
    burst = np.concatenate([np.zeros(RATE), as_samples(tone(0.3)), np.zeros(RATE)])
    assert len(find(burst, Sensitivity.of(prefix_ms=200))) == 2
    assert find(burst, Sensitivity.of(prefix_ms=500)) == []


def test_the_sound_given_is_the_speech_with_its_edges(scene: tuple[Samples, list[tuple[float, float]]]) -> None:
    samples, marks = scene
    ended = [event for event in find(samples) if isinstance(event, Ended)]
    pcm = as_pcm(samples)
    for event, (first, last) in zip(ended, marks, strict=True):
        begun = pcm.index(event.pcm) / 2 / RATE
        assert first - 0.5 <= begun <= first
        assert last <= begun + len(event.pcm) / 2 / RATE <= last + 0.5


def test_the_end_of_the_stream_ends_speech(speech: Callable[..., bytes]) -> None:
    detector = Detector()
    assert [type(event) for event in detector.push(bytes(RATE) + speech(0.5))] == [Started]
    (ended,) = detector.end()
    assert isinstance(ended, Ended)
    assert ended.pcm.endswith(speech(0.5))
    assert detector.end() == []
    assert not detector.speaking


def test_endless_sound_ends_all_the_same(speech: Callable[..., bytes]) -> None:
    detector = Detector()
    events = [event for _ in range(130) for event in detector.push(speech(1.0))]
    assert [type(event) for event in events[:2]] == [Started, Ended]
    assert isinstance(events[1], Ended)
    assert len(events[1].pcm) / 2 / RATE == pytest.approx(120, abs=1)


@settings(max_examples=20, deadline=None)
@given(piece=st.integers(1, 5000))
def test_the_cutting_makes_no_difference(piece: int) -> None:
    at = np.arange(3 * RATE) / RATE
    samples = 8000 * np.sin(2 * np.pi * 440 * at) * np.sin(2 * np.pi * 2.5 * at) ** 2 * (at < 1)
    assert find(samples, piece=2 * piece) == find(samples, piece=640)
