"""The processes of a measurement: starting them, giving them orders, and reading what they cost from outside.

A client's processor time is read from its own clock by the system, so every client is measured alike and none takes
part. The clock counts all threads, in nanoseconds; time in which others use the core is not in it.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).parents[2]
LOOK = 0.02  # seconds between two looks
PATIENCE = 180.0  # seconds for anything that a process is asked for


class Unanswered(Exception):
    """A process ended or said nothing; the sentence tells which and what it last wrote."""


def spent(process: int) -> float:
    """Gives the processor seconds of a process so far, by its clock (clock_getcpuclockid(3), Linux)."""
    return time.clock_gettime_ns(~process << 3 | 2) / 1e9


def resident(process: int) -> float:
    """Gives the resident memory of a process in MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


@attrs.define
class Process:
    """A far end or a client: takes orders and answers them. Times of its making are nanoseconds."""

    name: str
    process: "subprocess.Popen[str]"
    log: Path
    started: int

    @property
    def spent(self) -> float:
        """Its processor seconds so far."""
        return spent(self.process.pid)

    @property
    def resident(self) -> float:
        """Its resident memory in MiB."""
        return resident(self.process.pid)

    def order(self, **order: object) -> dict[str, Any]:
        """Gives an order and waits for the answer."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._gone() from None
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Waits for a line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise self._gone()
        return dict(json.loads(line))

    def _gone(self) -> Unanswered:
        last = self.log.read_text(errors="replace").strip().splitlines()[-1:]
        return Unanswered(f"{self.name} ended: {last[0] if last else 'without a word'}")


@contextmanager
def running(name: str, command: Sequence[str], core: int | None, log: Path, **more: str) -> Iterator[Process]:
    """Starts a process on one core, and ends it with the block."""
    environment = {**surroundings(), "PYTHONPATH": str(ROOT), **more}
    with log.open("w") as errors:
        started = time.monotonic_ns()
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment, text=True, bufsize=1
        )
        try:
            if core is not None:
                os.sched_setaffinity(process.pid, {core})
            yield Process(name, process, log, started)
        finally:
            process.kill()
            process.communicate()


def surroundings(given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Gives the environment without keys and settings of the user's own: nothing may leave this machine."""
    private = ("GOOGLE_", "GEMINI_", "LMNR_", "LAMINAR_", "ASSISTANT_", "OTEL_", "PYTHON")
    return {key: value for key, value in given.items() if not key.startswith(private)}


def until(what: str, done: Any, patience: float = PATIENCE) -> Any:
    """Looks until something holds, and gives it; Unanswered when that takes too long."""
    end = time.monotonic() + patience
    while not (found := done()):
        if time.monotonic() > end:
            raise Unanswered(f"{what} took longer than {patience:g} s")
        time.sleep(LOOK)
    return found
