"""The official Python client is refused, sent away and given tokens: it must see what the real service shows it.

Checks have two services: `live` keeps the real one's times, for `hasty` they go a hundred times as fast. All of them
take place at once, in one event loop, and each is a test of its own.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.genai import errors, types

from actors.emulator.settings import Settings

SCALE = 100.0
NATIVE = "gemini-2.5-flash-native-audio-preview-12-2025"
SPENT = (1011, "Token has been used too many times")
EXPIRED = (1011, "Token has expired")
BRIEF = types.LiveConnectConfig(response_modalities=[types.Modality.AUDIO], system_instruction="Be brief.")

pytestmark = pytest.mark.filterwarnings("ignore:The SDK's .* is experimental")

Check = Callable[[Any, Any], Awaitable[None]]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    CHECKS[function.__name__] = function
    return function


async def refusal(live: Any, opening: AbstractAsyncContextManager[Any]) -> tuple[int, str]:
    """How the client is told that it may not, or no longer."""

    async def listen() -> None:
        async with opening as session:
            while True:
                await live.turn(session)

    with pytest.raises(errors.APIError) as caught:
        await listen()
    assert type(caught.value) is errors.APIError
    return caught.value.code, str(caught.value.details)


def refused(code: int, reason: str, **asked: Any) -> Check:
    async def found(live: Any, _hasty: Any) -> None:
        seen = await refusal(live, live.connect(**asked))
        assert seen[0] == code
        assert reason in seen[1]

    return found


def speech(**fields: Any) -> dict[str, Any]:
    return {"speech_config": types.SpeechConfig(**fields)}


def voice(name: str) -> types.VoiceConfig:
    return types.VoiceConfig(prebuilt_voice_config=types.PrebuiltVoiceConfig(voice_name=name))


ARGUMENT = "Request contains an invalid argument"
CHECKS |= {
    "an_unknown_model": refused(1008, "models/gemini-9 is not found for API version v1beta", model="gemini-9"),
    "an_unknown_handle": refused(
        1008,
        "BidiGenerateContent session not found",
        session_resumption=types.SessionResumptionConfig(handle="none"),
    ),
    "an_illegal_option": refused(1007, ARGUMENT, thinking_config=types.ThinkingConfig(thinking_budget=1)),
    "a_missing_option": refused(1007, ARGUMENT, model="gemini-3.8-live-extended-thinking"),
    "an_unknown_voice": refused(1007, ARGUMENT, **speech(voice_config=voice("kore"))),
    "a_removed_option": refused(1007, ARGUMENT, enable_affective_dialog=True),
    "silence_of_a_proactive_model": refused(1007, ARGUMENT, proactivity=types.ProactivityConfig(proactive_audio=False)),
    "text_as_modality": refused(1007, ARGUMENT, response_modalities=[types.Modality.TEXT]),
    "code_execution": refused(1007, ARGUMENT, tools=[types.Tool(code_execution=types.ToolCodeExecution())]),
    "url_context": refused(1007, ARGUMENT, tools=[types.Tool(url_context=types.UrlContext())]),
}


@check
async def a_session_that_still_has_a_socket(live: Any, _hasty: Any) -> None:
    async with live.connect(session_resumption=types.SessionResumptionConfig()) as session:
        handle = await live.handle(session)
        again = live.connect(session_resumption=types.SessionResumptionConfig(handle=handle))
        assert await refusal(live, again) == (1011, "The service is currently unavailable.")


@check
async def a_message_that_may_not_be_sent(live: Any, _hasty: Any) -> None:
    async with live.connect(model=NATIVE) as session:
        await session.send_context_update(system_instruction="Be brief.")
        with pytest.raises(errors.APIError) as caught:
            await live.turn(session)
        assert caught.value.code == 1007


@check
async def the_end_of_a_connection_is_announced(_live: Any, hasty: Any) -> None:
    begun = time.monotonic()
    left: list[str] = []

    async def listen() -> None:
        async with hasty.connect() as session:
            while True:
                async for message in session.receive():
                    left.extend([message.go_away.time_left] if message.go_away else [])

    with pytest.raises(errors.APIError) as caught:
        await listen()
    assert (caught.value.code, str(caught.value.details)) == (1011, "Deadline expired before operation could complete.")
    (told,) = left
    assert 0 < float(told.removesuffix("s")) <= 60 / SCALE + 0.01  # less where the machine is late
    assert time.monotonic() - begun >= 600 / SCALE - 0.5


@check
async def a_token_opens_one_session_and_lets_it_go_on(live: Any, _hasty: Any) -> None:
    holder = live.client("v1alpha", await live.token())
    async with live.connect(holder, session_resumption=types.SessionResumptionConfig()) as session:
        await session.send_realtime_input(text="Hello")
        assert live.said(await live.turn(session))
        handle = await live.handle(session)
    assert await refusal(live, live.connect(holder)) == SPENT
    resumed = types.SessionResumptionConfig(handle=handle)
    async with live.connect(holder, session_resumption=resumed) as session:
        await session.send_realtime_input(text="What did I ask you?")
        assert "hello" in live.said(await live.turn(session)).lower()


@check
async def a_forged_token(live: Any, _hasty: Any) -> None:
    code, reason = await refusal(live, live.connect(live.client("v1alpha", "auth_tokens/" + "0" * 64)))
    assert code == 1008
    assert reason.startswith("Method doesn't allow unregistered callers")


@check
async def a_token_too_old_for_a_new_session(_live: Any, hasty: Any) -> None:
    holder = hasty.client("v1alpha", await hasty.token(uses=0))
    await asyncio.sleep(60 / SCALE + 0.1)
    assert await refusal(hasty, hasty.connect(holder)) == EXPIRED


@check
async def a_token_that_expires_in_a_session(_live: Any, hasty: Any) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2 * SCALE)
    holder = hasty.client("v1alpha", await hasty.token(uses=0, expire_time=soon, new_session_expire_time=soon))
    assert await refusal(hasty, hasty.connect(holder)) == (1011, "auth token has expired")
    assert await refusal(hasty, hasty.connect(holder)) == EXPIRED


@check
async def a_locked_token_keeps_its_own_setup(live: Any, _hasty: Any) -> None:
    constraints = types.LiveConnectConstraints(model="gemini-3.8-live", config=BRIEF)
    holder = live.client("v1alpha", await live.token(uses=0, live_connect_constraints=constraints))
    for model in ("gemini-3.8-live", "gemini-9"):  # the client's is ignored, good or bad
        async with live.connect(holder, model=model, enable_affective_dialog=True) as session:
            await session.send_realtime_input(text="Hello")
            messages = await live.turn(session)
            assert live.sound(messages)
            assert not live.said(messages)  # the token asks for no transcripts


@check
async def a_partly_locked_token_leaves_the_rest_to_the_client(live: Any, _hasty: Any) -> None:
    constraints = types.LiveConnectConstraints(model="gemini-3.8-live", config=BRIEF)
    token = await live.token(
        uses=0, live_connect_constraints=constraints, lock_additional_fields=["top_k", "input_audio_transcription"]
    )
    holder = live.client("v1alpha", token)
    async with live.connect(holder, model="gemini-9", top_k=-1) as session:
        await session.send_realtime_input(text="Hello")
        assert live.said(await live.turn(session))
    code, reason = await refusal(live, live.connect(holder, temperature=99))
    assert code == 1007
    assert "temperature" in reason


@check
async def a_token_that_lives_too_long(live: Any, _hasty: Any) -> None:
    with pytest.raises(errors.ClientError) as caught:
        await live.token(expire_time=datetime.now(UTC) + timedelta(hours=21))
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
    assert "Maximum lifetime is 20h" in str(caught.value.message)


@pytest.fixture(scope="module")
def outcomes(serve: Any, together: Any) -> Iterator[dict[str, BaseException | None]]:
    with serve(Settings(burst=40.0)) as live, serve(Settings(time_scale=SCALE)) as hasty:
        yield together(CHECKS, live, hasty)


@pytest.mark.parametrize("name", CHECKS)
def test_the_official_client_is_told_of(outcomes: dict[str, BaseException | None], name: str) -> None:
    outcome = outcomes[name]
    if outcome is not None:
        raise outcome
