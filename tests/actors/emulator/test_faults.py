"""A fault of the service's own ends the connection on which it shows, and nobody else hears of it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest
import trio

from actors.emulator import mind as real_mind
from actors.emulator.door import Request
from actors.emulator.intake import Intake
from actors.emulator.mind import Call, Say
from pipeline.errors import Fatal

NINES = "9" * 400
ODD = {
    "name": "set_light",
    "description": "Switches the kitchen light on",
    "parametersJsonSchema": {"type": "object", "properties": {"room": {"type": "string"}}, "required": [{}, 5, ["x"]]},
}
TIMER = {
    "name": "set_timer",
    "parameters": {"type": "OBJECT", "properties": {"seconds": {"type": "NUMBER"}}, "required": ["seconds"]},
}
WEATHER = {"name": "get_weather", "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}}


@attrs.define
class Faulty:
    """A mind that breaks when it hears "break", and else says "Fine."."""

    error: Exception

    def respond(self, heard: str, *_: object, **__: object) -> tuple[Say | Call, ...]:
        if heard == "break":
            raise self.error
        return (Call("f", {}),) if heard == "call f" else (Say("Fine."),)

    def answer(self, *_: object) -> Say:
        raise self.error


async def fine(client: Any, spoken: Callable[..., str]) -> None:
    await client.text("anything else")
    assert spoken(await client.until("turnComplete")) == "Fine."


@contextmanager
def noted(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whoever runs the service is told of a fault, with its place."""
    yield
    assert "a fault of the embedded service's own" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("error", [ValueError("a fault"), Fatal("no voice"), RecursionError()])
async def test_a_fault_in_a_turn_ends_one_connection(
    build: Any, autojump_clock: Any, spoken: Any, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    async with build(mind=Faulty(error)) as world:
        bystander, client = await world.ready(), await world.ready()
        with noted(caplog):
            await client.text("break")
            closed = await client.closed()
        assert (closed.code, closed.reason) == (1011, "Internal error encountered.")
        assert "failed" in world.states()
        await fine(bystander, spoken)
        await fine(await world.ready(), spoken)


async def test_a_fault_while_a_message_is_read_ends_one_connection(
    build: Any, autojump_clock: Any, spoken: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with build(mind=Faulty(ValueError())) as world:
        bystander, client = await world.ready(), await world.ready()
        monkeypatch.setattr(Intake, "_update", lambda *_: 1 / 0)
        with noted(caplog):
            await client.send({"contextUpdate": {}})
            assert (await client.closed()).code == 1011
        await fine(bystander, spoken)


async def test_a_fault_that_cannot_be_told_ends_one_connection(
    build: Any, autojump_clock: Any, spoken: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with build(mind=Faulty(ValueError())) as world:
        bystander, client = await world.ready(), await world.ready()
        link = world.service.connections[1].link
        link.answer_ping = lambda _pong: 1 / 0
        with noted(caplog):
            await client.stream.send_all(b"\x89\x80\0\0\0\0")
            await trio.sleep(1)
        await fine(bystander, spoken)
        assert len(world.service.connections) == 1


def test_a_fault_over_http_is_an_answer(
    build: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with build() as world:
            monkeypatch.setattr(world.service, "tokens", None)
            with noted(caplog):
                found = world.service.answer(Request("POST", "/v1alpha/auth_tokens", {"key": "x"}, {}))
            assert found.status == 500
            assert found.body["error"]["status"] == "INTERNAL"

    trio.run(main)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000, b"413"),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", b"400"),
        (b"GET http://[/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"400"),
    ],
)
async def test_requests_that_few_think_of(
    build: Any, autojump_clock: Any, caplog: pytest.LogCaptureFixture, request_: bytes, status: bytes
) -> None:
    async with build() as world:
        stream = await world.stream()
        await stream.send_all(request_)
        found = bytes(await stream.receive_some())
        assert found.startswith(b"HTTP/1.1 " + status)
        if request_.startswith(b"HEAD"):
            assert found.endswith(b"\r\n\r\n")
        await world.ready()
        assert not caplog.records


@pytest.mark.parametrize("field", ["expireTime", "newSessionExpireTime"])
@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
async def test_times_at_the_ends_of_the_calendar(build: Any, autojump_clock: Any, field: str, time: str) -> None:
    async with build() as world:
        body = json.dumps({field: time}).encode()
        assert world.service.answer(Request("POST", "/v1alpha/auth_tokens", {"key": "x"}, {}, body)).status == 400


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        (f"count to {NINES}", []),
        (f"count from {NINES} to 1", []),
        ("count from 999999999999 to 1", []),
        (f"set a timer for {NINES} seconds", [TIMER]),
        ("turn on the kitchen light", [ODD]),
    ],
)
async def test_words_that_few_think_of(
    build: Any, autojump_clock: Any, caplog: pytest.LogCaptureFixture, text: str, declared: Any
) -> None:
    async with build(mind=real_mind) as world:
        client = await world.ready(tools=[{"functionDeclarations": declared}])
        await client.text(text)
        assert len(str(await client.until("outputTranscription", "toolCall"))) < 1000
        assert not caplog.records


@pytest.mark.parametrize("behavior", ["BLOCKING", "NON_BLOCKING"])
@pytest.mark.parametrize(("depth", "taken"), [(80, True), (400, False), (900, False), (100_000, False)])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
async def test_answers_that_are_deep(
    build: Any,
    autojump_clock: Any,
    caplog: pytest.LogCaptureFixture,
    behavior: str,
    depth: int,
    taken: bool,
    brackets: str,
) -> None:
    async with build(mind=real_mind) as world:
        client = await world.ready(tools=[{"functionDeclarations": [WEATHER | {"behavior": behavior}]}])
        await client.text("what is the weather in paris")
        call = (await client.until("toolCall"))[-1]["toolCall"]["functionCalls"][0]
        opened = brackets[0] if brackets == "[]" else '{"a":'
        deep = opened * depth + "1" + brackets[1] * depth
        response = f'{{"id":"{call["id"]}","name":"f","response":{{"output":{{"x":{deep}}}}}}}'
        await client.send_text(f'{{"toolResponse":{{"functionResponses":[{response}]}}}}')
        if taken:
            await client.until("turnComplete")
        else:
            assert (await client.closed()).code == 1007
        assert not caplog.records
