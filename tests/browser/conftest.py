"""The driver for Chromium, installed by npm once for each state of its lock file."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session", autouse=True)
def driver(real_part: Callable[[str], str]) -> None:
    """Puts in place what package.json names; skips where that cannot be, and fails where real parts are required."""
    real_part("node")
    real_part("chromium")
    mark = HERE / "node_modules" / ".installed"
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    if mark.exists() and mark.read_text("utf-8") == lock:
        return
    if (npm := shutil.which("npm")) is None:
        give_up("npm is missing: apt install npm")
        return
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        give_up(f"`npm ci` in {HERE} did not install the browser's driver: {done.stderr.strip()[-300:]}")
    mark.write_text(lock, "utf-8")


def give_up(reason: str) -> None:
    """Fails where real parts are required, skips elsewhere."""
    if os.environ.get("REAL_PARTS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)
