"""The environment is made once and whole, whatever happens while it is made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.launchers.conftest import House


def test_a_half_made_environment_is_made_again(house: House) -> None:
    house.give_uv()
    (house.venv / "bin").mkdir(parents=True)
    (house.venv / "rubbish").touch()
    (house.venv / "bin" / "python").symlink_to(sys.executable)
    assert house.run(house.root / "bin" / "assistant")[0] == 0
    assert not (house.venv / "rubbish").exists()


def spoil_lock(house: House) -> None:
    (house.root / "requirements.lock").write_text("attrs==2\n")


def spoil_python(house: House) -> None:
    (house.venv / "bin" / "python").unlink()
    (house.venv / "bin" / "python").symlink_to("/nowhere/python")


def spoil_place(house: House) -> None:
    house.root = house.root.rename(house.root.with_name("moved house"))


@pytest.mark.parametrize("spoil", [spoil_lock, spoil_python, spoil_place])
def test_it_is_made_again_when_it_no_longer_fits(furnished: House, spoil: Callable[[House], None]) -> None:
    spoil(furnished)
    (furnished.venv / "rubbish").touch()
    assert len(furnished.run(furnished.root / "bin" / "assistant")[2]) == 1
    assert not (furnished.venv / "rubbish").exists()
    assert furnished.left_behind() == {".venv"}
    assert furnished.run(furnished.root / "bin" / "assistant")[2] == []


def test_a_failed_update_leaves_the_old_environment(furnished: House) -> None:
    lock = furnished.root / "requirements.lock"
    lock.write_text("attrs==2\n")
    assert furnished.run(furnished.root / "bin" / "assistant", UV_FAILS="connection refused")[0] == 1
    lock.write_text("attrs==1\n")
    assert furnished.run(furnished.root / "bin" / "assistant", UV_FAILS="still no network")[::2] == (0, [])


def pipes(folder: Path) -> tuple[Path, Path]:
    """Makes two named pipes: through the first the stand-in says that it is at work, and on the second it waits."""
    ready, go = folder / "ready", folder / "go"
    os.mkfifo(ready)
    os.mkfifo(go)
    return ready, go


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupted_making_leaves_nothing(house: House, tmp_path: Path, number: signal.Signals, code: int) -> None:
    house.give_uv()
    ready, go = pipes(tmp_path)
    process = house.start(house.root / "bin" / "assistant", READY=str(ready), GO=str(go))
    assert ready.read_text() == "ready\n"
    assert house.left_behind() > {".venv", ".venv.claim"}
    os.killpg(process.pid, number)
    process.communicate(timeout=60)
    assert process.returncode == code
    assert house.left_behind() == set()


def test_an_interrupted_update_leaves_the_old_environment(furnished: House, tmp_path: Path) -> None:
    spoil_lock(furnished)
    (furnished.venv / "old").touch()
    ready, go = pipes(tmp_path)
    process = furnished.start(furnished.root / "bin" / "assistant", READY=str(ready), GO=str(go))
    assert ready.read_text() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert furnished.left_behind() == {".venv"}
    assert (furnished.venv / "old").exists()


def test_a_killed_making_is_taken_over(house: House, tmp_path: Path) -> None:
    house.give_uv()
    ready, go = pipes(tmp_path)
    process = house.start(house.root / "bin" / "assistant", READY=str(ready), GO=str(go))
    assert ready.read_text() == "ready\n"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert (house.root / ".venv.claim").is_symlink()
    assert house.run(house.root / "bin" / "assistant")[0] == 0
    assert not (house.root / ".venv.claim").is_symlink()


def test_of_two_started_at_once_one_makes_and_one_waits(house: House, tmp_path: Path) -> None:
    house.give_uv()
    ready, go = pipes(tmp_path)
    first = house.start(house.root / "bin" / "assistant", READY=str(ready), GO=str(go))
    assert ready.read_text() == "ready\n"
    second = house.start(house.root / "bin" / "assistant")
    assert second.stderr is not None
    assert f"waiting for process {first.pid}, which is making .venv" in second.stderr.readline()
    go.write_text("go\n")
    for process in (first, second):
        assert "arguments" in process.communicate(timeout=60)[0]
        assert process.returncode == 0
    assert len([call for call in house.calls if call.startswith("uv venv")]) == 1


def test_many_started_at_once_after_a_killed_making_all_work(house: House) -> None:
    house.give_uv()
    gone = subprocess.Popen(["true"])
    gone.wait()
    (house.root / ".venv.claim").symlink_to(str(gone.pid))
    started = [house.start(house.root / "bin" / "assistant") for _ in range(8)]
    assert all("arguments" in process.communicate(timeout=60)[0] for process in started)
    assert len([call for call in house.calls if call.startswith("uv venv")]) == 1
    assert house.left_behind() == {".venv"}


def test_a_folder_that_cannot_be_written_is_one_sentence(house: House) -> None:
    (house.machine / "ln").unlink()
    house.install("ln", "#!/bin/sh\nexit 1\n")
    house.give_uv()
    code, _, said = house.run(house.root / "bin" / "assistant")
    assert (code, len(said)) == (1, 1)
    assert "write access" in said[0]
