"""A conversation over a real sound card is recorded as it sounded, and comes out the same when it is replayed."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from actors.audio.recording import read_mono
from actors.audio.resample import resample
from telemetry.tape_reading import Taped
from telemetry.tape_wire import Store, blocks

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
PATIENCE = 40.0


def waited(done: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_was_said_and_heard_is_on_the_tape(
    pulse: Any, place: Callable[[Any, Any], tuple[int, float]], tmp_path: Path
) -> None:
    folder = tmp_path / "tape"
    environment = {**pulse.environment, "PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-P", "-m", "bin"]
    devices = ("actors.microphone.device=house_mic", "actors.playback.device=house_speaker", "room.headphones=true")
    settings = [word for device in devices for word in ("--set", device)]
    process = subprocess.Popen(
        [*program, "--backend", "local", "--record", str(folder), *settings],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def events(name: str) -> list[Any]:
        return Taped.read(folder).named(name) if (folder / "versions.json").exists() else []

    waited(lambda: any(event["to"] == "CONNECTED" for event in events("session.state")), process)
    waited(lambda: len(events("device")) == 2, process)
    said = read_mono(FIXTURES / "time-tokyo.flac", 16000)
    (tmp_path / "said.raw").write_bytes(said)
    pulse.play(tmp_path / "said.raw", 16000).wait(PATIENCE)
    waited(lambda: events("turn.end"), process)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, (out, errors)
    sound, rate = soundfile.read(folder / "conversation.flac", dtype="int16")
    assert rate == 24000
    taped = Taped.read(folder)
    captured = b"".join(block.pcm for block in blocks(taped, Store(folder)))
    taken = np.frombuffer(resample(captured, 16000, 24000), "<i2")
    assert np.array_equal(sound[: len(taken), 0], taken), "the left side is what the microphone gave"
    assert place(np.frombuffer(said, "<i2"), np.frombuffer(captured, "<i2"))[1] > 0.5, "which is what was said"
    reply = np.frombuffer((folder / "service.pcm").read_bytes(), "<i2")
    assert place(reply, sound[:, 1])[1] > 0.6, "the right side is what the service said, but for what a busy card skips"
    first = events("turn.first_audio")[0]
    begins = taped.sound_at + np.flatnonzero(np.abs(sound[:, 1].astype(int)) > 50)[0] / rate
    assert abs(begins - first["t"]) < 0.25
    done = subprocess.run(
        [*program, "replay", str(folder)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
