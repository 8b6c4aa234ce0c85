"""Ephemeral tokens: made over HTTP, spent on the constrained method, and worth nothing afterwards."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import h11
import pytest
import trio

from actors.emulator.protojson import Breach
from actors.emulator.tokens import Tokens

LIVE = "/ws/google.ai.generativelanguage.v1alpha.GenerativeService."
OPEN = LIVE + "BidiGenerateContent"
CONSTRAINED = LIVE + "BidiGenerateContentConstrained"
MODEL = "models/gemini-3.8-live"
NATIVE = "models/gemini-2.5-flash-native-audio-preview-12-2025"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
SPENT = (1011, "Token has been used too many times")
EXPIRED = (1011, "Token has expired")
UNKNOWN_CALLER = "Method doesn't allow unregistered callers"


async def post(world: Any, body: Any, target: str = "/v1alpha/auth_tokens", **headers: str) -> tuple[int, Any]:
    """What the service answers to a request for a token, as status and JSON."""
    stream = await world.stream()
    connection = h11.Connection(h11.CLIENT)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Host": "a", "Content-Length": str(len(data)), "x-goog-api-key": "good"} | headers
    head = h11.Request(method="POST", target=target, headers=[item for item in sent.items() if item[1]])
    for event in (head, h11.Data(data=data), h11.EndOfMessage()):
        await stream.send_all(connection.send(event) or b"")
    status, found = 0, b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some()))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            found += bytes(event.data)
    await trio.aclose_forcefully(stream)
    return status, json.loads(found)


async def make(world: Any, **body: Any) -> str:
    status, answer = await post(world, body)
    assert status == 200
    assert list(answer) == ["name"]
    name = answer["name"]
    assert name.startswith("auth_tokens/")
    return str(name)


async def enter(world: Any, token: str, setup: Any = None, target: str = CONSTRAINED) -> Any:
    client = await world.client(f"{target}?access_token={token}")
    await client.send({"setup": {"model": MODEL} | (setup or {})})
    return client


async def refusal(client: Any) -> tuple[int, str]:
    closed = await client.closed()
    return closed.code, closed.reason


def ahead(**time: float) -> str:
    return (datetime.now(UTC) + timedelta(**time)).isoformat()


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
@pytest.mark.parametrize("body", [b"", b"{}"])
async def test_a_token_opens_the_constrained_method(build: Any, autojump_clock: Any, version: str, body: bytes) -> None:
    async with build(key="good") as world:
        status, answer = await post(world, body, f"/{version}/auth_tokens")
        assert status == 200
        client = await enter(world, answer["name"])
        assert "setupComplete" in await client.receive()


@pytest.mark.parametrize("quoted", [False, True])
async def test_a_token_comes_in_the_query_or_in_headers(build: Any, autojump_clock: Any, quoted: bool) -> None:
    async with build(key="good") as world:
        token = await make(world, uses=0)
        target = CONSTRAINED + "?access_token=" + (token.replace("/", "%2F") if quoted else token)
        for place in ((target, {}), (CONSTRAINED, {"Authorization": f"Token {token}", "x-goog-api-key": token})):
            client = await world.client(*place)
            assert "setupComplete" in await client.setup()


async def test_a_token_opens_nothing_else(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        token = await make(world, uses=0)
        code, reason = await refusal(await world.client(f"{OPEN}?access_token={token}"))
        assert (code, reason[:41]) == (1008, UNKNOWN_CALLER)
        code, reason = await refusal(await world.client(f"{OPEN}?key={token}"))
        assert (code, reason) == (1007, "API key not valid. Please pass a valid API key.")
        assert (await post(world, {}, **{"x-goog-api-key": token}))[0] == 401


async def test_a_forged_token(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.client(f"{CONSTRAINED}?access_token=auth_tokens/{'0' * 64}")
        code, reason = await refusal(client)
        assert (code, reason[:41]) == (1008, UNKNOWN_CALLER)


async def test_a_token_has_one_use_unless_it_says_otherwise(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        for body, uses in (({}, 1), ({"uses": 2}, 2)):
            token = await make(world, **body)
            for _ in range(uses):
                assert "setupComplete" in await (await enter(world, token)).receive()
            assert await refusal(await enter(world, token)) == SPENT
        token = await make(world, uses=0)
        for _ in range(5):
            assert "setupComplete" in await (await enter(world, token)).receive()


async def test_a_refused_setup_is_no_use(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        token = await make(world)
        assert (await refusal(await enter(world, token, {"model": "models/none"})))[0] == 1008
        assert "setupComplete" in await (await enter(world, token)).receive()


async def test_going_on_is_no_use(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        token = await make(world)
        client = await enter(world, token, {"sessionResumption": {}})
        await client.receive()
        await client.text("first")
        await client.until("turnComplete")
        for _ in range(3):
            await client.receive()
            await client.close()
            client = await enter(world, token, {"sessionResumption": {"handle": client.handle}})
            assert "setupComplete" in await client.receive()
        await client.receive()
        await client.text("second")
        await client.until("turnComplete")
        assert world.mind.asked[-1][1][0] == "user: first"
        assert await refusal(await enter(world, token)) == SPENT


async def test_new_sessions_begin_within_a_minute(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        token = await make(world, uses=0)
        client = await enter(world, token, {"sessionResumption": {}})
        await client.until("sessionResumptionUpdate")
        await client.close()
        await trio.sleep(61)
        assert await refusal(await enter(world, token)) == EXPIRED
        client = await enter(world, token, {"sessionResumption": {"handle": client.handle}})
        assert "setupComplete" in await client.receive()


async def test_nothing_goes_on_behind_the_end_of_a_token(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        token = await make(world, uses=0, expireTime=ahead(seconds=100), newSessionExpireTime=ahead(hours=1))
        client = await enter(world, token, {"sessionResumption": {}})
        await client.until("sessionResumptionUpdate")
        begun = trio.current_time()
        client.patience = 200.0
        assert await refusal(client) == (1011, "auth token has expired")
        assert trio.current_time() - begun == pytest.approx(100, abs=1)
        assert await refusal(await enter(world, token)) == EXPIRED
        again = await enter(world, token, {"sessionResumption": {"handle": client.handle}})
        assert await refusal(again) == EXPIRED
        fresh = await make(world)
        again = await enter(world, fresh, {"sessionResumption": {"handle": client.handle}})
        assert "setupComplete" in await again.receive()


async def test_the_clocks_of_a_token_can_be_scaled(build: Any, autojump_clock: Any) -> None:
    async with build(time_scale=60.0) as world:
        token = await make(world, uses=0)
        await trio.sleep(0.9)
        assert "setupComplete" in await (await enter(world, token)).receive()
        await trio.sleep(0.2)
        assert await refusal(await enter(world, token)) == EXPIRED


INSTRUCTION = {"parts": [{"text": "be brief"}]}
HOT = {"generationConfig": {"temperature": 2}}


@pytest.mark.parametrize(
    ("body", "setup", "expected"),
    [
        ({}, {"model": NATIVE}, {"model": NATIVE, "instruction": ""}),
        (
            {"bidiGenerateContentSetup": {"model": MODEL}},
            {"model": NATIVE, "systemInstruction": INSTRUCTION, "tools": [{"urlContext": {}}]},
            {"model": MODEL, "instruction": ""},
        ),
        (
            {"bidiGenerateContentSetup": {"model": MODEL, "systemInstruction": INSTRUCTION}, "fieldMask": "model"},
            {"model": "models/none"},
            {"model": MODEL, "instruction": ""},
        ),
        (
            {
                "bidiGenerateContentSetup": {"systemInstruction": INSTRUCTION},
                "fieldMask": "systemInstruction.parts,generationConfig.top_k,output_audio_transcription",
            },
            {"outputAudioTranscription": {}, "generationConfig": {"topK": -1}},
            {"model": MODEL, "instruction": "be brief", "transcribes": False},
        ),
        ({"fieldMask": "temperature"}, {"generationConfig": {"temperature": 99}}, {"model": MODEL, "instruction": ""}),
    ],
)
async def test_what_is_locked_is_the_tokens(
    build: Any, autojump_clock: Any, body: Any, setup: Any, expected: dict[str, Any]
) -> None:
    async with build() as world:
        token = await make(world, **body)
        client = await enter(world, token, setup)
        assert "setupComplete" in await client.receive()
        conversation = world.service.connections[0]._conversation
        assert conversation is not None
        found = {
            "model": conversation.terms.model.name,
            "instruction": conversation.terms.instruction,
            "transcribes": conversation.terms.transcribe_output,
        }
        assert found == {"transcribes": False} | expected


async def test_what_is_not_locked_is_checked_as_ever(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        token = await make(world, bidiGenerateContentSetup={"model": MODEL}, fieldMask="model")
        code, reason = await refusal(await enter(world, token, {"generationConfig": {"temperature": 99}}))
        assert code == 1007
        assert "temperature" in reason


@pytest.mark.parametrize(
    ("locked", "goes_on"),
    [
        ({"fieldMask": "model,tools"}, True),
        ({"fieldMask": "model,sessionResumption"}, False),
        ({}, False),
    ],
)
async def test_only_a_setup_whose_mask_leaves_the_handle_to_the_client_goes_on(
    build: Any, autojump_clock: Any, locked: Any, goes_on: bool
) -> None:
    async with build() as world:
        own = {"model": MODEL, "sessionResumption": {}}
        token = await make(world, uses=0, bidiGenerateContentSetup=own, **locked)
        client = await enter(world, token, {"sessionResumption": {}})
        await client.receive()
        await client.text("first")
        await client.until("turnComplete")
        await client.quiet(1.0)
        await client.close()
        assert client.handle
        client = await enter(world, token, {"sessionResumption": {"handle": client.handle}})
        await client.receive()
        await client.text("second")
        await client.until("turnComplete")
        assert bool(world.mind.asked[-1][1]) is goes_on


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"uses": -1}, "uses"),
        ({"uses": 1.5}, "uses"),
        ({"expireTime": "tomorrow"}, "Timestamp"),
        ({"expireTime": "2026-11-01T00:00:00"}, "Timestamp"),
        ({"expireTime": "2020-01-01T00:00:00Z"}, "must be in the future"),
        ({"expireTime": "2999-01-01T00:00:00Z"}, "expire_time is too far in the future. Maximum lifetime is 20h"),
        ({"newSessionExpireTime": "2999-01-01T00:00:00.123456789Z"}, "new_session_expire_time is too far"),
        ({"liveConnectConstraints": {}}, 'Unknown name "liveConnectConstraints"'),
        ({"bidiGenerateContentSetup": {"setup": {}}}, 'Unknown name "setup"'),
        ({"fieldMask": "modle"}, "modle"),
        (b"{", "not one JSON object"),
        (b"[" * 20_000, "not one JSON object"),
        (b"[]", "TYPE_MESSAGE"),
    ],
)
async def test_a_token_that_cannot_be_made(build: Any, autojump_clock: Any, body: Any, message: str) -> None:
    async with build() as world:
        status, answer = await post(world, body)
        assert (status, answer["error"]["code"], answer["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")
        assert message in answer["error"]["message"]


@pytest.mark.parametrize(("key", "status"), [("", 403), ("bad", 400), ("good", 200)])
async def test_only_who_has_a_key_makes_tokens(build: Any, autojump_clock: Any, key: str, status: int) -> None:
    async with build(key="good") as world:
        assert (await post(world, {}, **{"x-goog-api-key": key}))[0] == status


def test_tokens_are_kept_up_to_a_number_and_a_size() -> None:
    tokens = Tokens(limit=3)
    names = [tokens.make(b"", 0.0, NOW) for _ in range(5)]
    assert [tokens.find(name) is not None for name in names] == [False, False, True, True, True]
    body = json.dumps({"bidiGenerateContentSetup": {"labels": {"x": "y" * 1000}}}).encode()
    tokens = Tokens(heaviest=3 * (len(body) + 4 * 500))  # it has four values
    names = [tokens.make(body, 0.0, NOW) for _ in range(5)]
    assert [tokens.find(name) is not None for name in names] == [False, False, True, True, True]


def test_a_token_shows_nothing_of_itself() -> None:
    tokens = Tokens()
    name = tokens.make(b"", 0.0, NOW)
    assert name not in repr(tokens)
    with pytest.raises(Breach) as caught:
        tokens.find(name).check(1e9)  # type: ignore[union-attr]
    assert name not in caught.value.reason
