from typing import Any

import pytest

Pulse = Any


def test_devices_go_by_the_names_the_system_gives_them(pulse: Pulse) -> None:
    scenario = pulse.scenario("names")
    said = scenario.tell()
    assert {"house_mic", "house_echo", "house_speaker", "default"} <= set(said["devices"])
    assert (said["mic"], said["default"]) == ("house_mic", "default")
    ambiguous, missing = scenario.tell(), scenario.tell()
    assert ambiguous["kind"] == "PlanError"
    assert "house_mic (ALSA)" in ambiguous["text"]
    assert missing["kind"] == "DeviceUnavailable"
    assert "house_speaker (ALSA)" in missing["text"]
    scenario.end()


@pytest.mark.parametrize("silenced", [True, False])
def test_the_libraries_are_silenced_and_nobody_else(pulse: Pulse, *, silenced: bool) -> None:
    scenario = pulse.scenario("murmur", silenced=silenced)
    scenario.tell_until("opened")
    pulse.stop()
    scenario.tell_until("ended")
    assert scenario.process.wait(10) == 0
    printed = scenario.errors.read_text()
    assert printed.endswith("still here\nand here\n")
    assert (printed == "still here\nand here\n") is silenced
    assert ("ALSA lib" in printed) is not silenced
