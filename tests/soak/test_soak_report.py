"""The report of a soak: one page that needs nothing else, and the same as JSON."""

import html.parser
import json
import math
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree as ET

import attrs
import pytest

from bin.options import parser
from bin.soak import orders
from bin.soaking.faults import Fault
from bin.soaking.findings import PROMISES, Findings
from bin.soaking.outcome import Order, Outcome, percentile, summary
from bin.soaking.plots import Line, plot
from bin.soaking.report import _plots, write
from bin.soaking.vitals import Sample, growth, weight


def outcome(seed: int = 1, *, broken: bool = False, complete: bool = True) -> Outcome:
    findings = Findings()
    for name in PROMISES:
        findings.check(name, held=True)
    if broken:
        findings.check("deaf", held=False, at=12.5, what="<b>a.wav</b> had not arrived")
    samples = [Sample(60.0 * n, 80 + n / 100, 30, 2, 12, {"reply": 0.1, "captured": 0.02}) for n in range(60)]
    faults = [Fault(30.0 * n, name, 30.0 * n + 5, "x") for n, name in enumerate(["socket reset", "stall"] * 20)]
    order = Order(1.0, seed, "network", "virtual", Path("tests/fixtures"))
    turns = {"completed": 9}
    return Outcome(
        order,
        findings,
        samples,
        faults,
        [(1800.0, 900.0), (3600.0, 1100.0)],
        turns,
        {"hang": 1},
        3600,
        120,
        100,
        complete,
        "0123456789abcdef",
    )


def test_the_page_needs_nothing_else_and_is_well_formed(tmp_path: Path) -> None:
    page = write(tmp_path / "deep" / "down", [outcome(1), outcome(2)]).read_text(encoding="utf-8")
    html.parser.HTMLParser().feed(page)
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    assert page.count("<svg") == 4 + 2 * 3
    assert 'Soak: <span class="kept">passed' in page
    for promise in PROMISES.values():
        assert promise.split("<")[0] in page


def test_a_failure_is_told_with_the_command_that_repeats_it(tmp_path: Path) -> None:
    page = write(tmp_path, [outcome(1), outcome(7, broken=True)]).read_text(encoding="utf-8")
    assert "&lt;b&gt;a.wav&lt;/b&gt; had not arrived" in page
    assert "to repeat it exactly: bin/assistant soak --hours 1.0 --seed 7 --faults network --every 45.0" in page
    found = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert not found["passed"]
    assert [run["passed"] for run in found["runs"]] == [True, False]
    assert found["verdicts"]["deaf"]["failures"] == 1
    assert found["runs"][1]["failures"][0]["at"] == 12.5


def test_what_was_broken_off_has_not_passed() -> None:
    assert not summary([outcome(complete=False)])["passed"]
    assert summary([outcome()])["passed"]


@pytest.mark.parametrize("values", [[0.0], [5.0, 5.0], [0.0, 1e-9], [-3.0, 1e9], [math.pi] * 5000])
def test_any_values_can_be_drawn(values: list[float]) -> None:
    drawn = plot("T & <x>", "ms", [Line("a", [(n / 10, value) for n, value in enumerate(values)]), Line("b", [(0, 1)])])
    picture = ET.fromstring(drawn)  # noqa: S314 - our own
    (first, second) = picture.iter("polyline")
    for pair in str(first.get("points")).split():
        x, y = map(float, pair.split(","))
        assert 0 <= x <= 860
        assert 0 <= y <= 200
    assert second is not None
    assert len(str(first.get("points")).split()) <= 1200


def test_nothing_to_draw_is_no_picture() -> None:
    assert plot("T", "ms", [Line("a", [])]) == ""


def test_figures() -> None:
    assert percentile([], 0.5) == 0
    assert [percentile([3.0, 1.0, 2.0], part) for part in (0, 0.5, 1)] == [1, 2, 3]


def test_growth_is_told_of_the_whole_span_and_single_looks_do_not_matter() -> None:
    grown = [Sample(n, 80 + n / 10, 1, 1, 1) for n in range(40)]
    assert growth(grown) == pytest.approx(3.9)
    grown[39] = Sample(39, 200, 1, 1, 1)
    grown[3] = Sample(3, 20, 1, 1, 1)
    assert growth(grown) == pytest.approx(3.9, abs=0.2)
    assert growth(grown[:1]) == 0


def test_what_the_soak_notes_is_weighed_with_all_that_it_holds() -> None:
    one, two = Fault(1.0, "stall", 6.0, "x" * 1000), Fault(2.0, "stall", 7.0, "y" * 3000)
    assert weight([one]) > 1000
    assert weight([one, two]) - weight([one]) == pytest.approx(3000, abs=500)
    assert weight([one], [one]) - weight([one]) < 100  # counted once
    assert weight([Sample(1.0, 80.0, 1, 1, 1, {"reply": 0.123})]) < 2000  # and classes are not


def test_latencies_stand_where_they_were_measured() -> None:
    picture = "".join(part for part in _plots([outcome()]) if "first sound" in part)
    assert re.findall(r'cx="([\d.]+)"', picture) == ["456.0", "848.0"]  # at a half and at the end of what is shown


def test_an_order_is_repeated_by_its_command_whatever_is_in_it() -> None:
    order = Order(
        20 / 180, 3, "all", "virtual", Path("/a folder/$x"), ("my plan.toml",), ("live.model='a b'", "-x=1"), every=12.5
    )
    words = shlex.split(order.command())
    assert words[0] == "bin/assistant"
    assert orders(parser().parse_args(words[1:])) == [order]
    assert order.again().startswith("to repeat it exactly: ")
    assert "never comes again" in attrs.evolve(order, clock="real").again()
