"""The program in a real terminal: tmux, which can be looked at, typed into and resized."""

import os
import shlex
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

PATIENCE = 60.0


@attrs.define
class Window:
    """A terminal with the program in it; when it has ended, `EXIT=code` stands below what it printed."""

    tmux: str
    socket: str = attrs.field(factory=lambda: f"screen-{uuid.uuid4().hex[:8]}")

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.tmux, "-L", self.socket, "-f", os.devnull, *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return done.stdout

    def text(self, *options: str) -> str:
        return self.run("capture-pane", "-p", *options)

    def send(self, *keys: str) -> None:
        self.run("send-keys", *keys)

    def resize(self, columns: int, rows: int) -> None:
        self.run("resize-window", "-x", str(columns), "-y", str(rows))

    def signal(self, number: int) -> None:
        """Sends the program a signal."""
        shell = self.run("display-message", "-p", "#{pane_pid}").strip()
        children = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        os.kill(int(children[-1]), number)

    @property
    def other_page(self) -> bool:
        """Whether the terminal shows its other page, on which the screen is drawn."""
        return self.run("display-message", "-p", "#{alternate_on}").strip() == "1"

    def until(self, *words: str, wide: int = 0) -> str:
        """Waits until all the words are to be seen, in a picture at least so wide, and gives the whole."""
        end = time.monotonic() + PATIENCE
        while True:
            seen = self.text()
            if all(word in seen for word in words) and max(map(len, seen.splitlines())) >= wide:
                return seen
            assert time.monotonic() < end, f"{words} did not appear in\n{seen}"
            time.sleep(0.1)


@pytest.fixture
def window(real_part: Callable[[str], str], root: Path, tmp_path: Path) -> Iterator[Callable[..., Window]]:
    """Gives `window(columns, rows, *arguments, **environment)`: the program begun in a terminal of that size."""
    tmux = real_part("tmux")
    opened: list[Window] = []

    def begin(columns: int, rows: int, *arguments: str, **environment: str) -> Window:
        made = Window(tmux)
        opened.append(made)
        program = shlex.join([sys.executable, "-P", "-m", "bin", *arguments])
        given = {"PYTHONPATH": str(root), "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment}
        settings = shlex.join(["env", *(f"{name}={value}" for name, value in given.items())])
        line = f"trap : INT; cd {shlex.quote(str(tmp_path))}; {settings} {program}; echo EXIT=$?; sleep 600"
        made.run("new-session", "-d", "-x", str(columns), "-y", str(rows), "sh", "-c", line)
        return made

    yield begin
    for made in opened:
        subprocess.run([tmux, "-L", made.socket, "kill-server"], capture_output=True, check=False)
