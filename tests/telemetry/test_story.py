"""The log: a line a turn with what there is to know, troubles, no secret, no flood."""

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import structlog

from pipeline import events as e
from pipeline.bus import NONE, Bus
from pipeline.errors import BadRecording
from pipeline.secrets import SHOWN, Secrets
from telemetry.story import Redaction, Repeats, Story

TURN = [
    e.Transcript("user", "what time is it", final=True, turn=1),
    e.ToolStarted("c", "clock", {}, 1),
    e.TurnTimed(1, 812.0, {"service": 800.0, "device": 12.0}),
    e.Transcript("model", "It is noon.", final=True, turn=1),
    e.TurnEnded(1, 900.0, "completed"),
]


async def told(*events: e.Event, style: Any = "json", secrets: Secrets | None = None, **how: Any) -> list[str]:
    written: list[bytes] = []
    bus = Bus(clock=lambda: 3.0)
    listener = bus.subscribe(**how)
    for event in events:
        bus.publish(event)
    bus.close()
    await Story(secrets or Secrets(), written.append, style, wall=1000.0).run(listener)
    return [line.decode() for line in written]


async def test_a_turn_is_one_line() -> None:
    (line,) = await told(*TURN)
    assert json.loads(line) == {
        "time": "1970-01-01T00:16:43.000+00:00",
        "level": "info",
        "event": "turn",
        "actor": "playback",
        "turn": 1,
        "outcome": "completed",
        "latency_ms": 812.0,
        "heard_ms": 900.0,
        "underruns": 0,
        "tools": 1,
        "parts": {"service": 800.0, "device": 12.0},
        "user": "what time is it",
        "model": "It is noon.",
    }
    assert line.endswith("}\n")


async def test_on_a_console_the_same_is_read_by_people() -> None:
    (line,) = await told(*TURN, style="console")
    assert line.count("\n") == 1
    for piece in ("turn", "playback", "812", "completed"):
        assert piece in line


async def test_words_that_may_not_be_kept_are_not() -> None:
    (line,) = await told(*TURN, content=NONE)
    assert {"user", "model"}.isdisjoint(json.loads(line))


async def test_troubles_have_lines_with_their_actor_and_turn() -> None:
    events = [TURN[2], e.ActorRestarted("vad", 1, "ValueError: no"), e.SessionResumed(1, 90.0, 0.0, 0.0), e.Notice("x")]
    restart, resumed = [json.loads(line) for line in await told(*events)]
    assert restart.items() >= {"level": "error", "event": "actor.restart", "actor": "vad", "turn": 1}.items()
    assert resumed.items() >= {"level": "warning", "actor": "connection", "gap_ms": 90.0}.items()


async def test_no_secret_reaches_a_line(canary: str) -> None:
    secrets = Secrets()
    secrets.hide(canary)
    lines = await told(e.Trouble(f"refused {canary}", 1007, "stop"), secrets=secrets)
    assert canary not in lines[0]
    assert SHOWN in lines[0]


def test_redaction_reaches_into_tables(canary: str) -> None:
    secrets = Secrets()
    secrets.hide(canary)
    line = Redaction(secrets)(None, "info", {"event": "x", "deep": {"list": [canary]}})
    assert line == {"event": "x", "deep": {"list": [SHOWN]}}


def test_repeats_are_held_back_and_counted() -> None:
    repeats = Repeats(quiet=10.0)

    def passes(at: float, what: str = "lost", method: str = "error") -> Any:
        try:
            return repeats(None, method, {"event": "error", "what": what, "at": at}).get("repeated", 0)
        except structlog.DropEvent:
            return None

    assert [passes(at) for at in (0.0, 1.0, 2.0)] == [0, None, None]
    assert passes(2.0, "another") == 0
    assert [passes(3.0, method="info"), passes(3.1, method="info")] == [0, 0]  # turns are never held back
    assert passes(12.0) == 2
    assert passes(30.0) == 0


async def test_it_appends_to_a_file_or_says_why_not(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for _ in range(2):
        bus = Bus()
        listener = bus.subscribe()
        bus.publish(attrs.evolve(TURN[-1]))
        bus.close()
        await Story.open(path, Secrets(), "json", 0.0).run(listener)
    assert len(path.read_text().splitlines()) == 2
    with pytest.raises(BadRecording, match=r"cannot write the log .*; name another file"):
        Story.open(tmp_path, Secrets(), "json", 0.0)


async def test_a_full_disk_ends_the_log_alone() -> None:
    def full(_line: bytes) -> None:
        raise OSError(28, "No space left on device")

    bus = Bus()
    listener = bus.subscribe()
    bus.publish(TURN[-1])
    bus.close()
    await Story(Secrets(), full).run(listener)
