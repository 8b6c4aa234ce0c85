"""The soak over a real sound card: what it says goes into the microphone, and the replies out of the speaker."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
FEED = "pcm.house_feed { type pulse device mic_feed }\n"
HELLO = '[[recording]]\nfile = "hello.wav"\ntext = "hello"\nstart_ms = 400\nend_ms = 1072\n'


def test_a_soak_over_the_plans_own_devices_passes(pulse: Any, tmp_path: Path, recordings: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    shutil.copy(recordings / "hello.wav", own)
    (own / "labels.toml").write_text(HELLO)
    alsa = tmp_path / "asound.conf"
    alsa.write_text((pulse.folder / "asound.conf").read_text() + FEED)
    heard = tmp_path / "speaker.raw"
    recorder = pulse.record("speaker.monitor", 24000, heard)
    devices = ["--set", "actors.microphone.device=house_mic", "--set", "actors.playback.device=house_speaker"]
    words = ["--hours", "0.003", "--faults", "none", "--clock", "real", "--devices", "house_feed", *devices]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "bin", "soak", *words, "--fixtures", str(own), "--report", str(tmp_path / "r")],
        env={**pulse.environment, "PYTHONPATH": str(ROOT), "ALSA_CONFIG_PATH": str(alsa)},
        capture_output=True,
        text=True,
        check=False,
    )
    recorder.terminate()
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "r" / "summary.json").read_text())
    for promise in ("mute", "deaf", "words", "reply sound", "turn endings"):
        assert found["verdicts"][promise]["checks"] >= 2, promise
    assert found["verdicts"]["utterances lost"]["checks"] == 0  # a sound card is no place to compare samples
    sound = np.frombuffer(heard.read_bytes()[: heard.stat().st_size // 2 * 2], "<i2")
    assert np.count_nonzero(np.abs(sound.astype(int)) > 500) > 24000
