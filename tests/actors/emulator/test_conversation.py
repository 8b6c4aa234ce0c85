"""Conversations over a socket in memory: what is said, in which order, and when."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
import trio

MANUAL = {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}
NO_INTERRUPTION = {"realtimeInputConfig": {"activityHandling": "NO_INTERRUPTION"}}
FLASH = "models/gemini-3.1-flash-live-preview"
THINKS = "models/gemini-3.8-live-extended-thinking"
LONG = "this reply is so long that there is all the time in the world to say something while it is still going on"

Names = Callable[[list[Any]], list[str]]
Pcm = Callable[..., bytes]


async def test_a_spoken_turn(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, names: Names, spoken: Any, audio: Any
) -> None:
    async with build("hello there") as world:
        client = await world.ready()
        begun = trio.current_time()
        await client.say(silence(0.5) + speech(1.0) + silence(1.0))
        seen = await client.until("turnComplete")
        assert names(seen) == [
            "inputTranscription",
            *["outputTranscription", "modelTurn"] * 2,
            "generationComplete",
            "turnComplete",
        ]
        assert spoken(seen, "inputTranscription") == "hello there"
        assert spoken(seen) == "You said hello there."
        assert len(audio(seen)) / 48_000 == pytest.approx(0.84)
        assert trio.current_time() - begun == pytest.approx(1.5 + 0.8 + 0.25 + 0.84, abs=0.15)
        assert seen[-1]["serverContent"] == {"turnComplete": True, "interactionStatus": "IDLE"}
        usage = seen[-1]["usageMetadata"]
        assert usage["responseTokenCount"] == 21
        assert usage["totalTokenCount"] == usage["promptTokenCount"] + 21
        assert usage["responseTokensDetails"] == [{"modality": "AUDIO", "tokenCount": 21}]
        (heard,) = world.ears.heard
        assert speech(1.0)[3200:-3200] in heard


async def test_frames_are_binary_and_the_first_is_setup_complete(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.client()
        assert await client.setup() == {"setupComplete": {}}
        assert isinstance(client.raw[0], bytes)
        assert client.raw[0].endswith(b"\n")


async def test_audio_comes_in_short_parts_faster_than_it_plays(build: Any, autojump_clock: Any, audio: Any) -> None:
    async with build(burst=8.0) as world:
        client = await world.ready()
        await client.text(LONG)
        first = (await client.until("modelTurn"))[-1]
        blob = first["serverContent"]["modelTurn"]["parts"][0]["inlineData"]
        assert blob["mimeType"] == "audio/pcm;rate=24000"
        assert len(base64.b64decode(blob["data"], validate=True)) == 1920
        begun = trio.current_time()
        seen = await client.until("generationComplete")
        generated = trio.current_time() - begun
        seconds = len(audio(seen)) / 48_000 + 0.04
        assert generated == pytest.approx(seconds / 8, rel=0.1)
        await client.until("turnComplete")
        assert trio.current_time() - begun == pytest.approx(seconds, abs=0.05)


async def test_audio_may_come_all_at_once(build: Any, autojump_clock: Any) -> None:
    async with build(burst=float("inf"), first_audio=0.0) as world:
        client = await world.ready()
        begun = trio.current_time()
        await client.text(LONG)
        await client.until("generationComplete")
        assert trio.current_time() == begun


async def test_text_is_answered_without_an_input_transcript(build: Any, autojump_clock: Any, names: Names) -> None:
    async with build() as world:
        client = await world.ready()
        await client.text("good day")
        assert "inputTranscription" not in names(await client.until("turnComplete"))


async def test_transcripts_come_only_when_asked_for(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, names: Names
) -> None:
    async with build("hello") as world:
        client = await world.client()
        await client.setup()
        await client.say(speech(0.6) + silence(1.0))
        assert names(await client.until("turnComplete")) == ["modelTurn", "generationComplete", "turnComplete"]


@pytest.mark.parametrize("rate", [8_000, 24_000, 44_100, 48_000])
async def test_sound_of_any_rate_is_heard(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, rate: int
) -> None:
    async with build("hello") as world:
        client = await world.ready()
        await client.say(silence(0.4, rate) + speech(1.0, rate) + silence(1.2, rate), rate)
        await client.until("turnComplete")
        sent = b"".join(found.pcm for found in world.observed if found.kind == "audio")
        assert sent == silence(0.4, rate) + speech(1.0, rate) + silence(1.2, rate)
        (heard,) = world.ears.heard
        assert len(heard) / 32_000 == pytest.approx(1.5, abs=0.3)


async def test_a_paused_stream_ends_the_turn_at_once(build: Any, autojump_clock: Any, speech: Pcm) -> None:
    async with build("hello") as world:
        client = await world.ready()
        await client.say(speech(0.8))
        begun = trio.current_time()
        await client.send({"realtimeInput": {"audioStreamEnd": True}})
        await client.until("modelTurn")
        assert trio.current_time() - begun == pytest.approx(0.25, abs=0.01)


async def test_activity_marked_by_the_client(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, spoken: Any
) -> None:
    async with build("marked words") as world:
        client = await world.ready(**MANUAL)
        await client.say(speech(1.0))  # before activityStart: nobody listens
        await client.send({"realtimeInput": {"activityStart": {}}})
        await client.say(silence(1.5) + speech(0.5))
        await client.send({"realtimeInput": {"activityEnd": {}}})
        assert spoken(await client.until("turnComplete")) == "You said marked words."
        assert world.ears.heard == [silence(1.5) + speech(0.5)]


@pytest.mark.parametrize(
    ("fields", "message", "reason"),
    [
        ({}, {"activityStart": {}}, "Explicit activity control is not supported when automatic"),
        (MANUAL, {"audioStreamEnd": True}, "audio_stream_end is not supported"),
        ({}, {"audio": {"mimeType": "audio/mp3", "data": "AAAA"}}, "mime type 'audio/mp3'"),
        ({}, {"audio": {"mimeType": "audio/pcm;rate=1", "data": "AAAA"}}, "rate 1 "),
        ({}, {"audio": {"mimeType": "audio/pcm", "data": "AAAA"}}, "3 bytes are no whole"),
        ({}, {"video": {"mimeType": "video/mp4", "data": "AAAA"}}, "single frames"),
    ],
)
async def test_input_that_may_not_be(build: Any, autojump_clock: Any, fields: Any, message: Any, reason: str) -> None:
    async with build() as world:
        client = await world.ready(**fields)
        await client.send({"realtimeInput": message})
        closed = await client.closed()
        assert closed.code == 1007
        assert reason in closed.reason


async def test_speech_interrupts(build: Any, autojump_clock: Any, speech: Pcm, names: Names, spoken: Any) -> None:
    async with build("more") as world:
        client = await world.ready()
        await client.text(LONG)
        await client.until("modelTurn")
        begun = trio.current_time()
        await client.say(speech(0.3))
        seen = await client.until("turnComplete")
        assert names(seen)[-2:] == ["interrupted", "turnComplete"]
        assert "generationComplete" not in names(seen)
        assert trio.current_time() - begun <= 0.31
        said = spoken(seen)
        assert await client.quiet(0.5) == []
        await client.send({"realtimeInput": {"audioStreamEnd": True}})
        await client.until("turnComplete")
        heard, context = world.mind.asked[-1]
        assert heard == "more"
        assert context[0] == f"user: {LONG}"
        assert context[1].startswith("model: You said")
        assert context[1].endswith(said)
        assert len(context[1]) < len(LONG)


async def test_a_reply_is_interrupted_while_it_is_still_being_heard(
    build: Any, autojump_clock: Any, speech: Pcm, names: Names
) -> None:
    async with build() as world:
        client = await world.ready()
        await client.text(LONG)
        await client.until("generationComplete")
        await client.say(speech(0.3))
        assert names(await client.until("turnComplete")) == ["interrupted", "turnComplete"]


async def test_no_interruption_when_the_client_wants_none(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, names: Names, spoken: Any
) -> None:
    async with build("meanwhile") as world:
        client = await world.ready(**NO_INTERRUPTION)
        await client.text(LONG)
        await client.until("modelTurn")
        await client.say(speech(0.5) + silence(1.0))
        seen = await client.until("turnComplete")
        assert "interrupted" not in names(seen)
        seen = await client.until("turnComplete")
        assert spoken(seen) == "You said meanwhile."


async def test_marked_activity_interrupts(build: Any, autojump_clock: Any, names: Names) -> None:
    async with build() as world:
        client = await world.ready(**MANUAL)
        await client.text(LONG)
        await client.until("modelTurn")
        await client.send({"realtimeInput": {"activityStart": {}}})
        assert names(await client.until("turnComplete"))[-2:] == ["interrupted", "turnComplete"]


@pytest.mark.parametrize("complete", [True, False])
async def test_client_content_interrupts(build: Any, autojump_clock: Any, names: Names, complete: bool) -> None:
    async with build() as world:
        client = await world.ready(**NO_INTERRUPTION)
        await client.text(LONG)
        await client.until("modelTurn")
        turns = [{"role": "user", "parts": [{"text": "stop"}]}] if complete else []
        await client.send({"clientContent": {"turns": turns, "turnComplete": complete}})
        assert names(await client.until("turnComplete"))[-2:] == ["interrupted", "turnComplete"]
        assert bool(await client.quiet(2.0)) is complete


async def test_who_goes_on_before_the_answer_is_answered_once(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, names: Names, spoken: Any
) -> None:
    async with build("what is the weather", "in paris", first_audio=0.5) as world:
        client = await world.ready()
        await client.say(speech(0.6) + silence(0.9) + speech(0.6) + silence(1.0))
        seen = await client.until("turnComplete")
        assert "interrupted" not in names(seen)
        assert spoken(seen, "inputTranscription") == "what is the weather in paris"
        assert spoken(seen) == "You said what is the weather in paris."


async def test_client_content_is_context_until_its_turn_is_complete(
    build: Any, autojump_clock: Any, spoken: Any
) -> None:
    async with build() as world:
        client = await world.ready()
        history = [{"role": "user", "parts": [{"text": "one"}]}, {"role": "model", "parts": [{"text": "two"}]}]
        await client.send({"clientContent": {"turns": history, "turnComplete": False}})
        await client.send({"clientContent": {"turns": [{"parts": [{"text": "three"}]}]}})
        assert await client.quiet(5.0) == []
        await client.send({"client_content": {"turn_complete": True}})
        assert spoken(await client.until("turnComplete")) == "You said three."
        assert world.mind.asked == [("three", ("user: one", "model: two"))]


async def test_a_nudge_makes_the_model_look_at_what_it_was_told(build: Any, autojump_clock: Any, spoken: Any) -> None:
    async with build() as world:
        client = await world.ready()
        await client.text(" ")
        assert await client.quiet(2.0) == []
        await client.send({"clientContent": {"turns": [{"role": "user", "parts": [{"text": "told"}]}]}})
        await client.text(" ")
        assert spoken(await client.until("turnComplete")) == "You said told."


async def test_initial_history_is_not_answered(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready(model=FLASH, historyConfig={"initialHistoryInClientContent": True})
        turns = [{"role": "user", "parts": [{"text": "one"}]}, {"role": "model", "parts": [{"text": "two"}]}]
        await client.send({"clientContent": {"turns": turns, "turnComplete": True}})
        assert await client.quiet(2.0) == []
        await client.text("three")
        await client.until("turnComplete")
        assert world.mind.asked == [("three", ("user: one", "model: two"))]
        await client.send({"clientContent": {"turns": turns, "turnComplete": True}})
        assert (await client.closed()).code == 1007


@pytest.mark.parametrize(
    "content",
    [
        {"turns": [{"role": "tool", "parts": [{"text": "x"}]}]},
        {"turns": [{"role": "user", "parts": [{"functionResponse": {"name": "f"}}]}]},
    ],
)
async def test_client_content_that_may_not_be(build: Any, autojump_clock: Any, content: Any) -> None:
    async with build() as world:
        client = await world.ready()
        await client.send({"clientContent": content})
        assert (await client.closed()).code == 1007


async def test_speech_in_client_content_is_heard(build: Any, autojump_clock: Any, speech: Pcm, spoken: Any) -> None:
    async with build("from a file") as world:
        client = await world.ready()
        data = base64.b64encode(speech(0.5, 24_000)).decode()
        part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}
        await client.send({"clientContent": {"turns": [{"role": "user", "parts": [part]}], "turnComplete": True}})
        assert spoken(await client.until("turnComplete")) == "You said from a file."


async def test_a_model_may_have_nothing_to_say(build: Any, autojump_clock: Any, names: Names) -> None:
    async with build() as world:
        client = await world.ready()
        await client.text("hush")
        assert names(await client.until("turnComplete")) == ["generationComplete", "turnComplete"]


async def test_sources_are_named(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready(tools=[{"googleSearch": {}}])
        await client.text("search")
        grounding = (await client.until("groundingMetadata"))[-1]["serverContent"]["groundingMetadata"]
        assert grounding["webSearchQueries"] == ["it"]
        assert grounding["groundingChunks"] == [{"web": {"uri": "https://page.example/", "title": "A page"}}]
        assert grounding["groundingSupports"][0]["segment"]["text"] == "Found it."


async def test_thoughts_are_shown_to_who_asks(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        thinking = {"thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True}}
        client = await world.ready(model=THINKS, generationConfig=thinking)
        await client.text("good day")
        seen = await client.until("turnComplete")
        (part,) = seen[0]["serverContent"]["modelTurn"]["parts"]
        assert part["thought"] is True
        assert seen[-1]["usageMetadata"]["thoughtsTokenCount"] > 0


async def test_all_input_counts_when_it_should(build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm) -> None:
    counted = []
    for coverage in ("TURN_INCLUDES_ONLY_ACTIVITY", "TURN_INCLUDES_ALL_INPUT"):
        async with build("hello") as world:
            client = await world.ready(realtimeInputConfig={"turnCoverage": coverage})
            await client.say(silence(10.0) + speech(1.0) + silence(1.0))
            counted.append((await client.until("turnComplete"))[-1]["usageMetadata"]["promptTokenCount"])
    assert counted[0] == pytest.approx(1.5 * 25, abs=10)
    assert counted[1] == pytest.approx(11.8 * 25, abs=10)


async def test_old_turns_are_forgotten_when_asked(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready(contextWindowCompression={"triggerTokens": 200})
        for number in range(20):
            await client.text(f"sentence {number}")
            await client.until("turnComplete")
        assert all(len(context) < 20 for _, context in world.mind.asked)
        assert world.mind.asked[-1][1][-2] == "user: sentence 18"


async def test_an_exhausted_context_ends_the_session(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready()
        turns = [{"role": "user", "parts": [{"text": "word " * 120_000}]}, {"role": "model", "parts": [{"text": "x"}]}]
        await client.send({"clientContent": {"turns": turns}})
        await client.text("hush")
        assert (await client.closed()).code == 1007
