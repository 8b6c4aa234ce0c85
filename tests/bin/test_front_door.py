"""How a command's end becomes an exit code and at most one sentence."""

import argparse
import errno
import io
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from bin import __main__ as front
from pipeline.errors import AssistantError, BadRecording, DeviceUnavailable, Fatal, GaveUp, PlanError, Refused

Run = Callable[[BaseException | int], int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Gives `run(end)`: the program with a command `plan` that ends in this way."""
    monkeypatch.chdir(tmp_path)

    def run(end: BaseException | int) -> int:
        def main(_options: argparse.Namespace) -> int:
            if isinstance(end, int):
                return end
            raise end

        command = types.ModuleType("bin.plan")
        monkeypatch.setattr(command, "main", main, raising=False)
        monkeypatch.setitem(sys.modules, "bin.plan", command)
        return front.main(["plan"])

    return run


@pytest.mark.parametrize("code", [0, 1, 130])
def test_a_commands_code_is_the_programs(code: int, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(code) == code
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (PlanError("my.toml: actors.x is unknown"), 2, "my.toml: actors.x is unknown"),
        (BadRecording("a.wav is empty"), 2, "a.wav is empty"),
        (Refused("the key is wrong"), 1, "the key is wrong"),
        (Fatal("no microphone"), 1, "no microphone"),
        (DeviceUnavailable("lost"), 1, "lost"),
        (AssistantError("in\n  two lines"), 1, "in two lines"),
        (GaveUp("vad", 4, 30.0, ValueError("no")), 1, "vad crashed 4 times within 30 s and was not started again; "),
        (ExceptionGroup("", [ExceptionGroup("", [PlanError("deep")])]), 2, "deep"),
        (ExceptionGroup("", [Refused("first"), Fatal("second")]), 1, "first"),
    ],
)
def test_an_error_meant_for_people_is_one_sentence(
    error: Exception, code: int, sentence: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(error) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"assistant: {sentence}")
    assert told.err.count("\n") == 1


@pytest.mark.parametrize(
    "end", [KeyboardInterrupt(), BaseExceptionGroup("", [BaseExceptionGroup("", [KeyboardInterrupt()])])]
)
def test_ctrl_c_is_130_however_it_comes(end: BaseException, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(end) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("end", [BrokenPipeError(), ExceptionGroup("", [ExceptionGroup("", [BrokenPipeError()])])])
def test_a_reader_that_has_left_ends_it_quietly(
    end: Exception, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert run(end) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("end", [OSError(errno.ENOSPC, "x"), ExceptionGroup("", [OSError(errno.ENOSPC, "x")])])
def test_a_full_disk_is_one_sentence(end: Exception, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(end) == 1
    assert capsys.readouterr().err == "assistant: cannot write what it has to say: the disk is full; free some space\n"


def test_without_a_working_folder_it_says_so(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert run(0) == 1
    assert "working folder is gone" in capsys.readouterr().err


@pytest.mark.parametrize("bug", [ValueError("a bug"), ExceptionGroup("", [ValueError("a bug"), Fatal("and more")])])
def test_a_bug_is_no_sentence_but_itself(bug: Exception, run: Run) -> None:
    with pytest.raises(type(bug)) as raised:
        run(bug)
    assert repr(raised.value) == repr(bug)


def test_the_key_is_in_no_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, canary: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", canary)
    assert run(Refused(f"the service answered 400: bad key {canary}")) == 1
    assert canary not in (err := capsys.readouterr().err)
    assert "bad key [secret]" in err


def test_an_unreadable_env_is_told_instead(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_bytes(b"\xff")
    assert run(Fatal("whatever")) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_bad_usage_is_2() -> None:
    with pytest.raises(SystemExit) as ended:
        front.main(["nonsense"])
    assert ended.value.code == 2
