"""The audit log: who asked for what, from where, and what came of it. One JSON object a line, appended, never altered.

No contents and no secrets: a token appears as a hash. The file is readable by its owner alone; a full one is put
aside under a number, and the oldest of these is removed.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import attrs
import msgspec

from pipeline.errors import PlanError
from pipeline.events import Bus, Trouble

QUIET = 60.0  # seconds within which equal refusals are one line, with their number
_MOST_REFUSALS = 1000


def _now() -> datetime:
    return datetime.now(UTC)


@attrs.define
class Audit:
    """Appends lines to `path`; without one it keeps nothing. `clock` is wall time.

    A disk that takes no more is told on the bus, once, and the gateway goes on; each line tries again. Several
    gateways of one machine may write to the same file.
    """

    path: Path | None
    bus: Bus
    size: int = 10_000_000
    files: int = 5
    clock: Callable[[], datetime] = _now
    _file: BinaryIO | None = attrs.field(default=None, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    failed: bool = attrs.field(default=False, init=False)
    _refused: dict[tuple[object, ...], tuple[float, int]] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._open(self.path)
        except OSError as error:
            raise PlanError(f"cannot write the audit log {self.path}: {error.strerror}; name another file") from None

    def note(self, what: str, **fields: object) -> None:
        """Appends one line: when, what, and the fields."""
        self._write({"at": self.clock().isoformat(timespec="milliseconds"), "what": what, **fields})

    def refuse(self, what: str, address: str, why: str, **fields: object) -> None:
        """Appends a refusal; equal ones within a minute are counted, and told with the next line."""
        told = {name: value for name, value in fields.items() if value is not None}
        key, now = (what, address, why, *told.items()), self.clock().timestamp()
        since, count = self._refused.get(key, (float("-inf"), 0))
        if now - since < QUIET:
            self._refused[key] = (since, count + 1)
            return
        if len(self._refused) >= _MOST_REFUSALS:
            self._refused.clear()
        self._refused[key] = (now, 0)
        self.note(what, address=address, **told, outcome=why, **({"and_before": count} if count else {}))

    def close(self) -> None:
        """Closes the file for good; idempotent."""
        self._closed = True
        self._let_go()

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, path: Path) -> BinaryIO:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.fchmod(descriptor, 0o600)  # also one that was there before
        self._file = os.fdopen(descriptor, "ab", buffering=0)
        return self._file

    def _write(self, line: dict[str, object]) -> None:
        if self.path is None or self._closed:
            return
        data = msgspec.json.encode(line) + b"\n"
        try:
            self._current(self.path, len(data)).write(data)
            self.failed = False
        except OSError as error:
            if not self.failed:
                what = f"the audit log {self.path} takes no more: {error.strerror}"
                self.bus.publish(Trouble(what, "disk", "the gateway goes on without it, and tries again"))
            self.failed = True

    def _current(self, path: Path, more: int) -> BinaryIO:
        """Gives the file that takes so many bytes more: a fresh one where the last is full or put aside."""
        file = self._file or self._open(path)
        if not _is(file, path):
            self._let_go()
            file = self._open(path)
        length = os.fstat(file.fileno()).st_size
        if not length or length + more <= self.size:
            return file
        fcntl.flock(file, fcntl.LOCK_EX)  # several gateways may write to one file; it goes with the file's end
        if _is(file, path):
            self._put_aside(path)
        self._let_go()
        return self._open(path)

    def _put_aside(self, path: Path) -> None:
        for number in range(self.files - 1, 0, -1):
            older = path.with_name(f"{path.name}.{number}")
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{number + 1}"))
        path.replace(path.with_name(f"{path.name}.1"))


def _is(file: BinaryIO, path: Path) -> bool:
    """Tells whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def hashed(token: str) -> str:
    """Gives what the audit log shows of a token: enough to recognise it by, and nothing to use it by."""
    return hashlib.sha256(token.encode()).hexdigest()
