"""bin/test runs every stage, pytest last, and hands its arguments to pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.launchers.conftest import House

STAGES = ["ruff check", "ruff format", "mypy", "flake8_async", "pytest"]


def stages_run(house: House) -> list[str]:
    """Returns which of the stages were asked of the stand-in Python, each once, in order."""
    asked = [stage for call in house.calls for stage in STAGES if f"-m {stage}" in call]
    return list(dict.fromkeys(asked))


def test_the_tests_run_every_stage_with_pytest_last(house: House) -> None:
    house.give_python("python3.13")
    code, output, _ = house.run(house.root / "bin" / "test")
    assert code == 0
    assert sorted(stages_run(house)) == sorted(STAGES)
    assert stages_run(house)[-1] == "pytest"
    assert [line.split()[:2] for line in output.splitlines()[:4]] == [
        ["lint", "ok"],
        ["format", "ok"],
        ["types", "ok"],
        ["async", "ok"],
    ]


@pytest.mark.parametrize("stage", STAGES)
def test_any_failing_stage_fails_the_tests(house: House, stage: str) -> None:
    house.give_python("python3.13")
    code, output, _ = house.run(house.root / "bin" / "test", STAGE_FAILS=stage)
    assert code == 1
    assert f"{stage} is unhappy" in output
    assert stages_run(house)[-1] == "pytest"


def test_tests_that_fail_are_tried_once_more_and_no_others(house: House) -> None:
    house.give_python("python3.13")
    house.run(house.root / "bin" / "test", STAGE_FAILS="pytest")
    asked = [call for call in house.calls if "-m pytest" in call]
    assert ["--last-failed" in call for call in asked] == [False, True, False, True]
    assert [call.partition(" --numprocesses 0")[0] for call in asked[1::2]] == [asked[0], asked[2]]


def test_with_arguments_only_pytest_runs_and_gets_them(house: House) -> None:
    house.give_python("python3.13")
    assert house.run(house.root / "bin" / "test", "tests/tools", "-k", "a or b")[0] == 0
    assert stages_run(house) == ["pytest"]
    assert house.calls[-1].endswith("-m pytest tests/tools -k a or b")
