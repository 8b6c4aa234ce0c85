"""`report` and `replay` at the command line: what they print, where it goes, and one sentence for what is wrong."""

import json
from pathlib import Path

import pytest

from bin.__main__ import main


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """A recording without sound."""
    folder = tmp_path / "tape"
    folder.mkdir()
    (folder / "versions.json").write_text('{"format": 1, "content": "transcripts"}')
    (folder / "frames.jsonl").write_text('{"t": 1.0, "way": "end", "lost": 0}\n')
    return folder


def test_a_report_goes_into_the_folder_or_where_it_is_told(
    tape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tape)]) == 0
    assert capsys.readouterr().out == f"{tape / 'report.html'}\n"
    assert (tape / "report.html").read_text().startswith("<!doctype html>")
    assert main(["report", str(tape), "--output", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").exists()


def test_a_page_that_cannot_be_written_is_said(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tape), "--output", str(tape / "no" / "page.html")]) == 1
    assert "cannot write the page" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["report", "replay"])
def test_what_is_no_recording_is_named(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, str(tmp_path / "nowhere")]) == 2
    assert "there is no such folder; name one that --record has made" in capsys.readouterr().err
    assert main([command, str(tmp_path)]) == 2
    assert "is no recording" in capsys.readouterr().err
    (tmp_path / "versions.json").write_text(json.dumps({"format": 2}))
    assert main([command, str(tmp_path)]) == 2
    assert "update the assistant" in capsys.readouterr().err


def test_a_recording_without_sound_cannot_be_replayed(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tape)]) == 2
    assert "[telemetry] content = 'transcripts'" in capsys.readouterr().err
    (tape / "versions.json").write_text('{"format": 1, "content": "full"}')
    assert main(["replay", str(tape)]) == 2
    assert "cannot be replayed: there is no connection in it" in capsys.readouterr().err


@pytest.mark.parametrize("milliseconds", ["0", "-1", "much", "nan"])
def test_a_tolerance_is_milliseconds(tape: Path, milliseconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["replay", str(tape), "--tolerance", milliseconds])
    assert "write one above 0" in capsys.readouterr().err


def test_a_plan_that_is_wrong_leaves_no_folder_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    words = ["talk", "--backend", "local", "--record", str(tmp_path / "new"), "--set", "actors.vad.colour=1"]
    assert main(words) == 2
    assert "actors.vad.colour is unknown" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("place", "name"), [(".", "strange:Budget"), ("..", "tape.strange:Budget")])
def test_code_in_a_recording_is_not_run(
    tape: Path, place: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = [
        {"t": 0.0, "way": "dial"},
        {"t": 0.1, "way": "mic", "at": 0.0, "position": 0, "audio": {"file": "microphone.pcm", "at": 0, "bytes": 2}},
        {"t": 1.0, "way": "end"},
    ]
    (tape / "versions.json").write_text('{"format": 1, "content": "full"}')
    (tape / "frames.jsonl").write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    (tape / "microphone.pcm").write_bytes(bytes(2))
    (tape / "plan.toml").write_text(f'[actors.budget]\nuse = "{name}"\n')
    (tape / "strange.py").write_text("raise SystemExit('it was run')")
    monkeypatch.chdir(tape / place)
    assert main(["replay", str(tape)]) == 2
    assert "code in the recording itself" in capsys.readouterr().err
