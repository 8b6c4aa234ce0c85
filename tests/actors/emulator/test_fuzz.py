"""Whatever a client sends, the service lives on, and the next client finds it in order."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.emulator import wire
from actors.emulator.door import Request
from actors.emulator.models import MODELS, Model, Thinking, Waiting
from actors.emulator.protojson import Breach, camel
from actors.emulator.requests import ClientMessage, Setup
from actors.emulator.tokens import TokenRequest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def mapped(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(
        st.sampled_from([spell(name) for name in names for spell in (str, camel)]), FIELDS, max_size=4
    )


def fields_of(kind: Any) -> list[str]:
    return [field.name for field in attrs.fields(kind)]


WORDS = sorted(
    {
        *(name for kind in (ClientMessage, Setup) for name in fields_of(kind)),
        *("audio", "text", "turns", "parts", "role", "id", "name", "response", "data", "mime_type", "scheduling"),
        *("activity_start", "activity_end", "audio_stream_end", "turn_complete", "function_responses"),
        *("function_declarations", "google_search"),
    }
)
SAMPLES = st.sampled_from(
    ["models/gemini-3.8-live", "audio/pcm", "AAAA", "f", "user", "model", "call f", "SILENT", "", {}, [], True]
)
FIELDS: st.SearchStrategy[Any] = st.deferred(
    lambda: SAMPLES | JSON | mapped(WORDS) | st.lists(mapped(WORDS), max_size=3)
)
MESSAGES = st.sampled_from(fields_of(ClientMessage)).flatmap(lambda name: FIELDS.map(lambda field: {name: field}))

LIVELY = st.sampled_from(
    [
        {"realtimeInput": {"text": "call f"}},
        {"realtimeInput": {"text": "say one two three then call f g"}},
        {"realtimeInput": {"text": " "}},
        {"realtimeInput": {"audioStreamEnd": True}},
        {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=44100", "data": "AAAAAAAA"}}},
        {"realtimeInput": {"video": {"mimeType": "image/png", "data": ""}}},
        {"clientContent": {"turns": [{"parts": [{"text": "x"}]}], "turnComplete": True}},
        {"clientContent": {"turnComplete": False}},
        {"clientContent": {"turnComplete": True}},
        {"toolResponse": {"functionResponses": [{"id": "LAST", "response": {"output": 1}}]}},
        {"toolResponse": {"functionResponses": [{"id": "LAST", "response": {}, "scheduling": "SILENT"}]}},
        {"toolResponse": {"functionResponses": [{"id": "LAST", "response": {"a": 1}, "scheduling": "INTERRUPT"}]}},
        {"toolResponse": {"functionResponses": [{"id": "LAST", "response": {"a": 1}, "willContinue": True}]}},
        {"contextUpdate": {"tools": {"tools": []}}},
        "SPEAK",
    ]
)
ENDLESS = {"connection_life": 1e6, "session_limit": 1e6, "video_limit": 1e6}
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def run(main: Callable[[], Any]) -> None:
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def heard_until_quiet(client: Any, seconds: float) -> list[Any]:
    """Everything that comes within so many seconds, or until the service closes."""
    seen: list[Any] = []
    with trio.move_on_after(seconds), suppress(Exception):
        while True:
            seen.append(await client.receive())
    return seen


async def assert_alive(world: Any) -> None:
    client = await world.ready()
    await client.text("still there")
    await client.until("turnComplete")
    assert world.faults == []


@SLOW
@given(st.binary(max_size=300))
def test_any_bytes_instead_of_a_request(build: Any, data: bytes) -> None:
    async def main() -> None:
        async with build() as world:
            stream = await world.stream()
            await stream.send_all(data)
            await stream.send_eof()
            await assert_alive(world)

    run(main)


@SLOW
@given(st.binary(max_size=300))
def test_any_bytes_instead_of_frames(build: Any, data: bytes) -> None:
    async def main() -> None:
        async with build() as world:
            client = await world.ready()
            await client.stream.send_all(data)
            await trio.sleep(1.0)
            await trio.aclose_forcefully(client.stream)
            await assert_alive(world)

    run(main)


@settings(SLOW, max_examples=8)
@given(st.lists(MESSAGES | JSON | LIVELY.filter(lambda found: found != "SPEAK"), min_size=50, max_size=50))
def test_any_json_instead_of_messages(build: Any, messages: list[Any]) -> None:
    """Each comes on an open connection: some are taken, others end it as they must."""

    async def main() -> None:
        async with build(**ENDLESS) as world:
            client = await world.ready()
            for message in messages:
                await client.send(message)
                await trio.testing.wait_all_tasks_blocked()
                if not (world.service.connections and world.service.connections[-1].open):
                    assert (await client.closed()).code in {1007, 1008}
                    client = await world.ready()
            await assert_alive(world)

    run(main)


def suits(message: Any, model: Model) -> bool:
    """Whether a model takes such a message at any time."""
    if message == "SPEAK":
        return True
    return not (model.seeding_only and "clientContent" in message) and (model.updates or "contextUpdate" not in message)


@settings(SLOW, max_examples=80)
@given(
    st.sampled_from([model for model in MODELS.values() if model.developer]),
    st.sampled_from(["BLOCKING", "NON_BLOCKING"]),
    st.lists(st.tuples(LIVELY, st.sampled_from([0.0, 0.1, 0.3, 1.0, 3.0])), min_size=1, max_size=12),
)
def test_any_order_of_events_leads_to_a_complete_turn(
    build: Any, speech: Any, silence: Any, model: Model, behavior: str, script: list[tuple[Any, float]]
) -> None:
    """And the last of them says that nothing more will come."""
    thinking = {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}
    behavior = behavior if model.waiting is Waiting.EITHER else model.waiting.name

    async def main() -> None:
        async with build(*["heard"] * 20, **ENDLESS) as world:
            functions = [{"name": name, "behavior": behavior} for name in "fg"]
            client = await world.ready(
                model=model.name,
                tools=[{"functionDeclarations": functions}],
                sessionResumption={},
                **(thinking if model.thinking is Thinking.REQUIRED else {}),
            )
            seen: list[Any] = []
            for message, pause in [step for step in script if suits(step[0], model)]:
                if message == "SPEAK":
                    await client.say(speech(0.5) + silence(0.9))
                else:
                    called = [call["id"] for m in seen if "toolCall" in m for call in m["toolCall"]["functionCalls"]]
                    await client.send(json.loads(json.dumps(message).replace("LAST", called[-1] if called else "none")))
                seen += await client.quiet(pause)
            seen += await client.quiet(30.0)
            await client.text("hush")  # what was put off comes with it, and may call once more
            seen += await client.quiet(30.0)
            for call in [call["id"] for m in seen if "toolCall" in m for call in m["toolCall"]["functionCalls"]]:
                await client.answer(call, {}, scheduling="SILENT")
            seen += await client.quiet(60.0)
            assert_orderly(seen)
            assert seen[-1]["sessionResumptionUpdate"]["resumable"] is True
            ends = [found for m in seen if "turnComplete" in (found := m.get("serverContent", {}))]
            assert ends[-1].get("interactionStatus") == ("IDLE" if model.reports_status else None)

    run(main)


def assert_orderly(messages: list[Any]) -> None:
    """Audio only within turns, `interrupted` only before turnComplete, cancelled ids only once and only known ones."""
    complete, open_calls = True, set()
    for before, message in zip([{}, *messages], messages, strict=False):
        content = message.get("serverContent", {})
        if "interrupted" in before.get("serverContent", {}):
            assert "turnComplete" in content or "toolCallCancellation" in message
        if "modelTurn" in content or "toolCall" in message:
            complete = False
        if "turnComplete" in content:
            complete = True
        open_calls |= {call["id"] for call in message.get("toolCall", {}).get("functionCalls", [])}
        cancelled = set(message.get("toolCallCancellation", {}).get("ids", []))
        assert cancelled <= open_calls
        open_calls -= cancelled
    assert complete


OPTIONS: dict[str, list[Any]] = {
    "generationConfig": [{}, {"temperature": 1}, {"thinkingConfig": {"thinkingLevel": "LOW"}}, {"maxOutputTokens": 3}],
    "tools": [[], [{"googleSearch": {}}], [{"functionDeclarations": [{"name": "f", "behavior": "BLOCKING"}]}]],
    "sessionResumption": [{}, {"handle": "x"}, {"transparent": True}],
    "contextWindowCompression": [{}, {"triggerTokens": 30, "slidingWindow": {"targetTokens": "20"}}],
    "inputAudioTranscription": [{}, {"wordTimestamp": True, "languageCodes": ["en-US"]}],
    "realtimeInputConfig": [
        {"interimTranscriptTimestampEnabled": True, "turnCoverage": "TURN_INCLUDES_ALL_INPUT"},
        {"activityHandling": "NO_INTERRUPTION", "automaticActivityDetection": {"silenceDurationMs": 0}},
    ],
    "proactivity": [{}, {"proactiveAudio": True}],
    "historyConfig": [{"initialHistoryInClientContent": True}],
    "systemInstruction": [{"parts": [{"text": "x"}]}],
}
SETUPS = st.fixed_dictionaries(
    {"model": st.sampled_from(sorted(MODELS))},
    optional={name: st.sampled_from(values) | JSON for name, values in OPTIONS.items()},
)


@settings(SLOW, max_examples=100)
@given(SETUPS | mapped(fields_of(Setup)), st.sampled_from(["setup", "token"]))
def test_any_setup_is_agreed_on_or_refused(build: Any, speech: Any, silence: Any, setup: Any, way: str) -> None:
    async def main() -> None:
        async with build(*["heard"] * 9) as world:
            target = "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContent"
            if way == "token":
                body = json.dumps({"bidiGenerateContentSetup": setup, "uses": 0}).encode()
                with suppress(Breach):
                    name = world.service.tokens.make(body, trio.current_time(), datetime.now(UTC))
                    client = await world.client(f"{target}Constrained?access_token={name}")
                    await client.send({"setup": {}})
            else:
                client = await world.client(target + "?key=x")
                await client.send({"setup": setup})
            if world.service.connections:
                found = await heard_until_quiet(client, 1.0)
                if found and found[0] == {"setupComplete": {}}:
                    await client.say(speech(1.2) + silence(1.2))
                    assert "turnComplete" in str(await heard_until_quiet(client, 5.0))
            await assert_alive(world)

    run(main)


@SLOW
@given(st.binary(max_size=100) | mapped([*fields_of(TokenRequest), "x"]).map(lambda found: json.dumps(found).encode()))
def test_any_request_for_a_token_is_answered(build: Any, body: bytes) -> None:
    async def main() -> None:
        async with build() as world:
            request = Request("POST", "/v1alpha/auth_tokens", {"key": "x"}, {}, body)
            assert world.service.answer(request).status in {200, 400}

    run(main)


@pytest.mark.parametrize("depth", [10, 1000, 100_000])
def test_deep_schemas_are_refused_or_read(depth: int) -> None:
    raw = '{"items":' * depth + "{}" + "}" * depth
    text = '{"setup":{"tools":[{"functionDeclarations":[{"name":"f","parameters":' + raw + "}]}]}}"
    with suppress(Breach):
        assert wire.parse(text).setup is not None
