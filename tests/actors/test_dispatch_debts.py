"""Dispatch alone: repeated calls, restarts, and the user's consent."""

from typing import Any

import pytest
import trio

from actors.dispatch import LATE
from pipeline.messages import CallsCancelled, Heard, ToolCalled
from tools import tool
from tools.consent import PAUSE

CANCELLED = "cancelled by the service"
VOID = "void: the session that asked is gone"


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


async def test_equal_calls_to_an_idempotent_tool_share_a_run_and_for_a_while_its_answer(
    autojump_clock: object, desk: Any
) -> None:
    desk.use(look_up)
    desk.call("look_up", "1", word="tea")
    desk.call("look_up", "2", word="tea")
    await desk.settle(2)
    desk.call("look_up", "3", word="tea")
    await desk.settle()
    assert RUNS == ["tea"]
    assert desk.outcomes() == [("1", "ok"), ("2", "ok"), ("3", "ok")]
    await desk.settle(61)
    desk.call("look_up", "4", word="tea")
    await desk.settle(2)
    assert RUNS == ["tea", "tea"]


async def test_one_of_two_that_share_a_run_may_be_cancelled(autojump_clock: object, desk: Any) -> None:
    desk.use(look_up)
    desk.call("look_up", "1", word="tea")
    desk.call("look_up", "2", word="tea")
    await desk.settle(0.5)
    desk.send(CallsCancelled(("1",), CANCELLED))
    await desk.settle(2)
    assert desk.outcomes() == [("1", "cancelled"), ("2", "ok")]
    assert not desk.told("1")


async def test_equal_calls_to_any_other_tool_run_twice(autojump_clock: object, desk: Any) -> None:
    desk.use(order)
    desk.call("order", "1", what="tea")
    desk.call("order", "2", what="tea")
    await desk.settle(2)
    assert RUNS == ["tea", "tea"]


@pytest.mark.parametrize("cut_after", [0.0, 0.5, 1.5])
async def test_a_call_repeated_after_its_session_was_lost_does_not_run_twice(
    autojump_clock: object, desk: Any, cut_after: float
) -> None:
    desk.use(order)
    desk.call("order", "1", what="tea")
    await desk.settle()
    await desk.settle(cut_after)
    outcome = "ok" if desk.told("1") else "void"  # paid, as far as dispatch knows; the session says that it is void
    desk.send(CallsCancelled(("1",), VOID))
    await desk.settle(1)
    desk.call("order", "2", what="tea")
    await desk.settle(300)
    assert RUNS == ["tea"]
    assert desk.outcomes() == [("1", outcome), ("2", "ok")]
    assert desk.told("2") == [{"result": "ordered tea"}]
    desk.call("order", "3", what="tea")
    await desk.settle(2)
    assert RUNS == ["tea", "tea"], "a further call is a wish of its own"


async def test_a_restart_runs_again_what_does_no_harm_and_answers_the_rest(autojump_clock: object, desk: Any) -> None:
    desk.use(order, look_up)
    desk.call("order", "1", what="tea")
    desk.call("look_up", "2", word="tea")
    await desk.settle(0.5)
    await desk.restart()
    await desk.settle(2)
    assert RUNS == ["tea", "tea", "tea"]
    assert dict(desk.outcomes()) == {"1": "error", "2": "ok"}
    assert "nobody knows whether it was done" in str(desk.told("1")[0]["error"])
    assert desk.told("2") == [{"result": "found tea"}]


async def test_a_restart_loses_no_answer_that_waits_for_room(autojump_clock: object, desk: Any) -> None:
    desk.use(order)
    desk.parallel = 100
    await desk.restart()
    for n in range(80):
        desk.call("order", str(n), what=str(n))
    await trio.sleep(2)  # 64 answers lie on the edge, and 16 wait for room
    await desk.restart()
    await desk.settle(2)
    assert sorted(answer.id for answer in desk.answers) == sorted(map(str, range(80)))
    assert {outcome for _, outcome in desk.outcomes()} == {"ok"}
    assert len(RUNS) == 80


async def test_a_call_cancelled_while_dispatch_was_away_is_not_answered(autojump_clock: object, desk: Any) -> None:
    desk.use(order)
    desk.call("order", "1", what="tea")
    await desk.settle(0.5)
    desk.stop()
    await desk.settle()
    desk.send(CallsCancelled(("1",), VOID))
    await desk.start()
    await desk.settle(5)
    assert len(desk.outcomes()) == 1


@tool(confirm=True)
async def delete(file: str) -> str:
    """Deletes a file."""
    RUNS.append(file)
    await trio.lowlevel.checkpoint()
    return f"deleted {file}"


async def test_a_tool_to_confirm_runs_after_a_yes_and_once(autojump_clock: object, desk: Any) -> None:
    desk.use(delete)
    desk.call("delete", "1", turn=1, file="a")
    await desk.settle()
    (asked,) = desk.told("1")
    assert asked["summary"] == "May I delete with file a? Please say yes or no."
    assert RUNS == []
    desk.send(Heard("Yes, ", 2), Heard("please.", 2))
    desk.call("delete", "2", turn=2, file="a")
    await desk.settle()
    assert desk.told("2") == [{"result": "deleted a"}]
    desk.call("delete", "3", turn=2, file="a")
    await desk.settle()
    assert "summary" in desk.told("3")[0]
    assert RUNS == ["a"]
    assert [event.state for event in desk.named("tool.consent")] == ["asked", "agreed", "asked"]
    assert {outcome for _, outcome in desk.outcomes()} == {"ok"}


async def test_a_yes_that_comes_after_its_call_counts(autojump_clock: object, desk: Any) -> None:
    desk.use(delete)
    desk.call("delete", "1", turn=1, file="a")
    await desk.settle(3)
    desk.call("delete", "2", turn=2, file="a")
    await desk.settle(LATE / 2)
    desk.send(Heard("of cou", 2), Heard("rse", 2))
    await desk.settle()
    assert not desk.told("2"), "it may yet be another word"
    await desk.settle(PAUSE)
    assert desk.told("2") == [{"result": "deleted a"}]


UNCONFIRMED: dict[str, list[tuple[float, str, int]]] = {
    "nothing is said": [(0, "", 2)],
    "a no": [(0, "no", 2)],
    "a no after a yes": [(0, "yes", 2), (0, " no, wait", 2)],
    "something else": [(0, "what is the weather", 2)],
    "a yes that belongs to the request": [(0, "yes", 1)],
    "a yes too late": [(31, "yes", 2)],
    "a no, then a yes": [(0, "no", 2), (1, "yes", 3)],
}


@pytest.mark.parametrize("case", UNCONFIRMED)
async def test_without_consent_it_does_not_run(autojump_clock: object, desk: Any, case: str) -> None:
    desk.use(delete)
    desk.call("delete", "1", turn=1, file="a")
    await desk.settle()
    for pause, words, turn in UNCONFIRMED[case]:
        await desk.settle(pause)
        desk.send(Heard(words, turn))
    desk.call("delete", "2", turn=3, file="a")
    desk.call("delete", "3", turn=3, file="b")
    await desk.settle(5)
    assert RUNS == []
    assert "yes or no" in str(desk.told("2"))


async def test_wrong_arguments_are_not_asked_about(autojump_clock: object, desk: Any) -> None:
    desk.use(delete)
    desk.send(ToolCalled("1", "delete", {"name": "a"}, 1))
    await desk.settle()
    assert "file is missing" in str(desk.told("1")[0]["error"])
    assert not desk.named("tool.consent")
