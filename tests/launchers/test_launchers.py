"""The launcher works from anywhere, costs little, and says in one sentence what is in its way."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.launchers.conftest import House


def test_first_use_makes_the_environment_and_says_so_in_one_line(house: House) -> None:
    house.give_uv()
    code, output, said = house.run(house.root / "bin" / "assistant")
    assert (code, json.loads(output)["arguments"]) == (0, [])
    assert said == ["assistant: making .venv from requirements.lock with uv (once, about ten seconds)."]
    assert house.left_behind() == {".venv"}
    assert "--require-hashes" in house.calls[1]


def test_second_use_makes_nothing(furnished: House) -> None:
    before = furnished.calls
    assert furnished.run(furnished.root / "bin" / "assistant")[2] == []
    assert furnished.calls == before


def test_it_works_from_another_folder_whose_tools_do_not_count(furnished: House, tmp_path: Path) -> None:
    folder = tmp_path / "else where"
    (folder / "tools").mkdir(parents=True)
    (folder / "tools" / "__init__.py").write_text("raise SystemExit('the wrong tools')")
    code, output, _ = furnished.run(furnished.root / "bin" / "assistant", "a b", "$x", "", folder=folder)
    seen = json.loads(output)
    assert (code, seen["arguments"]) == (3, ["a b", "$x", ""])
    assert seen["folder"] == str(folder)
    assert seen["tools"] == str(furnished.root / "tools" / "__init__.py")


def test_it_works_through_symbolic_links(furnished: House, tmp_path: Path) -> None:
    shelf = tmp_path / "a shelf"
    shelf.mkdir()
    (shelf / "absolute").symlink_to(furnished.root / "bin" / "assistant")
    (shelf / "relative").symlink_to("../my house/bin/assistant")
    (shelf / "chain").symlink_to("relative")
    (tmp_path / "folder").symlink_to(furnished.root)
    for started in (shelf / "absolute", shelf / "relative", "./chain", tmp_path / "folder" / "bin" / "assistant"):
        code, output, _ = furnished.run(started, folder=shelf)
        assert (code, json.loads(output)["tools"]) == (0, str(furnished.root / "tools" / "__init__.py"))


def test_it_is_found_on_the_path(furnished: House) -> None:
    path = f"{furnished.root / 'bin'}:{furnished.environment['PATH']}"
    assert furnished.run("/bin/sh", "-c", "assistant x", PATH=path)[0] == 1
    assert furnished.run("/bin/sh", "assistant", "x", folder=furnished.root / "bin")[0] == 1


def test_the_users_own_import_path_is_kept(furnished: House, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("")
    (furnished.root / "bin" / "__main__.py").write_text("import mine, tools")
    assert furnished.run(furnished.root / "bin" / "assistant", PYTHONPATH=str(tmp_path))[0] == 0


def test_without_python_it_says_what_to_install(house: House) -> None:
    house.install("python3", "#!/bin/sh\nexit 1\n")  # one that is too old says no
    code, _, said = house.run(house.root / "bin" / "assistant")
    assert (code, len(said)) == (1, 1)
    assert "no Python 3.11 or later found" in said[0]
    assert house.left_behind() == set()


def test_without_uv_it_takes_python_and_pip(house: House) -> None:
    house.install("python3", "#!/bin/sh\nexit 1\n")
    house.give_python("python3.12")
    code, output, said = house.run(house.root / "bin" / "assistant")
    assert (code, json.loads(output)["arguments"], len(said)) == (0, [], 1)
    assert "python3.12 and pip" in said[0]
    assert any("pip install" in call and "--require-hashes" in call for call in house.calls)


def test_when_uv_fails_pip_is_tried(house: House) -> None:
    house.give_uv()
    house.give_python("python3.11")
    code, _, said = house.run(house.root / "bin" / "assistant", UV_FAILS="no such index")
    assert (code, len(said)) == (0, 2)
    assert house.left_behind() == {".venv"}


@pytest.mark.parametrize(
    "complaint", ["Failed to build `pocketsphinx==5.1.1`", "pocketsphinx has no wheels with a matching Python ABI tag"]
)
def test_where_a_package_has_no_build_for_this_python_uv_fetches_one_that_has(house: House, complaint: str) -> None:
    house.give_uv()
    house.give_python("python3.14")
    code, _, said = house.run(house.root / "bin" / "assistant", UV_FAILS=complaint, UV_FETCHES="yes")
    assert (code, len(said)) == (0, 2)
    assert "no ready-made build for python3.14; uv fetches Python 3.13" in said[1]
    assert [call.split()[4] for call in house.calls if "uv venv" in call] == ["--python", "--python"]
    assert not any("pip install --quiet --no-input" in call for call in house.calls)


def test_where_uv_can_fetch_none_either_pip_is_tried_and_the_sentence_says_what_to_install(house: House) -> None:
    house.give_uv()
    house.give_python("python3.14")
    complaint = "error: failed building wheel for pocketsphinx"
    code, _, said = house.run(house.root / "bin" / "assistant", UV_FAILS=complaint, PIP_FAILS=complaint)
    assert (code, len(said)) == (1, 4)
    assert "Python 3.13 or 3.11" in said[-1]


def test_an_index_meant_for_pip_is_meant_for_uv(house: House) -> None:
    house.give_uv(says="$UV_DEFAULT_INDEX")
    house.run(house.root / "bin" / "assistant", PIP_INDEX_URL="http://index.invalid/simple")
    assert house.calls[0] == "uv http://index.invalid/simple"


@pytest.mark.parametrize(
    ("complaint", "sentence"),
    [
        ("Failed to establish a new connection: Name or service not known", "cannot be reached"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES; hash mismatch", "not the one requirements.lock names"),
        ("[Errno 28] No space left on device", "disk is full"),
        ("error: failed building wheel for pocketsphinx", "Python 3.13 or 3.11"),
        ("ensurepip is not available", "apt install python3-venv"),
        ("a riddle", "the installation failed"),
    ],
)
def test_a_failed_installation_is_one_sentence_and_leaves_nothing(house: House, complaint: str, sentence: str) -> None:
    house.give_python("python3.13")
    code, output, said = house.run(house.root / "bin" / "assistant", PIP_FAILS=complaint)
    assert (code, output, len(said)) == (1, "", 2)
    assert sentence in said[1]
    log = Path(said[1].split("details in ")[1].removesuffix(")."))
    assert complaint in log.read_text()
    assert house.left_behind() == {log.name}


def least_worked(command: Sequence[str | Path], environment: dict[str, str]) -> float:
    """The seconds of a core's work that a command takes, the least of a few: what other programs do does not count."""
    taken = []
    for _ in range(15):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken)


def test_the_launcher_costs_less_than_fifty_milliseconds(
    furnished: House, record_property: Callable[[str, object], None]
) -> None:
    (furnished.root / "bin" / "__main__.py").write_text("")
    around = furnished.environment | {"PYTHONPATH": str(furnished.root)}
    bare = least_worked([furnished.venv / "bin" / "python", "-P", "-m", "bin"], around)
    whole = least_worked([furnished.root / "bin" / "assistant"], around)
    record_property("launcher_ms", round((whole - bare) * 1000, 1))
    print(f"bare python {bare * 1000:.1f} ms, launcher {whole * 1000:.1f} ms")  # noqa: T201
    assert whole - bare < 0.05


def test_the_real_lock_makes_a_real_environment(tmp_path: Path, root: Path, real_part: Callable[[str], str]) -> None:
    real_part("registry")
    shutil.copytree(root / "bin", tmp_path / "bin")
    shutil.copy2(root / "requirements.lock", tmp_path)
    (tmp_path / "bin" / "__main__.py").write_text("import trio, numpy, pytest; print('complete')")
    ended = subprocess.run([tmp_path / "bin" / "assistant"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "complete\n"), ended.stderr
