"""Signals are obeyed: in order where the block ends, and by force where the loop itself is stuck."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest
import trio

from bin import obeying as module
from bin.obeying import obeying

CODES = {signal.SIGINT: 130, signal.SIGTERM: 0}


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Signals find nobody before the block and the same nobody after it."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in CODES}
    yield
    found = [signal.signal(number, handler) for number, handler in before.items()]
    assert found == [signal.SIG_IGN] * 2
    assert [thread.name for thread in threading.enumerate() if thread.name == "last resort"] == []


def waited() -> None:
    """Waits for the thread of the last resort to end."""
    for thread in threading.enumerate():
        if thread.name == "last resort":
            thread.join(10)


@pytest.mark.parametrize("number", CODES)
async def test_a_signal_cancels_the_block(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[int] = []
    monkeypatch.setattr(os, "_exit", left.append)
    monkeypatch.setattr(module, "LAST_RESORT", module.LAST_WORDS)
    async with obeying(lambda: None) as obeyed:
        signal.raise_signal(number)
        signal.raise_signal(number)
        await trio.sleep_forever()
    waited()
    assert obeyed.code == CODES[number]
    assert left == [CODES[number]], "the process ends all the same where what follows the block does not"


@pytest.mark.parametrize("number", CODES)
async def test_a_loop_that_is_stuck_is_ended_by_force(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    gone = threading.Event()
    monkeypatch.setattr(module, "LAST_RESORT", module.LAST_WORDS)

    def leave(code: int) -> None:
        done.append(code)
        gone.set()

    monkeypatch.setattr(os, "_exit", leave)
    async with obeying(lambda: done.append("released")):
        signal.raise_signal(number)
        assert gone.wait(10), "nothing ends a process whose loop does not turn"
    waited()
    assert done == ["released", CODES[number]]


async def test_without_a_signal_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "_exit", lambda _code: pytest.fail("it left"))
    async with obeying(lambda: None) as obeyed:
        await trio.lowlevel.checkpoint()
    waited()
    assert obeyed.code == 0
