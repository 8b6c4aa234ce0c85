"""docs/benchmarks.md is what the script makes of the results; what it does not call quick is a whole run."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.bench.contenders import ALL
from tests.bench.document import plots, written
from tests.bench.measure import WIRES
from tests.bench.processes import ROOT

DOCS = ROOT / "docs"
AGAIN = "run bin/bench on a machine that does nothing else, and commit what it writes"
LEAST_RUNS, HOUR = 5, 3600.0


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DOCS / "benchmarks.json").read_text("utf-8"))
    return found


def test_the_document_is_what_the_script_makes_of_the_results(results: dict[str, Any], tmp_path: Path) -> None:
    shutil.copy(DOCS / "benchmarks.md", tmp_path)
    written(tmp_path / "benchmarks.md", results)
    for name in ("benchmarks.md", *dict(plots(results))):
        assert (tmp_path / name).read_text("utf-8") == (DOCS / name).read_text("utf-8"), "bin/bench --write-only"


def test_every_plot_is_linked(results: dict[str, Any]) -> None:
    text = (DOCS / "benchmarks.md").read_text("utf-8")
    assert [name for name, _ in plots(results) if f"({name})" not in text] == []


def test_side_by_side_is_five_runs_of_everyone(results: dict[str, Any]) -> None:
    runs = {(wire, one.key): len([run for run in results["side"][wire].get(one.key, []) if run])
            for wire in WIRES for one in ALL}  # fmt: skip
    assert quick(results, "side") or [who for who, count in runs.items() if count < LEAST_RUNS] == [], AGAIN


def test_growth_has_steps_and_ends_where_it_no_longer_holds(results: dict[str, Any]) -> None:
    grown = {one.key: results["growth"].get(one.key, []) for one in ALL}
    endless = [who for who, steps in grown.items() if len(steps) < 2 or all(step["held"] for step in steps)]
    assert quick(results, "growth") or endless == [], AGAIN


def test_an_hour_is_an_hour(results: dict[str, Any]) -> None:
    hours = {one.key: results["hour"].get(one.key) or [[0.0]] for one in ALL if not one.variant}
    assert quick(results, "hour") or [who for who, points in hours.items() if points[-1][0] < HOUR] == [], AGAIN


def test_what_was_quick_is_said_to_be(results: dict[str, Any]) -> None:
    text = (DOCS / "benchmarks.md").read_text("utf-8")
    assert text.count("| quick, not to be quoted |") == sum(part["quick"] for part in results["parts"].values())


def quick(results: dict[str, Any], part: str) -> bool:
    """Whether a part is only a look, which the document then says."""
    return bool(results["parts"][part]["quick"])
