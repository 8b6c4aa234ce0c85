"""The latency that the assistant tells, against what ears between microphone and speaker would measure."""

import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from actors.audio.recording import read_mono
from pipeline.events import PARTS

ROOT = Path(__file__).parent.parent.parent
QUESTION = ROOT / "tests" / "fixtures" / "what-did-i-ask.flac"
BLOCK = 20.0  # ms
PATIENCE = 40.0
LOUD = 300
TAKES = 3  # of which the median counts: a sound server on a busy machine skips now and then


@attrs.define
class Ear:
    """Listens to a source with the time of every sample: the earliest that any piece could have been heard at."""

    process: "subprocess.Popen[bytes]"
    rate: int
    sound: bytearray = attrs.field(factory=bytearray)
    began: float = float("inf")
    thread: threading.Thread = attrs.field(init=False)

    @classmethod
    def at(cls, pulse: Any, source: str, rate: int) -> "Ear":
        command = f"parec --device={source} --rate={rate} --channels=1 --format=s16le --latency-msec=5 --raw"
        process = subprocess.Popen(command.split(), env=pulse.environment, stdout=subprocess.PIPE)
        return cls(process, rate)

    def __attrs_post_init__(self) -> None:
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self) -> None:
        assert self.process.stdout is not None
        while piece := os.read(self.process.stdout.fileno(), 65536):
            self.sound += piece
            self.began = min(self.began, time.monotonic() - len(self.sound) / 2 / self.rate)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.thread.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def loud(self) -> tuple[float, float]:
        """When the first and the last loud sample were heard."""
        samples = np.frombuffer(bytes(self.sound[: len(self.sound) // 2 * 2]), "<i2")
        places = np.flatnonzero(np.abs(samples.astype(int)) > LOUD)
        return self.began + places[0] / self.rate, self.began + places[-1] / self.rate


def events(log: Path, name: str) -> list[dict[str, Any]]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [event for line in lines if (event := json.loads(line))["event"] == name]


def until(log: Path, name: str, **fields: Any) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while True:
        for event in events(log, name):
            if event.items() >= fields.items():
                return event
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


def sharp(folder: Path) -> Path:
    """The question, cut off where its last loud sample is, so that there is no doubt when it ends."""
    samples = np.frombuffer(read_mono(QUESTION, 16000), "<i2")
    end = int(np.flatnonzero(np.abs(samples.astype(int)) > 2000)[-1]) + 1
    path = folder / "question.raw"
    path.write_bytes(samples[:end].tobytes() + bytes(32000 * 3))
    return path


def take(pulse: Any, folder: Path) -> tuple[dict[str, Any], float]:
    """One question to the assistant: what it tells of the turn's time, and the milliseconds that ears measure."""
    log, question = folder / "events.jsonl", sharp(folder)
    settings = (
        "actors.microphone.device=house_mic", "actors.playback.device=house_speaker",
        "actors.vad.use=actors.vad:Energy", "room.turns=local",
    )  # fmt: skip
    assistant = subprocess.Popen(
        [sys.executable, "-P", "-m", "bin", "--backend", "local", "--quiet", "--events", str(log)]
        + [word for setting in settings for word in ("--set", setting)],
        env={**pulse.environment, "PYTHONPATH": str(ROOT)},
    )
    asked, answered = Ear.at(pulse, "mic_feed.monitor", 16000), Ear.at(pulse, "speaker.monitor", 24000)
    try:
        for which in ("microphone", "speaker"):
            until(log, "device", which=which)
        until(log, "session.state", to="CONNECTED")
        pulse.play(question, 16000)
        timed = until(log, "turn.timed")
        until(log, "turn.end")
    finally:
        asked.end()
        answered.end()
        assistant.send_signal(signal.SIGINT)
        assistant.wait(PATIENCE)
    return timed, 1000 * (answered.loud()[0] - asked.loud()[1])


def test_end_of_speech_to_first_sound_agrees_with_what_is_heard_within_a_block(pulse: Any, tmp_path: Path) -> None:
    errors = []
    for number in range(TAKES):
        folder = tmp_path / str(number)
        folder.mkdir()
        timed, heard = take(pulse, folder)
        errors.append(timed["latency_ms"] - heard)
        assert list(timed["parts"]) == list(PARTS)
        assert sum(timed["parts"].values()) == pytest.approx(timed["latency_ms"], abs=1.0)
        assert timed["parts"]["device"] > 0
    assert statistics.median(errors) == pytest.approx(0.0, abs=BLOCK), errors
