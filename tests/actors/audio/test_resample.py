import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.audio.resample import Resampler, resample, resampled_length

RATES = st.sampled_from([8000, 11025, 16000, 22050, 24000, 44100, 48000])


def tone(rate: int, seconds: float, frequency: float = 440.0) -> bytes:
    return (10000 * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)).astype("<i2").tobytes()


@given(
    source=RATES,
    target=RATES,
    live=st.booleans(),
    pieces=st.lists(st.integers(0, 1500), max_size=8),
    seed=st.integers(0, 9),
)
def test_any_cutting_gives_the_same_samples_and_the_promised_length(
    source: int, target: int, live: bool, pieces: list[int], seed: int
) -> None:
    sound = np.random.default_rng(seed).integers(-32768, 32767, sum(pieces)).astype("<i2")
    bounds = [0, *itertools.accumulate(pieces)]
    cut, whole = Resampler(source, target, live), Resampler(source, target, live)
    chunked = b"".join(cut.push(sound[a:b].tobytes()) for a, b in itertools.pairwise(bounds)) + cut.flush()
    assert chunked == whole.push(sound.tobytes()) + whole.flush()
    assert len(chunked) == 2 * resampled_length(len(sound), source, target)
    assert len(chunked) == 2 * math.floor(len(sound) * target / source + 0.5)


@given(sound=st.binary(max_size=100).map(lambda raw: raw + raw))
def test_equal_rates_change_nothing(sound: bytes) -> None:
    assert resample(sound, 16000, 16000) == sound


@pytest.mark.parametrize(("source", "target"), [(48000, 16000), (44100, 16000), (24000, 48000), (24000, 44100)])
@pytest.mark.parametrize("live", [False, True])
def test_a_tone_keeps_its_pitch_loudness_and_place(source: int, target: int, live: bool) -> None:
    stream = Resampler(source, target, live)
    heard = np.frombuffer(stream.push(tone(source, 1)) + stream.flush(), "<i2").astype(float)
    wanted = np.frombuffer(tone(target, 1), "<i2").astype(float)
    middle = slice(target // 10, -target // 10)
    assert np.abs(heard[middle] - wanted[middle]).max() < 20


@pytest.mark.parametrize("live", [False, True])
def test_what_does_not_fit_the_lower_rate_does_not_fold_back(live: bool) -> None:
    stream = Resampler(48000, 16000, live)
    heard = np.frombuffer(stream.push(tone(48000, 1, 11000)) + stream.flush(), "<i2")
    assert np.abs(heard[1600:-1600].astype(int)).max() <= 1


def test_loud_sound_is_clipped_and_does_not_wrap() -> None:
    square = np.repeat(np.tile(np.array([32767, -32768], "<i2"), 200), 60)
    heard = np.frombuffer(resample(square.tobytes(), 24000, 48000), "<i2").astype(int)
    assert heard.max() == 32767
    assert heard.min() == -32768
    assert (heard[:1000] * np.repeat(square, 2)[:1000].astype(int) > -(10000**2)).all()


def test_live_holds_back_less_than_the_best_filter() -> None:
    worst = {}
    for live in (False, True):
        stream = Resampler(48000, 16000, live)
        lags = []
        for _ in range(50):
            stream.push(bytes(1920))
            lags.append(stream.held_back)
        worst[live] = max(lags)
    assert worst[True] <= 0.025
    assert worst[True] < worst[False]


def test_after_a_flush_or_a_reset_nothing_of_the_old_stream_is_left() -> None:
    stream = Resampler(48000, 16000)
    first = stream.push(tone(48000, 0.1)) + stream.flush()
    stream.push(tone(48000, 0.05, 900))
    stream.reset()
    assert stream.flush() == b""
    assert stream.push(tone(48000, 0.1)) + stream.flush() == first


def test_half_a_sample_and_senseless_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="whole 16-bit samples, found 3 bytes"):
        Resampler(48000, 16000).push(b"abc")
    with pytest.raises(ValueError, match="positive"):
        Resampler(0, 16000)
