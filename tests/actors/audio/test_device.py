import builtins
import sys

import pytest

from actors.audio import device
from actors.audio.device import DeviceInfo, devices, find
from pipeline.errors import DeviceUnavailable, PlanError


def info(number: int, name: str, api: str, inputs: int, outputs: int, default: str = "") -> DeviceInfo:
    return DeviceInfo(number, name, api, inputs, outputs, 48000, "input" in default, "output" in default)


THERE = [
    info(0, "Built-in Audio", "ALSA", 2, 2, default="input"),
    info(1, "USB Headset", "ALSA", 1, 2, default="output"),
    info(2, "USB Headset", "JACK", 1, 0),
    info(3, "HDMI", "ALSA", 0, 8),
    info(4, "hdmi 2", "ALSA", 0, 8),
]


@pytest.mark.parametrize(
    ("wanted", "kind", "number"),
    [(None, "input", 0), (None, "output", 1), ("", "input", 0), ("Default", "output", 1), (1, "input", 1),
     ("1", "output", 1), ("built-IN", "input", 0), ("headset", "output", 1), ("headset, jack", "input", 2),
     ("hdmi", "output", 3), ("hdmi 2", "output", 4), (" HDMI 2 ", "output", 4), ("alsa", "input", 0)],
)  # fmt: skip
def test_a_device_is_found_by_number_words_or_as_the_default(wanted: str | int | None, kind: str, number: int) -> None:
    among = THERE if wanted != "alsa" else THERE[:1]
    assert find(wanted, kind, among).number == number  # type: ignore[arg-type]


def test_an_ambiguous_name_lists_what_it_could_be() -> None:
    with pytest.raises(PlanError, match=r"input device 'headset' could be any of 2: 1: .*ALSA.*; 2: .*JACK.*number"):
        find("headset", "input", THERE)


@pytest.mark.parametrize("wanted", ["HDMI", 3, "9", "gramophone"])
def test_a_missing_device_lists_what_there_is(wanted: str | int) -> None:
    with pytest.raises(DeviceUnavailable, match=r"cannot find the input device .*0: Built-in Audio \(ALSA\); 1: USB"):
        find(wanted, "input", THERE)


def test_a_computer_without_devices_says_so() -> None:
    with pytest.raises(DeviceUnavailable, match="default output device; there are none at all"):
        find(None, "output", [])


@pytest.mark.usefixtures("card")
def test_devices_tell_what_the_library_knows() -> None:
    assert devices() == [info(0, "Fake card", "FakeAPI", 2, 2, default="input and output")]


@pytest.mark.parametrize("error", [OSError("PortAudio library not found"), ImportError("No module named ...")])
def test_missing_portaudio_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    true_import = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "sounddevice":
            raise error
        return true_import(name, *rest)  # type: ignore[arg-type]

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    device.portaudio.cache_clear()
    try:
        with pytest.raises(DeviceUnavailable, match=r"apt install libportaudio2.*brew install portaudio"):
            devices()
    finally:
        device.portaudio.cache_clear()
