"""The official Python client talks to the embedded service: it judges how faithful that is."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import numpy as np
import pytest
from google import genai
from google.genai import errors, types

from actors.emulator.settings import Settings
from actors.emulator.voice import Voice

MODEL = "gemini-3.8-live"
WEATHER = types.FunctionDeclaration(
    name="get_weather",
    description="The weather in a city.",
    parameters=types.Schema(
        type=types.Type.OBJECT,
        properties={"city": types.Schema(type=types.Type.STRING, description="The city.")},
        required=["city"],
    ),
)


@pytest.fixture(scope="module")
def address(serve: Any) -> Iterator[Any]:
    with serve(Settings(burst=40.0)) as served:
        yield served


@pytest.fixture
def client(address: Any) -> Callable[..., genai.Client]:
    def build(version: str = "v1beta", context: ssl.SSLContext | None = None) -> genai.Client:
        options = types.HttpOptions(
            base_url=address.address.url,
            api_version=version,
            async_client_args={"ssl": context or address.context},
        )
        return genai.Client(api_key="any", http_options=options)

    return build


def config(**fields: Any) -> types.LiveConnectConfig:
    asked = {
        "response_modalities": [types.Modality.AUDIO],
        "output_audio_transcription": types.AudioTranscriptionConfig(),
        "input_audio_transcription": types.AudioTranscriptionConfig(),
    }
    return types.LiveConnectConfig(**(asked | fields))


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(main(), 60)

    asyncio.run(limited())


async def turn(session: Any) -> list[types.LiveServerMessage]:
    """Everything up to the end of the interaction."""
    return [message async for message in session.receive()]


def said(messages: list[types.LiveServerMessage]) -> str:
    contents = [message.server_content for message in messages if message.server_content]
    return "".join(c.output_transcription.text or "" for c in contents if c.output_transcription)


def sound(messages: list[types.LiveServerMessage]) -> bytes:
    return b"".join(message.data for message in messages if message.data)


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
def test_text_is_answered_in_sound_and_words(client: Any, version: str) -> None:
    async def main() -> None:
        async with client(version).aio.live.connect(model=MODEL, config=config()) as session:
            await session.send_realtime_input(text="Hello")
            messages = await turn(session)
            assert said(messages)
            pcm = np.frombuffer(sound(messages), "<i2").astype(float)
            assert len(pcm) > 12_000
            assert np.sqrt(np.mean(pcm**2)) > 500
            last = messages[-1]
            assert last.server_content is not None
            assert last.server_content.turn_complete
            assert last.server_content.interaction_status is types.InteractionStatus.IDLE
            assert last.usage_metadata is not None
            assert last.usage_metadata.response_token_count

    run(main)


def test_speech_is_heard(client: Any) -> None:
    speech = Voice().speak("What is the weather in Paris?", voice="Charon") + bytes(48_000)

    async def main() -> None:
        async with client().aio.live.connect(model=MODEL, config=config()) as session:
            for start in range(0, len(speech), 4800):
                piece = speech[start : start + 4800]
                await session.send_realtime_input(audio=types.Blob(data=piece, mime_type="audio/pcm;rate=24000"))
            messages = await turn(session)
            contents = [message.server_content for message in messages if message.server_content]
            heard = "".join(c.input_transcription.text or "" for c in contents if c.input_transcription)
            assert heard == "what is the weather in paris"
            assert said(messages)

    run(main)


@pytest.mark.parametrize("behavior", [None, types.Behavior.BLOCKING, types.Behavior.NON_BLOCKING])
def test_a_function_is_called_and_answered(client: Any, behavior: types.Behavior | None) -> None:
    tool = types.Tool(function_declarations=[WEATHER.model_copy(update={"behavior": behavior})])

    async def main() -> None:
        async with client().aio.live.connect(model=MODEL, config=config(tools=[tool])) as session:
            await session.send_realtime_input(text="What is the weather in Paris?")
            messages, calls = [], []
            async for message in session.receive():
                messages.append(message)
                if message.tool_call and message.tool_call.function_calls:
                    (call,) = message.tool_call.function_calls
                    calls.append(call)
                    result = {"output": {"temperature_c": 21, "condition": "sunny"}}
                    answer = types.FunctionResponse(id=call.id, name=call.name, response=result)
                    await session.send_tool_response(function_responses=answer)
            assert [call.name for call in calls] == ["get_weather"]
            assert calls[0].args["city"] == "Paris"
            assert said(messages)

    run(main)


def test_a_conversation_is_resumed(client: Any) -> None:
    async def main() -> None:
        handle = None
        resumed = config(session_resumption=types.SessionResumptionConfig())
        async with client().aio.live.connect(model=MODEL, config=resumed) as session:
            await session.send_realtime_input(text="Hello")
            await turn(session)
            async for message in session.receive():
                if message.session_resumption_update and message.session_resumption_update.resumable:
                    handle = message.session_resumption_update.new_handle
                    break
        assert handle
        resumed = config(session_resumption=types.SessionResumptionConfig(handle=handle))
        async with client().aio.live.connect(model=MODEL, config=resumed) as session:
            await session.send_realtime_input(text="What did I ask you?")
            assert "hello" in said(await turn(session)).lower()

    run(main)


def test_content_is_answered(client: Any) -> None:
    async def main() -> None:
        async with client().aio.live.connect(model=MODEL, config=config()) as session:
            content = types.Content(role="user", parts=[types.Part(text="Hello")])
            await session.send_client_content(turns=content, turn_complete=True)
            assert said(await turn(session))

    run(main)


def test_a_rich_setup_is_accepted(client: Any) -> None:
    rich = config(
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        max_output_tokens=1000,
        seed=3,
        media_resolution=types.MediaResolution.MEDIA_RESOLUTION_LOW,
        speech_config=types.SpeechConfig(
            voice_config=types.VoiceConfig(prebuilt_voice_config=types.PrebuiltVoiceConfig(voice_name="Puck")),
            language_code="en-US",
        ),
        system_instruction="Be brief.",
        tools=[types.Tool(google_search=types.GoogleSearch()), types.Tool(function_declarations=[WEATHER])],
        session_resumption=types.SessionResumptionConfig(),
        context_window_compression=types.ContextWindowCompressionConfig(
            trigger_tokens=25_600, sliding_window=types.SlidingWindow(target_tokens=12_800)
        ),
        realtime_input_config=types.RealtimeInputConfig(
            automatic_activity_detection=types.AutomaticActivityDetection(
                start_of_speech_sensitivity=types.StartSensitivity.START_SENSITIVITY_LOW,
                prefix_padding_ms=20,
                silence_duration_ms=500,
            ),
            activity_handling=types.ActivityHandling.NO_INTERRUPTION,
        ),
        proactivity=types.ProactivityConfig(proactive_audio=True),
    )

    async def main() -> None:
        async with client().aio.live.connect(model=MODEL, config=rich) as session:
            await session.send_realtime_input(text="Hello")
            assert said(await turn(session))

    run(main)


@pytest.mark.parametrize(
    ("model", "fields", "code", "reason"),
    [
        ("gemini-9-live", {}, 1008, "models/gemini-9-live is not found for API version v1beta"),
        (MODEL, {"thinking_config": types.ThinkingConfig(thinking_budget=1)}, 1007, "thinking_config"),
        (MODEL, {"session_resumption": types.SessionResumptionConfig(handle="none")}, 1008, "session not found"),
    ],
)
def test_a_refusal_reaches_the_caller(client: Any, model: str, fields: Any, code: int, reason: str) -> None:
    async def main() -> None:
        with pytest.raises(errors.APIError) as caught:
            async with client().aio.live.connect(model=model, config=config(**fields)) as session:
                await turn(session)
        assert caught.value.code == code
        assert reason in str(caught.value)

    run(main)


def test_marked_activity_interrupts(client: Any) -> None:
    marked = config(
        realtime_input_config=types.RealtimeInputConfig(
            automatic_activity_detection=types.AutomaticActivityDetection(disabled=True)
        )
    )

    async def main() -> None:
        async with client().aio.live.connect(model=MODEL, config=marked) as session:
            await session.send_realtime_input(text="Count from one to one hundred")
            interrupted = False
            started = False
            async for message in session.receive():
                if message.data and not started:
                    started = True
                    await session.send_realtime_input(activity_start=types.ActivityStart())
                content = message.server_content
                interrupted = interrupted or bool(content and content.interrupted)
            assert interrupted

    run(main)
