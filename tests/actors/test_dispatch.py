"""Dispatch alone: whatever tools and deadlines do, a call is answered, once, or cancelled."""

import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio

from pipeline.errors import ToolFailed
from pipeline.messages import CallsCancelled, ToolAnswer, ToolCalled
from tools import Emit, Given, Toolbox, tool

CANCELLED = "cancelled by the service"


RUNS: list[object] = []


@pytest.fixture(autouse=True)
def forget_runs() -> None:
    RUNS.clear()


@tool(idempotent=True)
async def look_up(word: str = "") -> str:
    """Looks something up, which takes a second."""
    RUNS.append(word)
    await trio.sleep(1)
    return f"found {word}"


@tool
async def order(what: str = "") -> str:
    """Orders something, which takes a second."""
    RUNS.append(what)
    await trio.sleep(1)
    return f"ordered {what}"


@tool(timeout=60)
async def ponder() -> str:
    """Takes half a minute."""
    await trio.sleep(30)
    return "pondered"


async def test_a_call_is_answered_by_its_id(autojump_clock: object, desk: Any) -> None:
    desk.use(look_up)
    desk.call("look_up", word="tea")
    await desk.settle(2)
    assert desk.answers == [ToolAnswer("1", "look_up", {"result": "found tea"})]
    assert desk.outcomes() == [("1", "ok")]
    assert desk.named("tool.result")[0].ms == 1000


async def test_fifty_calls_at_once_are_answered_once_each(autojump_clock: object, desk: Any) -> None:
    desk.use(order)
    began = trio.current_time()
    desk.send(*(ToolCalled(str(n), "order", {"what": str(n)}, 1) for n in range(50)))
    while len(desk.answers) < 50:
        await desk.settle(0.1)
    assert trio.current_time() - began < 4.5, "sixteen at a time, a second each"
    assert sorted(answer.id for answer in desk.answers) == sorted(map(str, range(50)))
    assert all(answer.response == {"result": f"ordered {answer.id}"} for answer in desk.answers)
    assert len(RUNS) == len(desk.outcomes()) == 50


async def test_a_slow_tool_delays_no_other(autojump_clock: object, desk: Any) -> None:
    desk.use(ponder, look_up)
    desk.call("ponder", "slow")
    desk.call("look_up", "quick")
    await desk.settle(1)
    assert desk.outcomes() == [("quick", "ok")]
    await desk.settle(30)
    assert desk.outcomes()[1:] == [("slow", "ok")]


async def test_calls_beyond_the_limit_wait_and_those_nobody_waits_for_take_no_place(
    autojump_clock: object, desk: Any
) -> None:
    timer = tool(timeout=60, blocking=False, name="timer")(lambda_copy(ponder))
    desk.use(ponder, look_up, timer)
    for n in range(20):
        desk.call("timer", f"timer {n}")
    desk.call("look_up", "quick")
    await desk.settle(1)
    assert ("quick", "ok") in desk.outcomes()


def lambda_copy(function: Callable[..., Any]) -> Callable[..., Any]:
    async def copied() -> Any:
        """The same under another name."""
        return await function()

    return copied


@tool
def broken() -> None:
    """Fails inside."""
    raise ValueError("/srv/secret.py: token 123")


@tool
async def refuses() -> None:
    """Fails on purpose."""
    await trio.lowlevel.checkpoint()
    raise ToolFailed("the shop is closed; try tomorrow", retry=True)


@tool(timeout=3)
async def hangs() -> None:
    """Never answers."""
    await trio.sleep_forever()


@tool
def leaves() -> None:
    """Tries to end the program."""
    raise SystemExit(3)


ERRORS: list[tuple[str, dict[str, object], str, bool, str]] = [
    ("nothing", {}, "there is no tool called 'nothing'", False, "error"),
    ("order", {"wat": 1}, "'wat' is unknown, allowed are what", True, "error"),
    ("broken", {}, "broken failed because of a fault in it", False, "error"),
    ("leaves", {}, "leaves failed because of a fault in it", False, "error"),
    ("refuses", {}, "the shop is closed; try tomorrow", True, "error"),
    ("hangs", {}, "hangs did not answer within 3 s; it may or may not have been done; ask the user", False, "timeout"),
    ("hangs_harmlessly", {}, "hangs_harmlessly did not answer within 3 s", True, "timeout"),
]


@pytest.mark.parametrize(("name", "args", "words", "retry", "outcome"), ERRORS, ids=[error[0] for error in ERRORS])
async def test_whatever_goes_wrong_is_answered_in_plain_words(
    autojump_clock: object, desk: Any, name: str, args: dict[str, object], words: str, retry: bool, outcome: str
) -> None:
    harmless = tool(timeout=3, idempotent=True, name="hangs_harmlessly")(lambda_copy(hangs))
    desk.use(order, broken, refuses, hangs, leaves, harmless)
    desk.send(ToolCalled("1", name, args, 1))
    await desk.settle(10)
    (told,) = desk.told()
    assert words in str(told["error"])
    assert told["retry"] is retry
    assert set(told) == {"error", "retry"}
    assert desk.outcomes() == [("1", outcome)]
    for internal in ("ValueError", "SystemExit", "secret", "Traceback"):
        assert internal not in str(told)


async def test_what_went_wrong_inside_is_logged(autojump_clock: object, desk: Any) -> None:
    desk.use(broken)
    desk.call("broken")
    await desk.settle()
    (trouble,) = desk.named("error")
    assert "ValueError: /srv/secret.py: token 123" in trouble.detail


async def test_an_error_of_any_length_is_cut(autojump_clock: object, desk: Any) -> None:
    @tool
    def lengthy() -> None:
        raise ToolFailed("x" * 100_000)

    desk.use(lengthy)
    desk.call("lengthy")
    await desk.settle()
    assert len(str(desk.told())) < 2000


async def test_parts_of_an_answer_go_out_as_they_come(autojump_clock: object, desk: Any) -> None:
    @tool(scheduling="WHEN_IDLE", blocking=False)
    async def count() -> AsyncIterator[int]:
        for number in (1, 2):
            await trio.sleep(1)
            yield number

    @tool
    async def progress(emit: Given[Emit]) -> str:
        await emit("half way")
        await trio.sleep(1)
        return "there"

    desk.use(count, progress)
    desk.call("count", "1")
    desk.call("progress", "2")
    await desk.settle(3)
    first = [answer for answer in desk.answers if answer.id == "1"]
    assert [(answer.response, answer.will_continue) for answer in first] == [
        ({"result": 1}, True),
        ({"result": 2}, True),
        ({"result": "done", "answers": 2}, False),
    ]
    assert {answer.scheduling for answer in first} == {"WHEN_IDLE"}
    second = [answer for answer in desk.answers if answer.id == "2"]
    assert [answer.will_continue for answer in second] == [True, False]


async def test_whoever_waits_for_an_answer_gets_one(autojump_clock: object, desk: Any) -> None:
    @tool(blocking=True)
    async def count() -> AsyncIterator[int]:
        for number in (1, 2):
            await trio.sleep(1)
            yield number

    desk.use(count)
    desk.call("count")
    await desk.settle(3)
    assert desk.answers == [ToolAnswer("1", "count", {"results": [{"result": 1}, {"result": 2}]})]


async def test_a_cancelled_call_stops_and_sends_nothing(autojump_clock: object, desk: Any) -> None:
    stopped = []

    @tool(timeout=60)
    async def endless() -> None:
        try:
            await trio.sleep_forever()
        finally:
            stopped.append(trio.current_time())

    desk.use(endless)
    desk.call("endless")
    await desk.settle(1)
    desk.send(CallsCancelled(("1", "unknown"), CANCELLED))
    await desk.settle()
    assert len(stopped) == 1
    await desk.settle(60)
    assert not desk.answers
    assert desk.outcomes() == [("1", "cancelled")]


async def test_a_call_cancelled_at_once_sends_nothing(autojump_clock: object, desk: Any) -> None:
    desk.use(order)
    desk.call("order")
    desk.send(CallsCancelled(("1",), CANCELLED))
    await desk.settle(5)
    assert not desk.answers
    assert desk.outcomes() == [("1", "cancelled")]


async def test_exclusive_tools_run_one_after_the_other(autojump_clock: object, desk: Any) -> None:
    desk.use(tool(exclusive=True, name="alone")(order_copy()))
    desk.call("alone", "1", what="a")
    desk.call("alone", "2", what="b")
    await desk.settle(1.5)
    assert desk.outcomes() == [("1", "ok")]
    await desk.settle(1)
    assert desk.outcomes()[1:] == [("2", "ok")]


def order_copy() -> Callable[..., Any]:
    async def copied(what: str) -> str:
        """Orders."""
        return await order(what)

    return copied


async def test_a_hung_sync_tool_cannot_hang_shutdown(desk_of: Any) -> None:
    release = threading.Event()

    @tool(timeout=60)
    def hang() -> None:
        release.wait(30)

    try:
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                desk = desk_of(nursery, toolbox=Toolbox())
                desk.use(hang)
                await desk.start()
                for n in range(8):
                    desk.call("hang", str(n))
                await trio.sleep(0.05)
                desk.stop()
    finally:
        release.set()
