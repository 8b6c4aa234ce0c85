"""Measurements of a real conversation: levels at both ends, edges, actors; and nothing of it in the event log."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import trio

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
