"""Writes what a listener has to say, in a thread of its own: a blocked terminal, pipe or disk stalls nobody else."""

import os
import select
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

import attrs
import trio

from pipeline.bus import Subscription

T = TypeVar("T")
ROOM = 4096  # pieces that may wait for whatever is written to
PATIENCE = 1.0  # seconds at the end for what still waits


def _nothing() -> None:
    """There is nothing to finish."""


def pour(descriptor: int, data: bytes) -> None:
    """Writes all of it past Python's buffers, and waits also where whoever shares the pipe has set it not to block.

    Python's own lock, held by a blocked write, would stop the program's exit.
    """
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            select.select((), (descriptor,), ())


@attrs.define(eq=False)
class Writer(Generic[T]):
    """Hands pieces to `write` in order; made and ended by `writing`.

    `put` never waits: a piece for which there is no room is lost, and counted on `listener`. The first error of `write`
    ends the writing; it is kept in `error`. `finish` is called after the last piece.
    """

    write: Callable[[T], object]
    listener: Subscription
    failed: Callable[[], object]
    threads: bool = True
    room: int = ROOM
    finish: Callable[[], object] = _nothing
    patience: float = PATIENCE
    error: Exception | None = attrs.field(default=None, init=False)
    _waiting: deque[T] = attrs.field(factory=deque, init=False)
    _news: threading.Condition = attrs.field(factory=threading.Condition, init=False)
    _closing: bool = attrs.field(default=False, init=False)
    _done: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        if self.threads:
            token = trio.lowlevel.current_trio_token()
            threading.Thread(target=self._run, args=(token,), name="writer", daemon=True).start()

    def put(self, piece: T) -> None:
        """Takes a piece to be written."""
        if not self.threads:
            self._write(piece)
            return
        with self._news:
            if self.error is None and len(self._waiting) < self.room:
                self._waiting.append(piece)
                self._news.notify()
                return
        self.listener.lost += 1

    async def aclose(self) -> None:
        """Waits until all is written, for `patience`, also when cancelled; what is not by then counts as lost."""
        if not self.threads:
            self._end()
            return
        with self._news:
            self._closing = True
            self._news.notify()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + self.patience):
            await self._done.wait()
        self.listener.lost += len(self._waiting)

    def _run(self, token: trio.lowlevel.TrioToken) -> None:
        while self._write_next():
            pass
        self._end()
        try:
            token.run_sync_soon(self._tell_end)
        except trio.RunFinishedError:
            return

    def _write_next(self) -> bool:
        """Writes a piece, in the thread; False when there are no more to come."""
        with self._news:
            while not self._waiting and not self._closing:
                self._news.wait()
            if not self._waiting:
                return False
            piece = self._waiting[0]  # it stays until it is written, so that at the end it counts as lost
        self._write(piece)
        with self._news:
            if self.error is None:
                self._waiting.popleft()
        return self.error is None

    def _write(self, piece: T) -> None:
        if self.error is not None:
            self.listener.lost += 1
            return
        try:
            self.write(piece)
        except Exception as error:  # noqa: BLE001 - whoever writes hears of it
            self.error = error
            if not self.threads:
                self.failed()

    def _end(self) -> None:
        try:
            self.finish()
        except Exception as error:  # noqa: BLE001 - whoever writes hears of it
            self.error = self.error or error

    def _tell_end(self) -> None:
        self._done.set()
        if self.error is not None:
            self.failed()


@asynccontextmanager
async def writing(
    write: Callable[[T], object],
    listener: Subscription,
    *,
    threads: bool = True,
    finish: Callable[[], object] = _nothing,
    patience: float = PATIENCE,
) -> AsyncIterator[Writer[T]]:
    """Gives a writer, and at the end waits up to `patience` seconds for it and its `finish`.

    An error of `write` cancels the block and comes out bare. Under a virtual clock `threads` must be False; then `put`
    writes itself.
    """
    with trio.CancelScope() as scope:
        writer = Writer(write, listener, lambda: scope.cancel("it cannot be written"), threads)
        writer.finish, writer.patience = finish, patience
        try:
            yield writer
        finally:
            await writer.aclose()  # noqa: ASYNC102 - shielded and bounded by itself
    if writer.error is not None:
        raise writer.error
