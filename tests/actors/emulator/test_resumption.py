"""Handles: what they bring back, when they come, and when they are worth nothing."""

from collections.abc import Callable
from typing import Any

import pytest
import trio

NATIVE = "models/gemini-2.5-flash-native-audio-preview-12-2025"
Pcm = Callable[..., bytes]


def updates(messages: list[Any]) -> list[Any]:
    return [message["sessionResumptionUpdate"] for message in messages if "sessionResumptionUpdate" in message]


async def test_a_handle_comes_at_once_and_after_every_turn(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready(sessionResumption={})
        (first,) = updates([await client.receive()])
        assert first["resumable"] is True
        await client.text("good day")
        seen = await client.until("turnComplete")
        assert updates(seen) == [{"resumable": False}]
        assert "sessionResumptionUpdate" in seen[0]
        (second,) = updates([await client.receive()])
        assert second["resumable"] is True
        assert second["newHandle"] != first["newHandle"]


async def test_no_handles_for_who_wants_none(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready()
        await client.text("good day")
        assert updates(await client.until("turnComplete") + await client.quiet(1.0)) == []


async def test_the_conversation_goes_on(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready(sessionResumption={})
        await client.text("first")
        await client.until("turnComplete")
        await client.receive()
        await client.close()
        client = await world.ready(sessionResumption={"handle": client.handle})
        await client.text("second")
        await client.until("turnComplete")
        assert world.mind.asked[-1] == ("second", ("user: first", "model: You said first."))
        assert len({found.session for found in world.observed if found.session}) == 1


async def test_an_older_handle_brings_back_an_older_state(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready(sessionResumption={})
        await client.receive()
        old = client.handle
        await client.text("first")
        await client.until("turnComplete")
        await client.close()
        client = await world.ready(sessionResumption={"handle": old})
        await client.text("second")
        await client.until("turnComplete")
        assert world.mind.asked[-1] == ("second", ())


async def test_an_unfinished_utterance_is_not_in_the_handle(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm
) -> None:
    async with build("the whole of it") as world:
        client = await world.ready(sessionResumption={})
        await client.receive()
        await client.say(speech(0.6))
        world.service.connections[0].cut()
        assert (await client.closed()).code == 1006
        client = await world.ready(sessionResumption={"handle": client.handle})
        await client.say(speech(0.9) + silence(1.0))
        await client.until("turnComplete")
        assert world.mind.asked == [("the whole of it", ())]
        assert len(world.ears.heard[0]) / 32_000 == pytest.approx(0.9 + 0.3, abs=0.2)


async def test_nothing_is_resumable_while_a_call_is_open(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        tools = [{"functionDeclarations": [{"name": "f"}]}]
        client = await world.ready(sessionResumption={}, tools=tools)
        await client.receive()
        await client.text("call f")
        seen = await client.until("toolCall")
        assert updates(seen) == [{"resumable": False}]
        await client.text("good day")
        assert updates(await client.until("turnComplete") + await client.quiet(1.0)) == []
        await client.answer(seen[-1]["toolCall"]["functionCalls"][0]["id"], {"output": 1})
        seen = await client.until("turnComplete") + await client.quiet(1.0)
        assert [update["resumable"] for update in updates(seen)] == [True]


async def test_a_call_from_before_is_unknown_afterwards(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        tools = [{"functionDeclarations": [{"name": "f", "behavior": "BLOCKING"}]}]
        client = await world.ready(sessionResumption={}, tools=tools)
        await client.receive()
        await client.text("call f")
        call = (await client.until("toolCall"))[-1]["toolCall"]["functionCalls"][0]
        await client.close()
        client = await world.ready(sessionResumption={"handle": client.handle}, tools=tools)
        await client.receive()
        await client.answer(call["id"], {"output": 1})
        assert await client.quiet(2.0) == []


async def refused(world: Any, **fields: Any) -> Any:
    client = await world.client()
    await client.send({"setup": {"model": "models/gemini-3.8-live"} | fields})
    return await client.closed()


async def test_an_unknown_handle(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        closed = await refused(world, sessionResumption={"handle": "none"})
        assert (closed.code, closed.reason) == (1008, "BidiGenerateContent session not found")


async def test_a_session_has_one_socket_at_a_time(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready(sessionResumption={})
        await client.receive()
        assert (await refused(world, sessionResumption={"handle": client.handle})).code == 1011
        await client.close()
        await world.ready(sessionResumption={"handle": client.handle})


async def test_the_model_must_be_the_same(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready(sessionResumption={})
        await client.receive()
        await client.close()
        closed = await refused(world, model=NATIVE, sessionResumption={"handle": client.handle})
        assert closed.code == 1007


@pytest.mark.parametrize(("hours", "good"), [(1.99, True), (2.01, False)])
async def test_a_handle_lives_two_hours_after_the_last_connection(
    build: Any, autojump_clock: Any, hours: float, good: bool
) -> None:
    async with build(connection_life=50_000.0, session_limit=50_000.0) as world:
        client = await world.ready(sessionResumption={})
        await client.receive()
        await trio.sleep(5 * 3600)
        await client.close()
        await trio.sleep(hours * 3600)
        answer = await world.client()
        await answer.send(
            {"setup": {"model": "models/gemini-3.8-live", "sessionResumption": {"handle": client.handle}}}
        )
        if good:
            assert "setupComplete" in await answer.receive()
        else:
            assert (await answer.closed()).code == 1008


async def test_only_so_many_handles_are_kept(build: Any, autojump_clock: Any) -> None:
    async with build(handles=3) as world:
        client = await world.ready(sessionResumption={})
        await client.receive()
        first = client.handle
        for _ in range(3):
            await client.text("hush")
            await client.until("turnComplete")
            await client.receive()
        await client.close()
        assert (await refused(world, sessionResumption={"handle": first})).code == 1008
        await world.ready(sessionResumption={"handle": client.handle})
