"""The socket itself: pings, limits, frames in pieces, and every way to end."""

import json
from typing import Any

import pytest
import trio
import trio.testing
from wsproto.events import CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from actors.emulator.link import LONGEST_MESSAGE

LONG = "a reply that is so long that something else can happen in the middle of it before it has been heard"


async def test_pings_are_answered_while_the_model_speaks(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready()
        await client.text(LONG)
        await client.until("modelTurn")
        await client.stream.send_all(client.ws.send(Ping(payload=b"still there?")))
        await client.until("generationComplete")
        assert client.pongs == [b"still there?"]


async def test_pings_may_be_left_unanswered(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready()
        world.service.connections[0].link.answers_pings = False
        await client.stream.send_all(client.ws.send(Ping(payload=b"still there?")))
        await client.quiet(60.0)
        assert client.pongs == []


async def test_messages_may_come_in_any_pieces(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.client()
        text = json.dumps({"setup": {"model": "models/gemini-3.8-live", "labels": {"name": "Grüße"}}})
        frames = b"".join(
            client.ws.send(TextMessage(data=piece, message_finished=last))
            for piece, last in ((text[:9], False), (text[9:50], False), (text[50:], True))
        )
        for at in range(len(frames)):
            await client.stream.send_all(frames[at : at + 1])
        assert await client.receive() == {"setupComplete": {}}


async def test_a_message_too_big(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready()
        with trio.move_on_after(60):
            await client.send_bytes(b"x" * (LONGEST_MESSAGE + 1))
        assert (await client.closed()).code == 1009


async def test_the_biggest_message_there_may_be(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready()
        frame = b'{"realtimeInput": {"video": {"mimeType": "image/png", "data": "%s"}}}'
        size = LONGEST_MESSAGE - len(frame) + 2
        await client.send_bytes(frame % (b"A" * (size - size % 4)) + b" " * (size % 4))
        assert await client.quiet(1.0) == []
        assert world.service.connections[0].open


@pytest.mark.parametrize(
    ("raw", "code"),
    [(b"\x01\x00" * 40, 1002), (b"\x81\x82\x00\x00\x00\x00\xff\xff", 1007), (b"\xf1\x80\x00\x00\x00\x00", 1002)],
)
async def test_frames_that_are_none(build: Any, autojump_clock: Any, raw: bytes, code: int) -> None:
    async with build() as world:
        client = await world.ready()
        await client.stream.send_all(raw)
        assert (await client.closed()).code == code


async def test_compression_is_not_accepted(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        offered = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
        client = await world.client(headers=offered)
        assert await client.setup() == {"setupComplete": {}}


@pytest.mark.parametrize("code", [1000, 1001, 4000, CloseReason.NO_STATUS_RCVD])
async def test_the_client_may_leave_at_any_time(build: Any, autojump_clock: Any, code: int) -> None:
    async with build() as world:
        client = await world.ready()
        await client.text(LONG)
        await client.until("modelTurn")
        await client.stream.send_all(client.ws.send(CloseConnection(code=code)))
        with trio.fail_after(1):
            assert (await client.closed()).code == code
        await trio.testing.wait_all_tasks_blocked()
        assert world.service.connections == ()
        assert world.states()[-1] == f"closed {int(code)}"


async def test_a_client_may_vanish(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready()
        await client.text(LONG)
        await client.until("modelTurn")
        await trio.aclose_forcefully(client.stream)
        await trio.sleep(5.0)
        assert world.service.connections == ()
        assert world.states()[-1] == "closed 1006"


async def test_a_client_that_does_not_answer_the_close_is_dropped(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        await world.ready()
        world.service.connections[0].close(1011, "x")
        await trio.sleep(3.1)
        assert world.service.connections == ()


async def test_a_client_that_does_not_read_does_not_stop_the_reader(
    build: Any, autojump_clock: Any, speech: Any
) -> None:
    async with build() as world:
        here, there = trio.testing.lockstep_stream_pair()  # sends wait for their reader
        world.nursery.start_soon(world.service.serve_stream, there)
        client = await world.ready(stream=here)
        await client.text("say " + LONG)
        await trio.sleep(1.0)
        await client.say(speech(0.5))
        assert "interrupted" in world.states()
