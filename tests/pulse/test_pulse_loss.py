import time
from typing import Any

import pytest

Pulse = Any
NOTICED = 2.0  # seconds within which a loss must be seen


@pytest.mark.parametrize("direction", ["input", "output"])
def test_a_dying_sound_server_is_noticed_and_taken_back_when_it_returns(pulse: Pulse, direction: str) -> None:
    scenario = pulse.scenario("lose", direction=direction)
    scenario.tell_until("opened")
    died = time.monotonic()
    pulse.stop()
    lost = scenario.tell_until("lost")
    assert lost["at"] - died < NOTICED
    assert f"lost the {direction} device" in lost["lost"]
    refused = scenario.tell_until("refused")
    assert refused["took"] < NOTICED
    assert "check that it is plugged in" in refused["refused"]
    pulse.start()
    assert scenario.tell_until("back")
    scenario.end()


@pytest.mark.parametrize("direction", ["input", "output"])
def test_a_device_that_falls_asleep_is_noticed(pulse: Pulse, direction: str) -> None:
    sink = {"input": "mic_feed", "output": "speaker"}[direction]
    scenario = pulse.scenario("lose", direction=direction)
    scenario.tell_until("opened")
    slept = time.monotonic()
    try:
        pulse.pactl("suspend-sink", sink, "1")
        lost = scenario.tell_until("lost")
        assert lost["at"] - slept < NOTICED
    finally:
        pulse.pactl("suspend-sink", sink, "0")
    assert scenario.tell_until("back")
    scenario.end()


def test_a_program_with_dead_devices_open_ends_at_once(pulse: Pulse) -> None:
    scenario = pulse.scenario("leave")
    scenario.tell_until("opened")
    pulse.stop()
    leaving = scenario.tell_until("leaving")["leaving"]
    scenario.end()
    assert time.monotonic() - leaving < NOTICED
