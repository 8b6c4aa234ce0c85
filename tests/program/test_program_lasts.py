"""What outlives a crash of the program, and a disk that fills up while it records."""

import hashlib
import json
import os
import signal
import stat
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import trio

Play = Callable[..., dict[str, Any]]
ROOM = 64 * 1024  # bytes on the small disk: a second and a bit of the output


def killed_in_mid_sentence(question: Path, goodbye: Path, follow_up: Path, there: tuple[str, ...], key: str) -> Any:
    async def scenario(user: Any) -> Any:
        sound, rate = soundfile.read(question)
        farewell, slower = soundfile.read(goodbye)
        pause = np.zeros(7 * rate)
        soundfile.write(
            user.folder / "both.wav", np.concatenate([sound, pause, np.repeat(farewell, rate // slower)]), rate
        )
        talk = ("talk", *there, "--output", "output.wav")
        first = (*talk, "--events", "events.jsonl", "--input", "both.wav")
        async with user.starts(*first, GOOGLE_API_KEY=key) as running:
            await running.until_event("turn.end")
            await running.until_event("turn.user_start", count=2)
            running.signal(signal.SIGKILL)
            killed = await running.end()
        saved = Path(user.environment["XDG_STATE_HOME"], "live-assistant", "session.json")
        record = json.loads(await trio.Path(saved).read_text("utf-8"))
        mode = stat.S_IMODE((await trio.Path(saved).stat()).st_mode)
        second = (*talk, "--resume", "--events", "second.jsonl", "--input", follow_up)
        resumed = await user.run(*second, GOOGLE_API_KEY=key)
        return killed, record["handle"], mode, resumed

    return scenario


def on_a_small_disk(recording: Path, there: tuple[str, ...], key: str) -> Any:
    async def scenario(user: Any) -> Any:
        small = user.folder / "small"
        small.mkdir()
        options = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(small)]
        try:
            mounted = await trio.run_process(options, check=False, capture_stderr=True)
        except OSError as error:
            return str(error)
        if mounted.returncode:
            return mounted.stderr.decode()
        try:
            arguments = (*there, "--input", recording, "--output", "small/output.wav", "--events", "events.jsonl")
            outcome = await user.run("talk", *arguments, GOOGLE_API_KEY=key)
            with wave.open(str(small / "output.wav")) as file:
                return outcome, file.getnframes(), (small / "output.wav").stat().st_size
        finally:
            await trio.run_process(["umount", str(small)])

    return scenario


def with_a_full_event_log(recording: Path, there: tuple[str, ...], key: str) -> Any:
    async def scenario(user: Any) -> Any:
        arguments = (*there, "--input", recording, "--output", "output.wav", "--events", "/dev/full")
        return await user.run("talk", *arguments, GOOGLE_API_KEY=key)

    return scenario


@pytest.fixture(scope="module")
def played(play: Play, recordings: Path, emulator: str, canary: str) -> Callable[[str], Any]:
    there = ("--endpoint", emulator)
    question, goodbye = recordings / "time-tokyo.flac", recordings / "goodbye.flac"
    results = play(
        {
            "killed": killed_in_mid_sentence(question, goodbye, recordings / "what-did-i-ask.flac", there, canary),
            "small disk": on_a_small_disk(goodbye, there, canary),
            "full event log": with_a_full_event_log(goodbye, there, canary),
        }
    )

    def result(name: str) -> Any:
        if isinstance(results[name], Exception):
            raise results[name]
        return results[name]

    return result


def test_a_killed_conversation_goes_on_with_what_was_said(played: Any) -> None:
    killed, _, _, resumed = played("killed")
    assert killed.code == 137
    assert (resumed.code, resumed.err) == (0, "")
    assert "you: what did i ask" in resumed.out
    assert "tokyo" in resumed.out.lower()
    assert "resumed" in resumed.out


def test_the_handle_is_for_its_owner_alone_and_shown_to_nobody(played: Any) -> None:
    killed, handle, mode, resumed = played("killed")
    assert mode == 0o600
    events = [json.loads(line) for line in (resumed.folder / "second.jsonl").read_text().splitlines()]
    (back,) = [event for event in events if event["event"] == "session.resumed"]
    assert back["handle"] == hashlib.sha256(handle.encode()).hexdigest()[:8]
    assert {"attempt", "gap_ms", "replayed_ms", "lost_ms"} <= back.keys()
    told = [path for path in resumed.folder.iterdir() if path.is_file() and handle.encode() in path.read_bytes()]
    assert told == []
    assert handle not in killed.out + killed.err


def test_the_recording_of_a_killed_conversation_can_be_played(played: Any) -> None:
    killed, _, _, _ = played("killed")
    assert soundfile.info(killed.folder / "output.wav").samplerate == 24000


def test_a_disk_that_fills_up_does_not_end_the_conversation(played: Any) -> None:
    result = played("small disk")
    if isinstance(result, str):
        pytest.skip(f"a small disk could not be mounted, which takes root: {result.strip()}")
    outcome, frames, size = result
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.one("turn.end")["outcome"] == "completed"
    (trouble,) = [event for event in outcome.events("error") if event["code"] == "disk"]
    assert "disk is full" in trouble["what"]
    assert "disk is full" in outcome.out
    assert size == 44 + 2 * frames
    assert 24000 <= frames <= ROOM / 2


def test_a_full_event_log_does_not_end_the_conversation(played: Any) -> None:
    if not os.path.exists("/dev/full"):  # noqa: PTH110 - not a path of anybody's
        pytest.skip("there is no /dev/full here")
    outcome = played("full event log")
    assert (outcome.code, outcome.err) == (0, "")
    assert "the event log /dev/full ends" in outcome.out
    assert "assistant: Goodbye!" in outcome.out
