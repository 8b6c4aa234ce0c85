"""The socket that is read where it is used: what it makes of fragments, faults, bursts and writes that cross."""

import logging
from contextlib import suppress
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from actors.live import by_websockets
from actors.live.link import WRITE_DEADLINE, Opener
from actors.live.transport import CLOSE_DEADLINE, Transport
from pipeline.errors import TransportLost
from tests.streams import Through

HEADS = {"text": 0x1, "more": 0x0, "last": 0x80, "reserved": 0x83, "whole text": 0x81}


def framed(kind: str, payload: bytes) -> bytes:
    """A frame as a server sends it, of less than 126 bytes."""
    return bytes([HEADS[kind], len(payload)]) + payload


@pytest.fixture
def opened() -> Opener:
    return by_websockets.opened


async def test_fragments_are_put_together_whatever_comes_between(autojump_clock: object, line: Any) -> None:
    async def far() -> None:
        await line.far.accept()
        await line.far.stream.send_all(framed("text", "Grü".encode()[:3]))
        await line.far.send(Ping(payload=b"between"))
        await line.far.stream.send_all(framed("more", "ü".encode()[1:]) + framed("last", b"n") + framed("text", b""))
        await line.far.stream.send_all(framed("last", b"!"))
        assert isinstance(await line.far.next(), Pong)
        await line.far.behave()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        async with line.connected() as wire:
            assert await wire.receive() == "Grün"
            assert await wire.receive() == "!"


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (framed("whole text", b"\xff\xfe"), 1007, "invalid start byte"),
        (framed("reserved", b""), 1002, "opcode"),
        (framed("more", b"x"), 1002, "continuation"),
        (b"\x82\x7f" + (2**40).to_bytes(8, "big"), 1009, ""),
    ],
)
async def test_a_fault_of_theirs_is_told_to_them_and_a_loss_to_us(
    autojump_clock: object, loss_of: Any, line: Any, fault: bytes, code: int, words: str
) -> None:
    told: list[int] = []

    async def far() -> None:
        await line.far.accept()
        await line.far.send(TextMessage(data="before"))
        await line.far.stream.send_all(fault)
        event = await line.far.next()
        assert isinstance(event, CloseConnection)
        told.append(event.code)

    async def body(wire: Transport) -> None:
        assert await wire.receive() == "before"
        await wire.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        lost = await loss_of(line, body)
    assert lost is not None
    assert (lost.code, told) == (code, [code])
    assert words in lost.reason


async def test_what_came_before_the_end_is_read_and_then_the_loss(
    autojump_clock: object, loss_of: Any, line: Any
) -> None:
    async def far() -> None:
        await line.far.accept()
        await line.far.send(BytesMessage(data=b"1"), BytesMessage(data=b"2"), CloseConnection(code=1011, reason="end"))

    async def body(wire: Transport) -> None:
        assert await wire.receive() == b"1"
        assert list(wire.ready()) == [b"2"]
        assert list(wire.ready()) == []
        await wire.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        lost = await loss_of(line, body)
    assert (lost.code, lost.reason) == (1011, "end")


async def test_a_burst_is_at_hand_at_once(autojump_clock: object, line: Any) -> None:
    async def far() -> None:
        await line.far.accept()
        await line.far.send(*(BytesMessage(data=b"%d" % number) for number in range(250)))
        await line.far.behave()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        async with line.connected() as wire:
            first = await wire.receive()
            taken = [next(wire.ready()) for _ in range(100)]  # whoever stops leaves the rest
            assert [first, *taken, await wire.receive(), *wire.ready()] == [b"%d" % number for number in range(250)]


async def test_a_cancelled_wait_has_taken_nothing(autojump_clock: object, line: Any) -> None:
    async def far() -> None:
        await line.far.accept()
        await trio.sleep(2)
        await line.far.send(BytesMessage(data=b"late"))
        await line.far.behave()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        async with line.connected() as wire:
            with trio.move_on_after(1) as waiting:
                await wire.receive()
            assert waiting.cancelled_caught
            await trio.sleep(2)
            with trio.CancelScope() as scope:
                scope.cancel("before it began")
                await wire.receive()
            assert await wire.receive() == b"late"


async def test_closing_goes_on_reading_when_the_reader_is_cancelled(
    autojump_clock: object, line: Any, elapsed: Any
) -> None:
    reading, staying = trio.CancelScope(), trio.CancelScope()

    async def far() -> None:
        await line.far.accept()
        close = await line.far.next()
        await trio.sleep(CLOSE_DEADLINE / 2)
        await line.far.send(close.response())

    async def read(wire: Transport) -> None:
        with reading:
            await wire.receive()

    async def stay(*, task_status: trio.TaskStatus[Transport]) -> None:
        with staying:
            async with line.connected() as wire:
                task_status.started(wire)
                await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        nursery.start_soon(read, await nursery.start(stay))
        for scope in (staying, reading):
            await trio.testing.wait_all_tasks_blocked()
            elapsed()
            scope.cancel("the conversation ends")
    assert elapsed() == CLOSE_DEADLINE / 2


async def test_a_pong_goes_out_with_the_frame_that_is_being_written(autojump_clock: object, tight_line: Any) -> None:
    """The reader does not wait for the writer: two ends that both wait to write would wait for ever."""
    line, heard = tight_line, []

    async def far() -> None:
        await line.far.accept()
        await line.far.send(Ping(payload=b"now"), BytesMessage(data=b"x"))
        await trio.sleep(1)
        while len(heard) < 2:
            heard.append(await line.far.next())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        async with line.connected() as wire:
            nursery.start_soon(wire.send, "a frame")
            await trio.testing.wait_all_tasks_blocked()
            assert await wire.receive() == b"x"
            assert heard == []
            await trio.sleep(2)
            wire.abort()
            await trio.sleep_forever()
    assert [type(event) for event in heard] == [TextMessage, Pong]


async def test_a_ping_while_closing_is_no_concern_of_the_reader(autojump_clock: object, line: Any) -> None:
    read: list[bytes | str] = []

    async def far() -> None:
        await line.far.accept()
        assert isinstance(await line.far.next(), CloseConnection)
        await line.far.stream.send_all(b"\x89\x01x" + framed("whole text", b"last"))
        await trio.testing.wait_all_tasks_blocked()
        await line.far.stream.send_all(b"\x88\x02\x03\xe8")

    async def listen(wire: Transport) -> None:
        with suppress(TransportLost):
            while True:
                read.append(await wire.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        async with line.connected() as wire:
            nursery.start_soon(listen, wire)
            await trio.testing.wait_all_tasks_blocked()
    assert read == ["last"]


async def test_after_half_a_pong_nothing_is_written_and_the_link_is_lost(autojump_clock: object, line: Any) -> None:
    line.near = narrow = Narrow(line.near)

    async def far() -> None:
        await line.far.accept()
        narrow.shut = True
        await line.far.send(Ping(payload=b"now"), BytesMessage(data=b"x"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        async with line.connected() as wire:
            began = trio.current_time()
            sent: list[TransportLost] = []

            async def answer() -> None:
                await trio.sleep(WRITE_DEADLINE / 2)
                with pytest.raises(TransportLost) as lost:
                    await wire.send("a tool's answer")
                sent.append(lost.value)

            nursery.start_soon(answer)
            assert await wire.receive() == b"x"
            assert trio.current_time() - began <= WRITE_DEADLINE
            narrow.shut = False
            with pytest.raises(TransportLost):
                await wire.receive()
            await trio.testing.wait_all_tasks_blocked()
            assert len(sent) == 1
            wire.abort()
            await trio.sleep_forever()


@attrs.define(slots=False)
class Narrow(Through):
    """A stream that takes but the first byte of a write while it is shut."""

    shut: bool = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(bytes(data)[:1])
        if self.shut:
            await trio.sleep_forever()
        await self.stream.send_all(bytes(data)[1:])


async def test_a_message_of_endless_fragments_is_refused(autojump_clock: object, loss_of: Any, line: Any) -> None:
    async def far() -> None:
        await line.far.accept()
        with suppress(trio.BrokenResourceError):
            await line.far.stream.send_all(framed("text", b"") + framed("more", b"") * 5000)

    async def body(wire: Transport) -> None:
        await wire.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        lost = await loss_of(line, body)
    assert lost.code == 1009


async def test_requests_are_written_to_no_log(
    autojump_clock: object, line: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for known in [logging.getLogger(name) for name in logging.root.manager.loggerDict]:
        monkeypatch.setattr(known, "disabled", False)  # as a configuration that keeps loggers leaves them
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.far.serve)
        with caplog.at_level(logging.DEBUG):
            async with line.connected():
                logging.getLogger("witness").debug("logs are taken")
    assert "logs are taken" in caplog.text
    assert "no-real-key" not in caplog.text
    assert line.address.resource not in caplog.text


async def test_a_pong_stands_for_the_pings_before_it(autojump_clock: object, line: Any) -> None:
    async def far() -> None:
        await line.far.accept()
        await line.far.next()
        last = await line.far.next()
        await line.far.send(Pong(payload=b"never asked"), last.response())
        await line.far.behave()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        async with line.connected() as wire:
            came: list[bool] = []

            async def ask() -> None:
                came.append(await wire.pong(60))

            nursery.start_soon(wire.receive)
            async with trio.open_nursery() as asking:
                asking.start_soon(ask)
                asking.start_soon(ask)
            assert came == [True, True]
            nursery.cancel_scope.cancel("enough")


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nfew", 403, "HTTP 403"),
        (b"HTTP/1.0 404 File not found\r\nContent-Length: 0\r\n\r\n", 404, "HTTP 404"),
        (b"HTTP/1.1 401\r\n\r\n", 401, "HTTP 401"),
        (b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 403, "HTTP 403"),
        (b"hello\n", 1006, "does not speak HTTP"),
        (b"x" * 9000, 1006, "does not speak HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\nConn", 1006, "the connection failed"),
    ],
)
async def test_a_refusal_is_told_by_its_first_line(
    autojump_clock: object, loss_of: Any, line: Any, answer: bytes, code: int, words: str
) -> None:
    async def far() -> None:
        await line.far.next()
        await line.far.stream.send_all(answer)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        lost = await loss_of(line)
    assert lost.code == code
    assert words in lost.reason


async def test_a_far_end_that_is_gone_before_the_request_is_told(
    autojump_clock: object, loss_of: Any, line: Any
) -> None:
    await line.far.stream.aclose()
    lost = await loss_of(line)
    assert (lost.code, lost.reason) == (1006, "the connection failed: it was closed during the handshake")


async def test_an_answer_that_is_no_websocket_is_told(autojump_clock: object, loss_of: Any, line: Any) -> None:
    async def far() -> None:
        await line.far.next()
        await line.far.stream.send_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        lost = await loss_of(line)
    assert (lost.code, "Upgrade" in lost.reason) == (1006, True)
