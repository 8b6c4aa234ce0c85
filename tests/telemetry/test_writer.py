"""The writer: whatever it writes to may block, break or be slow, and nobody waits for that."""

import os
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest
import trio
import trio.lowlevel

from pipeline.bus import Subscription
from telemetry.writer import Writer, pour, writing


async def put(
    write: Callable[[str], object], *pieces: str, threads: bool = True, patience: float = 1.0
) -> Subscription:
    listener = Subscription(8)
    async with writing(write, listener, threads=threads, patience=patience) as writer:
        for piece in pieces:
            writer.put(piece)
    return listener


@pytest.mark.parametrize("threads", [True, False])
async def test_all_is_written_in_order_before_the_block_is_left(*, threads: bool) -> None:
    written: list[str] = []
    pieces = [str(number) for number in range(500)]
    listener = await put(written.append, *pieces, threads=threads)
    assert (written, listener.lost) == (pieces, 0)


async def test_inline_it_is_written_at_once_and_without_a_thread() -> None:
    before = threading.active_count()
    written: list[str] = []
    async with writing(written.append, Subscription(8), threads=False) as writer:
        writer.put("x")
        assert (written, threading.active_count()) == (["x"], before)


async def test_what_blocks_neither_stops_the_loop_nor_the_end_for_longer_than_a_second() -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"x" * 65536)  # the pipe is full, and nobody reads
    began = time.monotonic()
    listener = Subscription(8)

    def write(piece: bytes) -> None:
        os.write(theirs, piece)

    async with writing(write, listener) as writer:
        for _ in range(writer.room + 5):
            writer.put(b"y")
        await trio.lowlevel.checkpoint()
        assert time.monotonic() - began < 0.9
    assert 0.9 < time.monotonic() - began < 3.0
    assert listener.lost == writer.room + 5
    os.read(ours, 65536 * 2)  # frees the thread
    os.close(ours)


@pytest.mark.parametrize("threads", [True, False])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("a bug")])
async def test_an_error_ends_the_block_and_comes_out_bare(error: Exception, *, threads: bool) -> None:
    def write(_piece: str) -> None:
        raise error

    listener = Subscription(8)
    with pytest.raises(type(error)):  # noqa: PT012 - leaving the block raises, not what is in it
        async with writing(write, listener, threads=threads) as writer:
            writer.put("x")
            writer.put("y")
            await trio.sleep_forever()
    assert listener.lost >= 1


async def test_at_the_end_it_finishes_and_that_may_take_only_so_long() -> None:
    order: list[str] = []
    async with writing(order.append, Subscription(8), finish=lambda: order.append("end")) as writer:
        writer.put("x")
    assert order == ["x", "end"]
    hung = threading.Event()
    began = time.monotonic()
    async with writing(order.append, Subscription(8), finish=lambda: hung.wait(20) or None, patience=0.2):
        pass
    assert time.monotonic() - began < 2.0
    hung.set()


async def test_a_cancelled_block_still_writes_what_it_was_given() -> None:
    written: list[str] = []
    with trio.CancelScope() as scope:
        async with writing(written.append, Subscription(8)) as writer:
            writer.put("last words")
            scope.cancel("Ctrl-C")
            await trio.sleep_forever()
    assert written == ["last words"]


async def test_it_takes_what_comes_after_a_failure_without_a_word() -> None:
    def write(_piece: str) -> None:
        raise OSError

    listener = Subscription(8)
    writer = Writer(write, listener, lambda: None, threads=False)
    for _ in range(3):
        writer.put("x")
    assert (listener.lost, type(writer.error)) == (2, OSError)


async def test_a_pipe_that_does_not_block_is_waited_for() -> None:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    size = os.write(theirs, b"x" * 1_000_000)  # as much as it takes
    listener = Subscription(8)
    async with writing(partial(pour, theirs), listener) as writer:
        writer.put(b"a line")
        await trio.sleep(0.05)
        await trio.to_thread.run_sync(os.read, ours, size)
    assert (os.read(ours, 100), listener.lost) == (b"a line", 0)
    os.close(ours)
    os.close(theirs)
