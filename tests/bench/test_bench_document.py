"""What the bench writes: targets against results, tables, plots, and only between the markers."""

import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.bench.document import BEGIN, END, body, clean, plain, written
from tests.bench.figures import Spread
from tests.bench.targets import TARGETS, growth_an_hour

MACHINE = {
    "date": "2026-01-02 03:04 UTC",
    "processor": "a processor",
    "cores": 2,
    "system": "Linux",
    "python": "3.11",
    "trio": "0.3",
    "versions": {"ours": "trio-websocket==0"},
    "load": 0.1,
    "load_of_others": 0.2,
}


def run(cpu: float) -> dict[str, Any]:
    figures = dict.fromkeys(("down_us", "up_us", "up_p50_ms", "up_p99_ms", "down_p50_ms", "down_p99_ms"), 1.0)
    rest = {"rest_mib": 70.0, "start_ms": 900.0, "silences_ms": [0.5, 0.7, None], "bursts_ms": [4.0]}
    return {"cpu": cpu, **figures, **rest}


@pytest.fixture
def results() -> dict[str, Any]:
    side = {"ours": [run(6.0), run(8.0)], "genai": [run(5.0), run(10.0)], "pipecat": [run(20.0), {}]}
    return {
        "machine": MACHINE,
        "side": {"plain": side, "tls": side},
        "growth": {"ours": [{"sessions": n, "cpu": 2.0 * n, "held": n < 40, "resident_mib": 99.0, **dict.fromkeys(
            ("up_p50_ms", "up_p99_ms", "down_p50_ms", "down_p99_ms"), 1.0)} for n in (1, 30, 40)]},
        "hour": {"ours": [[600.0 * n, 70.0 + n] for n in range(1, 7)]},
        "vad": {"Silero": {"recordings": 3, "seconds": 60.0, "spoken": 2, "delay_p50_ms": 80.0, "delay_p95_ms": None,
                           "missed": [], "alarms": ["a.wav", "a.wav"], "cpu_per_hour": 12.0}},
        "failed": ["LiveKit could not be installed: no network"],
    }  # fmt: skip


def found(results: dict[str, Any], name: str) -> tuple[Spread, bool | None, str]:
    target = next(one for one in TARGETS if one.name.startswith(name))
    value = target.found(results)
    return value, target.met(value), target.missed_by(value)


def test_targets_are_ratios_of_the_same_run(results: dict[str, Any]) -> None:
    value, met, by = found(results, "processor share in real time, against google-genai")
    assert value == Spread(1.0, 0.8, 1.2, 2)
    assert met
    assert by == "0 %"


def test_a_missed_target_says_by_how_much(results: dict[str, Any]) -> None:
    value, met, by = found(results, "conversations in one process")
    assert (value.median, met, by) == (30, False, "25 %")
    assert "*conversations in one process on one core, in real time* (25 %): What one" in body(results)


def test_what_was_not_measured_is_neither_reached_nor_missed(results: dict[str, Any]) -> None:
    assert found(results, "reconnect gap")[1] is None
    assert "not measured" in body(results)


def test_memory_grows_by_the_hour(results: dict[str, Any]) -> None:
    assert growth_an_hour(results["hour"]["ours"]) == pytest.approx(6.0)
    assert found(results, "growth of memory")[1] is False


def test_the_body_tells_all_parts(results: dict[str, Any]) -> None:
    text = body(results)
    for said in (
        "| processor share in real time, % | 7.0 [6.0 to 8.0] | 7.5 [5.0 to 10.0] | 20.0 |",
        "over TLS",
        "| Silero | 80 / nan | 0 | 2 |",
        "no network",
    ):
        assert said in text
    assert "busy with other things" not in text
    assert "## Speech detectors (measured 2025)\n" in body({**results, "dates": {"vad": "2025"}})
    assert "busy with other things" in body({**results, "machine": {**MACHINE, "load_of_others": 1.2}})


def test_only_what_is_between_the_markers_changes(results: dict[str, Any], tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    written(document, results)
    written(document, results)
    text = document.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert text.count("## Targets") == 1
    for plot in ("cpu-plain", "cpu-tls", "growth", "memory"):
        assert ET.parse(tmp_path / f"benchmarks-{plot}.svg").getroot().tag.endswith("svg")  # noqa: S314 - our own


def test_a_document_without_markers_is_refused(results: dict[str, Any], tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text("nothing")
    with pytest.raises(ValueError, match="lacks the markers"):
        written(document, results)


def test_a_reason_names_no_place_of_the_machine() -> None:
    told = plain("no wheel at https://index.example/x/ for /var/cache/a b/c 1/2, see file:///var/x")
    assert told == "no wheel at (...) for (...) b/c 1/2, see (...)"


def test_json_has_no_nan() -> None:
    assert clean({"a": [math.nan, 1.0, (math.nan,)]}) == {"a": [None, 1.0, [None]]}
