"""Function calls: who waits for whom, and what becomes of a call nobody wants any more."""

from collections.abc import Callable
from typing import Any

import pytest
import trio

LIVE = "models/gemini-3.8-live"
THINKS = "models/gemini-3.8-live-extended-thinking"
FLASH = "models/gemini-3.1-flash-live-preview"
NATIVE = "models/gemini-2.5-flash-native-audio-preview-12-2025"
LONG = "a reply that is so long that something else can happen in the middle of it before it has been heard"

Names = Callable[[list[Any]], list[str]]
Pcm = Callable[..., bytes]


def functions(*found: str, behavior: str = "") -> dict[str, Any]:
    extra = {"behavior": behavior} if behavior else {}
    return {"tools": [{"functionDeclarations": [{"name": name} | extra for name in found]}]}


def calls(messages: list[Any]) -> list[Any]:
    return [call for message in messages for call in message.get("toolCall", {}).get("functionCalls", [])]


async def test_a_blocking_call_holds_the_turn(build: Any, autojump_clock: Any, names: Names, spoken: Any) -> None:
    async with build() as world:
        client = await world.ready(**functions("f", behavior="BLOCKING"))
        await client.text("call f")
        (call,) = calls(await client.until("toolCall"))
        assert (call["name"], call["args"]) == ("f", {"who_is": {"it_is": "me"}})
        assert await client.quiet(20.0) == []
        await client.answer(call["id"], {"output": "sun"})
        seen = await client.until("turnComplete")
        assert spoken(seen) == "f gave sun."
        assert names(seen)[-2:] == ["generationComplete", "turnComplete"]


@pytest.mark.parametrize(("model", "waits"), [(LIVE, False), (NATIVE, True), (FLASH, True)])
async def test_each_model_has_its_own_default(build: Any, autojump_clock: Any, model: str, waits: bool) -> None:
    async with build() as world:
        client = await world.ready(model=model, **functions("f"))
        await client.text("call f")
        await client.until("toolCall")
        await client.text("and now")
        assert ("toolCallCancellation" in (await client.quiet(3.0))[1 if waits else 0]) is waits


async def test_a_turn_of_calls_alone_is_complete_when_they_are_answered(
    build: Any, autojump_clock: Any, names: Names, spoken: Any
) -> None:
    async with build() as world:
        client = await world.ready(**functions("f"))
        await client.text("call f")
        (call,) = calls(await client.until("toolCall"))
        assert await client.quiet(10.0) == []
        await client.answer(call["id"], {"output": "rain"})
        seen = await client.until("turnComplete")
        assert spoken(seen) == "f gave rain."
        assert names(seen)[-2:] == ["generationComplete", "turnComplete"]


async def test_the_user_goes_on_while_a_function_runs(
    build: Any, autojump_clock: Any, names: Names, spoken: Any
) -> None:
    async with build() as world:
        client = await world.ready(**functions("f"))
        await client.text("call f")
        (call,) = calls(await client.until("toolCall"))
        await client.text("good day")
        seen = await client.until("turnComplete")
        assert "toolCallCancellation" not in names(seen)
        assert spoken(seen) == "You said good day."
        await client.answer(call["id"], {"output": "rain"})
        assert spoken(await client.until("turnComplete")) == "f gave rain."


async def test_an_answer_waits_until_nobody_speaks(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, spoken: Any
) -> None:
    async with build("user first") as world:
        client = await world.ready(**functions("f"))
        await client.text("call f")
        (call,) = calls(await client.until("toolCall"))
        await client.say(speech(0.5))
        await client.answer(call["id"], {"output": "rain"}, scheduling="WHEN_IDLE")
        assert await client.quiet(2.0) == []
        await client.say(speech(0.2) + silence(1.0))
        seen = await client.until("turnComplete") + await client.until("turnComplete")
        assert spoken(seen) == "You said user first.f gave rain."


async def test_an_answer_may_interrupt(build: Any, autojump_clock: Any, names: Names, spoken: Any) -> None:
    async with build() as world:
        client = await world.ready(**functions("f"))
        await client.text("call f")
        (call,) = calls(await client.until("toolCall"))
        await client.text(LONG)
        await client.until("modelTurn")
        await client.answer(call["id"], {"output": "fire"}, scheduling="INTERRUPT")
        assert names(await client.until("turnComplete"))[-2:] == ["interrupted", "turnComplete"]
        assert spoken(await client.until("turnComplete")) == "f gave fire."


async def test_a_silent_answer_says_nothing_but_completes_the_turn(
    build: Any, autojump_clock: Any, names: Names
) -> None:
    async with build() as world:
        client = await world.ready(**functions("f"), sessionResumption={})
        await client.text("call f")
        (call,) = calls(await client.until("toolCall"))
        await client.answer(call["id"], {"output": "noted"}, scheduling="SILENT")
        assert names(await client.quiet(5.0)) == ["turnComplete", "sessionResumptionUpdate"]


async def test_answers_may_come_in_pieces(build: Any, autojump_clock: Any, spoken: Any) -> None:
    async with build() as world:
        client = await world.ready(**functions("f"))
        await client.text("call f")
        (call,) = calls(await client.until("toolCall"))
        for piece in ("one", "two"):
            await client.answer(call["id"], {"output": piece}, willContinue=True)
            assert spoken(await client.until("turnComplete")) == f"f gave {piece}."
        await client.answer(call["id"], {}, willContinue=False)
        assert await client.quiet(3.0) == []
        await client.answer(call["id"], {"output": "too late"})
        assert await client.quiet(3.0) == []


async def test_several_calls_are_made_and_answered_together(build: Any, autojump_clock: Any, spoken: Any) -> None:
    async with build() as world:
        client = await world.ready(**functions("f", "g", behavior="BLOCKING"))
        await client.text("call f g")
        f, g = calls([await client.receive()])
        assert f["id"] != g["id"]
        await client.answer(g["id"], {"output": 2})
        assert await client.quiet(2.0) == []
        await client.answer(f["id"], {"output": 1})
        assert spoken(await client.until("turnComplete")) == "f gave 1. g gave 2."


async def test_a_sequential_model_calls_one_after_the_other(build: Any, autojump_clock: Any, spoken: Any) -> None:
    async with build() as world:
        client = await world.ready(model=FLASH, **functions("f", "g"))
        await client.text("call f g")
        seen = []
        for name in ("f", "g"):
            seen += await client.until("toolCall")
            call = calls(seen)[-1]
            assert call["name"] == name
            await client.answer(call["id"], {"output": name})
        assert spoken(seen + await client.until("turnComplete")) == "f gave f. g gave g."


async def test_speech_cancels_a_blocking_call(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, names: Names, spoken: Any
) -> None:
    async with build("never mind") as world:
        client = await world.ready(**functions("f", behavior="BLOCKING"))
        await client.text("call f")
        (call,) = calls(await client.until("toolCall"))
        await client.say(speech(0.5))
        seen = await client.until("turnComplete")
        assert names(seen) == ["interrupted", "toolCallCancellation", "turnComplete"]
        assert seen[1]["toolCallCancellation"]["ids"] == [call["id"]]
        await client.answer(call["id"], {"output": "too late"})
        await client.say(silence(1.0))
        assert spoken(await client.until("turnComplete")) == "You said never mind."
        assert "late response" in world.states()


async def test_an_interrupted_turn_takes_its_own_calls_with_it(
    build: Any, autojump_clock: Any, speech: Pcm, names: Names
) -> None:
    async with build() as world:
        client = await world.ready(**functions("f"))
        await client.text(f"say {LONG} then call f")
        (call,) = calls(await client.until("toolCall"))
        await client.say(speech(0.3))
        seen = await client.until("turnComplete")
        assert names(seen)[-3:] == ["interrupted", "toolCallCancellation", "turnComplete"]
        assert call["id"] in str(seen)


async def test_a_model_that_works_on_says_so(build: Any, autojump_clock: Any, spoken: Any) -> None:
    async with build() as world:
        thinking = {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}
        client = await world.ready(model=THINKS, **functions("f"), **thinking)
        await client.text("call f")
        seen = await client.until("turnComplete")
        assert seen[-1]["serverContent"]["interactionStatus"] == "IN_PROGRESS"
        await client.answer(calls(seen)[0]["id"], {"output": "done"})
        seen = await client.until("turnComplete")
        assert spoken(seen) == "f gave done."
        assert seen[-1]["serverContent"]["interactionStatus"] == "IDLE"


@pytest.mark.parametrize("last", ["silent", "empty", "cancelled"])
async def test_a_model_that_works_on_says_when_nothing_follows(
    build: Any, autojump_clock: Any, names: Names, last: str
) -> None:
    async with build() as world:
        thinking = {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}
        client = await world.ready(model=THINKS, **functions("f"), **thinking)
        await client.text("call f")
        seen = await client.until("turnComplete")
        assert seen[-1]["serverContent"]["interactionStatus"] == "IN_PROGRESS"
        (call,) = calls(seen)
        if last == "cancelled":
            world.service.connections[0]._conversation.cancel_calls()
        elif last == "empty":
            await client.answer(call["id"], {}, willContinue=False)
        else:
            await client.answer(call["id"], {"output": "noted"}, scheduling="SILENT")
        end = (await client.until("turnComplete"))[-1]["serverContent"]
        assert end == {"turnComplete": True, "interactionStatus": "IDLE"}
        assert await client.quiet(5.0) == []
        await client.text("good day")
        assert names(await client.until("turnComplete"))[-1] == "turnComplete"


async def test_unknown_ids_are_ignored_and_missing_ones_are_not(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready(**functions("f"))
        await client.answer("function-call-1", {"output": 1})
        assert await client.quiet(1.0) == []
        await client.answer("", {"output": 1})
        assert (await client.closed()).code == 1007


async def test_tools_change_in_mid_session(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready(tools=[{"googleSearch": {}}])
        await client.send({"contextUpdate": {"tools": {"tools": []}}})
        await client.text("search")
        assert "groundingMetadata" not in str(await client.until("turnComplete"))
        await client.send({"contextUpdate": {"tools": {"tools": [{"codeExecution": {}}]}}})
        assert (await client.closed()).code == 1007


async def test_older_models_take_no_updates(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready(model=NATIVE)
        await client.send({"contextUpdate": {"systemInstruction": {"parts": [{"text": "x"}]}}})
        assert (await client.closed()).code == 1007


async def test_the_first_call_comes_as_soon_as_the_first_sound_would(build: Any, autojump_clock: Any) -> None:
    async with build(first_audio=0.25) as world:
        client = await world.ready(**functions("f"))
        begun = trio.current_time()
        await client.text("call f")
        await client.until("toolCall")
        assert trio.current_time() - begun == pytest.approx(0.25)
