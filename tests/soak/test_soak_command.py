"""`assistant soak` from outside: its options, its verdict, its exit codes, and Ctrl-C."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bin import soak
from bin.options import parser


def command(root: Path, *words: str) -> dict[str, Any]:
    return {"args": [sys.executable, "-P", "-m", "bin", "soak", *words], "env": {"PYTHONPATH": str(root), "PATH": ""}}


def test_its_options() -> None:
    fresh = parser().parse_args(["soak"])
    assert (fresh.hours, fresh.seed, fresh.faults, fresh.clock) == (1.0, 1, "network", "virtual")
    words = "soak --hours 0.5 --seed 9 --faults all --clock real --fixtures f --report r --processes 2 --set a=1"
    given = parser().parse_args(words.split())
    assert (given.hours, given.seed, given.faults, given.clock) == (0.5, 9, "all", "real")
    assert (given.fixtures, given.report, given.processes, given.set) == ("f", "r", 2, ["a=1"])


@pytest.mark.parametrize(
    "words", ["--hours 0", "--hours -1", "--hours nan", "--faults some", "--seed x", "--clock sun"]
)
def test_bad_usage_ends_with_2(words: str) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["soak", *words.split()])
    assert ended.value.code == 2


def test_a_users_own_folder_in_two_processes_passes_with_0(root: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    voice = np.sin(np.arange(32000) / 9) * np.sin(np.arange(32000) / 900) * 0.4
    soundfile.write(own / "hum.wav", np.concatenate([np.zeros(8000), voice, np.zeros(8000)]), 16000)
    words = ["--hours", "0.01", "--faults", "none", "--processes", "2", "--fixtures", str(own)]
    done = subprocess.run(
        **command(root, *words, "--report", str(tmp_path / "r")),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"soak passed: .* seed 1 digest [0-9a-f]{16}, seed 2 digest", done.stdout)
    found = json.loads((tmp_path / "r" / "summary.json").read_text())
    assert found["passed"]
    assert len(found["runs"]) == 2
    assert (tmp_path / "r" / "report.html").stat().st_size > 5000


def test_an_empty_folder_is_bad_usage(root: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        **command(root, "--fixtures", str(tmp_path)), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "found 0 recordings with speech" in done.stderr


@pytest.mark.parametrize("processes", ["1", "2"])
def test_ctrl_c_reports_so_far_and_ends_with_130(root: Path, tmp_path: Path, processes: str) -> None:
    words = ["--hours", "50", "--faults", "none", "--processes", processes, "--report", str(tmp_path / "r")]
    running = subprocess.Popen(
        **command(root, *words),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    try:
        assert running.stderr is not None
        assert "of 50 h" in running.stderr.readline()
        signal_group(running)
        out, _ = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 130
    assert "soak broken off: " in out
    assert (tmp_path / "r" / "report.html").is_file()


def test_its_processes_end_with_it_when_it_is_killed(root: Path, tmp_path: Path) -> None:
    words = ["--hours", "50", "--faults", "none", "--processes", "2", "--report", str(tmp_path / "r")]
    with subprocess.Popen(**command(root, *words), cwd=tmp_path, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert "of 50 h" in running.stderr.readline()
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        assert len(children) >= 2
        running.kill()
    deadline = time.monotonic() + 30
    while alive := [child for child in children if _runs(child)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.05)


def _runs(process: str) -> bool:
    """Whether a process has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_progress_is_a_bar_on_a_terminal_and_a_line_now_and_then_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 60.0, 60.1, 120.0])
    monkeypatch.setattr(soak.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(soak.sys.stderr, "isatty", lambda: True, raising=False)
    told = soak._progress(2.0)
    told(0.25, 3, 0)
    told(0.26, 3, 0)  # too soon after the last
    told(1.0, 12, 1)
    bars, end, rest = capsys.readouterr().err.partition("\n")
    first, last = bars.split("\r")[1:]
    assert first == f"[{'#' * 8:<30}] 0.50 of 2 h, 3 faults, 0 failures, 3 min left  "
    assert last == f"[{'#' * 30}] 2.00 of 2 h, 12 faults, 1 failures, 0 min left  "
    assert (end, rest) == ("\n", "")
    clock = iter([0.0, 60.0, 60.1, 120.0])
    monkeypatch.setattr(soak.sys.stderr, "isatty", lambda: False, raising=False)
    told = soak._progress(2.0)
    told(0.25, 3, 0)
    told(0.26, 3, 0)
    assert capsys.readouterr().err == "soak: 0.50 of 2 h, 3 faults, 0 failures, 3 min left\n"


def test_a_folder_of_speech_with_the_fewest_labels_that_do_passes(root: Path, recordings: Path, tmp_path: Path) -> None:
    own = tmp_path / "my own"
    own.mkdir()
    rows = []
    for name, text, start, end in (
        ("hello.wav", "hello", 400, 1072),
        ("time-tokyo.flac", "what time is it", 400, 2233),
    ):
        shutil.copy(recordings / name, own)
        rows.append(f'[[recording]]\nfile = "{name}"\ntext = "{text}"\nstart_ms = {start}\nend_ms = {end}\n')
    (own / "labels.toml").write_text("\n".join(rows))
    for seed, labelled in ((1, True), (2, True), (1, False)):
        if not labelled:  # then nobody knows what is to be answered, and the end waits for whatever comes
            (own / "labels.toml").unlink()
        words = ["--hours", "0.015", "--seed", str(seed), "--faults", "none", "--fixtures", str(own)]
        done = subprocess.run(
            **command(root, *words, "--report", str(tmp_path / "r")),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found = json.loads((tmp_path / "r" / "summary.json").read_text())
        assert found["verdicts"]["turn endings"]["checks"] >= 3
        assert bool(found["verdicts"]["mute"]["checks"]) is labelled


def test_a_minute_of_real_time_over_real_sockets_passes(root: Path, recordings: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    shutil.copy(recordings / "hello.wav", own)
    label = '[[recording]]\nfile = "hello.wav"\ntext = "hello"\nstart_ms = 400\nend_ms = 1072\n'
    (own / "labels.toml").write_text(label)
    words = ["--hours", "0.004", "--faults", "none", "--clock", "real", "--fixtures", str(own)]
    done = subprocess.run(
        **command(root, *words, "--report", str(tmp_path / "r")),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "r" / "summary.json").read_text())
    assert found["verdicts"]["mute"]["checks"] >= 2
    assert found["verdicts"]["clock drift"]["checks"] == 1


def signal_group(process: "subprocess.Popen[str]") -> None:
    """Presses Ctrl-C, which reaches every process of the group."""
    os.killpg(process.pid, signal.SIGINT)
