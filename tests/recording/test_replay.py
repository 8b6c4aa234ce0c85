"""A replay comes out the same where nothing was changed, and says so where something was."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from bin.options import parser
from bin.replay import main
from pipeline.errors import BadRecording

Recording = Callable[..., Any]


def replayed(folder: Path, *options: str) -> int:
    return main(parser().parse_args(["replay", str(folder), *options]))


def change(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        edit(line)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def taped() -> dict[str, Path]:
    """Recordings that were made already, by what was set for them."""
    return {}


@pytest.fixture
def talk(recording: Recording, tmp_path: Path, taped: dict[str, Path]) -> Callable[..., Path]:
    """Records a question with a tool call, interrupted at the keyboard, and gives a copy of the folder."""

    async def converse(**keys: object) -> None:
        async with recording("time-tokyo.flac", **keys) as recorded:
            await recorded.until(lambda: recorded.named("turn.first_audio"))
            await trio.sleep(2)
            await recorded.conversation.interrupt()
            await recorded.turns(1)
            recorded.conversation.restart("vad")
            recorded.conversation.mute()
            await recorded.conversation.say("what time is it in paris")
            await recorded.turns(2)

    def run(**keys: object) -> Path:
        if repr(keys) not in taped:
            trio.run(partial(converse, **keys), clock=trio.testing.MockClock(autojump_threshold=0))
            taped[repr(keys)] = tmp_path / "tape"
        return Path(shutil.copytree(taped[repr(keys)], tmp_path / "copy"))

    return run


def test_an_unchanged_recording_comes_out_the_same(
    talk: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert replayed(talk()) == 0, capsys.readouterr().out
    assert "came out the same" in capsys.readouterr().out


async def test_a_reconnect_comes_out_the_same(autojump_clock: object, recording: Recording) -> None:
    async with recording("time-tokyo.flac") as recorded:
        await recorded.until(lambda: recorded.named("turn.user_start"))
        await trio.sleep(0.5)
        for connection in list(recorded.service.connections):
            connection.cut()
        await recorded.turns(1)
        assert recorded.named("session.resumed")
        folder = recorded.folder
    assert await trio.to_thread.run_sync(replayed, folder) == 0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('model = "gemini-3.8-live"', 'model = "gemini-3.8-other"', "and is models/gemini-3.8-other in the replay"),
        ('model = "gemini-3.8-live"', 'model = ""', "the replay ended by itself: [live] model"),
        ('turns = "server"', 'turns = "local"', "activityStart"),
        ("[actors.vad]", "[actors.vad]\nhangover_ms = 500.0", "sound_ms"),
    ],
)
def test_a_changed_plan_is_a_difference(
    talk: Callable[..., Path], capsys: pytest.CaptureFixture[str], old: str, new: str, words: str
) -> None:
    folder = talk()
    plan = folder / "plan.toml"
    assert old in plan.read_text()
    plan.write_text(plan.read_text().replace(old, new))
    assert replayed(folder) == 1
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("event", "field", "value", "words"),
    [
        ("turn.end", "outcome", "failed", "end of a turn (turn 1, outcome failed)"),
        ("turn.end", "heard_ms", 9000.0, "had heard_ms 9000"),
        ("tool.result", "outcome", "void", "tool result (name get_time, outcome void)"),
        ("session.state", "to", "CLOSED", "state of the session"),
        ("turn.first_audio", "latency_ms", 5.0, "had latency_ms 5"),
    ],
)
def test_a_changed_event_is_a_difference(
    talk: Callable[..., Path], capsys: pytest.CaptureFixture[str], event: str, field: str, value: object, words: str
) -> None:
    folder = talk()

    def edit(line: dict[str, Any]) -> None:
        if line["event"] == event:
            line[field] = value

    change(folder / "events.jsonl", edit)
    assert replayed(folder) == 1
    assert words in capsys.readouterr().out


def test_words_the_service_did_not_say_are_a_difference(
    talk: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = talk()

    def edit(line: dict[str, Any]) -> None:
        spoken = line.get("frame", {}).get("serverContent", {}).get("outputTranscription")
        if spoken:
            spoken["text"] = spoken["text"].replace("Tokyo", "Kyoto")

    change(folder / "frames.jsonl", edit)
    assert replayed(folder) == 1
    out = capsys.readouterr().out
    assert "Kyoto" in out
    assert "the recording does not" in out


def test_a_tape_without_sound_cannot_be_replayed(talk: Callable[..., Path]) -> None:
    with pytest.raises(BadRecording, match="content = 'transcripts'"):
        replayed(talk(telemetry__content="transcripts"))


def test_a_tape_that_was_cut_off_is_replayed_as_far_as_it_goes(
    talk: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = talk()
    for name in ("frames.jsonl", "events.jsonl"):
        path = folder / name
        lines = path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if json.loads(line)["t"] < 5.0]
        path.write_bytes(b"".join(kept) + lines[-1][:10])
    assert replayed(folder) == 0, capsys.readouterr().out
    assert "has no end" in capsys.readouterr().err


def test_missing_sound_is_said(talk: Callable[..., Path]) -> None:
    folder = talk()
    (folder / "service.pcm").write_bytes(b"")
    with pytest.raises(BadRecording, match=r"service\.pcm is cut short"):
        replayed(folder)
