"""Measurements of a real conversation: levels at both ends, edges, actors; and nothing of it in the event log."""

import json
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio

from pipeline.environment import Environment
from pipeline.events import Gauges
from pipeline.gauges import FLOOR

Watching = Callable[..., Any]


async def test_levels_follow_both_voices(autojump_clock: object, watched: Watching, tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    async with watched("time-tokyo.flac", {"events": str(log)}) as near:
        watching = near.conversation.bus.subscribe(gauges=0.1)
        await near.until(lambda: near.named("turn.end"))
        await trio.sleep(1)
    measured = [event async for event in watching if isinstance(event, Gauges)]
    begins, ends = (near.named(name)[0].at for name in ("turn.first_audio", "turn.end"))
    spoken = near.named("turn.user_start")[0].at
    asking = [one.microphone for one in measured if spoken < one.at < spoken + 0.5]
    answering = [one.speaker for one in measured if begins + 0.1 < one.at < ends - 0.1]
    after = [one.speaker for one in measured if one.at > ends + 0.2]
    assert max(level.peak for level in asking if level) > -30
    assert max(level.rms for level in answering if level) > -40
    assert all(FLOOR <= level.rms <= level.peak <= 0 for level in asking + answering if level)
    assert after
    assert not any(after)
    assert measured[-1].actors["dispatch"].state == "running"
    assert measured[-1].edges["reply"].dropped == 0
    assert {round(second.at - first.at, 3) for first, second in pairwise(measured)} == {0.1}
    assert not [line for line in log.read_text().splitlines() if json.loads(line)["event"] == "gauges"]


async def test_an_actor_that_is_started_again_is_counted(autojump_clock: object, watched: Watching) -> None:
    async with watched("silence.flac") as near:
        watching = near.conversation.bus.subscribe(gauges=0.1)
        await trio.sleep(1)
        near.conversation.restart("vad")
        await trio.sleep(1)
    last = [event async for event in watching if isinstance(event, Gauges)][-1]
    assert (last.actors["vad"].restarts, last.actors["uplink"].restarts) == (1, 0)


async def test_each_listener_gets_measurements_as_often_as_it_asked(autojump_clock: object, watched: Watching) -> None:
    async with watched("silence.flac") as near:
        bus = near.conversation.bus
        listeners = [bus.subscribe(gauges=period) for period in (0.1, 0.125, 1.0, None)]
        await trio.sleep(10.05)
    counts = [sum([isinstance(event, Gauges) async for event in listener]) for listener in listeners]
    assert counts[0] == pytest.approx(100, abs=1)
    assert counts[1] == pytest.approx(100, abs=1)  # nothing between a tenth of a second and the next is nearer
    assert counts[2:] == [10, 0]


@pytest.mark.parametrize("only", ["trace", "log", "laminar"])
async def test_the_loop_is_watched_for_whoever_tells_of_stalls(
    only: str, autojump_clock: object, watched: Watching, tmp_path: Path, collector: Callable[..., Any], canary: str
) -> None:
    path, receiver = tmp_path / only, collector()
    environment = Environment(laminar_key=canary if only == "laminar" else "", laminar_url=receiver.url)
    log = {"telemetry__log": "json", "telemetry__log_file": str(path)} if only == "log" else {}
    options = {"trace": str(path)} if only == "trace" else {}
    async with watched("silence.flac", options, environment, **log) as near:
        await trio.sleep(2)
        assert near.conversation.bus.period == 1.0
        time.sleep(0.06)  # noqa: ASYNC251 - what keeps the loop is what is to be seen
        await near.until(lambda: near.named("loop.stall"))
    told = b"".join(body for _, _, body in receiver.requests) if only == "laminar" else path.read_bytes()
    assert b"loop.stall" in told
    assert b"longest_step_ms" not in told, "measurements themselves are no part of it"
