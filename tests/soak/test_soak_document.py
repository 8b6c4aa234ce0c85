"""docs/reliability.md is about what there is: every test that it names exists, and every fault has its row."""

import re
from pathlib import Path

import pytest

from bin.options import parser
from bin.soaking.faults import NETWORK, OTHERS
from bin.soaking.figures import BEGIN, END
from bin.soaking.findings import PROMISES
from bin.soaking.misbehaving import WAYS

FAULTS = {**NETWORK, **OTHERS}


@pytest.fixture
def document(root: Path) -> str:
    return (root / "docs" / "reliability.md").read_text(encoding="utf-8")


@pytest.fixture
def rows(document: str) -> list[list[str]]:
    table = document.partition("| fault |")[2].partition("\n\n")[0]
    found = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]]
    assert len(found) > 20
    return found


def test_every_row_says_what_is_noticed_and_names_a_test(rows: list[list[str]]) -> None:
    for row in rows:
        assert len(row) == 3, row
        assert row[1], row
        assert re.search(r"`(test_|tests/)|of the matrix", row[2]), row


def test_every_test_that_is_named_exists(root: Path, document: str) -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in (root / "tests").rglob("test_*.py")}
    every = "\n".join(sources.values())
    for name in re.findall(r"`(test_\w+)`", document):
        assert re.search(rf"def {name}\w*\(", every), name
    for path in re.findall(r"`(tests/[\w/]+\.py)`", document):
        assert root / path in sources, path


def test_every_fault_of_the_soak_has_a_row_and_every_row_of_the_matrix_is_one(rows: list[list[str]]) -> None:
    quoted = {name for row in rows for name in re.findall(r"`([^`]+)`", row[2])}
    of_the_matrix = {name for name in quoted if "/" not in name and not name.startswith("test_")}
    assert of_the_matrix == set(FAULTS)


def test_every_way_in_which_a_tool_misbehaves_is_told(rows: list[list[str]]) -> None:
    told = next(row[0] for row in rows if row[0].startswith("a tool"))
    for way in WAYS:
        assert way in told, way


def test_every_option_is_told(document: str) -> None:
    table = document.partition("| option |")[2].partition("\n\n")[0]
    told = set(re.findall(r"--[a-z]+", table))
    soak = next(action for action in parser()._actions if action.dest == "command").choices["soak"]  # type: ignore[index]
    offered = {option for action in soak._actions for option in action.option_strings if option.startswith("--")}
    assert offered - {"--help"} == told


def test_the_figures_are_of_the_promises_that_there_are(document: str) -> None:
    figures = document.partition(BEGIN)[2].partition(END)[0]
    table = figures.partition("| promise |")[2]
    assert re.findall(r"^\| ([a-z ]+) \|", table, re.MULTILINE) == list(PROMISES)
