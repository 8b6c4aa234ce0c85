"""The live screen as a person sees it: the real program in a real terminal."""

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Begin = Callable[..., Any]


def test_a_conversation_can_be_followed_and_steered(window: Begin, tmp_path: Path) -> None:
    seen = window(80, 24, "demo", "tools", "--record", str(tmp_path / "tape"))
    screen = seen.until("connected", "last reply", "● microphone", "m mute")
    assert seen.other_page
    assert len(screen.splitlines()) == 24
    assert max(map(len, screen.splitlines())) <= 80
    screen = seen.until("you  what is the weather in paris", 'get_weather(city="Paris")')
    seen.until("assistant  In Paris")
    seen.until("━")
    seen.send("m")
    seen.until("muted", "m unmute")
    seen.send("m")
    seen.until("m mute")
    seen.send("r")
    seen.until("restart which?", "2 vad")
    seen.send("2")
    seen.until("vad started again: asked to", "vad ↻1")
    seen.resize(120, 30)
    assert len(seen.until("connected", "vad ↻1", wide=100).splitlines()) == 30
    seen.resize(60, 16)
    seen.until("connected", "q quit")
    seen.send("q")
    seen.until("EXIT=0")
    assert not seen.other_page
    after = "".join(seen.text("-S", "-200").split())
    for words in ("turnlatencyms", "conversation.wav", "Therecording,for`assistantreport`"):
        assert words in after
    assert (tmp_path / "tape" / "conversation.flac").stat().st_size > 10_000


def test_a_reply_is_silenced_by_a_key(window: Begin, tmp_path: Path) -> None:
    """The recording of this demo never speaks over a reply, so only the key can cut one short."""
    log = tmp_path / "events.jsonl"
    seen = window(100, 30, "demo", "tools", "--events", str(log))
    seen.until("assistant  In Paris", " dB")
    assert "turn.interrupted" not in log.read_text()
    seen.send("Space")
    seen.until("~  interrupted at")
    (cut,) = (line for line in map(json.loads, log.read_text().splitlines()) if line["event"] == "turn.interrupted")
    assert cut["silent_after_ms"] < 100
    seen.send("C-c")
    seen.until("EXIT=130")
    assert not seen.other_page
    assert "◌" not in seen.text()


def test_nothing_flickers(window: Begin, tmp_path: Path) -> None:
    seen = window(80, 24, "demo", "tools")
    seen.run("pipe-pane", "-o", f"cat > {tmp_path / 'written'}")
    seen.until("assistant  In Paris")
    seen.send("q")
    seen.until("EXIT=0")
    written = (tmp_path / "written").read_bytes()
    assert written.count(b"\x1b[2J") <= 2, "the whole picture is drawn once, then only what changes"
    rows = re.findall(rb"\x1b\[(\d+);1H", written)
    assert len(rows) < 24 * 100
    assert not re.search(rb"\x1b\[\?1049l.*\x1b\[\?1049h", written, re.DOTALL)


def test_no_colour_where_none_is_wanted(window: Begin) -> None:
    seen = window(80, 24, "demo", "tools", NO_COLOR="1")
    seen.until("connected", "● microphone")
    assert not re.search(r"\x1b\[[\d;]*3[0-7]", seen.text("-e"))
    seen.send("q")
    seen.until("EXIT=0")


@pytest.mark.parametrize(("options", "environment"), [(["--plain"], {}), ([], {"TERM": "dumb"})])
def test_lines_where_no_screen_is_wanted(window: Begin, options: list[str], environment: dict[str, str]) -> None:
    seen = window(80, 24, "demo", "tools", *options, **environment)
    seen.until("link   connected (set up)", "mic    you are speaking")
    assert not seen.other_page
    seen.send("C-c")
    seen.until("EXIT=130")


BROKEN = """
import trio
from pipeline import Outlet
from pipeline.messages import Captured

class Microphone:
    def __init__(self, captured: Outlet[Captured]):
        pass

    async def run(self):
        await trio.sleep(1)
        raise ValueError("out of tune")
"""


def test_a_program_that_gives_up_leaves_the_terminal_as_it_was(window: Begin, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    (tmp_path / "mine.toml").write_text('[actors.microphone]\nuse = "broken:Microphone"\n')
    seen = window(80, 24, "talk", "--backend", "local", "--config", "mine.toml", "--output", "out.wav")
    after = seen.until("EXIT=1", "microphone crashed 4 times")
    assert not seen.other_page
    assert "out of tune" in after
    seen.send("echo typed", "Enter")
    seen.until("echo typed")


def test_sigterm_ends_in_order(window: Begin) -> None:
    seen = window(80, 24, "demo", "tools")
    seen.until("connected", "q quit")
    seen.signal(signal.SIGTERM)
    seen.until("EXIT=0")
    assert not seen.other_page


STUCK = """
import time

class Stuck:
    def close(self):
        time.sleep(60)
"""


def test_a_program_that_hangs_at_its_end_gives_the_terminal_back(window: Begin, tmp_path: Path) -> None:
    (tmp_path / "stuck.py").write_text(STUCK)
    seen = window(80, 24, "demo", "tools", "--set", "state.stuck.use=stuck:Stuck")
    seen.until("connected", "q quit")
    seen.send("C-c")
    seen.until("EXIT=130")
    assert not seen.other_page
    seen.send("echo typed", "Enter")
    seen.until("echo typed")
