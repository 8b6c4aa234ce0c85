"""What a level of content forbids is nowhere in a recording's folder, and no secret is at any level."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.plan import Plan
from telemetry.tape_about import level_of

Recording = Callable[..., Any]
SAID = "what time is it in tokyo"


def holds(folder: Path, needle: bytes) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if needle.lower() in path.read_bytes().lower())


async def record(recording: Recording, **keys: object) -> Path:
    async with recording("time-tokyo.flac", **keys) as recorded:
        await recorded.turns(1)
        await recorded.conversation.say("what time is it in tokyo")
        await recorded.turns(2)
        folder: Path = recorded.folder
    return folder


async def test_nothing_is_withheld_where_a_recording_was_asked_for(
    autojump_clock: object, recording: Recording
) -> None:
    folder = await record(recording)
    assert {"conversation.flac", "microphone.pcm", "service.pcm"} <= {path.name for path in folder.iterdir()}
    assert holds(folder, SAID.encode()) == ["events.jsonl", "frames.jsonl"]


@pytest.mark.parametrize("content", ["none", "transcripts"])
async def test_no_sound_below_full(autojump_clock: object, recording: Recording, content: str) -> None:
    folder = await record(recording, telemetry__content=content)
    assert {path.name for path in folder.iterdir()} == {"events.jsonl", "frames.jsonl", "plan.toml", "versions.json"}
    assert not holds(folder, b'"data":"')
    longest = max(len(word) for path in folder.iterdir() for word in path.read_text().split('"'))
    assert longest < 2000, "sound in base64 would be one long word"


async def test_transcripts_hold_words_and_not_what_tools_answered(autojump_clock: object, recording: Recording) -> None:
    folder = await record(recording, telemetry__content="transcripts")
    assert holds(folder, SAID.encode()) == ["events.jsonl", "frames.jsonl"]
    frames = (folder / "frames.jsonl").read_text()
    assert '"functionResponses"' in frames
    assert '"response":{"omitted":true}' in frames


async def test_none_holds_no_word_of_either_side(
    autojump_clock: object, recording: Recording, recordings: Path, tmp_path: Path
) -> None:
    (tmp_path / "question.flac").write_bytes((recordings / "time-tokyo.flac").read_bytes())  # no words in its name
    microphone = {"use": "actors.microphone:Recording", "path": str(tmp_path / "question.flac")}
    folder = await record(recording, telemetry__content="none", actors__microphone=microphone)
    for word in (b"tokyo", b"what time", b"ahead of", b"japan"):
        assert holds(folder, word) == [], word


async def test_no_secret_is_in_it_in_any_disguise(
    autojump_clock: object, recording: Recording, canary: str, tmp_path: Path
) -> None:
    server = {"command": "no-such-program", "env": {"API": "a-word-only-its-owner-knows"}}
    async with recording(
        "time-tokyo.flac",
        secret=canary,
        tools__mcp={"mine": server},
        live__http_options={"headers": {"x-own": "another-word-of-its-owner"}},
    ) as recorded:
        await recorded.conversation.say(f"my key is {canary}")
        await recorded.turns(1)
        handle = recorded.conversation.house.state["session"].handle
    for secret in (canary, handle, "a-word-only-its-owner-knows", "another-word-of-its-owner"):
        for needle in (secret.encode(), base64.b64encode(secret.encode())[:-4]):
            assert holds(recorded.folder, needle) == []


def test_a_level_that_is_set_on_purpose_holds_for_recordings_too() -> None:
    plan = Plan.load()
    assert level_of(plan) == "full"
    plan.set("telemetry.content", "transcripts")
    assert level_of(plan) == "transcripts"
