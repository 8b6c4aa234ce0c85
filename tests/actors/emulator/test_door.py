"""Who may come in, and how those are told who may not."""

import json
from datetime import UTC, datetime
from typing import Any

import h11
import pytest
import trio

LIVE = "/ws/google.ai.generativelanguage.{}.GenerativeService.{}"
BIDI = LIVE.format("v1beta", "BidiGenerateContent")


@pytest.mark.parametrize("prefix", ["", "/", "/proxy/"])
@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
@pytest.mark.parametrize("method", ["BidiGenerateContent", "BidiGenerateContentConstrained"])
async def test_every_path_of_the_live_service(
    build: Any, autojump_clock: Any, prefix: str, version: str, method: str
) -> None:
    async with build() as world:
        path = prefix + LIVE.format(version, method)
        if method == "BidiGenerateContent":
            client = await world.client(path + "?key=x")
        else:
            name = world.service.tokens.make(b"", trio.current_time(), datetime.now(UTC))
            client = await world.client(f"{path}?access_token={name}")
        assert "setupComplete" in await client.setup()


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?key=good", {}),
        ("?access_token=good", {}),
        ("", {"x-goog-api-key": "good"}),
        ("", {"Authorization": "Token good"}),
        ("", {"authorization": "Token good", "X-Goog-Api-Key": "good"}),
    ],
)
async def test_a_credential_may_come_in_four_ways(build: Any, autojump_clock: Any, query: str, headers: Any) -> None:
    async with build(key="good") as world:
        client = await world.client(BIDI + query, headers)
        assert "setupComplete" in await client.setup()


@pytest.mark.parametrize(
    ("target", "code", "reason"),
    [
        (BIDI, 1008, "Method doesn't allow unregistered callers"),
        (BIDI + "?key=", 1008, "Method doesn't allow unregistered callers"),
        (BIDI + "?key=bad", 1007, "API key not valid. Please pass a valid API key."),
        ("/nowhere?key=good", 1008, "Requested entity was not found: /nowhere"),
        (LIVE.format("v2", "BidiGenerateContent") + "?key=good", 1008, "Requested entity was not found"),
        (LIVE.format("v1alpha", "BidiGenerateContentConstrained") + "?key=good", 1008, "Method doesn't allow"),
    ],
)
async def test_a_refusal_is_a_close_frame(build: Any, autojump_clock: Any, target: str, code: int, reason: str) -> None:
    async with build(key="good") as world:
        closed = await (await world.client(target)).closed()
        assert closed.code == code
        assert closed.reason.startswith(reason)
        assert world.service.connections == ()


async def test_more_connections_than_there_is_room_for(build: Any, autojump_clock: Any) -> None:
    async with build(connections=2) as world:
        for _ in range(2):
            await world.ready()
        assert (await (await world.client()).closed()).code == 1011


async def exchange(stream: trio.abc.Stream, data: bytes) -> bytes:
    await stream.send_all(data)
    found = b""
    with trio.move_on_after(30):
        while chunk := await stream.receive_some():
            found += chunk
    return found


async def test_plain_requests_are_answered_one_after_the_other(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        found = await exchange(
            await world.stream(),
            b"GET //v1/search?name=Paris HTTP/1.1\r\nHost: a\r\n\r\nPOST /v1/x HTTP/1.1\r\nHost: a\r\n"
            b"Content-Length: 2\r\n\r\n{}GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )
        client = h11.Connection(h11.CLIENT)
        assert found.count(b"HTTP/1.1 200 ") == 1
        assert found.count(b"HTTP/1.1 404 ") == 2
        client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
        client.send(h11.EndOfMessage())
        client.receive_data(found)
        assert isinstance(client.next_event(), h11.Response)
        data = client.next_event()
        assert isinstance(data, h11.Data)
        assert json.loads(bytes(data.data))["results"][0]["name"] == "Paris"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 60_000 + b"\r\n\r\n", b"431"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000, b"413"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", b"400"),
        (
            (
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n"
            ),
            b"426",
        ),
    ],
)
async def test_bad_requests(build: Any, autojump_clock: Any, request_: bytes, status: bytes) -> None:
    async with build() as world:
        assert (await exchange(await world.stream(), request_)).startswith(b"HTTP/1.1 " + status)


async def test_a_page_may_make_tokens(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        target = b"/v1alpha/auth_tokens?key=x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        asked = b"OPTIONS " + target + b"Access-Control-Request-Headers: x-mine\r\n\r\n"
        found = await exchange(await world.stream(), asked)
        assert found.startswith(b"HTTP/1.1 200 ")
        assert b"Access-Control-Allow-Origin: *" in found
        assert b"Access-Control-Allow-Headers: x-mine" in found
        made = await exchange(await world.stream(), b"POST " + target + b"\r\n")
        assert made.startswith(b"HTTP/1.1 200 ")
        assert b"Access-Control-Allow-Origin: *" in made


@pytest.mark.parametrize(
    ("credential", "status", "name"),
    [("", 403, "PERMISSION_DENIED"), ("auth_tokens/x", 401, "UNAUTHENTICATED"), ("bad", 400, "INVALID_ARGUMENT")],
)
async def test_errors_have_the_names_of_googles_own(
    build: Any, autojump_clock: Any, credential: str, status: int, name: str
) -> None:
    async with build(key="good") as world:
        head = f"POST /v1alpha/auth_tokens?key={credential} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        found = await exchange(await world.stream(), head.encode())
        assert found.startswith(f"HTTP/1.1 {status} ".encode())
        assert json.loads(found.partition(b"\r\n\r\n")[2])["error"]["status"] == name


async def test_who_says_nothing_is_sent_away(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        begun = trio.current_time()
        assert await exchange(await world.stream(), b"GET / HT") == b""
        assert trio.current_time() - begun == pytest.approx(10)
