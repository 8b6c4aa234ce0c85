"""The official Python client talks to the embedded service: it judges how faithful that is.

A check is a conversation. All of them take place at once, in one event loop, and each is a test of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.genai import types

from actors.audio.recording import read_mono
from actors.emulator.settings import Settings

SPEECH = Path(__file__).parents[1] / "fixtures" / "weather-paris.flac"
WEATHER = types.FunctionDeclaration(
    name="get_weather",
    description="The weather in a city.",
    parameters=types.Schema(
        type=types.Type.OBJECT,
        properties={"city": types.Schema(type=types.Type.STRING, description="The city.")},
        required=["city"],
    ),
)
RESULT = {"output": {"temperature_c": 21, "condition": "sunny"}}
MANUAL = types.RealtimeInputConfig(automatic_activity_detection=types.AutomaticActivityDetection(disabled=True))
RICH: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "max_output_tokens": 1000,
    "seed": 3,
    "media_resolution": types.MediaResolution.MEDIA_RESOLUTION_LOW,
    "speech_config": types.SpeechConfig(
        voice_config=types.VoiceConfig(prebuilt_voice_config=types.PrebuiltVoiceConfig(voice_name="Puck")),
        language_code="en-US",
    ),
    "system_instruction": "Be brief.",
    "tools": [types.Tool(google_search=types.GoogleSearch()), types.Tool(function_declarations=[WEATHER])],
    "session_resumption": types.SessionResumptionConfig(),
    "context_window_compression": types.ContextWindowCompressionConfig(
        trigger_tokens=25_600, sliding_window=types.SlidingWindow(target_tokens=12_800)
    ),
    "realtime_input_config": types.RealtimeInputConfig(
        automatic_activity_detection=types.AutomaticActivityDetection(
            start_of_speech_sensitivity=types.StartSensitivity.START_SENSITIVITY_LOW,
            prefix_padding_ms=20,
            silence_duration_ms=500,
        ),
        activity_handling=types.ActivityHandling.NO_INTERRUPTION,
        turn_coverage=types.TurnCoverage.TURN_INCLUDES_ALL_INPUT,
    ),
    "proactivity": types.ProactivityConfig(proactive_audio=True),
}

Check = Callable[[Any], Awaitable[None]]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    CHECKS[function.__name__] = function
    return function


def function(behavior: types.Behavior | None = None) -> dict[str, Any]:
    return {"tools": [types.Tool(function_declarations=[WEATHER.model_copy(update={"behavior": behavior})])]}


def contents(messages: list[types.LiveServerMessage]) -> list[types.LiveServerContent]:
    return [message.server_content for message in messages if message.server_content]


async def called(session: Any) -> types.FunctionCall:
    """The call that comes next."""
    async for message in session.receive():
        if message.tool_call and message.tool_call.function_calls:
            (call,) = message.tool_call.function_calls
            return call  # type: ignore[no-any-return]
    raise AssertionError("no function was called")


async def answer(session: Any, call: types.FunctionCall, **fields: Any) -> None:
    asked = {"id": call.id, "name": call.name, "response": RESULT} | fields
    await session.send_tool_response(function_responses=types.FunctionResponse(**asked))


async def text_is_answered(live: Any, version: str) -> None:
    async with live.connect(live.client(version)) as session:
        await session.send_realtime_input(text="Hello")
        messages = await live.turn(session)
        assert live.said(messages)
        pcm = np.frombuffer(live.sound(messages), "<i2").astype(float)
        assert len(pcm) > 12_000
        assert np.sqrt(np.mean(pcm**2)) > 500
        last = messages[-1]
        assert last.server_content.turn_complete
        assert last.server_content.interaction_status is types.InteractionStatus.IDLE


@check
async def text_is_answered_in_sound_and_words(live: Any) -> None:
    await asyncio.gather(*(text_is_answered(live, version) for version in ("v1", "v1beta", "v1alpha")))


@check
async def usage_adds_up(live: Any) -> None:
    async with live.connect() as session:
        await session.send_realtime_input(text="Hello")
        messages = await live.turn(session)
        usage = messages[-1].usage_metadata
        assert usage.response_token_count == pytest.approx(len(live.sound(messages)) / 48_000 * 25, abs=1)
        assert usage.total_token_count == usage.prompt_token_count + usage.response_token_count
        (response,) = usage.response_tokens_details
        assert (response.modality, response.token_count) == (types.MediaModality.AUDIO, usage.response_token_count)
        await session.send_realtime_input(text="Hello")
        assert (await live.turn(session))[-1].usage_metadata.prompt_token_count > usage.prompt_token_count


@check
async def speech_is_heard(live: Any) -> None:
    speech = read_mono(SPEECH, 24_000) + bytes(48_000)
    async with live.connect() as session:
        for start in range(0, len(speech), 4800):
            piece = speech[start : start + 4800]
            await session.send_realtime_input(audio=types.Blob(data=piece, mime_type="audio/pcm;rate=24000"))
        messages = await live.turn(session)
        assert live.heard(messages).startswith("what is the weather")
        assert live.said(messages)


async def a_function_is_answered(live: Any, behavior: types.Behavior | None) -> None:
    async with live.connect(**function(behavior)) as session:
        await session.send_realtime_input(text="What is the weather in Paris?")
        call = await called(session)
        assert (call.name, call.args["city"]) == ("get_weather", "Paris")
        await answer(session, call)
        assert "21" in live.said(await live.turn(session))


@check
async def a_function_is_called_and_answered(live: Any) -> None:
    await asyncio.gather(*(a_function_is_answered(live, how) for how in (None, types.Behavior.BLOCKING)))


@check
async def the_user_goes_on_while_a_function_runs(live: Any) -> None:
    async with live.connect(**function(types.Behavior.NON_BLOCKING)) as session:
        await session.send_realtime_input(text="What is the weather in Paris?")
        call = await called(session)
        await session.send_realtime_input(text="Hello")
        greeting = await live.turn(session)
        assert live.said(greeting)
        assert not any(message.tool_call_cancellation for message in greeting)
        await answer(session, call, scheduling=types.FunctionResponseScheduling.WHEN_IDLE, will_continue=True)
        assert live.said(await live.turn(session))
        await session.send_realtime_input(text="Count from one to one hundred")
        async for message in session.receive():
            if message.data:
                break
        await answer(session, call, scheduling=types.FunctionResponseScheduling.INTERRUPT, will_continue=False)
        assert any(content.interrupted for content in contents(await live.turn(session)))
        assert live.said(await live.turn(session))


@check
async def an_interaction_ends_though_nothing_is_said_about_the_answer(live: Any) -> None:
    """With the model that works on, `receive` goes on until it is told that nothing follows."""
    thinking = types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW)
    options = {"thinking_config": thinking, **function(types.Behavior.NON_BLOCKING)}
    async with live.connect(model="gemini-3.8-live-extended-thinking", **options) as session:
        await session.send_realtime_input(text="What is the weather in Paris?")
        call = await called(session)
        await answer(session, call, scheduling=types.FunctionResponseScheduling.SILENT)
        ends = [content for content in contents(await live.turn(session)) if content.turn_complete]
        assert ends[-1].interaction_status is types.InteractionStatus.IDLE


@check
async def new_input_cancels_a_blocking_call(live: Any) -> None:
    async with live.connect(**function(types.Behavior.BLOCKING)) as session:
        await session.send_realtime_input(text="What is the weather in Paris?")
        call = await called(session)
        await session.send_realtime_input(text="Hello")
        messages = await live.turn(session)
        cancelled = [message.tool_call_cancellation.ids for message in messages if message.tool_call_cancellation]
        assert cancelled == [[call.id]]
        assert live.said(await live.turn(session))


@check
async def tools_change_in_mid_session(live: Any) -> None:
    async with live.connect() as session:
        await session.send_context_update(system_instruction="Be brief.", **function())
        await session.send_realtime_input(text="What is the weather in Paris?")
        assert (await called(session)).name == "get_weather"


@check
async def sources_are_named(live: Any) -> None:
    async with live.connect(tools=[types.Tool(google_search=types.GoogleSearch())]) as session:
        await session.send_realtime_input(text="Who built the Eiffel Tower?")
        messages = await live.turn(session)
        (found,) = [content.grounding_metadata for content in contents(messages) if content.grounding_metadata]
        assert found.web_search_queries
        assert found.search_entry_point.rendered_content
        assert found.grounding_chunks[0].web.uri
        segment = found.grounding_supports[0].segment
        assert live.said(messages).encode()[segment.start_index or 0 : segment.end_index].decode() == segment.text
        assert messages[-1].usage_metadata.tool_use_prompt_token_count


@check
async def a_conversation_is_resumed(live: Any) -> None:
    async with live.connect(session_resumption=types.SessionResumptionConfig()) as session:
        await session.send_realtime_input(text="Hello")
        await live.turn(session)
        handle = await live.handle(session)
    async with live.connect(session_resumption=types.SessionResumptionConfig(handle=handle)) as session:
        await session.send_realtime_input(text="What did I ask you?")
        assert "hello" in live.said(await live.turn(session)).lower()


@check
async def content_is_answered_and_history_is_not(live: Any) -> None:
    async with live.connect() as session:
        turns = [types.Content(role="user", parts=[types.Part(text="My name is Ada")])]
        turns.append(types.Content(role="model", parts=[types.Part(text="Hello Ada")]))
        await session.send_client_content(turns=turns, turn_complete=False)
        content = types.Content(role="user", parts=[types.Part(text="What did you say?")])
        await session.send_client_content(turns=content, turn_complete=True)
        assert "Hello Ada" in live.said(await live.turn(session))


@check
async def a_rich_setup_is_accepted(live: Any) -> None:
    async with live.connect(**RICH) as session:
        await session.send_realtime_input(text="Hello")
        assert live.said(await live.turn(session))


@check
async def thoughts_are_shown(live: Any) -> None:
    thinking = types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW, include_thoughts=True)
    model = "gemini-3.8-live-extended-thinking"
    async with live.connect(model=model, thinking_config=thinking) as session:
        await session.send_realtime_input(text="Hello")
        messages = await live.turn(session)
        parts = [part for c in contents(messages) if c.model_turn for part in c.model_turn.parts or []]
        assert any(part.thought and part.text and part.thought_signature for part in parts)
        assert messages[-1].usage_metadata.thoughts_token_count


@check
async def marked_activity_interrupts(live: Any) -> None:
    async with live.connect(realtime_input_config=MANUAL) as session:
        await session.send_realtime_input(text="Count from one to one hundred")
        started, messages = False, []
        async for message in session.receive():
            messages.append(message)
            if message.data and not started:
                started = True
                await session.send_realtime_input(activity_start=types.ActivityStart())
        found = contents(messages)
        assert any(content.interrupted for content in found)
        assert not any(content.generation_complete for content in found)


@check
async def speech_interrupts_and_is_signalled(live: Any) -> None:
    speech = read_mono(SPEECH, 16_000)
    async with live.connect() as session:
        await session.send_realtime_input(text="Count from one to one hundred")
        async for message in session.receive():
            if message.data:
                break
        await session.send_realtime_input(audio=types.Blob(data=speech, mime_type="audio/pcm;rate=16000"))
        await session.send_realtime_input(audio_stream_end=True)
        messages = await live.turn(session)
        assert any(content.interrupted for content in contents(messages))
        messages += await live.turn(session)
        signals = [message.voice_activity.voice_activity_type for message in messages if message.voice_activity]
        assert signals == [types.VoiceActivityType.ACTIVITY_START, types.VoiceActivityType.ACTIVITY_END]


@check
async def vertex_is_spoken(live: Any) -> None:
    async with live.connect(live.vertex()) as session:
        assert session.session_id
        await session.send_realtime_input(text="Hello")
        assert live.said(await live.turn(session))


@pytest.fixture(scope="module")
def outcomes(serve: Any, together: Any) -> Iterator[dict[str, BaseException | None]]:
    with serve(Settings(burst=40.0, voice_activity=True)) as served:
        yield together(CHECKS, served)


@pytest.mark.parametrize("name", CHECKS)
def test_the_official_client_finds_that(outcomes: dict[str, BaseException | None], name: str) -> None:
    outcome = outcomes[name]
    if outcome is not None:
        raise outcome
