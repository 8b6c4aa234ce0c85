"""Whatever is wrong, a user reads one sentence that names it and says what to do, and gets the right exit code."""

import functools
import os
from typing import Any

import attrs
import pytest

NOWHERE = "ws://127.0.0.1:9"  # nobody is asked for the time that it takes to find the fault
LIMIT = 10.0  # seconds in which a missing device is told
INPUT, OUTPUT = ("--input", "hush.wav"), ("--output", "output.wav")

# Files of these names and contents are in the user's folder.
FILES = {
    "empty.wav": b"",
    "precious.wav": b"what somebody has said",
    "text.wav": b"this is no sound\n" * 100,
    "no-sound.wav": b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\0\0\0\0",
    "odd-codec.wav": b"RIFF\x64\0\0\0WAVEfmt \x10\0\0\0\0\x20\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\x40\0\0\0"
    + bytes(64),
    "broken.toml": b"[live\nmodel = 1\n",
    "one.toml": b'include = ["two.toml"]\n',
    "two.toml": b'include = ["one.toml"]\n',
    "lost.toml": b'include = ["nowhere.toml"]\n',
    "unknown.toml": b"[live]\ntemprature = 0.5\n",
    "twice.toml": b'[actors.downlink.inputs]\nlinks = "uplink_links"\n',
    "curious.toml": b'[actors.vad]\nuse = "mine:Curious"\n',
    "unbound.toml": b'[edges.lost]\ntype = "Captured"\ncapacity = "1 s"\noverflow = "fail"\n',
    "deaf.toml": b'[actors.vad]\nuse = "mine:Deaf"\n',
    "actor.toml": b"[actors.radio]\nvolume = 3\n",
    "edge.toml": b'[edges.speech]\ntype = "Spoken"\n',
    "mine.py": b"""
from actors.vad import Open
from pipeline import Inlet
from pipeline.messages import Captured

class Deaf:
    async def run(self):
        pass

class Curious(Open):
    def __init__(self, more: Inlet[Captured], captured: Inlet[Captured]):
        pass
""",
}

# A PortAudio of the test's own: with one device, which takes no rate, or no library at all.
SOUNDDEVICE = """
import types

MISSING = {missing!r}
if MISSING:
    raise OSError("PortAudio library not found")


class PortAudioError(Exception):
    pass


default = types.SimpleNamespace(device=(0, 0))


def query_hostapis():
    return [dict(name="ALSA")]


def query_devices():
    return [dict(name="Old Card", hostapi=0, max_input_channels=1, max_output_channels=2, default_samplerate=44100.0)]


def InputStream(**_):
    raise PortAudioError("Error opening stream: Invalid sample rate [PaErrorCode -9997]")


OutputStream = InputStream
"""


@attrs.frozen
class Case:
    """What is run, and what it must say; every word must be there. `portaudio` is missing, fussy, or not loaded."""

    arguments: tuple[str, ...]
    words: tuple[str, ...]
    code: int = 2
    portaudio: str = ""


def talk(*arguments: str, words: tuple[str, ...], code: int = 2, portaudio: str = "") -> Case:
    return Case(("talk", "--quiet", "--endpoint", NOWHERE, *arguments), words, code, portaudio)


def sets(setting: str, *words: str) -> Case:
    return Case(("plan", "--set", setting), words)


def config(file: str, *words: str) -> Case:
    return Case(("plan", "--config", file), (file, *words))


CASES = {
    "empty recording": talk(*OUTPUT, "--input", "empty.wav", words=("empty.wav", "is empty")),
    "recording of text": talk(*OUTPUT, "--input", "text.wav", words=("text.wav", "format")),
    "recording without sound": talk(*OUTPUT, "--input", "no-sound.wav", words=("no-sound.wav", "no sound")),
    "recording of an odd codec": talk(*OUTPUT, "--input", "odd-codec.wav", words=("odd-codec.wav", "codec", "convert")),
    "no recording": talk(*OUTPUT, "--input", "none.wav", words=("none.wav", "no such file")),
    "recording that is a pipe": talk(*OUTPUT, "--input", "pipe", words=("pipe", "no plain file")),
    "output that is a pipe": talk(*INPUT, "--output", "pipe", words=("pipe", "no plain file")),
    "output in no folder": talk(*INPUT, "--output", "no/where.wav", words=("no/where.wav", "folder")),
    "output may not be written": talk(*INPUT, "--output", "/proc/self/x.wav", words=("/proc/self/x.wav", "folder")),
    "events in no folder": talk(*OUTPUT, *INPUT, "--events", "no/e.jsonl", words=("no/e.jsonl", "event log")),
    "no microphone": talk(*OUTPUT, words=("sound devices", "--input"), code=1),
    "no speaker": talk(*INPUT, words=("sound devices", "--output"), code=1),
    "no PortAudio": talk(*OUTPUT, words=("PortAudio is missing", "--input"), code=1, portaudio="missing"),
    "wrong device name": talk(
        *OUTPUT,
        *("--set", "actors.microphone.device=Blue Yeti"),
        words=("'Blue Yeti'", "0: Old Card", "name another"),
        code=1,
        portaudio="fussy",
    ),
    "rate refused by the microphone": talk(
        *OUTPUT, words=("input device 'Old Card'", "Invalid sample rate"), code=1, portaudio="fussy"
    ),
    "misspelt field": talk("--config", "unknown.toml", *INPUT, *OUTPUT, words=("[live]", "temprature")),
    "misspelt field and a precious file": talk(
        *INPUT, "--output", "precious.wav", "--set", "live.temprature=1", words=("[live]", "temprature")
    ),
    "misspelt field and a folder to record into": talk(
        *INPUT, *OUTPUT, "--record", "monday", "--set", "live.temprature=1", words=("[live]", "temprature")
    ),
    "missing tools and a precious file": talk(
        *INPUT, "--output", "precious.wav", "--set", 'tools.use=["nope.py"]', words=("tools.use", "nope.py")
    ),
    "misspelt field in a plan": sets("live.temprature=1", "[live]", "temprature"),
    "missing tools in a plan": sets('tools.use=["nope.py"]', "tools.use", "nope.py"),
    "output onto the input": talk(
        "--input", "precious.wav", "--output", "./precious.wav", words=("--input", "--output", "same file")
    ),
    "events onto the output": talk(*INPUT, *OUTPUT, "--events", "output.wav", words=("--output", "--events", "same")),
    "empty output": talk(*INPUT, "--output", "", words=("--output", "empty")),
    "number out of range": sets("actors.vad.start_ms=-1", "--set", "actors.vad.start_ms is -1", "from 0 to 60000"),
    "number that is none": sets("actors.vad.threshold=nan", "actors.vad.threshold is nan", "from 0 to 1"),
    "rule of the model": talk(
        *("--set", "live.thinking_config.thinking_level=LOW", *INPUT, *OUTPUT),
        words=("gemini-3.8-live", "thinking_config", "remove"),
    ),
    "no key for Gemini": Case(
        ("talk", "--quiet", "--backend", "gemini", *INPUT, *OUTPUT), ("GOOGLE_API_KEY", ".env"), code=1
    ),
    "endpoint that is no URL": talk("--endpoint", "hello", *INPUT, *OUTPUT, words=("'hello'", "wss://HOST")),
    "no such plan": config("none.toml", "does not exist"),
    "plan that is no TOML": config("broken.toml", "TOML", "line 1"),
    "plan that includes itself": config("one.toml", "two.toml", "includes itself"),
    "plan that includes what is not there": Case(("plan", "--config", "lost.toml"), ("nowhere.toml", "does not exist")),
    "port bound twice": config("twice.toml", "uplink_links", "uplink and downlink", "one reader"),
    "port never bound": config("curious.toml", "actors.vad", "port more", "bound to no edge"),
    "edge without ends": config("unbound.toml", "edges.lost", "nobody"),
    "port that is none": config("deaf.toml", "mine:Deaf", "no such port", "captured"),
    "unknown actor": config("actor.toml", "actors.radio", "microphone"),
    "unknown type": config("edge.toml", "edges.speech.type", "Spoken"),
    "unknown key": sets("actors.vad.treshold=0.6", "--set", "treshold", "threshold"),
    "unknown class": sets("actors.vad.use=actors.vad:Nope", "actors.vad:Nope"),
    "unknown edge": sets("actors.vad.inputs.captured=nothing", "nothing", "speech"),
    "wrong type": sets("actors.vad.threshold=loud", "actors.vad.threshold", "'loud'", "number"),
    "no equals sign": sets("actors.vad.threshold", "=", "actors.vad.threshold"),
    "unknown option": Case(("talk", "--volume"), ("--volume",)),
    "unknown command": Case(("sing",), ("sing", "talk")),
    "unknown demo": Case(("demo", "opera"), ("opera", "conversation")),
    "unknown tool": Case(("tools", "call", "sing"), ("sing", "get_weather"), code=1),
    "unknown scenario": Case(("emulator", "--scenario", "opera"), ("opera", "--list-scenarios")),
    "TCP port that is none": Case(("emulator", "--port", "99999"), ("99999", "65535")),
}
USAGE = ("unknown option", "unknown command", "TCP port that is none")  # shown before the sentence


async def refused(case: Case, user: Any) -> Any:
    for name, content in FILES.items():
        (user.folder / name).write_bytes(content)
    os.mkfifo(user.folder / "pipe")  # nobody is at its other end
    around = {}
    if case.portaudio:
        fakes = user.folder.parent / "fakes"
        fakes.mkdir()
        (fakes / "sounddevice.py").write_text(SOUNDDEVICE.format(missing=case.portaudio == "missing"))
        around = {"PYTHONPATH": str(fakes), "ALSA_CONFIG_PATH": ""}
    outcome = await user.run(*case.arguments, **around)
    written = [path.name for path in user.folder.iterdir() if path.suffix in (".wav", ".toml", ".py")]
    written += [name for name in FILES if (user.folder / name).read_bytes() != FILES[name]]  # twice means changed
    written += ["monday"] if (user.folder / "monday").exists() else []
    return outcome, sorted(written), (user.folder / "hush.wav").stat().st_size


SCENARIOS = {name: functools.partial(refused, case) for name, case in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_said_in_one_sentence(name: str, played: Any) -> None:
    case = CASES[name]
    outcome, _, _ = played(name)
    assert outcome.code == case.code, outcome
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    *usage, sentence = outcome.err.splitlines()
    assert bool(usage) == (name in USAGE), outcome.err
    assert sentence.startswith("assistant")
    assert [word for word in case.words if word not in sentence] == [], sentence


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_lost_and_nothing_left_behind(name: str, played: Any) -> None:
    """What was there is as it was; a recording that begins before the fault is found is a whole one."""
    outcome, there, size = played(name)
    assert size == 44 + 2 * 3200
    assert [name for name in there if name != "output.wav"] == sorted({*FILES, "hush.wav"})
    if "output.wav" in there:
        assert len(outcome.sound()) < 24000 * LIMIT * outcome.allowance


def test_a_missing_device_is_told_within_ten_seconds(played: Any) -> None:
    for name in ("no microphone", "no speaker", "no PortAudio"):
        assert played(name)[0].within(LIMIT)
