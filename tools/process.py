"""A child process that speaks in lines: started without our keys and import path, heard out, and surely ended."""

import os
import signal
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import attrs
import trio

from pipeline.errors import ToolFailed

GRACE = 0.5  # seconds to leave after its input has closed, and again after SIGTERM
LONGEST_LINE = 1 << 20  # bytes; no tool's answer is of use beyond a small part of that
ENDS = 1024  # bytes of the two ends of a longer line that are kept
TAIL = 2000  # bytes of its complaints that are kept


@attrs.define(eq=False)
class Child:
    """A running process; made by `running`, which also ends it."""

    _process: trio.Process
    _complaints: bytes = b""
    _lines: deque[str] = attrs.field(factory=deque)
    _rest: bytes = b""
    _head: bytes = b""

    async def send(self, line: str) -> None:
        """Writes one line; trio.BrokenResourceError once the process is gone. Cancelled means: perhaps in part."""
        assert self._process.stdin is not None  # noqa: S101 - started with pipes
        await self._process.stdin.send_all(f"{line}\n".encode())

    async def receive(self) -> str | None:
        """Waits for the next line, of one that is too long its two ends; None once it closes its output."""
        assert self._process.stdout is not None  # noqa: S101 - started with pipes
        while not self._lines:
            try:
                part = await self._process.stdout.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return None
            if not part:
                return None
            self._take(bytes(part))
        return self._lines.popleft()

    def _take(self, part: bytes) -> None:
        *whole, self._rest = (self._rest + part).split(b"\n")
        if whole and self._head:
            whole[0], self._head = self._head + b"..." + whole[0][-ENDS:], b""
        whole = [line if len(line) <= LONGEST_LINE else line[:ENDS] + b"..." + line[-ENDS:] for line in whole]
        self._lines += [line.decode("utf-8", "replace") for line in whole if line.strip()]
        if self._head:
            self._rest = self._rest[-ENDS:]
        elif len(self._rest) > LONGEST_LINE:
            self._head, self._rest = self._rest[:ENDS], self._rest[-ENDS:]

    def last_words(self) -> str:
        """Gives the last line it wrote to its standard error, for a log; empty if there was none."""
        lines = [line.strip() for line in self._complaints.decode("utf-8", "replace").splitlines() if line.strip()]
        return lines[-1][:200] if lines else ""

    async def heed(self) -> None:
        """Reads its standard error until that closes, so that it neither blocks nor litters the terminal."""
        assert self._process.stderr is not None  # noqa: S101 - started with pipes
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for part in self._process.stderr:
                self._complaints = (self._complaints + part)[-TAIL:]

    async def end(self) -> None:
        """Ends it and all it has started: by closing its input, by SIGTERM, by SIGKILL. Takes two graces at most."""
        with trio.CancelScope(shield=True):
            assert self._process.stdin is not None  # noqa: S101 - started with pipes
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._process.stdin.aclose()
            for number in (None, signal.SIGTERM):
                if number is not None:
                    self._signal(number)
                with trio.move_on_after(GRACE):
                    await self._process.wait()
                    break
            self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))  # also what it has left behind
            with trio.move_on_after(GRACE):
                await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, number)
            elif number is not signal.SIGTERM:
                self._process.kill()
            else:
                self._process.terminate()


@asynccontextmanager
async def running(words: Sequence[str], env: Mapping[str, str], folder: Path | None) -> AsyncIterator[Child]:
    """Runs a command while the block runs. ToolFailed says why it cannot be started."""
    try:
        process = await trio.lowlevel.open_process(
            list(words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env),
            cwd=folder,
            start_new_session=True,  # Ctrl-C is for us; and its children end with it
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ToolFailed(f"{words[0]} cannot be started: {reason}; correct the command") from None
    child = Child(process)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(child.heed)
        try:
            yield child
        finally:
            await child.end()  # noqa: ASYNC102 - ending is shielded and bounded by itself
            nursery.cancel_scope.cancel("the process has ended")
