"""Wherever and however it is started: other folders, links, closed pipes, no home, no locale."""

import functools
import json
import os
from pathlib import Path
from typing import Any

import pytest

HUSH = ("--input", "hush.wav", "--linger", "0", "--set", "actors.vad.use=actors.vad:Energy")


async def in_a_shell(script: str, user: Any, **environment: str) -> Any:
    """Runs a line of shell in which $assistant is the launcher, and the user's folder the working one."""
    shell = user.folder / "line.sh"
    shell.write_text(f"#!/bin/sh\n{script}\n")
    shell.chmod(0o755)
    user.launcher, launcher = shell, user.launcher
    environment |= {"assistant": str(launcher), "talk": " ".join((*user.talk, *HUSH))}
    return await user.run(GOOGLE_API_KEY=user.key, **environment)


def shell(script: str, **environment: str) -> Any:
    return functools.partial(in_a_shell, script, **environment)


async def through_links(user: Any) -> Any:
    """A link to a link, relative and in another folder whose name has a blank."""
    place = user.folder / "my programs"
    place.mkdir()
    (place / "first").symlink_to(user.launcher)
    (user.folder / "second").symlink_to("my programs/first")
    return await in_a_shell("./second $talk", user)


async def with_a_home_read_only(user: Any) -> Any:
    """Root may write anywhere, so what should be folders are files."""
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        user.environment.pop(name)
    home = user.folder.parent / "rock"
    home.mkdir()
    (home / ".local").write_text("no folder")
    (home / ".cache").write_text("no folder")
    home.chmod(0o555)
    outcome = await in_a_shell("exec $assistant $talk", user, HOME=str(home))
    return outcome, sorted(path.name for path in home.iterdir())


async def with_a_demo_elsewhere(user: Any) -> Any:
    """A demo keeps its recording in TMPDIR; it is ended early, as this is all there is to see."""
    async with user.starts("demo", "interruption", *user.talk[2:6]) as running:
        await running.until_event("turn.user_start")
        await running.send()
        outcome = await running.end()
    return outcome, os.listdir(user.environment["TMPDIR"])  # noqa: PTH208 - a short list


async def with_nobody_listening_in_the_end(user: Any) -> Any:
    """A reader that leaves after the first line, while a recorded question is being answered."""
    question = user.speech("time-tokyo.flac")
    words = " ".join((*user.talk[2:], "--input", question))
    return await in_a_shell(f"($assistant talk {words}; echo $? >code) | head -n 1", user)


RUNS = {
    "another folder": shell("mkdir else; cp hush.wav else; cd else; exec $assistant $talk"),
    "a link": through_links,
    "stdin closed": shell("exec $assistant plan >plan.txt <&-"),
    "stdout closed": shell("exec $assistant $talk >&-"),
    "stderr closed": shell("exec $assistant plan >plan.txt 2>&-"),
    "all closed": shell("exec $assistant $talk <&- >&- 2>&-"),
    "no home": shell("unset HOME XDG_STATE_HOME XDG_CACHE_HOME; exec $assistant $talk"),
    "no home at all": shell("exec $assistant $talk", HOME="/nonexistent", XDG_STATE_HOME="", XDG_CACHE_HOME=""),
    "a locale of one byte": shell(
        "exec $assistant plan >plan.txt", LC_ALL="POSIX", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0"
    ),
    "a folder that is gone": shell("cp hush.wav ..; mkdir x; cd x; rmdir ../x; exec $assistant plan"),
}
SCENARIOS = RUNS | {
    "a home that is a rock": with_a_home_read_only,
    "a demo": with_a_demo_elsewhere,
    "nobody listening": with_nobody_listening_in_the_end,
    "full disk": shell("exec $assistant plan >/dev/full"),
    "plan to head": shell("($assistant plan; echo $? >code) | head -n 1"),
    "words of another tongue": shell("exec $assistant plan --set 'live.system_instruction=Grüß Gott'", LC_ALL="C"),
}


@pytest.mark.parametrize("name", [name for name in RUNS if name != "a folder that is gone"])
def test_it_works_wherever_it_is_started(name: str, played: Any) -> None:
    outcome = played(name)
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    if (outcome.folder / "plan.txt").exists():
        assert "gemini-3.8-live" in (outcome.folder / "plan.txt").read_text("utf-8")
        return
    found = [path for path in (outcome.folder, outcome.folder / "else") if (path / "events.jsonl").exists()]
    events = [json.loads(line) for line in (found[0] / "events.jsonl").read_text("utf-8").splitlines()]
    assert "CONNECTED" in [event["to"] for event in events if event["event"] == "session.state"]


def test_a_home_that_cannot_be_written_ends_nothing(played: Any) -> None:
    outcome, left = played("a home that is a rock")
    assert outcome.code == 0
    assert "Traceback" not in outcome.err
    assert left == [".cache", ".local"]


def test_a_folder_that_is_gone_is_told(played: Any) -> None:
    outcome = played("a folder that is gone")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].startswith("assistant: the working folder is gone")
    assert "Traceback" not in outcome.err


def test_temporary_files_go_where_they_are_wanted(played: Any) -> None:
    outcome, left = played("a demo")
    assert (outcome.code, outcome.err) == (130, "")
    assert left != [] or len(outcome.sound()) > 0


@pytest.mark.parametrize("name", ["nobody listening", "plan to head"])
def test_a_reader_that_leaves_is_no_reason_for_a_traceback(name: str, played: Any) -> None:
    outcome = played(name)
    assert outcome.code == 0  # that of head
    assert outcome.out.count("\n") == 1
    assert outcome.err == ""
    assert int((outcome.folder / "code").read_text()) in (0, 1, 141)


def test_what_cannot_be_printed_is_told(played: Any) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    outcome = played("full disk")
    assert outcome.code == 1
    (sentence,) = outcome.err.splitlines()
    assert "the disk is full" in sentence


def test_any_letter_may_stand_on_the_command_line(played: Any) -> None:
    outcome = played("words of another tongue")
    assert (outcome.code, outcome.err) == (0, "")
