"""The terminal under the live screen: the other page, single keys, and frames written by a thread of their own.

A terminal that takes nothing for a while blocks that thread alone; of the frames that come meanwhile the newest wins.
However the program ends, `close` gives the terminal back as it was; it may be called from any thread, and twice.
"""

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Self

import attrs

from telemetry.writer import pour

try:
    import termios
except ImportError:  # Windows: a screen without keys
    termios = None  # type: ignore[assignment]

# Private modes of DEC and xterm: 1049 is the other page, 25 the cursor, 7 the wrapping of lines.
ENTER = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
LEAVE = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
SMALLEST = (40, 10)
PATIENCE = 0.3  # seconds at the end for a frame that is being written


def suits(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether standard output is a terminal on which a screen can be drawn, and ours to draw on."""
    if not sys.stdout.isatty() or environment.get("TERM", "") in ("dumb", "unknown") or not _in_front():
        return False
    size = os.get_terminal_size(sys.stdout.fileno())
    return size.columns >= SMALLEST[0] and size.lines >= SMALLEST[1]


def _in_front() -> bool:
    """Whether the terminal's keys come to us: a job in the background that asks for them is stopped by the system."""
    try:
        return os.tcgetpgrp(sys.stdout.fileno()) == os.getpgrp()
    except (OSError, AttributeError):  # a terminal that controls nobody; Windows
        return True


@attrs.define(eq=False)
class Terminal:
    """An opened terminal; whoever opens it closes it.

    What libraries print to standard error meanwhile would spoil the picture, so it is kept and shown after it.
    """

    _out: int
    _keys: int | None
    _before: list[Any] | None = attrs.field(default=None, init=False)
    _errors: int | None = attrs.field(default=None, init=False)
    _shown: tuple[str, ...] = attrs.field(default=(), init=False)
    _next: tuple[str, ...] | None = attrs.field(default=None, init=False)
    _news: threading.Condition = attrs.field(factory=threading.Condition, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _thread: threading.Thread = attrs.field(init=False)

    @classmethod
    def open(cls) -> Self:
        """Takes over standard output, and the keyboard where standard input is a terminal, too."""
        sys.stdout.flush()
        keys = sys.stdin.fileno() if termios is not None and sys.stdin is not None and sys.stdin.isatty() else None
        terminal = cls(sys.stdout.fileno(), keys)
        terminal._listen()
        terminal._keep_errors()
        terminal._write(ENTER)
        terminal._thread = threading.Thread(target=terminal._draw, name="screen", daemon=True)
        terminal._thread.start()
        return terminal

    @property
    def keyboard(self) -> int | None:
        """The descriptor that keys can be read from, if any."""
        return self._keys

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows, as they are now."""
        try:
            return tuple(os.get_terminal_size(self._out))  # type: ignore[return-value] # a pair, always
        except OSError:
            return SMALLEST

    def show(self, lines: Sequence[str], *, afresh: bool = False) -> None:
        """Hands over a picture, a line a row; only rows that differ are written, or all when `afresh`."""
        with self._news:
            self._next = tuple(lines)
            if afresh:
                self._shown = ()
            self._news.notify()

    def close(self) -> None:
        """Gives the terminal back."""
        with self._news:
            if self._closed:
                return
            self._closed = True
            self._news.notify()
        self._thread.join(PATIENCE)
        if termios is not None and self._thread.is_alive():  # it was stopped by Ctrl-S, or nobody reads it
            with contextlib.suppress(OSError, termios.error):
                termios.tcflush(self._out, termios.TCOFLUSH)
                termios.tcflow(self._out, termios.TCOON)
        self._write(LEAVE)
        if termios is not None and self._before is not None and self._keys is not None:
            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(self._keys, termios.TCSADRAIN, self._before)
        self._give_errors_back()

    # -- within ----------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Has keys come one by one and unseen; Ctrl-C stays a signal, and Ctrl-Z, which would leave a mess, is off."""
        if self._keys is None:
            return
        try:
            self._before = termios.tcgetattr(self._keys)
            mode = termios.tcgetattr(self._keys)
            mode[3] &= ~(termios.ICANON | termios.ECHO)
            mode[6][termios.VMIN], mode[6][termios.VTIME], mode[6][termios.VSUSP] = 1, 0, b"\x00"
            termios.tcsetattr(self._keys, termios.TCSADRAIN, mode)
        except termios.error:
            self._before = self._keys = None

    def _keep_errors(self) -> None:
        if sys.stderr is not None and sys.stderr.isatty():
            sys.stderr.flush()
            self._errors = os.dup(2)
            with tempfile.TemporaryFile() as kept:
                os.dup2(kept.fileno(), 2)

    def _give_errors_back(self) -> None:
        if self._errors is None:
            return
        with contextlib.suppress(OSError):
            sys.stderr.flush()
            os.lseek(2, 0, os.SEEK_SET)
            with os.fdopen(os.dup(2), "rb") as kept:
                os.dup2(self._errors, 2)
                while said := kept.read(1 << 16):
                    os.write(2, said)
        os.close(self._errors)

    def _draw(self) -> None:
        """Writes the newest picture, over and over, until closed; in the thread."""
        while True:
            with self._news:
                while self._next is None and not self._closed:
                    self._news.wait()
                if self._closed or self._next is None:
                    return
                lines, before, self._next = self._next, self._shown, None
                self._shown = lines
            with contextlib.suppress(OSError):
                pour(self._out, _changes(before, lines))

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._out, data) :]


def _changes(before: Sequence[str], lines: Sequence[str]) -> bytes:
    """Gives what turns one picture into the next, as one piece: the rows that differ, each at its place.

    A row is emptied before and not after: the cursor stays on a last column that is written, and that would go, too.
    """
    whole = len(before) != len(lines)
    rows = (
        f"\x1b[{row};1H\x1b[0m\x1b[K{line}" for row, line in enumerate(lines, 1) if whole or line != before[row - 1]
    )
    return (("\x1b[0m\x1b[2J" if whole else "") + "".join(rows)).encode("utf-8", "replace")
