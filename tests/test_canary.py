"""The search for leaked secrets finds them in every disguise, and fails a session that leaks."""

import base64
import os
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")

CLEAN = """
import os

def test_environment(tmp_path, canary):
    (tmp_path / "log.txt").write_text("nothing to see")
    (tmp_path / ".env").write_text(canary)  # made to hold secrets
    assert not {"GOOGLE_API_KEY", "GEMINI_API_KEY", "LMNR_PROJECT_API_KEY", "ASSISTANT_ACCESS_KEY"} & set(os.environ)
    assert os.environ["PATH"]
"""

LEAKING = """
import base64

def test_file(tmp_path, canary):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "trace.jsonl").write_bytes(base64.b64encode(b"token=" + canary.encode() + b"&more"))

def test_output(canary):
    print(canary)
"""


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder outside this session's artefacts, because what is written into it is meant to leak."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def run_session(folder: Path, tests: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `tests` beside a copy of our conftest.py, in a session of their own."""
    (folder / "conftest.py").write_bytes(CONFTEST.read_bytes())
    (folder / "test_it.py").write_text(tests)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--basetemp",
        str(folder / "made"),
        str(folder),
    ]
    around = os.environ | environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=folder, env=around, capture_output=True, text=True, check=False)


def disguised(canary: str) -> dict[str, bytes]:
    """Returns the canary as it could get into a log, once for each way."""
    secret = canary.encode()
    found = {"plain": b"key=" + secret + b";", "url": b"?key=" + urllib.parse.quote(canary, safe="").encode() + b"&"}
    for before in range(4):
        for behind in range(3):
            text = b"\xff" * before + secret + b"\xff" * behind
            found[f"base64 {before} {behind}"] = base64.standard_b64encode(text)
            found[f"base64 for URLs {before} {behind}"] = base64.urlsafe_b64encode(text)
    return found


def test_every_disguise_is_found(canary: str, request: pytest.FixtureRequest) -> None:
    plugin = request.config.pluginmanager.get_plugin(str(CONFTEST))
    assert plugin is not None
    missed = [name for name, data in disguised(canary).items() if not plugin.holds_canary(data)]
    assert missed == []
    assert not plugin.holds_canary(base64.b64encode(os.urandom(4096)))


def test_a_leaking_session_fails(elsewhere: Path) -> None:
    ended = run_session(elsewhere, LEAKING)
    assert ended.returncode == 1
    assert "1 failed, 2 passed" in ended.stdout
    assert "test_it.py::test_output" in ended.stdout
    assert "trace.jsonl" in ended.stdout


def test_a_clean_session_passes_and_sees_no_keys(elsewhere: Path) -> None:
    keys = dict.fromkeys(("GOOGLE_API_KEY", "GEMINI_API_KEY", "LMNR_PROJECT_API_KEY", "ASSISTANT_ACCESS_KEY"), "x")
    ended = run_session(elsewhere, CLEAN, **keys)
    assert ended.returncode == 0, ended.stdout
