"""A timer runs while people talk, and while links come and go: it holds up nothing, and it speaks when it is due."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio

from tools import Tool

Talking = Callable[..., Any]
TIMER = "set a timer for forty seconds"


async def connected(near: Any) -> None:
    await near.until(lambda: near.named("session.state")[-1:] and near.named("session.state")[-1].to == "CONNECTED")


async def timer_set(near: Any) -> None:
    """A timer was set, and one more turn was had since."""
    await connected(near)
    await near.conversation.say(TIMER)
    await near.until(lambda: len(near.named("turn.end")) == 1)
    await near.conversation.say("what time is it in tokyo")
    await near.until(lambda: len(near.named("turn.end")) == 2)


def texts(far: Any) -> list[str]:
    """What arrived at the service as text, in order."""
    inputs = [one.message.realtime_input for one in far.seen if one.kind == "message"]
    return [each.text for each in inputs if each is not None and each.text]


async def test_a_cut_says_nothing_again_that_was_answered_and_the_timer_still_speaks(
    autojump_clock: object, talking: Talking
) -> None:
    async with talking(tools__use=["tools.clock"]) as (near, far):
        await timer_set(near)
        for connection in list(far.service.connections):
            connection.cut()
        await near.until(lambda: near.named("session.resumed"))
        await near.until(lambda: "timer is up" in texts(far)[-1])
    assert texts(far)[:-1] == [TIMER, "what time is it in tokyo"]
    assert [event.outcome for event in near.named("tool.result") if event.name_ == "set_timer"] == ["ok"]


async def test_a_timer_of_a_session_that_is_gone_is_told_in_words(autojump_clock: object, talking: Talking) -> None:
    async with talking(tools__use=["tools.clock"], live__session_resumption=None) as (near, far):
        await timer_set(near)
        for connection in list(far.service.connections):
            connection.cut()
        await near.until(lambda: near.named("session.resumed"))
        await near.until(lambda: len(texts(far)) == 3)
    assert "set_timer, called earlier, is done" in texts(far)[2]
    assert "timer is up" in texts(far)[2]
    assert [event.outcome for event in near.named("tool.result") if event.name_ == "set_timer"] == ["ok"]
    debts = [event.state for event in near.named("tool.debt") if event.name_ == "set_timer"]
    assert debts == ["owed", "void"]


async def test_the_service_goes_away_at_a_boundary(autojump_clock: object, talking: Talking) -> None:
    async with talking(tools__use=["tools.clock"]) as (near, far):
        await timer_set(near)
        (connection,) = far.service.connections
        connection.inject(b'{"goAway": {"timeLeft": "30s"}}')
        began = trio.current_time()
        await near.until(lambda: near.named("session.resumed"))
        assert trio.current_time() - began < 5, "nobody speaks, so there is nothing to wait for"
        await near.until(lambda: "timer is up" in texts(far)[-1])


async def test_tools_that_come_late_are_named(autojump_clock: object, talking: Talking) -> None:
    async def whisper(text: str) -> str:
        """Whispers a text."""
        await trio.lowlevel.checkpoint()
        return text

    server = {"command": ["no-such-program"], "start": 1.0}
    async with talking(tools__use=["tools.clock"], tools__mcp={"late": server}, actors__mcp__use=Absent) as (near, far):
        await timer_set(near)
        near.conversation.house.state["toolbox"].offer("late", [Tool.of(whisper)])
        began = trio.current_time()
        await near.until(lambda: near.named("session.resumed"))
        assert trio.current_time() - began < 5
        await near.until(lambda: "timer is up" in texts(far)[-1])


@attrs.define
class Absent:
    """Keeps no server at all."""

    async def run(self) -> None:
        """Ends at once."""
        await trio.lowlevel.checkpoint()


STREAM = """
import trio
from tools import tool

@tool(timeout=30, blocking=False, scheduling="SILENT", name="get_time")
async def count(place: str):
    "Tells the time in a place, in parts."
    for number in (1, 2, 3):
        await trio.sleep(2)
        yield {"summary": f"part {number}"}
"""


@pytest.mark.parametrize("at", [1.0, 3.0, 5.0, 7.0])
async def test_a_stream_that_is_cut_arrives_whole(
    autojump_clock: object, talking: Talking, tmp_path: Any, at: float
) -> None:
    (tmp_path / "mine.py").write_text(STREAM)
    async with talking(tools__use=["mine.py"]) as (near, far):
        await connected(near)
        await near.conversation.say("what time is it in tokyo")
        await near.until(lambda: near.named("tool.call"))
        await trio.sleep(at)
        for connection in list(far.service.connections):
            connection.cut()
        await near.until(lambda: near.named("session.resumed"))
        await near.until(lambda: "done" in str(arrived(far)))
    last = [each for call, each in arrived(far) if call == arrived(far)[-1][0]]
    assert [str(part) for part in last][-1].count("done") == 1
    assert [number for number in (1, 2, 3) if f"part {number}" in str(last)] == [1, 2, 3]


def arrived(far: Any) -> list[tuple[str, Any]]:
    messages = [one.message for one in far.seen if one.kind == "message" and one.message.tool_response is not None]
    return [(each.id, each.response) for message in messages for each in message.tool_response.function_responses]


FIFTY = """
from tools import tool

RUNS = []

@tool
async def order(what: str) -> dict[str, object]:
    "Orders something."
    RUNS.append(what)
    return {"summary": what}
"""


async def test_fifty_calls_over_the_wire_are_answered_once_each(
    autojump_clock: object, talking: Talking, tmp_path: Any
) -> None:
    (tmp_path / "mine.py").write_text(FIFTY)
    async with talking(tools__use=["mine.py"]) as (near, far):
        await connected(near)
        calls = ",".join(f'{{"id": "c{n}", "name": "order", "args": {{"what": "{n}"}}}}' for n in range(50))
        far.service.connections[0].inject(f'{{"toolCall": {{"functionCalls": [{calls}]}}}}'.encode())
        await near.until(lambda: len(near.named("tool.result")) == 50)
        await trio.sleep(1)
        runs = near.conversation.house.state["toolbox"].get("order").function.__globals__["RUNS"]
        assert sorted(runs) == sorted(map(str, range(50)))
        written = [event.id for event in near.named("tool.debt") if event.state == "written"]
    assert sorted(written) == sorted(f"c{n}" for n in range(50))
