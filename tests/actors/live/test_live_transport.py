"""The transport over streams in memory: whole frames, honest losses, and no wait without an end."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from actors.live.dialling import ABNORMAL
from actors.live.link import LARGEST, WRITE_DEADLINE
from actors.live.transport import CLOSE_DEADLINE, Transport
from pipeline.errors import TransportLost
from tests.streams import Through

Elapsed = Callable[[], float]


async def read_on(wire: Transport) -> None:
    """Reads as the downlink does, always: that is what notices the end of a connection, and answers pings."""
    with suppress(TransportLost):
        while True:
            await wire.receive()


async def test_text_and_binary_both_ways(autojump_clock: object, line: Any) -> None:
    async def far() -> None:
        await line.far.accept()
        assert await line.far.message() == "hello"
        await line.far.send(TextMessage(data="text"), BytesMessage(data=b"bin"))
        await line.far.behave()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        async with line.connected() as wire:
            await wire.send("hello")
            assert await wire.receive() == "text"
            assert await wire.receive() == b"bin"


async def test_a_close_in_order_takes_no_time(autojump_clock: object, line: Any, elapsed: Elapsed) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.far.serve)
        async with line.connected() as wire:
            await wire.send("x")
            elapsed()
        assert elapsed() == 0


async def test_a_cancelled_connection_closes_in_order_and_in_no_time(
    autojump_clock: object, line: Any, elapsed: Elapsed
) -> None:
    closes: list[CloseConnection] = []

    async def far() -> None:
        await line.far.accept()
        event = await line.far.next()
        assert isinstance(event, CloseConnection)
        closes.append(event)
        await line.far.send(event.response())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        with trio.CancelScope() as scope:
            async with line.connected():
                elapsed()
                scope.cancel("the test says so")
                await trio.sleep_forever()
        assert elapsed() == 0
    assert [close.code for close in closes] == [1000]


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_far_end_that_ignores_the_close_is_waited_for_no_longer_than_the_deadline(
    autojump_clock: object, line: Any, elapsed: Elapsed, cancelled: bool
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.far.accept)
        with trio.CancelScope() as scope:
            async with line.connected():
                elapsed()
                if cancelled:
                    scope.cancel("the test says so")
                    await trio.sleep_forever()
        assert elapsed() == CLOSE_DEADLINE


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1008, "no such model"), (1011, "Internal error encountered."), (4001, "odd")]
)
async def test_a_close_of_theirs_is_a_loss_with_code_and_reason(
    autojump_clock: object, loss_of: Any, line: Any, code: int, reason: str, elapsed: Elapsed
) -> None:
    async def far() -> None:
        await line.far.accept()
        await line.far.send(TextMessage(data="last words"), CloseConnection(code=code, reason=reason))
        await line.far.behave()

    async def body(wire: Transport) -> None:
        elapsed()
        assert await wire.receive() == "last words"
        await wire.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        lost = await loss_of(line, body)
    assert lost is not None
    assert (lost.code, lost.reason, type(lost.code)) == (code, reason, int)
    assert elapsed() == 0


async def test_after_a_close_of_theirs_sending_is_a_loss_with_the_same_code(
    autojump_clock: object, loss_of: Any, line: Any
) -> None:
    async def far() -> None:
        await line.far.accept()
        await line.far.send(CloseConnection(code=1011, reason="gone"))

    async def body(wire: Transport) -> None:
        await read_on(wire)
        await wire.send("x")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        lost = await loss_of(line, body)
    assert lost is not None
    assert (lost.code, lost.reason) == (1011, "gone")


async def test_a_peer_that_vanishes_is_a_loss_without_a_code(
    autojump_clock: object, loss_of: Any, line: Any, elapsed: Elapsed
) -> None:
    async def far() -> None:
        await line.far.accept()
        await line.far.stream.aclose()

    async def body(wire: Transport) -> None:
        elapsed()
        await wire.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        lost = await loss_of(line, body)
    assert lost is not None
    assert lost.code == ABNORMAL
    assert elapsed() == 0


@attrs.define(slots=False)
class Dribble(Through):
    """A stream whose big writes stand still in the middle until they are let go on."""

    go_on: trio.Event = attrs.field(factory=trio.Event)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        half = len(data) // 2
        await self.stream.send_all(bytes(data)[:half])
        if half > 1000:
            await self.go_on.wait()
        await self.stream.send_all(bytes(data)[half:])


async def test_a_cancelled_sender_leaves_whole_frames_only(autojump_clock: object, line: Any) -> None:
    heard: list[str] = []
    line.near = dribble = Dribble(line.near)

    async def far() -> None:
        await line.far.accept()
        heard.extend([await line.far.message(), await line.far.message()])
        await line.far.behave()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        async with line.connected() as wire:
            async with trio.open_nursery() as writers:
                writers.start_soon(wire.send, "a" * 70_000)
                await trio.testing.wait_all_tasks_blocked()
                writers.cancel_scope.cancel("interrupted in the middle of a frame")
                dribble.go_on.set()
            await wire.send("b")
    assert heard == ["a" * 70_000, "b"]


async def test_a_far_end_that_takes_nothing_is_given_up(
    autojump_clock: object, loss_of: Any, tight_line: Any, elapsed: Elapsed
) -> None:
    async def body(wire: Transport) -> None:
        elapsed()
        await wire.send("x")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tight_line.far.accept)
        lost = await loss_of(tight_line, body)
    assert lost is not None
    assert lost.code == ABNORMAL
    assert elapsed() == WRITE_DEADLINE


async def test_pings_are_answered_while_a_burst_is_handed_on(autojump_clock: object, line: Any) -> None:
    pongs: list[bytes] = []

    async def far() -> None:
        await line.far.accept()
        await line.far.send(*(TextMessage(data=f"{n}") for n in range(300)), Ping(payload=b"still there?"))
        event = await line.far.next()
        assert isinstance(event, Pong)
        pongs.append(bytes(event.payload))
        await line.far.behave()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        async with line.connected() as wire:
            assert await wire.receive() == "0"
            await trio.testing.wait_all_tasks_blocked()
            assert pongs == [b"still there?"]
            others = list(wire.ready())
            others += [await wire.receive() for _ in range(299 - len(others))]
            assert others == [f"{n}" for n in range(1, 300)]


async def test_a_big_message_comes_whole(autojump_clock: object, line: Any) -> None:
    big = b"x" * (2 * 2**20)
    assert len(big) < LARGEST

    async def far() -> None:
        await line.far.accept()
        await line.far.send(BytesMessage(data=big))
        await line.far.behave()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        async with line.connected() as wire:
            assert await wire.receive() == big


async def test_abort_breaks_both_directions_at_once_and_without_a_close_frame(
    autojump_clock: object, tight_line: Any, elapsed: Elapsed
) -> None:
    line = tight_line
    losses: list[int] = []

    async def read(wire: Transport) -> None:
        try:
            await wire.receive()
        except TransportLost as lost:
            losses.append(lost.code)

    async def write(wire: Transport) -> None:
        try:
            await wire.send("x" * 1000)
        except TransportLost as lost:
            losses.append(lost.code)

    async def far() -> None:
        await line.far.accept()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        async with line.connected() as wire:
            nursery.start_soon(read, wire)
            nursery.start_soon(write, wire)
            await trio.testing.wait_all_tasks_blocked()
            elapsed()
            wire.abort()
            await trio.sleep_forever()
        await trio.testing.wait_all_tasks_blocked()
        assert losses == [ABNORMAL, ABNORMAL]
        assert elapsed() == 0
    assert wire.aborted


async def test_a_ping_that_is_answered_and_one_that_is_not(autojump_clock: object, line: Any, elapsed: Elapsed) -> None:
    async def far() -> None:
        await line.far.accept()
        event = await line.far.next()
        await line.far.send(event.response())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        async with line.connected() as wire:
            nursery.start_soon(read_on, wire)
            assert await wire.alive(60.0)
            elapsed()
            assert not await wire.alive(60.0)
            assert elapsed() == 60.0
            wire.abort()
            await trio.sleep_forever()


@pytest.mark.parametrize("pong", [True, False])
async def test_traffic_counts_as_life_where_pongs_are_late(
    autojump_clock: object, line: Any, elapsed: Elapsed, *, pong: bool
) -> None:
    async def far() -> None:
        await line.far.accept()
        await trio.sleep(30)
        await line.far.send(TextMessage(data="busy"))
        await line.far.next()
        ping = await line.far.next()  # the one that follows when the first is given up
        await trio.sleep(20)
        if pong:
            await line.far.send(ping.response())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        async with line.connected() as wire:
            nursery.start_soon(read_on, wire)
            elapsed()
            assert await wire.alive(60.0) is pong
            assert elapsed() == (80.0 if pong else 90.0)
            wire.abort()
            await trio.sleep_forever()


async def test_a_lost_connection_is_not_alive(autojump_clock: object, line: Any, elapsed: Elapsed) -> None:
    async def far() -> None:
        await line.far.accept()
        await line.far.stream.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        async with line.connected() as wire:
            await read_on(wire)
            elapsed()
            assert not await wire.alive(60.0)
    assert elapsed() == 0


async def test_a_ping_buffered_behind_our_own_close_ends_nothing_silently(
    autojump_clock: object, line: Any, elapsed: Elapsed
) -> None:
    """A library's reader may break on it; that must reach nobody, and above all not as a bare cancellation."""
    reached: list[str] = []

    async def far() -> None:
        await line.far.accept()
        await trio.testing.wait_all_tasks_blocked()
        assert isinstance(await line.far.next(), CloseConnection)
        await line.far.stream.send_all(b"\x89\x01x")  # a ping where only a close may follow

    async with trio.open_nursery() as nursery:
        nursery.start_soon(far)
        async with line.connected():
            elapsed()
        reached.append("after the block")
        assert elapsed() <= CLOSE_DEADLINE
    assert reached == ["after the block"]


async def test_an_error_of_the_block_comes_out(autojump_clock: object, line: Any) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.far.serve)
        with pytest.RaisesGroup(ZeroDivisionError, allow_unwrapped=True, flatten_subgroups=True):
            async with line.connected():
                raise ZeroDivisionError
