"""Which sound devices there are, and how they are named; the only module that knows sounddevice.

PortAudio is loaded at the first use, because loading fails where it is missing, and it is never terminated, because
that would kill every open stream. So a device plugged in later is seen after a restart, unless the system's mixer
(PulseAudio, PipeWire) shows it under a name that was there before.
"""

import ctypes
import functools
from collections.abc import Iterable
from types import ModuleType
from typing import Literal

import attrs

from pipeline.errors import DeviceUnavailable, PlanError

Kind = Literal["input", "output"]
INSTALL = (
    "PortAudio is missing; install it with `apt install libportaudio2` or `brew install portaudio`, "
    "or use recordings (--input FILE.wav, --output FILE.wav)"
)
REPAIR = "unset ALSA_CONFIG_PATH or mend what it names, or use recordings (--input FILE.wav, --output FILE.wav)"


@attrs.frozen
class DeviceInfo:
    """A sound device as the computer names it; `inputs` and `outputs` are channel counts, `rate` its own in Hz."""

    number: int
    name: str
    api: str
    inputs: int
    outputs: int
    rate: int
    default_input: bool
    default_output: bool

    def channels(self, kind: Kind) -> int:
        """How many channels it has in this direction."""
        return self.inputs if kind == "input" else self.outputs

    def is_default(self, kind: Kind) -> bool:
        """Whether the computer prefers it for this direction."""
        return self.default_input if kind == "input" else self.default_output


@functools.cache
def portaudio() -> ModuleType:
    """Loads sounddevice and with it PortAudio; blocks for up to a second. DeviceUnavailable where it cannot work."""
    _silence_libraries()
    if not _alsa_has_devices():
        raise DeviceUnavailable(f"cannot use sound devices: ALSA's configuration names none; {REPAIR}")
    try:
        import sounddevice  # noqa: PLC0415 - fails where PortAudio is missing, and this program works without
    except (OSError, ImportError) as error:
        raise DeviceUnavailable(f"cannot use sound devices: {INSTALL}") from error
    return sounddevice  # type: ignore[no-any-return]


def _alsa_has_devices() -> bool:
    """Whether PortAudio can be loaded: it aborts the process where ALSA's configuration has no `pcm` at all.

    So at least PortAudio 19.6 does (BuildDeviceList in pa_linux_alsa.c); asked is what it would ask itself.
    """
    try:
        alsa = ctypes.CDLL("libasound.so.2")
        alsa.snd_config_update()
        configuration = ctypes.c_void_p.in_dll(alsa, "snd_config")
        search = alsa.snd_config_search
    except (AttributeError, OSError, ValueError):
        return True  # no ALSA here, so PortAudio does without it, or is not there either
    return bool(search(configuration, b"pcm", ctypes.byref(ctypes.c_void_p())) == 0)


def _silence_libraries() -> None:
    """Lets ALSA and PortAudio talk to /dev/null, at any time and from any thread, without touching Python's stderr.

    Both print with C's `stderr`, which in glibc is a variable: it gets another FILE. The descriptor 2 stays as it is,
    so tracebacks, logs and children are not affected. Elsewhere nothing is done; there PortAudio says little.
    """
    try:
        program = ctypes.CDLL(None)
        errors = ctypes.c_void_p.in_dll(program, "stderr")
        open_file = program.fopen
    except (AttributeError, OSError, TypeError, ValueError):
        return
    open_file.restype = ctypes.c_void_p
    if nowhere := open_file(b"/dev/null", b"w"):
        errors.value = nowhere


def devices() -> list[DeviceInfo]:
    """Lists the sound devices there were when PortAudio was loaded; blocks, so call it in a thread."""
    sounddevice = portaudio()
    apis = sounddevice.query_hostapis()
    default_input, default_output = sounddevice.default.device
    return [
        DeviceInfo(
            number=number,
            name=found["name"],
            api=apis[found["hostapi"]]["name"],
            inputs=found["max_input_channels"],
            outputs=found["max_output_channels"],
            rate=round(found["default_samplerate"]),
            default_input=number == default_input,
            default_output=number == default_output,
        )
        for number, found in enumerate(sounddevice.query_devices())
    ]


def find(wanted: str | int | None, kind: Kind, among: Iterable[DeviceInfo] | None = None) -> DeviceInfo:
    """Gives the device of that number, or the one whose name has these words in it, whatever their case.

    None, an empty name and "default" mean the computer's own choice. DeviceUnavailable where there is none such,
    PlanError where several are meant; both name what there is.
    """
    usable = [device for device in (devices() if among is None else among) if device.channels(kind)]
    there = "; ".join(f"{device.number}: {device.name} ({device.api})" for device in usable) or "none at all"
    if wanted is None or str(wanted).strip().lower() in ("", "default"):
        for device in usable:
            if device.is_default(kind):
                return device
        raise DeviceUnavailable(f"cannot find a default {kind} device; there are {there}. Plug one in or name one")
    matches = _matches(str(wanted).strip().lower(), usable)
    if len(matches) > 1:
        raise PlanError(
            f"the {kind} device {wanted!r} could be any of {len(matches)}: "
            f"{'; '.join(f'{device.number}: {device.name} ({device.api})' for device in matches)}. "
            f"Write more of the name, or the number"
        )
    if not matches:
        raise DeviceUnavailable(
            f"cannot find the {kind} device {wanted!r}; there are {there}. Plug it in or name another"
        )
    return matches[0]


def _matches(wanted: str, usable: list[DeviceInfo]) -> list[DeviceInfo]:
    if wanted.isdecimal():
        return [device for device in usable if device.number == int(wanted)]
    exact = [device for device in usable if device.name.lower() == wanted]
    return exact or [device for device in usable if wanted in f"{device.name}, {device.api}".lower()]
