"""Dispatch alone: tools at fault, tools that run one at a time, and runs that were cut short."""

import threading
import time
from typing import Annotated, Any

import attrs
import pytest
import trio
import trio.lowlevel

from pipeline.messages import CallsCancelled
from tools import Toolbox, tool
from tools.registry import Tool

VOID = "void: the session that asked is gone"
RUNS: list[str] = []


@pytest.fixture(autouse=True)
def forget_runs() -> None:
    RUNS.clear()


def _known(_self: object, _field: object, value: str) -> None:
    {"red": 1}[value]  # a check that is itself at fault


@attrs.frozen
class Paint:
    name: str = attrs.field(validator=_known)


@tool(idempotent=True)
async def mix(paint: Paint) -> str:
    """Mixes a paint."""
    RUNS.append(paint.name)
    await trio.lowlevel.checkpoint()
    return "mixed"


async def test_a_check_at_fault_is_a_bad_argument_and_names_it(autojump_clock: object, desk: Any) -> None:
    desk.use(mix)
    for n in range(8):
        desk.call("mix", str(n), paint={"name": "green"})
    desk.call("mix", "last", paint={"name": "red"})
    await desk.settle()
    told = str(desk.told("0")[0]["error"])
    assert "mix was not run: paint is {'name': 'green'}" in told
    assert "KeyError" not in told
    assert desk.told("last") == [{"result": "mixed"}]


async def test_a_fault_of_any_kind_ends_one_call_and_not_the_conversation(autojump_clock: object, desk: Any) -> None:
    desk.use(mix)

    class Worse(Tool):
        def accept(self, args: Any) -> Any:
            raise KeyError(f"inside {args}")

    made = desk.toolbox.get("mix")
    desk.toolbox._tools["mix"] = Worse(**{field.alias: getattr(made, field.name) for field in attrs.fields(Tool)})
    desk.call("mix", "1", paint={"name": "red"})
    await desk.settle()
    assert desk.outcomes() == [("1", "error")]
    assert "a fault in it" in str(desk.told("1"))
    assert "inside" in desk.named("error")[0].detail


async def test_a_run_that_is_cut_short_again_and_again_is_answered(autojump_clock: object, desk: Any) -> None:
    @tool(idempotent=True, timeout=60)
    async def ponder() -> str:
        """Takes half a minute."""
        RUNS.append("ponder")
        await trio.sleep(30)
        return "pondered"

    desk.use(ponder)
    desk.call("ponder")
    for _ in range(3):
        await desk.settle(1)
        await desk.restart()
    assert RUNS == ["ponder"] * 2
    assert desk.outcomes() == [("1", "error")]
    assert "cut short" in str(desk.told("1"))


@tool(exclusive=True, timeout=10)
async def lift(weight: int = 0) -> str:
    """Takes eight seconds, and there is one of it."""
    RUNS.append(f"lift {weight}")
    await trio.sleep(8)
    return "lifted"


async def test_those_who_wait_for_each_other_take_no_place_from_others(autojump_clock: object, desk: Any) -> None:
    @tool
    async def quick() -> str:
        """Takes no time."""
        await trio.lowlevel.checkpoint()
        return "quick"

    desk.use(lift, quick)
    for n in range(30):
        desk.call("lift", f"lift {n}", weight=n)
    desk.call("quick", "quick")
    await desk.settle(1)
    assert desk.outcomes() == [("quick", "ok")]


async def test_the_wait_for_others_is_none_of_its_own_time_and_has_an_end(autojump_clock: object, desk: Any) -> None:
    desk.use(lift)
    for n in range(12):
        desk.call("lift", str(n), weight=n)
    await desk.settle(120)
    done = [call for call, outcome in desk.outcomes() if outcome == "ok"]
    assert done == [str(n) for n in range(8)], "eight seconds each, and the last waited almost a minute"
    assert "lift was not run: another call of it is still at work" in str(desk.told("11"))
    assert desk.told("11")[0]["retry"] is True


async def test_a_thread_that_was_given_up_still_keeps_others_out(desk_of: Any) -> None:
    release = threading.Event()
    inside: list[int] = []
    most: list[int] = []

    @tool(exclusive=True, timeout=0.05)
    def press(hold: bool) -> str:
        inside.append(1)
        most.append(len(inside))
        if hold:
            release.wait(30)
        inside.pop()
        return "pressed"

    try:
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                desk = desk_of(nursery, toolbox=Toolbox())
                desk.use(press)
                await desk.start()
                desk.call("press", "1", hold=True)
                while not inside:  # noqa: ASYNC110 - a thread gets there
                    await trio.sleep(0.01)
                desk.call("press", "2", hold=False)
                await trio.sleep(0.3)
                await desk.settle()
                assert desk.outcomes() == [("1", "timeout")]
                assert most == [1]
                release.set()
                while len(desk.outcomes()) < 2:
                    await trio.sleep(0.01)
                    await desk.settle()
                assert desk.outcomes()[1][0] == "2"
                assert set(most) == {1}
                desk.stop()
    finally:
        release.set()


async def test_an_answer_of_a_lost_session_serves_until_what_was_said_is_answered(
    autojump_clock: object, desk: Any
) -> None:
    @tool
    async def order(what: str) -> str:
        """Orders."""
        RUNS.append(what)
        await trio.lowlevel.checkpoint()
        return f"ordered {what}"

    desk.use(order)
    desk.call("order", "1", what="tea")
    await desk.settle(1)
    desk.send(CallsCancelled(("1",), VOID))
    await desk.settle(1)
    desk.send(CallsCancelled(("1",), "answered: what was said is"))
    await desk.settle(300)
    desk.call("order", "2", what="tea")
    await desk.settle()
    assert RUNS == ["tea", "tea"], "a wish of its own"
    assert desk.outcomes() == [("1", "ok"), ("2", "ok")]


def longest_step(desk_of: Any, function: Any, calls: int) -> float:
    """Runs calls in real time, and gives the longest time that the loop was kept from a task that only yields."""
    steps: list[float] = []

    async def watch() -> None:
        before = time.perf_counter()
        while True:
            await trio.lowlevel.checkpoint()
            now = time.perf_counter()
            steps.append(now - before)
            before = now

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            desk = desk_of(nursery, toolbox=Toolbox())
            desk.use(function)
            await desk.start()
            nursery.start_soon(watch)
            await trio.sleep(0.05)
            for n in range(calls):
                desk.call(function.__name__, str(n))
            await trio.sleep(0.5)
            desk.stop()
            nursery.cancel_scope.cancel("seen enough")

    trio.run(main)
    return sorted(steps)[-3]  # a busy machine takes one or two of its own


@tool(timeout=60)
def dozes() -> str:
    """Sleeps in its thread."""
    time.sleep(1)
    return "slept"


@tool
async def talks() -> list[dict[str, Annotated[str, "words"]]]:
    """Gives far more than anybody can use."""
    await trio.lowlevel.checkpoint()
    return [{"line": f"{n} " * 20} for n in range(20_000)]


@pytest.mark.parametrize("function", [dozes, talks])
def test_a_tool_that_sleeps_or_talks_too_much_keeps_nobody_from_the_loop(desk_of: Any, function: Any) -> None:
    idle = longest_step(desk_of, function, 0)
    busy = longest_step(desk_of, function, 4)
    assert busy < 20 * idle + 0.02
