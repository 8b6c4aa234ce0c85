"""Scenarios of functions and turns. Each does what its `shows` line says."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

LONG = "a reply that is so long that something else can happen in the middle of it before it has been heard"
TOOLS = {"tools": [{"functionDeclarations": [{"name": "f"}]}]}

Check = Callable[[Any], Awaitable[None]]
CHECKS: dict[str, Check] = {}


def check(*names: str) -> Callable[[Check], Check]:
    def named(function: Check) -> Check:
        CHECKS.update(dict.fromkeys(names or [function.__name__.replace("_", "-")], function))
        return function

    return named


# -- functions --------------------------------------------------------------------------------------------------------


@check("error-during-call", "cut-during-call")
async def lost_during_call(far: Any) -> None:
    client = await far.ready(**TOOLS)
    await far.called(client)
    began = trio.current_time()
    await far.ends(client, 1011 if "error" in far.world.service.script.scenario.name else 1006)
    assert trio.current_time() - began < 1
    await far.fine(await far.ready(client.handle, **TOOLS))


@check()
async def audio_during_call(far: Any) -> None:
    client = await far.ready(**TOOLS)
    await client.say(far.silence(0.1))
    await far.called(client)
    await client.say(far.silence(0.02))
    await far.ends(client, 1008, "Operation is not implemented")


@check()
async def closed_after_answer(far: Any) -> None:
    ends = []
    for _ in range(8):
        client = await far.ready(**TOOLS)
        await client.answer((await far.called(client))[0], {"output": 1})
        try:
            ends.append(bool(await client.until("turnComplete")))
        except Exception as closed:  # noqa: BLE001 - the client's own class, out of reach here
            ends.append(not str(closed).startswith("1008 Requested entity was not found"))
    assert set(ends) == {True, False}


@check()
async def error_after_answer(far: Any) -> None:
    client = await far.ready(**TOOLS)
    (call,) = await far.called(client)
    await client.answer(call, {"output": 1})
    assert "modelTurn" not in far.names(await far.ends(client, 1011, "Internal error encountered."))
    await far.fine(await far.ready(client.handle, **TOOLS))


@check()
async def several_calls(far: Any) -> None:
    client = await far.ready(**TOOLS)
    await client.text("one")
    calls = (await client.until("toolCall"))[-1]["toolCall"]["functionCalls"]
    assert [call["name"] for call in calls] == ["get_time", "get_time", "no_such_function"]
    assert len({call["id"] for call in calls}) == 3
    for call in calls:
        await client.answer(call["id"], {"output": 1}, scheduling="SILENT")
    await client.until("turnComplete")
    await far.fine(client)


@check()
async def mute_after_answer(far: Any) -> None:
    client = await far.ready(**TOOLS)
    await client.answer((await far.called(client))[0], {"output": 1})
    assert await client.quiet(50.0) == []
    await client.text(" ")
    assert "f gave 1." in far.spoken(await client.until("turnComplete"))


@check()
async def duplicate_call(far: Any) -> None:
    client = await far.ready(**TOOLS)
    (first,) = await far.called(client)
    (call,) = (await client.receive())["toolCall"]["functionCalls"]
    assert call["name"] == "f"
    assert call["id"] not in ("", first)
    for id_ in (first, call["id"]):
        await client.answer(id_, {"output": 1})
    assert far.spoken(await client.until("turnComplete")) == "f gave 1."


@check()
async def repeated_call(far: Any) -> None:
    client = await far.ready(**TOOLS)
    (first,) = await far.called(client)
    assert (await client.receive())["toolCall"]["functionCalls"][0]["id"] == first


@check()
async def calls_without_ids(far: Any) -> None:
    client = await far.ready(**TOOLS)
    assert await far.called(client) == [""]
    await far.fine(client)


@check()
async def cancelled_call(far: Any) -> None:
    client = await far.ready(**TOOLS)
    (first,) = await far.called(client)
    assert (await client.receive()) == {"toolCallCancellation": {"ids": [first]}}
    await client.until("turnComplete")
    await far.fine(client)


@check()
async def call_and_interruption(far: Any) -> None:
    client = await far.ready(**TOOLS)
    (first,) = await far.called(client)
    began = trio.current_time()
    seen = await client.until("turnComplete")
    assert far.names(seen) == ["interrupted", "toolCallCancellation", "turnComplete"]
    assert (seen[1]["toolCallCancellation"]["ids"], trio.current_time()) == ([first], began)
    await far.fine(client)


# -- turns ------------------------------------------------------------------------------------------------------------


@check()
async def empty_turn(far: Any) -> None:
    client = await far.ready()
    assert far.audio(await far.asked(client)) == b""
    await far.fine(client)


@check()
async def stalled_turn(far: Any) -> None:
    client = await far.ready()
    await client.say(far.speech(0.6) + far.silence(1.0))
    assert "turnComplete" not in far.names(await client.quiet(50.0))
    await far.fine(client)


@check()
async def premature_turn_complete(far: Any) -> None:
    client = await far.ready()
    seen = await far.asked(client)
    assert far.names(seen)[-2:] == ["modelTurn", "turnComplete"]
    assert 0 < len(far.spoken(seen)) < len(LONG)
    assert "modelTurn" not in far.names(await client.quiet(30.0))
    await far.fine(client)


@check()
async def late_turn_complete(far: Any) -> None:
    client = await far.ready()
    await client.text("one")
    assert "turnComplete" not in far.names(await client.quiet(54.0))
    assert "turnComplete" in far.names(await client.quiet(5.0))


@check()
async def missing_turn_complete(far: Any) -> None:
    client = await far.ready()
    await client.text("one")
    seen = await client.quiet(50.0)
    assert "generationComplete" in far.names(seen)
    assert "turnComplete" not in far.names(seen)
    await far.fine(client)


@check()
async def impatient(far: Any) -> None:
    patient = {"realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": 5000}}}
    client = await far.ready(**patient)
    await client.say(far.speech(0.6) + far.silence(1.3))
    assert "turnComplete" in far.names(await client.quiet(2.0))


@check()
async def phantom_interruption(far: Any) -> None:
    client = await far.ready()
    seen = await client.quiet(10.0)
    assert far.spoken(seen) == "Hello! How can I help you?"
    assert far.names(seen)[-1] == "interrupted"
    await client.text("one")
    assert await client.quiet(30.0) == []
    await client.text("two")
    assert await client.quiet(30.0) == []
    await client.close()
    await far.fine(await far.ready(client.handle))


@check()
async def stray_interruption(far: Any) -> None:
    client = await far.ready()
    assert far.names(await far.asked(client))[-3:] == ["modelTurn", "interrupted", "turnComplete"]
    await far.fine(client)


@check()
async def interrupted_before_reply(far: Any) -> None:
    client = await far.ready()
    found = far.names(await far.asked(client))
    assert found.index("interrupted") < found.index("modelTurn")
    assert "generationComplete" in found


@check()
async def interrupted_after_turn(far: Any) -> None:
    client = await far.ready()
    await far.asked(client)
    assert far.names(await client.quiet(1.0))[0] == "interrupted"
    await far.fine(client)


@check()
async def late_chunk(far: Any) -> None:
    client = await far.ready()
    seen = [*await far.asked(client), *await client.quiet(1.0)]
    found = far.names([message for message in seen if "sessionResumptionUpdate" not in message])
    assert found[-3:] == ["interrupted", "turnComplete", "modelTurn"]
    await far.fine(client)


@pytest.mark.parametrize("name", CHECKS)
async def test_a_scenario_does_what_it_shows(autojump_clock: Any, staged: Any, name: str) -> None:
    async with staged(name) as far:
        await CHECKS[name](far)
