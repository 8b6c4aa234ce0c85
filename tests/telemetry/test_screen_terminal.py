"""The terminal under the screen, on a real pseudo-terminal: little is written, nothing waits, all is given back."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from telemetry.screen import Painter
from telemetry.screen_terminal import ENTER, LEAVE, Terminal, suits

pty = pytest.importorskip("pty")
termios = pytest.importorskip("termios")
ROWS = [f"row {number}" for number in range(24)]


@attrs.define
class Line:
    """Both ends of a pseudo-terminal; what the program writes is read as it comes."""

    master: int
    slave: int
    seen: bytes = b""

    def until(self, done: Callable[[bytes], object], patience: float = 5.0) -> bytes:
        os.set_blocking(self.master, False)
        end = time.monotonic() + patience
        while not done(self.seen):
            assert time.monotonic() < end, self.seen
            try:
                self.seen += os.read(self.master, 65536)
            except BlockingIOError:
                time.sleep(0.005)
        return self.seen


@pytest.fixture
def line() -> Iterator[Line]:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80)) if hasattr(termios, "tcsetwinsize") else None
    yield Line(master, slave)
    os.close(master)
    os.close(slave)


def terminal(line: Line) -> Terminal:
    import threading

    made = Terminal(line.slave, line.slave)
    made._listen()
    made._write(ENTER)
    made._thread = threading.Thread(target=made._draw, daemon=True)
    made._thread.start()
    return made


def test_only_rows_that_changed_are_written(line: Line) -> None:
    made = terminal(line)
    made.show(ROWS)
    line.until(lambda seen: b"row 23" in seen)
    line.seen = b""
    made.show([*ROWS[:5], "another", *ROWS[6:]])
    seen = line.until(lambda seen: b"another" in seen)
    assert seen == b"\x1b[6;1H\x1b[0m\x1b[Kanother"
    line.seen = b""
    made.show(ROWS, afresh=True)
    assert b"\x1b[2J" in line.until(lambda seen: b"row 23" in seen)
    made.close()


def test_all_is_given_back_once(line: Line) -> None:
    before = termios.tcgetattr(line.slave)
    made = terminal(line)
    during = termios.tcgetattr(line.slave)
    assert not during[3] & (termios.ICANON | termios.ECHO)
    assert during[3] & termios.ISIG, "Ctrl-C stays a signal"
    made.close()
    made.close()
    assert line.until(lambda seen: LEAVE in seen).count(LEAVE) == 1
    assert termios.tcgetattr(line.slave) == before


def test_a_terminal_that_takes_nothing_delays_nobody(line: Line) -> None:
    made = terminal(line)
    began = time.monotonic()
    for number in range(200):
        made.show([f"{number} {row * 100}" for row in ROWS], afresh=True)
    made.close()
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("environment", "tty", "columns", "expected"),
    [
        ({"TERM": "xterm"}, True, 80, True),
        ({"TERM": "dumb"}, True, 80, False),
        ({"TERM": "xterm"}, True, 20, False),
        ({"TERM": "xterm"}, False, 80, False),
    ],
)
def test_a_screen_is_drawn_only_where_it_can_be(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], columns: int, *, tty: bool, expected: bool
) -> None:
    class Out:
        def isatty(self) -> bool:
            return tty

        def fileno(self) -> int:
            return 1

    monkeypatch.setattr(sys, "stdout", Out())
    monkeypatch.setattr("os.get_terminal_size", lambda _fd: os.terminal_size((columns, 24)))
    assert suits(environment) is expected


def test_colours_are_left_out_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    line = ((" ● ", "green"), ("connected", "bold green"))
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[32m" in Painter("utf-8")(line)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in Painter("utf-8")(line)
    assert Painter("ascii")(((" ●━→ ", ""),)).strip() == "*#>"


def test_what_libraries_print_is_shown_afterwards(tmp_path: Path, root: Path) -> None:
    program = (
        "import os; from telemetry.screen_terminal import Terminal; t = Terminal.open();"
        "os.write(2, b'ALSA says'); t.close(); print('afterwards')"
    )
    child, master = pty.fork()
    if not child:
        os.chdir(root)
        os.execv(sys.executable, [sys.executable, "-c", program])  # noqa: S606
    seen = b""
    while b"afterwards" not in seen:
        seen += os.read(master, 4096)
    os.waitpid(child, 0)
    os.close(master)
    assert seen.index(LEAVE) < seen.index(b"ALSA says")
