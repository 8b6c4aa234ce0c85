"""Obeys Ctrl-C and SIGTERM: an orderly end where there can be one, and an end within two seconds in any case."""

import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from types import FrameType

import attrs
import trio

INTERRUPTED = 130
LAST_RESORT = 1.8  # seconds after Ctrl-C at which the process ends whatever a device, a disk or a tool is doing
LAST_WORDS = 0.1  # seconds of them for what is printed and not yet shown
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@attrs.define
class Obeyed:
    """The exit code that a signal asks for; 0 while none has come."""

    code: int = 0


@asynccontextmanager
async def obeying(release: Callable[[], None]) -> AsyncIterator[Obeyed]:
    """Cancels the block at Ctrl-C or SIGTERM, and ends the process soon after if the block does not end.

    The clock for that starts in the signal handler itself, which needs no loop: a step that blocks the loop, be it a
    file that never opens or a tool that sleeps, is ended like any other. `release` gives the terminal back then.
    """
    obeyed = Obeyed()
    token = trio.lowlevel.current_trio_token()
    with _last_resort(obeyed, release) as begin:
        async with trio.open_nursery() as nursery:

            def obey(number: int, _frame: FrameType | None) -> None:
                obeyed.code = INTERRUPTED if number == signal.SIGINT else 0
                begin()
                with suppress(trio.RunFinishedError):
                    token.run_sync_soon(nursery.cancel_scope.cancel, "a signal came", idempotent=True)

            with _handled_by(obey):
                yield obeyed
            nursery.cancel_scope.cancel("the block is over")


@contextmanager
def _handled_by(obey: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Has a plain function handle the signals while the block runs."""
    before = {number: signal.signal(number, obey) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _last_resort(obeyed: Obeyed, release: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Gives the function that lets the last seconds begin.

    A thread waits for it from the start, at a pipe: in a signal handler no thread can be started and no lock be taken,
    as what it interrupts may hold the same one.
    """
    reading, writing = os.pipe()

    def wait() -> None:
        if not os.read(reading, 1):
            os.close(reading)
        else:  # the pipe stays open: another press is written into it, too
            threading.Event().wait(LAST_RESORT - LAST_WORDS)
            release()
            _leave(obeyed.code)

    def begin() -> None:
        os.write(writing, b".")

    threading.Thread(target=wait, name="last resort", daemon=True).start()
    try:
        yield begin
    finally:
        os.close(writing)


def _leave(code: int) -> None:
    """Ends the process, and first shows what was printed, unless that is what hangs."""
    last_words = threading.Thread(target=sys.stdout.flush, daemon=True)
    last_words.start()
    last_words.join(LAST_WORDS)
    os._exit(code)
