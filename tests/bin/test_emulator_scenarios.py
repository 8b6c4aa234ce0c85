"""`assistant emulator --scenario` and `--list-scenarios`, in front of the service."""

from pathlib import Path

import pytest

from actors.emulator.scenario import load, shipped
from bin import __main__ as front


def test_the_scenarios_are_listed_with_what_they_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert front.main(["emulator", "--list-scenarios"]) == 0
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) <= 80
    assert told.split() == [word for name in shipped() for word in (name, *load(name).shows.split())]


def test_a_bad_scenario_ends_with_two_and_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('shows = "x"\n[[step]]\non = "turn"\ndo = "close"\ncode = 1\n')
    assert front.main(["emulator", "--scenario", str(path)]) == 2
    error = capsys.readouterr().err
    assert f"{path}: step[1].code is 1; it must be a close code" in error
    assert error.count("\n") == 1
