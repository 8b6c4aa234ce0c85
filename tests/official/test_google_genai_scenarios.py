"""The official clients go through scenarios over TLS: they must take each as they take the real service's doing so.

How the Python client takes things was seen by running it; see live-protocol for the errors that it makes of closes.
"""

import asyncio
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from google import genai
from google.genai import errors, types

from actors.emulator.testing import LiveService, serve
from actors.emulator.voice import Voice

ROOT = Path(__file__).parents[2]
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            description="The weather in a city.",
            parameters=types.Schema(
                type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}, required=["city"]
            ),
        )
    ]
)
TURNS = ["turn", "call", "turn", "turn"]
CUT = "APIError 1006 abnormal closure [internal]"
TAKEN: dict[str, list[str]] = {
    **dict.fromkeys(
        [
            *("audio-during-call", "doubled-transcripts", "empty-turn", "everything-at-once", "go-away", "hiccup"),
            *("impatient", "late-handle", "late-pongs", "many-parts", "no-compression", "no-transcripts", "no-usage"),
            *("one-burst", "premature-turn-complete", "transcript-without-head", "transcript-without-tail"),
            "usage-anywhere",
        ],
        TURNS,
    ),
    "call-and-interruption": ["turn", "call", "interrupted", "cancellation", "turn", "turn"],
    "cut-during-call": ["turn", "call", CUT],
    "cut-mid-reply": [CUT],
    "duplicate-call": ["turn", "call", "call", "turn", "turn"],
    "error-during-call": ["turn", "call", "APIError 1011 Internal error encountered."],
    "busy-at-first": ["APIError 1011 The service is currently unavailable."],
    "internal-error": ["APIError 1011 Internal error encountered."],
    "interrupted-after-turn": ["turn", "interrupted", "call", "turn", "turn"],
    "interrupted-before-reply": ["interrupted", *TURNS],
    "late-chunk": ["interrupted", *TURNS],
    "no-transcription": ["APIError 1007 Request contains an invalid argument."],
    "not-json": ["ValueError Failed to parse response: b'not json'"],
    "repeated-call": ["turn", "call", "call", "turn", "turn"],
    "stray-interruption": ["interrupted", *TURNS],
    "unknown-messages": ["TypeError '<=' not supported between instances of 'int' and 'NoneType'"],
    "wrong-model": [
        "APIError 1008 models/any is not found for API version v1beta, or is not supported for bidiGenerateContent."
    ],
}
SCENARIOS = (
    ["cut-mid-reply", "internal-error", "wrong-model", "unknown-messages", "many-parts", "stray-interruption"],
    {
        *("a_broken_line", "a_fault_of_the_service", "a_model_that_is_not_served", "messages_nobody_knows"),
        *("several_parts_in_a_message", "an_interruption_of_nobody"),
    },
)


@contextmanager
def serving(names: list[str]) -> Iterator[list[LiveService]]:
    """Services for these scenarios, all in one thread, with one voice."""
    found: list[LiveService] = []
    ready, finished, token = threading.Event(), trio.Event(), []

    async def main() -> None:
        token.append(trio.lowlevel.current_trio_token())
        voice = Voice()
        async with AsyncExitStack() as stack:
            opened = [serve(scenario=name, tls=True, voice=voice) for name in names]
            found.extend([await stack.enter_async_context(one) for one in opened])
            ready.set()
            await finished.wait()

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    try:
        assert ready.wait(30)
        yield found
    finally:
        token[0].run_sync_soon(finished.set)
        thread.join(20)


def client(url: str, ca_file: Path) -> genai.Client:
    context = ssl.create_default_context(cafile=ca_file)
    options = types.HttpOptions(base_url=url, api_version="v1beta", async_client_args={"ssl": context})
    return genai.Client(api_key="any", http_options=options)


def shown(message: types.LiveServerMessage) -> Iterator[str]:
    content = message.server_content
    yield from ["cancellation"] if message.tool_call_cancellation else []
    yield from ["interrupted"] if content and content.interrupted else []
    yield from ["call"] if message.tool_call else []
    yield from ["turn"] if content and content.turn_complete else []


async def talk(found: genai.Client) -> list[str]:
    """Three questions, the second of which wants a function: what came of them."""
    config = types.LiveConnectConfig(
        response_modalities=[types.Modality.AUDIO],
        output_audio_transcription=types.AudioTranscriptionConfig(),
        tools=[WEATHER],
        session_resumption=types.SessionResumptionConfig(),
    )
    seen: list[str] = []
    try:
        async with asyncio.timeout(60), found.aio.live.connect(model="gemini-3.8-live", config=config) as session:
            for question in ("Count to five", "What is the weather in Paris?", "Hello"):
                await session.send_realtime_input(text=question)
                async for message in session.receive():
                    seen += shown(message)
                    for call in (message.tool_call.function_calls or []) if message.tool_call else []:
                        answer = types.FunctionResponse(id=call.id, name=call.name, response={"output": "sunny"})
                        await session.send_tool_response(function_responses=answer)
    except errors.APIError as error:
        seen.append(f"APIError {error.code} {error.details}")
    except (ValueError, TypeError) as error:
        seen.append(f"{type(error).__name__} {error}")
    return seen


@pytest.fixture(scope="module")
def taken() -> dict[str, list[str]]:
    async def main(clients: list[genai.Client]) -> list[list[str]]:
        return await asyncio.gather(*map(talk, clients))

    with serving(list(TAKEN)) as services:
        clients = [client(live.url, live.ca_file) for live in services if live.ca_file]
        return dict(zip(TAKEN, asyncio.run(main(clients)), strict=True))


@pytest.mark.parametrize("name", TAKEN)
def test_the_python_client_takes(taken: dict[str, list[str]], name: str) -> None:
    assert taken[name] == TAKEN[name]


def test_the_javascript_client_takes_scenarios(run: Callable[..., dict[str, str | None]]) -> None:
    names, checks = SCENARIOS
    with serving(names) as services:
        assert run("scenarios.mjs", *services) == dict.fromkeys(checks)


def test_the_program_serves_a_scenario_over_tls() -> None:
    command = [sys.executable, "-P", "-m", "bin", "emulator", "--port", "0", "--tls", "--scenario", "cut-mid-reply"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            ready: dict[str, Any] = json.loads(process.stdout.readline())
            assert asyncio.run(talk(client(ready["url"], Path(ready["ca_file"])))) == [CUT]
        finally:
            process.terminate()
    assert process.returncode == 0
    assert not Path(ready["ca_file"]).exists()
