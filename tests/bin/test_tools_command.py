"""`assistant tools`: lists and runs tools, those of MCP servers too; stdout holds JSON and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MINE = '''
from pipeline.errors import ToolFailed
from tools import tool

@tool(confirm=True)
def talk_much(word: str) -> str:
    """Prints, and answers."""
    print("something for nobody")
    return word

@tool
def refuse() -> str:
    """Fails on purpose."""
    raise ToolFailed("not today")

@tool
def stumble() -> str:
    """Fails by mistake."""
    return {}["nothing"]

@tool(timeout=0.2)
async def hang() -> None:
    """Never answers."""
    import trio
    await trio.sleep_forever()
'''


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "bin", "tools", "--set", 'tools.use=["tools.clock", "mine.py"]', *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def test_a_result_is_json_alone_on_stdout(folder: Path) -> None:
    done = run(folder, "call", "talk_much", '{"word": "hi"}')
    assert (done.returncode, json.loads(done.stdout)) == (0, {"result": "hi"})
    assert done.stderr == "something for nobody\n"


ERRORS = {
    ("refuse", "{}"): "not today",
    ("stumble", "{}"): "KeyError: 'nothing'",
    ("hang", "{}"): "hang did not answer within 0.2 s",
    ("talk_much", "{"): "are not JSON",
    ("talk_much", "{}"): "word is missing",
    ("nothing", "{}"): "there is no tool called 'nothing'; there are get_time, set_timer, talk_much",
}


@pytest.mark.parametrize("call", ERRORS, ids=" ".join)
def test_an_error_is_one_sentence_on_stderr(folder: Path, call: tuple[str, str]) -> None:
    done = run(folder, "call", *call)
    assert (done.returncode, done.stdout) == (1, "")
    assert ERRORS[call] in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_name_is_needed(folder: Path) -> None:
    assert run(folder, "call").returncode == 2


def test_tools_of_servers_are_listed_and_run_and_a_missing_one_is_told(folder: Path) -> None:
    server = str(ROOT / "tests" / "tools" / "mcp_server.py")
    config = folder / "my.toml"
    config.write_text(f"[tools.mcp.shop]\ncommand = {json.dumps([sys.executable, server])}\n")
    done = run(folder, "--config", str(config), "call", "shop_add", '{"a": 40}')
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, {"result": 42}, "")
    listed = json.loads(run(folder, "--config", str(config)).stdout)
    assert "shop_add" in [each["name"] for each in listed[0]["functionDeclarations"]]
