"""Dispatch alone: answers in parts, to whoever joins, repeats or has lost them, and each part once."""

from collections.abc import AsyncIterator
from typing import Any

import trio

from pipeline.messages import CallsCancelled
from tools import tool

VOID = "void: the session that asked is gone"
RUNS: list[str] = []


@tool(scheduling="WHEN_IDLE", blocking=False)
async def count() -> AsyncIterator[int]:
    """Counts to three, one a second."""
    RUNS.append("count")
    for number in (1, 2, 3):
        await trio.sleep(1)
        yield number


WHOLE = [
    ({"result": 1}, True),
    ({"result": 2}, True),
    ({"result": 3}, True),
    ({"result": "done", "answers": 3}, False),
]


def parts(desk: Any, call_id: str) -> list[tuple[Any, Any]]:
    return [(answer.response, answer.will_continue) for answer in desk.answers if answer.id == call_id]


async def test_a_stream_whose_session_was_lost_is_told_from_its_beginning(autojump_clock: object, desk: Any) -> None:
    RUNS.clear()
    desk.use(count)
    desk.call("count", "1")
    await desk.settle(2.5)
    desk.send(CallsCancelled(("1",), VOID))
    await desk.settle(2)
    desk.call("count", "2")
    await desk.settle(1)
    assert parts(desk, "1") == WHOLE[:2]
    assert parts(desk, "2") == WHOLE
    assert RUNS == ["count"]


async def test_a_stream_that_still_runs_is_taken_over_with_what_it_has_said(autojump_clock: object, desk: Any) -> None:
    RUNS.clear()
    desk.use(count)
    desk.call("count", "1")
    await desk.settle(1.5)
    desk.send(CallsCancelled(("1",), VOID))
    desk.call("count", "2")
    await desk.settle()
    assert parts(desk, "2") == WHOLE[:1]
    await desk.settle(2)
    assert parts(desk, "2") == WHOLE
    assert RUNS == ["count"]


async def test_a_call_that_joins_has_the_parts_before_it_at_once(autojump_clock: object, desk: Any) -> None:
    desk.use(tool(idempotent=True)(count))
    desk.call("count", "1")
    await desk.settle(1.5)
    desk.call("count", "2")
    await desk.settle()
    assert parts(desk, "2") == WHOLE[:1]
    await desk.settle(2)
    assert parts(desk, "1") == parts(desk, "2") == WHOLE
    await desk.settle(10)
    desk.call("count", "3")
    await desk.settle()
    assert parts(desk, "3") == WHOLE, "a repeat for which the answer is kept has all of it"


async def test_a_stream_that_is_run_again_sends_no_part_twice(autojump_clock: object, desk: Any) -> None:
    desk.use(tool(idempotent=True)(count))
    desk.call("count", "1")
    await desk.settle(2.5)
    await desk.restart()
    await desk.settle(4)
    assert parts(desk, "1") == WHOLE


async def test_a_stream_without_end_is_cut_and_says_so(autojump_clock: object, desk: Any) -> None:
    ended = []

    @tool
    async def chatter() -> AsyncIterator[str]:
        """Never stops."""
        try:
            while True:
                yield "x" * 1000
                await trio.lowlevel.checkpoint()
        finally:
            ended.append(True)

    desk.use(chatter)
    desk.call("chatter")
    await desk.settle()
    assert 25 < len(desk.answers) < 35
    assert "left out" in desk.answers[-1].response["cut"]
    assert desk.answers[-1].will_continue is False
    assert ended == [True]
