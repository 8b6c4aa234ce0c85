"""What outlives a crash of the program, and a disk that fills up while it records."""

import hashlib
import json
import signal
import stat
import wave
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import trio

LONG = True
ROOM = 64 * 1024  # bytes on the small disk: a second and a bit of the output


async def stopped_in_mid_sentence(user: Any, number: signal.Signals) -> Any:
    """Asks the time in Tokyo, is stopped in the next sentence, and resumes with a question about the first."""
    sound, rate = soundfile.read(user.speech("time-tokyo.flac"))
    pause = np.zeros(8 * rate)
    soundfile.write(user.folder / "both.wav", np.concatenate([sound, pause, sound]), rate)
    talk = ("talk", "--endpoint", user.emulator, "--output", "output.wav")
    async with user.starts(*talk, "--events", "events.jsonl", "--input", "both.wav", GOOGLE_API_KEY=user.key) as first:
        await first.until_event("turn.end")
        await first.until_event("turn.user_start", count=2)
        first.press(number)
        stopped = await first.end()
    saved = trio.Path(user.environment["XDG_STATE_HOME"], "live-assistant", "session.json")
    record, mode = json.loads(await saved.read_text("utf-8")), stat.S_IMODE((await saved.stat()).st_mode)
    again = ("--resume", "--events", "second.jsonl", "--input", user.speech("what-did-i-ask.flac"))
    resumed = await user.run(*talk[:-1], "second.wav", *again, nice=False, GOOGLE_API_KEY=user.key)
    return stopped, record["handle"], mode, resumed


async def nothing_to_resume(user: Any) -> Any:
    return await user.run(*user.talk, "--resume", "--input", "hush.wav", "--linger", "0", GOOGLE_API_KEY=user.key)


async def on_a_small_disk(user: Any) -> Any:
    """On a small disk where one can be mounted, which takes root; else with a limit on the size of files."""
    small = user.folder / "small"
    small.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(small)]
    try:
        mounted = (await trio.run_process(options, check=False, capture_stderr=True)).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        limited = user.folder / "limited.sh"
        limited.write_text(f"#!/bin/sh\nulimit -f {ROOM // 512}\nexec '{user.launcher}' \"$@\"\n")
        limited.chmod(0o755)
        user.launcher = limited
    try:
        files = ("--output", "small/output.wav", "--events", "events.jsonl")
        words = ("talk", "--endpoint", user.emulator, *files, "--input", user.speech("what-did-i-ask.flac"))
        outcome = await user.run(*words, nice=False, GOOGLE_API_KEY=user.key)
        with wave.open(str(small / "output.wav")) as file:
            return outcome, file.getnframes(), (small / "output.wav").stat().st_size, mounted
    finally:
        if mounted:
            await trio.run_process(["umount", str(small)])


async def with_a_full_event_log(user: Any) -> Any:
    words = ("talk", "--endpoint", user.emulator, "--output", "output.wav", "--events", "/dev/full")
    asked = ("--input", user.speech("what-did-i-ask.flac"))
    return await user.run(*words, *asked, nice=False, GOOGLE_API_KEY=user.key)


async def with_a_full_screen(user: Any) -> Any:
    """What is printed goes to a full disk."""
    shell = user.folder / "full.sh"
    shell.write_text(f"#!/bin/sh\nexec '{user.launcher}' \"$@\" >/dev/full\n")
    shell.chmod(0o755)
    user.launcher = shell
    words = ("talk", "--endpoint", user.emulator, *user.talk[2:6], "--input", user.speech("what-did-i-ask.flac"))
    return await user.run(*words, nice=False, GOOGLE_API_KEY=user.key)


SCENARIOS = {
    "killed": partial(stopped_in_mid_sentence, number=signal.SIGKILL),
    "terminated": partial(stopped_in_mid_sentence, number=signal.SIGTERM),
    "nothing to resume": nothing_to_resume,
    "small disk": on_a_small_disk,
    "full event log": with_a_full_event_log,
    "full screen": with_a_full_screen,
}


@pytest.mark.parametrize(("how", "code"), [("killed", 137), ("terminated", 0)])
def test_a_conversation_that_was_stopped_goes_on_with_what_was_said(how: str, code: int, played: Any) -> None:
    stopped, _, _, resumed = played(how)
    assert stopped.code == code
    assert (resumed.code, resumed.err) == (0, "")
    shown = resumed.out.lower()
    assert "you: what did i ask" in shown
    assert "tokyo" in shown.partition("you: what did i ask")[2]
    assert "resumed" in shown


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
    samples, rate = soundfile.read(killed.folder / "output.wav")
    assert rate == 24000
    assert np.abs(samples).max() > 0.1


def test_with_nothing_to_resume_a_conversation_begins(played: Any) -> None:
    outcome = played("nothing to resume")
    assert (outcome.code, outcome.err) == (0, "")
    assert "CONNECTED" in [event["to"] for event in outcome.events("session.state")]
    assert [event["text"] for event in outcome.events("notice")] != []


def test_a_disk_that_fills_up_does_not_end_the_conversation(played: Any) -> None:
    outcome, frames, size, mounted = played("small disk")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.one("turn.end")["outcome"] == "completed"
    (trouble,) = [event for event in outcome.events("error") if event["code"] == "disk"]
    reason = "disk is full" if mounted else "File too large"
    assert reason in trouble["what"]
    assert reason in outcome.out
    assert size == 44 + 2 * frames
    assert 24000 <= frames <= ROOM / 2


def test_a_full_event_log_does_not_end_the_conversation(played: Any) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    outcome = played("full event log")
    assert outcome.code == 0
    assert [line for line in outcome.err.splitlines() if "the event log /dev/full missed" not in line] == []
    assert "the event log /dev/full ends" in outcome.out
    assert "you: what did i ask" in outcome.out


def test_a_full_screen_does_not_end_the_conversation(played: Any) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    outcome = played("full screen")
    assert outcome.finals("user") == ["what did i ask"]
    assert outcome.code in (0, 1)  # whether all of it was shown
    assert "Traceback" not in outcome.err
