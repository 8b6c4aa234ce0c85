"""What the service may say beside speech: when it listens, waits, stops short, and what it all costs."""

import base64
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import trio

LIVE = "models/gemini-3.8-live"
FLASH = "models/gemini-3.1-flash-live-preview"
NATIVE = "models/gemini-2.5-flash-native-audio-preview-12-2025"
THINKS = "models/gemini-3.8-live-extended-thinking"
FUNCTION = {"tools": [{"functionDeclarations": [{"name": "f", "behavior": "NON_BLOCKING"}]}]}
LONG = "this reply is so long that there is all the time in the world to say something while it is still going on"
PICTURE = {"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "AAAA"}}}

Names = Callable[[list[Any]], list[str]]
Pcm = Callable[..., bytes]


def contents(messages: list[Any], key: str) -> list[Any]:
    return [m["serverContent"][key] for m in messages if key in m.get("serverContent", {})]


async def test_activity_is_signalled_where_the_service_is_set_so(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm
) -> None:
    async with build("hello", voice_activity=True) as world:
        client = await world.ready()
        await client.say(speech(0.8) + silence(1.0))
        seen = await client.until("turnComplete")
        assert [m["voiceActivity"]["type"] for m in seen if "voiceActivity" in m] == ["ACTIVITY_START", "ACTIVITY_END"]


async def test_speech_is_written_down_while_it_goes_on(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, spoken: Any
) -> None:
    async with build("one", "one two", "one two", "one two three", "one two three") as world:
        client = await world.ready(realtimeInputConfig={"interimTranscriptTimestampEnabled": True})
        await client.say(speech(3.5) + silence(1.0))
        seen = await client.until("turnComplete")
        interim = contents(seen, "interimInputTranscription")
        assert [found["text"] for found in interim] == ["one", "one two", "one two three"]
        assert [float(found["endOffset"][:-1]) for found in interim] == pytest.approx([1.0, 2.0, 4.0], abs=0.3)
        assert spoken(seen, "inputTranscription") == "one two three"


@pytest.mark.parametrize("fields", [{"inputAudioTranscription": {}}, {"realtimeInputConfig": {}}])
async def test_nothing_is_written_down_beforehand_unasked(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, fields: Any
) -> None:
    async with build("one", "two", "three") as world:
        client = await world.client()
        await client.setup(**fields)
        await client.say(speech(3.5) + silence(1.0))
        assert contents(await client.until("turnComplete"), "interimInputTranscription") == []
        assert len(world.ears.heard) == 1


async def test_transcripts_tell_what_is_asked_of_them(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm
) -> None:
    async with build("one two three four") as world:
        asked = {"languageCodes": ["en-GB"], "wordTimestamp": True}
        client = await world.ready(inputAudioTranscription=asked)
        await client.say(silence(1.0) + speech(2.0) + silence(1.0))
        found = contents(await client.until("turnComplete"), "inputTranscription")
        assert {part["languageCode"] for part in found} == {"en-GB"}
        words = [word for part in found for word in part["words"]]
        assert [word["word"] for word in words] == ["one", "two", "three", "four"]
        assert float(words[0]["startOffset"][:-1]) == pytest.approx(1.0, abs=0.4)
        assert float(words[-1]["endOffset"][:-1]) == pytest.approx(3.0, abs=0.4)
        assert all(one["endOffset"] == other["startOffset"] for one, other in pairwise(words))


@pytest.mark.parametrize(("model", "says"), [(LIVE, True), (FLASH, False)])
async def test_a_model_that_keeps_silent_says_that_it_waits(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, names: Names, model: str, says: bool
) -> None:
    async with build("hush") as world:
        client = await world.ready(model=model)
        await client.say(speech(0.8) + silence(1.0))
        seen = await client.until("turnComplete")
        assert ("waitingForInput" in names(seen)) is says
        assert seen[-1]["serverContent"].get("turnCompleteReason") == ("NEED_MORE_INPUT" if says else None)


async def test_a_reply_has_no_more_tokens_than_it_may(
    build: Any, autojump_clock: Any, names: Names, audio: Any
) -> None:
    async with build() as world:
        client = await world.ready(generationConfig={"maxOutputTokens": 20}, **FUNCTION)
        await client.text(f"say {LONG} then call f")
        seen = await client.until("turnComplete")
        assert len(audio(seen)) == 20 * 1920
        assert seen[-1]["usageMetadata"]["responseTokenCount"] == 20
        assert names(seen)[-2:] == ["generationComplete", "turnComplete"]
        assert "toolCall" not in names(seen)


async def test_a_thought_is_signed(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        thinking = {"thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True}}
        client = await world.ready(model=THINKS, generationConfig=thinking)
        await client.text("good day")
        (part,) = contents(await client.until("modelTurn"), "modelTurn")[0]["parts"]
        assert part["thought"] is True
        assert base64.b64decode(part["thoughtSignature"], validate=True)


@pytest.mark.parametrize(("config", "thinks"), [({"thinkingLevel": "LOW"}, True), ({"thinkingBudget": 0}, False)])
async def test_thoughts_are_paid_for_though_nobody_sees_them(
    build: Any, autojump_clock: Any, config: Any, thinks: bool
) -> None:
    async with build() as world:
        client = await world.ready(model=THINKS, generationConfig={"thinkingConfig": config})
        await client.text("good day")
        seen = await client.until("turnComplete")
        assert "thought" not in str(contents(seen, "modelTurn"))
        usage = seen[-1]["usageMetadata"]
        assert ("thoughtsTokenCount" in usage) is thinks
        parts = ("promptTokenCount", "responseTokenCount", "thoughtsTokenCount")
        assert usage["totalTokenCount"] == sum(usage.get(name, 0) for name in parts)


async def test_searching_is_paid_for(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready(tools=[{"googleSearch": {}}])
        await client.text("search")
        usage = (await client.until("turnComplete"))[-1]["usageMetadata"]
        assert usage["toolUsePromptTokenCount"] > 0
        assert usage["toolUsePromptTokensDetails"] == [
            {"modality": "TEXT", "tokenCount": usage["toolUsePromptTokenCount"]}
        ]
        parts = ("promptTokenCount", "responseTokenCount", "toolUsePromptTokenCount")
        assert usage["totalTokenCount"] == sum(usage[name] for name in parts)


async def test_tools_and_instruction_are_paid_for_in_every_turn(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        found = []
        for fields in ({}, {"systemInstruction": {"parts": [{"text": "x" * 400}]}}, FUNCTION):
            client = await world.ready(**fields)
            await client.text("good day")
            found.append((await client.until("turnComplete"))[-1]["usageMetadata"]["promptTokenCount"])
        assert found[1] == found[0] + 100
        assert found[0] < found[2] < found[0] + 20


async def test_a_turn_that_only_called_is_paid_for_when_it_is_complete(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready(**FUNCTION)
        await client.text("call f")
        call = (await client.until("toolCall"))[-1]["toolCall"]["functionCalls"][0]
        await client.answer(call["id"], {"output": "noted"}, scheduling="SILENT")
        assert (await client.until("turnComplete"))[-1]["usageMetadata"]["promptTokenCount"] > 0


@pytest.mark.parametrize(("model", "cuts_in"), [(NATIVE, True), (LIVE, False)])
async def test_an_urgent_answer_waits_for_the_user_or_does_not(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, spoken: Any, model: str, cuts_in: bool
) -> None:
    async with build("user") as world:
        client = await world.ready(model=model, **FUNCTION)
        await client.text("call f")
        call = (await client.until("toolCall"))[-1]["toolCall"]["functionCalls"][0]
        await client.say(speech(0.5))
        await client.answer(call["id"], {"output": "fire"}, scheduling="INTERRUPT")
        await client.say(speech(1.0))
        seen = await client.quiet(0.1)
        assert ("f gave fire." in spoken(seen)) is cuts_in
        await client.say(silence(1.0))
        assert "You said user." in spoken(seen + await client.quiet(5.0))


@pytest.mark.parametrize(
    ("model", "coverage", "pictures"),
    [
        (LIVE, None, 3),
        (NATIVE, None, 1),
        (LIVE, "TURN_INCLUDES_ONLY_ACTIVITY", 1),
        (NATIVE, "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO", 3),
        (NATIVE, "TURN_INCLUDES_ALL_INPUT", 3),
    ],
)
async def test_which_pictures_belong_to_a_turn(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, model: str, coverage: str | None, pictures: int
) -> None:
    async with build("look") as world:
        config = {"turnCoverage": coverage} if coverage else {}
        client = await world.ready(model=model, realtimeInputConfig=config)
        for sound in (silence(0.5), speech(0.8), speech(0.2) + silence(1.0)):
            await client.send(PICTURE)
            await client.say(sound)
        seen = await client.until("turnComplete")
        details = {d["modality"]: d["tokenCount"] for d in seen[-1]["usageMetadata"]["promptTokensDetails"]}
        assert details["IMAGE"] == pictures * 256


@pytest.mark.parametrize(("coverage", "seconds"), [(None, 1.6), ("TURN_INCLUDES_ALL_INPUT", 6.0)])
async def test_how_much_sound_belongs_to_a_turn(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, coverage: str | None, seconds: float
) -> None:
    async with build("look") as world:
        config = {"turnCoverage": coverage} if coverage else {}
        client = await world.ready(realtimeInputConfig=config)
        await client.say(silence(4.0) + speech(1.0) + silence(1.0))
        seen = await client.until("turnComplete")
        details = {d["modality"]: d["tokenCount"] for d in seen[-1]["usageMetadata"]["promptTokensDetails"]}
        assert details["AUDIO"] == pytest.approx(25 * seconds, abs=12)


async def test_compression_drops_whole_turns(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        compression = {"triggerTokens": "200", "slidingWindow": {"targetTokens": 100}}
        client = await world.ready(contextWindowCompression=compression)
        for number in range(12):
            await client.text(f"number {number}")
            await client.until("turnComplete")
        context = world.mind.asked[-1][1]
        assert 2 <= len(context) < 12
        assert context[0].startswith("user: ")
        assert context[-1] == "model: You said number 10."
        assert world.service.connections[0]._session.cost.total <= 200


async def test_a_new_instruction_counts_from_the_next_turn(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready()
        await client.send({"context_update": {"system_instruction": {"parts": [{"text": "y" * 4000}]}}})
        await client.text("good day")
        assert (await client.until("turnComplete"))[-1]["usageMetadata"]["promptTokenCount"] > 1000


async def test_video_counts_what_the_session_has_had(build: Any, autojump_clock: Any) -> None:
    async with build(time_scale=10.0) as world:
        client = await world.ready(sessionResumption={})
        await client.receive()
        await trio.sleep(8.0)
        await client.close()
        client = await world.ready(sessionResumption={"handle": client.handle})
        begun = trio.current_time()
        await client.send(PICTURE)
        assert (await client.closed()).code == 1011
        assert trio.current_time() - begun == pytest.approx(12 - 8, abs=0.5)
