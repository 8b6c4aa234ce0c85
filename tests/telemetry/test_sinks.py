"""The sinks together: none is waited for, none takes the conversation along, and none gets what it may not have."""

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from pipeline import Bus, Plan
from pipeline import events as e
from pipeline.bus import FULL, NONE, TRANSCRIPTS, Content
from pipeline.environment import Environment
from pipeline.errors import BadRecording, PlanError
from telemetry.lines import Lines
from telemetry.sinks import SINKS, Occasion, listening

Opener = Callable[[Occasion], Any]
SAID, ASKED, TOLD = "zebra", "walrus", "ocelot"  # canaries: said by the user, asked of a tool, told by it
WORDS: list[e.Event] = [
    e.Transcript("user", f"is there a {SAID}", final=False, turn=1),
    e.Transcript("user", f"is there a {SAID}", final=True, turn=1),
    e.ToolStarted("c1", "find_animal", {"animal": ASKED, "deep": [{"er": ASKED}]}, 1),
    e.ToolEnded("c1", "find_animal", 5.0, "ok", {"found": TOLD}),
    e.Trouble("find_animal failed", "tool", "the model is told so", f"no {TOLD} found"),
    e.Sources(1, ({"number": 1, "title": SAID, "uri": f"https://{SAID}"},), (SAID,), f"<b>{SAID}</b>"),
    e.FirstAudio(1, 800.0),
    e.Transcript("model", f"there is a {SAID}", final=True, turn=1),
    e.ActorRestarted("vad", 1, f"ValueError: {SAID}"),
    e.TurnEnded(1, 900.0, "completed"),
]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@attrs.define
class Kept:
    """A sink that only listens; `name` and what it does with an event are the test's."""

    name: str = "the test's"
    act: Callable[[e.Event], object] = lambda _event: None
    events: list[e.Event] = attrs.field(factory=list)

    async def run(self, events: e.Subscription) -> None:
        async for event in events:
            self.events.append(event)
            self.act(event)


def occasion(
    folder: Path, options: dict[str, Any] | None = None, environment: Environment | None = None, **telemetry: Any
) -> Occasion:
    plan = Plan.load(folder=folder)
    plan.set("telemetry", telemetry)
    environment = environment or Environment()
    return Occasion.of(Bus(environment.secrets()), plan, environment, {"quiet": True, **(options or {})})


@pytest.mark.parametrize(("level", "kept"), [(NONE, set()), (TRANSCRIPTS, {SAID, ASKED}), (FULL, {SAID, ASKED, TOLD})])
async def test_no_sink_gets_what_the_level_forbids(
    level: Content,
    kept: set[str],
    tmp_path: Path,
    collector: Callable[..., Any],
    capfd: pytest.CaptureFixture[str],
    canary: str,
) -> None:
    receiver = collector()
    files = {"events": "events.jsonl", "trace": "trace.jsonl", "metrics": "metrics.txt", "record": "tape"}
    options = {"quiet": False, "plain": True, **{option: str(tmp_path / name) for option, name in files.items()}}
    environment = Environment(laminar_key=canary, laminar_url=receiver.url)
    log = {"log": "json", "log_file": str(tmp_path / "log.jsonl")}
    held = occasion(tmp_path, options, content=level, environment=environment, **log)
    async with listening(held) as listeners:
        assert len(listeners._sinks) == len(SINKS)
        for event in WORDS:
            listeners.bus.publish(event)
        await trio.sleep(0.1)
    places = contents(tmp_path)
    places["laminar"] = b"".join(body for _, _, body in receiver.requests)
    places["screen"] = capfd.readouterr().out.encode()
    assert {"events.jsonl", "trace.jsonl", "metrics.txt", "log.jsonl", "laminar", "screen"} <= set(places)
    found = {word: {name for name, held in places.items() if word.encode() in held} for word in (SAID, ASKED, TOLD)}
    assert {word for word, where in found.items() if where} == kept, found
    if level == FULL:
        assert {"events.jsonl", "trace.jsonl", "laminar"} <= found[TOLD]
    assert canary.encode() not in b"".join(places.values())


async def test_the_contracts_fields_are_there_at_the_default_level(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    async with listening(occasion(tmp_path, {"events": str(path)})) as listeners:
        for event in WORDS:
            listeners.bus.publish(event)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["args"] for line in lines if line["event"] == "tool.call"] == [
        {"animal": ASKED, "deep": [{"er": ASKED}]}
    ]
    assert lines[0].items() >= {"event": "transcript", "who": "user", "text": f"is there a {SAID}"}.items()
    assert not [line for line in lines if line["event"] == "gauges"]


async def test_a_sink_that_dies_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    def die(_event: e.Event) -> None:
        raise RuntimeError(f"a bug with {SAID}")

    living, dying = Kept("the living"), Kept("the dying", die)
    openers: tuple[Opener, ...] = (lambda _: dying, lambda _: living)
    async with listening(occasion(tmp_path), openers) as listeners:
        listeners.bus.publish(e.Notice("one"))
        await wait_all_tasks_blocked()
        listeners.bus.publish(e.Notice("two"))
    assert [event.name for event in living.events] == ["notice", "error", "notice"]
    trouble = living.events[1]
    assert isinstance(trouble, e.Trouble)
    assert (trouble.what, trouble.code, trouble.detail) == ("the dying ended", "RuntimeError", None)


async def test_a_slow_sink_loses_and_that_is_counted_and_told(tmp_path: Path, autojump_clock: object) -> None:
    @attrs.define
    class Slow:
        name: str = "the slow"

        async def run(self, events: e.Subscription) -> None:
            events.capacity = 2
            async for _ in events:
                await trio.sleep(100)

    other = Kept()
    openers: tuple[Opener, ...] = (lambda _: Slow(), lambda _: other)
    async with listening(occasion(tmp_path), openers) as listeners:
        await wait_all_tasks_blocked()
        for _ in range(2):
            for number in range(5):
                listeners.bus.publish(e.Notice(str(number)))
                await wait_all_tasks_blocked()
            await trio.sleep(1.5)
    told = [event for event in other.events if isinstance(event, e.ListenerLost)]
    assert [(event.listener, event.lost) for event in told] == [("the slow", 2), ("the slow", 5)]
    assert listeners.lost["the slow"] >= 7


async def test_a_screen_that_nobody_reads_stalls_nothing(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"x" * 65536)  # full

    def show(line: str) -> None:
        os.write(theirs, line.encode())

    lines = Lines(write=show)
    path = tmp_path / "events.jsonl"
    openers: tuple[Opener, ...] = (lambda _: lines, *SINKS)
    began = time.monotonic()
    async with listening(occasion(tmp_path, {"events": str(path)}), openers) as listeners:
        for number in range(100):
            listeners.bus.publish(e.Notice(str(number)))
        await trio.sleep(0.2)
        assert len(path.read_text().splitlines()) == 100
        assert time.monotonic() - began < 1.0
    assert time.monotonic() - began < 3.0
    assert listeners.lost == {lines.name: 100}
    os.read(ours, 65536)
    os.close(ours)


async def test_a_reader_of_the_screen_that_has_left_ends_the_program(tmp_path: Path) -> None:
    def gone(_line: str) -> None:
        raise BrokenPipeError

    with pytest.RaisesGroup(BrokenPipeError, flatten_subgroups=True):
        async with listening(occasion(tmp_path), (lambda _: Lines(write=gone),)) as listeners:
            listeners.bus.publish(e.Notice("x"))
            await trio.sleep_forever()


async def test_measurements_are_made_only_where_a_sink_asks(tmp_path: Path) -> None:
    async with listening(occasion(tmp_path, {"events": str(tmp_path / "events")})) as listeners:
        assert listeners.bus.period is None
    async with listening(occasion(tmp_path, {"metrics": str(tmp_path / "metrics")})) as listeners:
        assert listeners.bus.period == 1.0


async def test_everything_off_starts_no_thread_and_no_listener(tmp_path: Path) -> None:
    before = threading.active_count()
    async with listening(occasion(tmp_path)) as listeners:
        assert (listeners._sinks, threading.active_count()) == ([], before)


@pytest.mark.parametrize("option", ["events", "trace", "metrics"])
async def test_a_file_that_cannot_be_written_is_said_before_anything_starts(tmp_path: Path, option: str) -> None:
    with pytest.raises(BadRecording, match=r"cannot write the .*; name another file"):
        async with listening(occasion(tmp_path, {option: str(tmp_path / "no" / "file")})):
            pass


@pytest.mark.parametrize(
    ("telemetry", "sentence"),
    [
        ({"content": "all"}, "telemetry.content is 'all'; it must be one of 'none', 'transcripts', 'full'"),
        ({"volume": 1}, "telemetry.volume is unknown; telemetry has content, "),
        ({"prices": {"m": {"audio": 1.0}}}, "telemetry.prices.m is .*; it must be a table with text_in"),
        ({"prices": {"m": {"text_in": "much"}}}, "telemetry.prices.m is .*; it must be a table with text_in"),
    ],
)
def test_settings_that_make_no_sense_are_refused(telemetry: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    plan = Plan.load(folder=tmp_path)
    plan.set("telemetry", telemetry)
    with pytest.raises(PlanError, match=sentence):
        Occasion.of(Bus(), plan, Environment(), {})


async def test_a_folder_stays_empty_where_another_sink_cannot_be_opened(tmp_path: Path) -> None:
    options = {"record": str(tmp_path / "tape"), "trace": str(tmp_path / "no" / "trace")}
    with pytest.raises(BadRecording, match="cannot write the trace"):
        async with listening(occasion(tmp_path, options)):
            pass
    assert not (tmp_path / "tape").exists()


async def test_what_a_sink_misses_after_its_end_is_counted_and_not_told_again(tmp_path: Path) -> None:
    def full(_line: str) -> None:
        raise OSError(28, "No space left on device")

    lines, other = Lines(write=full), Kept()
    openers: tuple[Opener, ...] = (lambda _: lines, lambda _: other)
    async with listening(occasion(tmp_path), openers) as listeners:
        for number in range(5):
            listeners.bus.publish(e.Notice(str(number)))
            await trio.sleep(0.05)
        listeners.tell_losses()
    assert listeners.lost == {lines.name: 5}
    assert [event.name for event in other.events] == ["notice"] * 5
