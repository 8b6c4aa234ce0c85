"""The whole program on a sound card: speak into the microphone, hear the reply at the speaker, lose the card."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from actors.audio.recording import read_mono

ROOT = Path(__file__).parent.parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
PATIENCE = 40.0
BACK_WITHIN, ATTEMPTS = 5.0, 3  # seconds in which a device is taken back, and how often that is tried


@attrs.define
class Talk:
    """`assistant talk` at work on the card."""

    process: "subprocess.Popen[str]"
    log: Path

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [event for line in lines if (event := json.loads(line))["event"] == name]

    def ready(self) -> bool:
        """Whether the session stands and both devices are open."""
        connected = [event["to"] for event in self.events("session.state")][-1:] == ["CONNECTED"]
        return connected and {event["which"] for event in self.events("device")} == {"microphone", "speaker"}

    def until(self, done: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        out, errors = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 130, (out, errors)
        assert "Traceback" not in errors


@pytest.fixture
def talk(pulse: Any, tmp_path: Path) -> Iterator[Callable[..., Talk]]:
    started: list[Talk] = []

    def start(*options: str) -> Talk:
        log = tmp_path / "events.jsonl"
        devices = ("actors.microphone.device=house_mic", "actors.playback.device=house_speaker")
        settings = [word for device in devices for word in ("--set", device)]
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bin", "--backend", "local", "--events", str(log), *settings, *options],
            env={**pulse.environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(Talk(process, log))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def speak(pulse: Any, folder: Path, name: str) -> None:
    raw = folder / f"{name}.raw"
    raw.write_bytes(read_mono(FIXTURES / name, 16000))
    pulse.play(raw, 16000).wait(PATIENCE)


def test_a_question_into_the_microphone_is_answered_at_the_speaker(
    pulse: Any, talk: Callable[..., Talk], tmp_path: Path
) -> None:
    heard = tmp_path / "speaker.raw"
    one = talk()
    recorder = pulse.record("speaker.monitor", 24000, heard)
    one.until(one.ready)
    assert {event["which"] for event in one.events("device")} == {"microphone", "speaker"}
    speak(pulse, tmp_path, "what-did-i-ask.flac")
    one.until(lambda: one.events("turn.end"))
    one.end()
    recorder.terminate()
    assert one.events("turn.end")[0]["outcome"] == "completed"
    heard_ms = one.events("turn.end")[0]["heard_ms"]
    sound = np.frombuffer(heard.read_bytes()[: len(heard.read_bytes()) // 2 * 2], "<i2")
    loud = np.flatnonzero(np.abs(sound.astype(int)) > 500)
    assert abs((loud[-1] - loud[0]) / 24 - heard_ms) < 500
    assert one.events("turn.user_start")
    assert one.events("error") == []


def test_a_voice_over_the_reply_silences_the_speaker(pulse: Any, talk: Callable[..., Talk], tmp_path: Path) -> None:
    one = talk("--set", "room.headphones=true")
    one.until(one.ready)
    speak(pulse, tmp_path, "long-story.flac")
    one.until(lambda: one.events("turn.first_audio"))
    speak(pulse, tmp_path, "stop.wav")
    one.until(lambda: one.events("turn.interrupted"))
    one.until(lambda: len(one.events("turn.end")) == 2)
    one.end()
    assert one.events("turn.interrupted")[0]["heard_ms"] > 0
    assert one.events("turn.ducked")[0]["level"] == "down"
    assert [event["outcome"] for event in one.events("turn.end")] == ["interrupted", "completed"]


def test_a_lost_sound_card_is_taken_back_and_the_call_lives_on(
    pulse: Any, talk: Callable[..., Talk], tmp_path: Path
) -> None:
    one = talk()
    one.until(one.ready)

    def changes(what: str) -> int:
        return len([event for event in one.events("device") if event["what"] == what])

    took = []
    while not took or (min(took) > BACK_WITHIN and len(took) < ATTEMPTS):  # other programs may hold one return up
        pulse.stop()
        one.until(lambda: changes("lost") == 2 * len(took) + 2)
        pulse.start()
        began = time.monotonic()
        one.until(lambda: changes("back") == 2 * len(took) + 2)
        took.append(time.monotonic() - began)
    speak(pulse, tmp_path, "what-did-i-ask.flac")
    one.until(lambda: one.events("turn.end"))
    one.end()
    assert one.events("session.resumed") == [], "the call never noticed"
    assert one.events("actor.restart") == []
    assert min(took) < BACK_WITHIN, took
