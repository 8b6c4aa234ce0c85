"""Vertex's side door: another path, other names, and what only Vertex offers."""

from collections.abc import Callable
from typing import Any

import pytest

VERTEX = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
MODEL = "publishers/google/models/gemini-3.8-live"
NATIVE = "projects/p/locations/us-central1/publishers/google/models/gemini-live-2.5-flash-native-audio"

Pcm = Callable[..., bytes]


async def entered(world: Any, **fields: Any) -> Any:
    client = await world.client(VERTEX)
    await client.send({"setup": {"model": MODEL} | fields})
    return client


@pytest.mark.parametrize("model", [MODEL, NATIVE])
@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_vertex_tells_the_session(build: Any, autojump_clock: Any, model: str, version: str) -> None:
    async with build() as world:
        client = await world.client(VERTEX.replace("v1beta1", version))
        await client.send({"setup": {"model": model}})
        assert (await client.receive())["setupComplete"]["sessionId"]


@pytest.mark.parametrize(
    "model", ["models/gemini-3.8-live", "gemini-3.8-live", "publishers/google/models/gemini-3.1-flash-live-preview", ""]
)
async def test_models_that_vertex_does_not_have(build: Any, autojump_clock: Any, model: str) -> None:
    async with build() as world:
        assert (await (await entered(world, model=model)).closed()).code == 1008


async def test_the_developers_api_does_not_have_vertexes_models(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.client()
        await client.send({"setup": {"model": "models/gemini-live-2.5-flash-native-audio"}})
        assert (await client.closed()).code == 1008


@pytest.mark.parametrize(
    ("headers", "code"), [({}, 1008), ({"Authorization": "Bearer bad"}, 1007), ({"Authorization": "Bearer good"}, 0)]
)
async def test_vertex_takes_bearers(build: Any, autojump_clock: Any, headers: dict[str, str], code: int) -> None:
    async with build(key="good") as world:
        client = await world.client(VERTEX, headers)
        if code:
            assert (await client.closed()).code == code
        else:
            await client.send({"setup": {"model": MODEL}})
            assert "setupComplete" in await client.receive()


async def test_handles_tell_what_they_cover(build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm) -> None:
    async with build("hello", "again") as world:
        client = await entered(world, sessionResumption={"transparent": True})
        update = (await client.until("sessionResumptionUpdate"))[-1]["sessionResumptionUpdate"]
        assert update["lastConsumedClientMessageIndex"] == "0"
        await client.say(silence(0.4) + speech(0.8) + silence(0.4), piece=0.1)
        await client.send({"realtimeInput": {"audioStreamEnd": True}})
        await client.until("turnComplete")
        update = (await client.receive())["sessionResumptionUpdate"]
        assert update["lastConsumedClientMessageIndex"] == "17"
        await client.send({"realtimeInput": {"text": "a long story without an end, told for a while"}})
        await client.until("generationComplete")
        await client.say(silence(0.5) + speech(0.5), piece=0.1)
        await client.until("turnComplete")
        update = (await client.receive())["sessionResumptionUpdate"]
        assert 18 + 1 <= int(update["lastConsumedClientMessageIndex"]) <= 18 + 5


async def test_nobody_else_is_told(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await entered(world, sessionResumption={})
        update = (await client.until("sessionResumptionUpdate"))[-1]["sessionResumptionUpdate"]
        assert set(update) == {"newHandle", "resumable"}


async def test_activity_is_signalled_on_demand(build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm) -> None:
    async with build("hello") as world:
        client = await entered(world, explicitVadSignal=True)
        await client.say(silence(0.5) + speech(1.0) + silence(1.5))
        seen = await client.until("turnComplete")
        signals = [message["voiceActivity"] for message in seen if "voiceActivity" in message]
        assert [signal["type"] for signal in signals] == ["ACTIVITY_START", "ACTIVITY_END"]
        offsets = [float(signal["audioOffset"].removesuffix("s")) for signal in signals]
        assert offsets == pytest.approx([0.5, 1.5], abs=0.35)
        older = [m["voiceActivityDetectionSignal"] for m in seen if "voiceActivityDetectionSignal" in m]
        assert [signal["vadSignalType"] for signal in older] == ["VAD_SIGNAL_TYPE_SOS", "VAD_SIGNAL_TYPE_EOS"]


async def test_elsewhere_that_is_an_unknown_name(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.client()
        await client.send({"setup": {"model": "models/gemini-3.8-live", "explicitVadSignal": True}})
        closed = await client.closed()
        assert closed.code == 1007
        assert 'Unknown name "explicitVadSignal"' in closed.reason


@pytest.mark.parametrize(
    ("fields", "eager"),
    [
        ({}, False),
        (
            {"startOfSpeechSensitivity": "START_SENSITIVITY_HIGH", "endOfSpeechSensitivity": "END_SENSITIVITY_HIGH"},
            True,
        ),
    ],
)
async def test_vertex_listens_less_readily(build: Any, autojump_clock: Any, fields: Any, eager: bool) -> None:
    async with build() as world:
        client = await entered(world, realtimeInputConfig={"automaticActivityDetection": fields})
        await client.receive()
        here = world.service.connections[0]._conversation.terms.detection
        await world.ready(realtimeInputConfig={"automaticActivityDetection": fields})
        there = world.service.connections[1]._conversation.terms.detection
        assert (here == there) is eager
