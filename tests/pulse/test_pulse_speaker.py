import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Pulse = Any
Place = Callable[[Any, Any], tuple[int, float]]


def reply(seconds: float) -> np.ndarray:
    """A rising tone, which is found at one place only and has no silent sample for long."""
    time = np.arange(round(24000 * seconds)) / 24000
    return (15000 * np.sin(2 * np.pi * (200 * time + 150 * time**2))).astype("<i2")


def through_the_speaker(pulse: Pulse, tmp_path: Path, sound: np.ndarray, **settings: Any) -> tuple[Any, np.ndarray]:
    (tmp_path / "reply.raw").write_bytes(sound.tobytes())
    recorder = pulse.record("speaker.monitor", 24000, tmp_path / "heard.raw")
    time.sleep(0.3)
    scenario = pulse.scenario("speak", path=str(tmp_path / "reply.raw"), **settings)
    found = scenario.tell_until("heard")
    scenario.end()
    time.sleep(0.3)
    recorder.terminate()
    recorder.wait(10)
    return found, np.frombuffer((tmp_path / "heard.raw").read_bytes(), "<i2")


def test_what_is_written_comes_out_at_the_speaker(pulse: Pulse, place: Place, tmp_path: Path) -> None:
    sound = reply(1.5)
    found, heard = through_the_speaker(pulse, tmp_path, sound)
    offset, alike = place(sound, heard)
    assert alike > 0.9999
    assert np.array_equal(heard[offset : offset + len(sound)], sound), "not one bit is changed on the way"
    assert found["heard"] == len(sound)
    assert found["underruns"] == 0
    assert found["lasted"] == pytest.approx(1.5, abs=0.15)


def test_a_device_with_another_rate_plays_the_same(pulse: Pulse, place: Place, tmp_path: Path) -> None:
    sound = reply(1.0)
    found, heard = through_the_speaker(pulse, tmp_path, sound, rate=48000)
    _, alike = place(sound, heard)
    assert alike > 0.999
    assert found["heard"] == 2 * len(sound)


@pytest.mark.parametrize("block_ms", [10.0, 20.0])
def test_a_fade_ends_the_sound_within_milliseconds_and_without_a_click(
    pulse: Pulse, place: Place, tmp_path: Path, block_ms: float
) -> None:
    sound = reply(3.0)
    found, heard = through_the_speaker(pulse, tmp_path, sound, fade_after=0.6, block_ms=block_ms)
    offset, alike = place(sound[:12000], heard)
    assert alike > 0.9999
    loud = np.flatnonzero(np.abs(heard[offset:]) > 50)
    assert len(loud) < found["heard"] + 24
    assert found["heard"] < 24000, "the rest was discarded"
    assert found["discarded"] > 0
    own = np.abs(np.diff(sound[: found["heard"]].astype(int))).max()
    assert np.abs(np.diff(heard[offset:].astype(int))).max() <= own + 15000 / 120 + 2
    assert not heard[offset + found["heard"] :].any()
    assert found["silent_ms"] < 250


def test_both_clocks_agree_and_the_way_through_both_devices_is_short(pulse: Pulse) -> None:
    scenario = pulse.scenario("echo", clicks=8)
    found = scenario.tell_until("found")
    scenario.end()
    assert found["found"] == 8
    assert found["round"]["p50"] < 250
    assert abs(found["clocks"]["p50"]) < 40, "when a sound is heard and when it is picked up is the same moment"
