"""The event log: one JSON object a line, as the contract names them."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import attrs
import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from pipeline import events as e
from pipeline.errors import BadRecording
from telemetry.log import EventLog, encoded


async def logged(path: Path, *events: e.Event, bus: e.Bus | None = None) -> list[dict[str, Any]]:
    """What a log says of these events."""
    bus = bus or e.Bus()
    log = EventLog.open(path, bus)
    listener = bus.subscribe()
    for event in events:
        bus.publish(event)
    bus.close()
    await log.run(listener)
    return read(path)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


async def test_each_line_has_its_time_since_the_first_and_its_name(tmp_path: Path, autojump_clock: MockClock) -> None:
    path = tmp_path / "events.jsonl"
    bus = e.Bus()
    log = EventLog.open(path, bus, threads=False)  # a virtual clock
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.run, bus.subscribe())
        await trio.sleep(5)
        for pause in (0.25, 1.0, 0):
            bus.publish(e.Notice("tick"))
            await wait_all_tasks_blocked()
            assert read(path)[-1]["text"] == "tick"  # flushed by line
            await trio.sleep(pause)
        bus.close()
    lines = read(path)
    assert [line["t"] for line in lines] == [0, 0.25, 1.25]
    assert lines[0] == {"t": 0, "event": "notice", "text": "tick"}
    assert list(lines[0]) == ["t", "event", "text"]


async def test_the_lines_are_the_contracts(tmp_path: Path) -> None:
    *lines, sources = await logged(
        tmp_path / "log",
        e.SessionStateChanged("A", "B", "why"),
        e.ToolStarted("c1", "clock", {"city": "Zürich"}),
        e.ToolEnded("c1", "clock", 1.5, "ok"),
        e.FirstAudio(1, None),
        e.Usage({"totalTokenCount": 3}),
        e.Sources(1, ({"title": "T"},)),
    )
    for line in lines:
        del line["t"]
    assert lines == [
        {"event": "session.state", "from": "A", "to": "B", "reason": "why"},
        {"event": "tool.call", "id": "c1", "name": "clock", "args": {"city": "Zürich"}},
        {"event": "tool.result", "id": "c1", "name": "clock", "ms": 1.5, "outcome": "ok"},
        {"event": "turn.first_audio", "turn": 1, "latency_ms": None},
        {"event": "usage", "totalTokenCount": 3},
    ]
    assert sources.items() >= {"event": "sources", "turn": 1, "sources": [{"title": "T"}]}.items()


@pytest.mark.parametrize(
    "args",
    [{"n": 2**70}, {"x": math.nan}, {"half": "\ud800"}, {"deep": {1: "one", (1, 2): "pair"}}, {"path": Path("a")}],
    ids=["big", "nan", "half a character", "odd keys", "an object"],
)
async def test_nothing_a_far_end_sends_ends_the_log(args: Mapping[str, object], tmp_path: Path) -> None:
    lines = await logged(tmp_path / "log", e.ToolStarted("c1", "x", args), e.Notice("still here"))
    assert [line["event"] for line in lines] == ["tool.call", "notice"]


async def test_no_secret_is_written_also_one_that_was_learnt_late(tmp_path: Path, canary: str) -> None:
    bus = e.Bus()
    log = EventLog.open(tmp_path / "log", bus)
    listener = bus.subscribe()
    listener.put(attrs.evolve(e.Notice(f"before anyone knew {canary}"), at=0.0))
    bus.secrets.hide(canary)
    bus.publish(e.ToolStarted("c1", "x", {"key": [canary]}))
    bus.close()
    await log.run(listener)
    text = str(read(tmp_path / "log"))
    assert canary not in text
    assert text.count("[secret]") == 2


def test_a_log_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match=r"cannot write the event log .*: Is a directory; name another file"):
        EventLog.open(tmp_path, e.Bus())
    with pytest.raises(BadRecording, match="No such file or directory"):
        EventLog.open(tmp_path / "no" / "log", e.Bus())


class Full:
    """A disk with room for one line."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.closed = False

    def write(self, line: bytes) -> int:
        if self.lines:
            raise OSError(28, "No space left on device")
        self.lines.append(line)
        return len(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


async def test_a_full_disk_ends_the_log_and_not_the_conversation(tmp_path: Path) -> None:
    bus, disk = e.Bus(), Full()
    log = EventLog(tmp_path / "log", bus, disk)  # type: ignore[arg-type]
    listener, other = bus.subscribe(), bus.subscribe()
    for number in range(3):
        bus.publish(e.Notice(str(number)))
    await log.run(listener)
    bus.close()
    told = [event async for event in other]
    assert [event.name for event in told] == ["notice", "notice", "notice", "error"]
    assert told[-1].fields()["what"] == f"the event log {tmp_path / 'log'} ends: No space left on device"
    assert disk.closed
    assert len(disk.lines) == 1


def test_half_a_character_is_json_that_others_read() -> None:
    assert msgspec.json.decode(encoded({"text": "a\ud83d", "b": "é"})) == {"text": "a?", "b": "é"}
