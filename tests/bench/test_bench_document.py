"""What the bench writes: targets against results, tables, plots, and only between the markers."""

import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.bench.columns import delay, growth_an_hour, sampled
from tests.bench.document import BEGIN, END, body, clean, plain, written
from tests.bench.figures import Spread
from tests.bench.reasons import cpu, many
from tests.bench.targets import TARGETS

MACHINE = {
    "processor": "a processor",
    "cores": 2,
    "system": "Linux",
    "python": "3.11",
    "trio": "0.3",
    "versions": {"ours": "trio-websocket==0"},
}
QUIET = {"date": "2026-01-02 03:04 UTC", "seconds": 90.0, "load_of_others": 0.2, "quick": False, "failed": []}
BUSY = {**QUIET, "load_of_others": 1.2}


def run(cpu: float) -> dict[str, Any]:
    figures = dict.fromkeys(("down_us", "up_us", "up_p50_ms", "up_p99_ms", "down_p50_ms", "down_p99_ms"), 1.0)
    rest = {"rest_mib": 70.0, "start_ms": 900.0, "silences_ms": [0.5, 0.7, None], "bursts_ms": [4.0]}
    return {"cpu": cpu, **figures, **rest}


def step(sessions: int, **more: Any) -> dict[str, Any]:
    delays = dict.fromkeys(("up_p50_ms", "up_p99_ms", "down_p50_ms", "down_p99_ms"), 1.0)
    found = {"sessions": sessions, "cpu": 2.0 * sessions, "far_cpu": 50.0, "came": 1.0, "resident_mib": 60.0 + sessions}
    return {**found, **delays, "held": True, **more}


@pytest.fixture
def results() -> dict[str, Any]:
    side = {
        "ours": [run(6.0), run(8.0)],
        "light": [run(5.5), run(7.5)],
        "genai": [run(5.0), run(10.0)],
        "pipecat": [run(20.0), {}],
        "floor": [run(3.0), run(4.0)],
    }
    return {
        "machine": MACHINE,
        "parts": {"side": QUIET, "growth": QUIET, "hour": QUIET, "vad": {**QUIET, "failed": ["no network"]}},
        "side": {"plain": side, "tls": side},
        "pool": {"plain": {"ours": {"up_p50_ms": 0.8, "up_p99_ms": 2.0, "down_p50_ms": 0.9, "pieces": 500}}},
        "growth": {"ours": [step(1), step(30), step(40, held=False, cpu=97.0, up_p99_ms=14.0)]},
        "hour": {"ours": [[600.0 * n, 70.0 + n] for n in range(1, 7)]},
        "vad": {"Silero": {"recordings": 3, "seconds": 60.0, "spoken": 2, "delay_p50_ms": 80.0, "delay_p95_ms": None,
                           "missed": [], "alarms": ["a.wav", "a.wav"], "cpu_per_hour": 12.0}},
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


def test_a_missed_target_says_by_how_much_and_what_ended_it(results: dict[str, Any]) -> None:
    value, met, by = found(results, "conversations in one process")
    assert (value.median, met, by) == (30, False, "25 %")
    assert (
        "*conversations in one process on one core, in real time* (25 %): With 40, the process took 97 % of its core, "
        "of which 95 count as all and the p99 up was 14.0 ms, of 10 allowed; the process used 97 % of a core, the far "
        "end 50 %, and the process had used up its core."
    ) in body(results)


def test_a_far_end_without_time_is_not_this_projects_doing(results: dict[str, Any]) -> None:
    results["growth"]["ours"][-1] = step(40, held=False, cpu=60.0, far_cpu=99.0, came=0.8)
    assert "80 % of the pieces came in the time they had" in many(results)
    assert "the far end had used up its core, so this is not the client's limit" in many(results)


@pytest.mark.parametrize(
    ("light", "told"), [(4.0, "the network makes the miss"), (5.5, "the pipeline's own tasks do")], ids=["net", "rest"]
)
def test_the_reason_of_a_share_comes_from_the_figures(results: dict[str, Any], light: float, told: str) -> None:
    for each in results["side"]["plain"].values():
        each.pop()
    results["side"]["plain"]["light"] = [run(light)]
    text = cpu("plain", "genai", 1.0)(results)
    assert text.startswith(f"Of 6.0 % of a core the floor takes 3.0, the detector's network {6 - light:.1f}, and")
    assert told in text


def test_a_busy_machine_leaves_ratios_and_memory_to_be_judged(results: dict[str, Any]) -> None:
    results["parts"] = {**results["parts"], "side": BUSY, "growth": BUSY}
    verdicts = {target.name: target.verdict(results) for target in TARGETS}
    assert verdicts["added latency either way, p50"] == "not judged: busy machine"
    assert verdicts["conversations in one process on one core, in real time"] == "not judged: busy machine"
    assert verdicts["processor share in real time, against Pipecat"] == "reached"
    assert verdicts["memory at rest"] == "reached"
    assert "*conversations in one process" not in body(results)


def test_quantiles_are_of_all_runs_together(results: dict[str, Any]) -> None:
    assert delay(results, "plain", "ours", "up_p99_ms") == Spread(2.0, 1.0, 1.0, 2)
    assert sampled(results, "plain", "ours", "silences_ms", 0.99).median == 0.7


def test_what_was_not_measured_is_neither_reached_nor_missed(results: dict[str, Any]) -> None:
    assert found(results, "reconnect gap")[1] is None
    assert "not measured" in body(results)


def test_memory_grows_by_the_hour(results: dict[str, Any]) -> None:
    assert growth_an_hour(results["hour"]["ours"]) == pytest.approx(6.0)
    assert found(results, "growth of memory")[1] is False


def test_the_body_tells_all_parts(results: dict[str, Any]) -> None:
    text = body(results)
    for said in (
        "| processor share in real time, % | 7.0 [6.0 to 8.0] | 6.5 [5.5 to 7.5] | 7.5 [5.0 to 10.0] | 20.0 |",
        "over TLS",
        "(benchmarks-cpu-plain.svg)",
        "(benchmarks-cpu-tls.svg)",
        "| this project | 30 | 40 | the process took 97 % of its core",
        "500 pieces each way and 6 interruptions",
        "| Silero | 80 / nan | 0 | 2 |",
        "no network",
    ):
        assert said in text
    assert "busy with other things" not in text
    assert "busy with other things" in body({**results, "parts": {**results["parts"], "vad": BUSY}})


def test_only_what_is_between_the_markers_changes(results: dict[str, Any], tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text(f"before\n{BEGIN}\nformer figures\n{END}\nafter\n")
    written(document, results)
    written(document, results)
    text = document.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "former figures" not in text
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
