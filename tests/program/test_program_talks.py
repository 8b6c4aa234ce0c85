"""`talk` over recordings: what is said, what is heard, and what the event log tells of it."""

import io
import shutil
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import trio

Play = Callable[..., dict[str, Any]]
FILES = ("--output", "output.wav", "--events", "events.jsonl")

# What each variant of one recording is: its rate, its channels, and soundfile's name for the width.
FORMATS = {
    "8-bit.wav": (16000, 1, "PCM_U8"),
    "telephone.wav": (8000, 1, "PCM_16"),
    "24-bit.wav": (48000, 2, "PCM_24"),
    "float.wav": (44100, 2, "FLOAT"),
    "adpcm.wav": (16000, 1, "IMA_ADPCM"),
    "lossless.flac": (48000, 1, "PCM_16"),
    "vorbis.ogg": (22050, 2, "VORBIS"),
}
TRUNCATED = "truncated.wav"

MICROPHONE = '''
from actors.microphone import Recording


class Mine(Recording):
    """A microphone of the user's own."""
'''


@pytest.fixture(scope="module")
def talks(play: Play, emulator: str, recordings: Path, canary: str) -> dict[str, Any]:
    goodbye = recordings / "goodbye.flac"
    sound, native = soundfile.read(goodbye)
    key = {"GOOGLE_API_KEY": canary}
    there = ("--endpoint", emulator, "--set", "actors.vad.use=actors.vad:Energy")  # which starts fastest

    def of(*arguments: str | Path, **environment: str) -> Any:
        return lambda user: user.talk(*arguments, **environment)

    async def converted(user: Any, name: str) -> Any:
        rate, channels, width = FORMATS[name]
        times = np.arange(0, len(sound) / native, 1 / rate)
        mono = np.interp(times, np.arange(len(sound)) / native, sound)
        soundfile.write(user.folder / name, np.outer(mono, [1.0, 0.5][:channels]), rate, subtype=width)
        return await user.talk(*there, "--input", name, **key)

    async def cut_short(user: Any) -> Any:
        whole = io.BytesIO()
        soundfile.write(whole, sound, native, format="WAV")
        (user.folder / TRUNCATED).write_bytes(whole.getvalue()[: 2 * int(1.4 * native)])  # all of the word
        return await user.talk(*there, "--input", TRUNCATED, **key)

    async def with_things_of_ones_own(user: Any) -> Any:
        (user.folder / "my_mic.py").write_text(MICROPHONE)
        for folder in ("tools", "actors", "pipeline", "bin", "json"):
            (user.folder / folder).mkdir()
            (user.folder / folder / "__init__.py").write_text('raise RuntimeError("the user has such a folder")')
        mine = ("--set", "actors.microphone.use=my_mic:Mine", "--set", f"actors.microphone.path={goodbye}")
        async with user.starts("talk", "--quiet", "--backend", "local", *FILES, *mine) as running:
            await running.until_event("turn.end")
            running.signal()
            return await running.end()

    async def aloud(user: Any) -> Any:
        return await user.run("talk", "--backend", "local", "--input", goodbye, *FILES)

    scenarios = {
        "local": aloud,
        "question": of("--input", recordings / "time-tokyo.flac"),  # no key, so the embedded service answers
        "local turns": of("--turns", "local", *there, "--input", goodbye, **key),
        "things of one's own": with_things_of_ones_own,
        TRUNCATED: cut_short,
    }
    scenarios |= {name: lambda user, name=name: converted(user, name) for name in FORMATS}

    def heard_whole(outcome: Any) -> bool:
        return isinstance(outcome, Exception) or not outcome.events("channel.drop")

    return play(scenarios, heard_whole)


@pytest.fixture
def talk(talks: dict[str, Any]) -> Callable[[str], Any]:
    """Gives the outcome of a conversation that must have ended well and said nothing on stderr."""

    def good(name: str) -> Any:
        outcome = talks[name]
        if isinstance(outcome, Exception):
            raise outcome
        assert (outcome.code, outcome.err) == (0, ""), outcome.events()
        return outcome

    return good


def test_a_recording_is_answered_and_the_program_ends_by_itself(talk: Any) -> None:
    outcome = talk("local")
    assert outcome.finals("user") == ["goodbye"]
    assert outcome.finals("model") == ["Goodbye!"]
    assert outcome.one("turn.end")["outcome"] == "completed"


def test_the_first_conversation_needs_no_cache(warm: tuple[Any, Path]) -> None:
    outcome, cache = warm
    assert (outcome.code, outcome.err, outcome.out) == (0, "", "")
    assert outcome.events("turn.user_start") == []
    assert [path.name for path in cache.rglob("*") if path.is_file()] == ["setup.json"]


def test_the_event_log_is_in_order(talk: Any) -> None:
    events = talk("local").events()
    times = [event["t"] for event in events]
    assert times[0] == 0
    assert times == sorted(times)
    places = {event["event"]: place for place, event in enumerate(events)}
    firsts = [
        "turn.user_start",
        "turn.user_end",
        "turn.first_audio",
        "turn.end",
    ]
    assert [places[name] for name in firsts] == sorted(places[name] for name in firsts)
    states = [(event["from"], event["to"]) for event in events if event["event"] == "session.state"]
    assert states == [
        ("DISCONNECTED", "CONNECTING"),
        ("CONNECTING", "CONNECTED"),
        ("CONNECTED", "CLOSING"),
        ("CLOSING", "CLOSED"),
    ]


FIELDS: dict[str, dict[str, type]] = {
    "session.state": {"from": str, "to": str, "reason": str},
    "turn.user_start": {"at_ms": float},
    "turn.user_end": {"at_ms": float},
    "turn.first_audio": {"turn": int, "latency_ms": float},
    "turn.end": {"turn": int, "heard_ms": float},
    "transcript": {"who": str, "text": str, "final": bool},
    "tool.call": {"id": str, "name": str, "args": dict},
    "tool.result": {"id": str, "name": str, "ms": float, "outcome": str},
    "usage": {"totalTokenCount": int},
}


@pytest.mark.parametrize("name", FIELDS)
def test_events_have_the_fields_of_the_contract(name: str, talk: Any) -> None:
    found = talk("question").events(name)
    assert found
    for event in found:
        assert {key: type(event.get(key)) for key in FIELDS[name]} == FIELDS[name], event


def test_a_tool_is_called_and_its_answer_spoken(talk: Any) -> None:
    outcome = talk("question")
    call, result = outcome.one("tool.call"), outcome.one("tool.result")
    assert (call["name"], call["args"]["city"].lower()) == ("get_time", "tokyo")
    assert (result["id"], result["name"], result["outcome"]) == (call["id"], "get_time", "ok")
    assert "Tokyo" in outcome.finals("model")[-1]


def test_the_output_lies_on_the_microphones_clock(talk: Any) -> None:
    """The reply is in the file from where turn.first_audio says, for as long as turn.end says, and silence else."""
    outcome = talk("local")
    loud = np.flatnonzero(np.abs(outcome.sound().astype(int)) > 100) / 24  # milliseconds
    first = outcome.one("turn.first_audio")
    by_latency = outcome.one("turn.user_end")["at_ms"] + first["latency_ms"]
    by_clock = 1000 * (first["t"] - outcome.one("microphone.started")["t"])
    assert by_latency == pytest.approx(by_clock, abs=60)
    assert by_latency - 1 <= loud[0] <= by_latency + 120  # a voice does not begin at full strength
    assert loud[-1] <= by_latency + outcome.one("turn.end")["heard_ms"] + 1
    assert loud[-1] - loud[0] > 300


def test_the_output_lasts_until_the_end(talk: Any) -> None:
    outcome = talk("local")
    last = outcome.events()[-1]["t"] - outcome.one("microphone.started")["t"]
    assert len(outcome.sound()) / 24000 == pytest.approx(last, abs=0.8)


@pytest.mark.parametrize("name", FORMATS)
def test_a_recording_of_any_format_has_its_own_pitch_and_pace(name: str, talk: Any) -> None:
    """The same words begin and end at the same time, and are answered."""
    marks = ("turn.user_start", "turn.user_end")
    assert [talk(name).one(mark)["at_ms"] for mark in marks] == pytest.approx(
        [talk(TRUNCATED).one(mark)["at_ms"] for mark in marks], abs=100
    )
    assert talk(name).one("turn.end")["heard_ms"] > 300
    if name != "telephone.wav":  # half the band is missing
        assert talk(name).finals("user") == ["goodbye"]


def test_of_a_truncated_recording_what_is_there_is_played(talk: Any) -> None:
    outcome = talk(TRUNCATED)
    assert outcome.finals("user") == ["goodbye"]
    assert [event["text"] for event in outcome.events("notice") if "cut short" in event["text"]] != []


def test_turns_can_be_found_here(talk: Any) -> None:
    outcome = talk("local turns")
    assert outcome.finals("user") == ["goodbye"]
    assert outcome.one("turn.end")["outcome"] == "completed"


def test_the_screen_shows_the_conversation_and_who_answers(talk: Any) -> None:
    lines = talk("local").out.splitlines()
    assert "embedded service" in lines[0]
    assert "GOOGLE_API_KEY" in lines[0]
    assert any("you: goodbye" in line for line in lines)
    assert any("assistant: Goodbye!" in line for line in lines)


def test_a_microphone_of_ones_own_is_used_and_folders_of_our_names_do_not_matter(talks: dict[str, Any]) -> None:
    outcome = talks["things of one's own"]
    if isinstance(outcome, Exception):
        raise outcome
    assert (outcome.code, outcome.err) == (130, "")
    assert outcome.finals("user") == ["goodbye"]


async def test_the_users_words_reach_the_wire_sample_exact_within_two_seconds(
    users: Any, warm: tuple[Any, Path], far_end: Any, recordings: Path, record_property: Any
) -> None:
    user = users("exact")
    shutil.copytree(warm[1], user.environment["XDG_CACHE_HOME"], dirs_exist_ok=True)
    with wave.open(str(recordings / "hello.wav")) as file:
        spoken = file.readframes(file.getnframes())
    with trio.fail_after(30):
        async with far_end().serving() as service:
            began = trio.current_time()
            arguments = ("--endpoint", service.url, "--input", recordings / "hello.wav", "--linger", "0.5")
            async with user.starts("talk", "--quiet", *FILES, *arguments, at_once=True) as running:
                await running.until(service.heard)
                first = next(at for at, frame in service.frames if "audio" in frame.get("realtimeInput", {}))
                await running.until(lambda: "audioStreamEnd" in service.frames[-1][1].get("realtimeInput", {}))
                running.signal()
                outcome = await running.end()
    speech = outcome.one("turn.user_start")["at_ms"] / 1000
    record_property("first_audio_on_the_wire", round(first - began, 3))
    assert service.heard()[: len(spoken)] in spoken + bytes(len(service.heard()))
    assert first - began - speech < 2.0 * outcome.slowness
