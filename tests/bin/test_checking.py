"""A conversation is checked whole before anything is opened, and what it finds on the disk is left as it is."""

import argparse
import sys
from pathlib import Path

import pytest

from bin import checking, talk
from bin.arrange import arrange
from bin.checking import check_whole
from bin.options import parser
from pipeline.errors import PlanError
from pipeline.wiring import Graph

TOOLS = '''
from pathlib import Path
from tools import tool

with Path("runs.txt").open("a") as runs:
    runs.write("ran")

@tool
def get_tide(harbour: str) -> str:
    """Tells the tide."""
    return harbour
'''


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with files in it, and a home of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name in ("in.wav", "precious.wav"):
        (tmp_path / name).write_bytes(b"precious")
    (tmp_path / "link.wav").symlink_to("in.wav")
    (tmp_path / "twin.wav").hardlink_to(tmp_path / "in.wav")
    (tmp_path / "my_tools.py").write_text(TOOLS)
    (tmp_path / "my.toml").write_text("")
    return tmp_path


def options(words: str) -> argparse.Namespace:
    return parser().parse_args(["talk", *words.split()])


def checked(words: str) -> Graph:
    given = options(words)
    return check_whole(arrange(given), vars(given))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--set live.temprature=1", "temprature"),
        ("--set live.temperature=3", "live.temperature"),
        ("--set live.thinking_config.thinking_level=LOW", "thinking_config"),
        ('--set tools.use=["nope.py"]', "nope.py"),
        ('--set tools.use=["tools.nope"]', "tools.nope"),
        ("--set live.http_options.base_url=ws://me:pw@far", "user name"),
        ("--set actors.vad.threshold=2", "actors.vad.threshold"),
    ],
)
def test_a_mistake_is_found_before_anything_is_made(words: str, named: str, elsewhere: Path) -> None:
    before = {path: path.read_bytes() for path in elsewhere.iterdir() if path.is_file()}
    with pytest.raises(PlanError, match=named):
        checked(f"--input in.wav --output precious.wav --record monday --events log.jsonl {words}")
    after = {path: path.read_bytes() for path in elsewhere.iterdir() if path.is_file()}
    assert after == before
    assert not (elsewhere / "monday").exists()


async def test_talk_checks_before_it_listens(elsewhere: Path) -> None:
    given = options("--input in.wav --output precious.wav --events log.jsonl --record monday --set live.temprature=1")
    with pytest.raises(PlanError):
        async with talk.listened(arrange(given), given):
            pytest.fail("it listens")
    assert not (elsewhere / "log.jsonl").exists()
    assert not (elsewhere / "monday").exists()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--input in.wav --output in.wav", ("--input", "--output")),
        ("--input in.wav --output ./in.wav", ("--input", "--output")),
        ("--input in.wav --output link.wav", ("--input", "--output")),
        ("--input in.wav --output twin.wav", ("--input", "--output")),
        ("--output new.wav --events new.wav", ("--output", "--events")),
        ("--input in.wav --events in.wav", ("--input", "--events")),
        ("--events e.jsonl --trace e.jsonl", ("--events", "--trace")),
        ("--trace e.jsonl --metrics ./e.jsonl", ("--trace", "--metrics")),
        ("--events e.jsonl --set telemetry.metrics=e.jsonl", ("--events", "telemetry.metrics")),
        ("--events e.jsonl --set telemetry.log=json --set telemetry.log_file=e.jsonl", ("--events", "log_file")),
        ("--config my.toml --output my.toml", ("my.toml", "--output")),
    ],
)
def test_no_file_is_two_things(words: str, named: tuple[str, str]) -> None:
    with pytest.raises(PlanError, match="are the same file") as refused:
        checked(words)
    assert [word for word in named if word not in str(refused.value)] == []


@pytest.mark.parametrize("secret", [True, False])
def test_a_setup_with_the_key_in_it_is_not_remembered(
    secret: bool, monkeypatch: pytest.MonkeyPatch, canary: str
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", canary)
    prompt = canary if secret else "kind"
    given = options(f"--set live.system_instruction={prompt}")
    arrangement = arrange(given)
    check_whole(arrangement, vars(given))
    cache = Path(arrangement.plan.table("actors", "connection")["cache"])
    assert cache.exists() != secret


@pytest.mark.parametrize(
    "words",
    [
        "--input in.wav --output precious.wav --events e.jsonl --trace t.jsonl --metrics m.txt",
        "--events /dev/null --trace /dev/null",
        "--events e.jsonl --metrics m.txt --set telemetry.metrics=e.jsonl",  # which the option replaces
    ],
)
def test_different_files_are_fine(words: str) -> None:
    assert checked(words).nodes


def test_a_file_of_tools_runs_once_for_the_check_and_the_conversation(elsewhere: Path) -> None:
    words = '--set tools.use=["my_tools.py"]'
    assert checked(words).nodes
    plan = arrange(options(words)).plan
    for runs in (1, 2):  # and again for a second conversation, which shares nothing with the first
        assert "get_tide" in str(checking.planned(plan).declarations())
        assert (elsewhere / "runs.txt").read_text("utf-8").count("ran") == runs
    del sys.modules["tools_of_my_tools"]


OWN_LINK = """
from actors.live.link import Link, Report
from pipeline import Inlet, Outlet
from pipeline.messages import CallNews, Reply, ReplyControl

class Silent:
    def __init__(self, reports: Inlet[Report], uplink: Outlet[Link], downlink: Outlet[Link], reply: Outlet[Reply],
                 control: Outlet[ReplyControl], calls: Outlet[CallNews]):
        pass

    async def run(self):
        pass
"""


def test_a_connection_of_the_users_own_may_understand_live_as_it_likes(elsewhere: Path) -> None:
    (elsewhere / "own_link.py").write_text(OWN_LINK)
    (elsewhere / "own.toml").write_text('[live]\nmood = "fine"\n[actors.connection]\nuse = "own_link:Silent"\n')
    assert checked("--config own.toml").nodes["connection"].made.__name__ == "Silent"
