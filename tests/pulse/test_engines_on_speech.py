"""The engines on speech that a synthesizer really speaks."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from actors.audio.engines import Engine, Reframer
from actors.audio.engines.energy import Energy
from actors.audio.engines.resting import Resting
from actors.audio.engines.silero import Silero
from actors.audio.engines.webrtc import Webrtc
from actors.audio.recording import read_mono

SENTENCE = "What is the weather like in Paris today, and shall I take an umbrella with me?"
ENGINES = {
    "silero": Silero,
    "silero that rests": lambda: Resting(Silero()),
    "webrtc": lambda: Webrtc(3),
    "energy": Energy,
}


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    if shutil.which("espeak-ng") is None:
        text = "this test needs a voice: apt install espeak-ng"
        if os.environ.get("REAL_PARTS") == "required":
            pytest.fail(text)
        pytest.skip(text)
    path: Path = tmp_path_factory.mktemp("voice") / "sentence.wav"
    subprocess.run(["espeak-ng", "-v", "en", "-w", str(path), SENTENCE], check=True, timeout=20)
    return np.frombuffer(read_mono(path, 16000), "<i2").astype(float)


@pytest.mark.parametrize("background", [0.0003, 0.002], ids=["quiet room", "low noise"])
@pytest.mark.parametrize("make", ENGINES.values(), ids=ENGINES)
def test_an_engine_tells_speech_from_the_rest(
    speech: np.ndarray, make: Callable[[], Engine], background: float
) -> None:
    engine = make()
    rest = np.zeros(24000)
    clean = np.concatenate([rest, speech, rest])
    noise = np.random.default_rng(2).normal(0, background * 32767, len(clean))
    frames = Reframer(engine.samples).push((clean + noise).clip(-32768, 32767).astype("<i2").tobytes())
    heard = np.array([engine.probability(frame) >= 0.5 for frame in frames])
    levels = [np.abs(clean[start : start + engine.samples]).max() for start in range(0, len(clean), engine.samples)]
    loud = np.array(levels[: len(heard)]) > 3000
    times = np.arange(len(heard)) * engine.samples / 16000
    assert heard[loud].mean() > 0.85
    assert not heard[(times > 0.4) & (times < 1.4)].any()
    assert not heard[times > times[-1] - 0.7].any()
