"""The metrics: what each event counts, and that what the documents name is there."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline import events as e
from pipeline.bus import Bus
from pipeline.errors import BadRecording
from pipeline.sections import Price
from telemetry.metrics import MOST_NAMES, Metrics, writable

USAGE = e.Usage(
    {
        "promptTokenCount": 1000,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 1000}],
        "responseTokenCount": 100,
        "responseTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
    },
    1,
)
EDGE = e.EdgeGauge(waiting=3, held=5.0, capacity=10.0, unit="s", age=1.5, dropped=0, dropped_ms=0.0)
GAUGES = e.Gauges(None, None, {"speech": EDGE}, {}, longest_step_ms=80.0, underruns=2)
PRICES = {"gemini-x": Price(text_out=2.0)}


def counted(*events: e.Event, **settings: Any) -> dict[tuple[str, ...], float]:
    """Every sample that is not zero, by its name and the values of its labels in alphabetical order."""
    metrics = Metrics(**settings)
    for event in events:
        metrics.feed(event)
    return {
        (sample.name.removeprefix("assistant_"), *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
        if sample.value and not sample.name.endswith(("_created", "_bucket"))
    }


COUNTED: list[tuple[e.Event, dict[tuple[str, ...], float]]] = [
    (e.TurnEnded(1, 1500.0, "completed"), {("turns_total", "completed"): 1, ("heard_seconds_total",): 1.5}),
    (
        e.TurnTimed(1, 100.0, {"microphone": 20.0, "gate": 5.0, "uplink": 1.0, "socket": 4.0, "service": None}),
        {
            ("turn_latency_seconds_count",): 1,
            ("turn_latency_seconds_sum",): 0.1,
            ("mic_to_wire_seconds_count",): 1,
            ("mic_to_wire_seconds_sum",): 0.03,
            **{("turn_part_seconds_count", part): 1.0 for part in ("microphone", "gate", "uplink", "socket")},
            ("turn_part_seconds_sum", "microphone"): 0.02,
            ("turn_part_seconds_sum", "gate"): 0.005,
            ("turn_part_seconds_sum", "uplink"): 0.001,
            ("turn_part_seconds_sum", "socket"): 0.004,
        },
    ),
    (
        e.TurnInterrupted(1, 900.0, 40.0),
        {("interruption_silence_seconds_count",): 1, ("interruption_silence_seconds_sum",): 0.04},
    ),
    (
        e.SessionResumed(1, 500.0, 0.0, 250.0, fresh=True),
        {
            ("reconnects_total", "fresh"): 1,
            ("reconnect_gap_seconds_count",): 1,
            ("reconnect_gap_seconds_sum",): 0.5,
            ("speech_lost_seconds_total",): 0.25,
        },
    ),
    (
        e.ToolEnded("c", "clock", 200.0, "timeout"),
        {
            ("tools_total", "clock", "timeout"): 1,
            ("tool_seconds_count", "clock"): 1,
            ("tool_seconds_sum", "clock"): 0.2,
        },
    ),
    (e.Dropped("captured", 3, 60.0), {("dropped_total", "captured"): 3, ("dropped_seconds_total", "captured"): 0.06}),
    (e.ActorRestarted("vad", 0), {("restarts_total", "asked", "vad"): 1}),
    (e.ActorRestarted("vad", 1, "ValueError: no", "vad.py:7"), {("restarts_total", "crash", "vad"): 1}),
    (e.ActorRestarted("vad", 1, None, "vad.py:7"), {("restarts_total", "crash", "vad"): 1}),
    (e.Unanswered(900.0, "uplink", 6000.0), {("unanswered_total", "uplink"): 1}),
    (e.Trouble("lost", 1006, "retry"), {("troubles_total", "1006"): 1}),
    (e.LoopStalled(90.0, "vad"), {("loop_stalls_total",): 1}),
    (e.TokenRefreshed(50.0, "ok"), {("token_refreshes_total", "ok"): 1}),
    (e.ListenerLost("the log", 7), {("listener_lost_total", "the log"): 7}),
    (e.SessionStateChanged("CONNECTING", "CONNECTED", "up"), {("session_up",): 1}),
    (
        GAUGES,
        {
            ("edge_messages", "speech"): 3,
            ("edge_fill_ratio", "speech"): 0.5,
            ("edge_age_seconds", "speech"): 1.5,
            ("loop_longest_step_seconds",): 0.08,
            ("underruns_total",): 2,
        },
    ),
    (e.Notice("nothing to count"), {}),
]


@pytest.mark.parametrize(("event", "expected"), COUNTED, ids=[type(event).__name__ for event, _ in COUNTED])
def test_what_an_event_counts(event: e.Event, expected: dict[tuple[str, ...], float]) -> None:
    assert counted(event) == {key: pytest.approx(value) for key, value in expected.items()}


def test_tokens_cost_by_modality_and_what_has_no_price_costs_nothing_known() -> None:
    found = counted(USAGE, USAGE, model="models/gemini-x-9", prices=PRICES)
    assert found == {
        ("tokens_total", "audio", "input", "models/gemini-x-9"): 2000,
        ("tokens_total", "models/gemini-x-9", "output", "text"): 200,
        ("cost_total", "USD", "models/gemini-x-9", "output", "text"): pytest.approx(0.0004),
        ("unpriced_tokens_total", "audio", "input", "models/gemini-x-9"): 2000,
    }
    assert not [key for key in counted(USAGE, model="another", prices=PRICES) if key[0].startswith("cost")]


def test_a_far_end_cannot_make_up_names_without_end() -> None:
    found = counted(*(e.ToolEnded("c", f"tool {number}", 1.0, "error") for number in range(MOST_NAMES + 50)))
    assert len([key for key in found if key[0] == "tools_total"]) == MOST_NAMES + 1
    assert found["tools_total", "error", "other"] == 50


def test_underruns_are_counted_once() -> None:
    assert counted(GAUGES, GAUGES)["underruns_total",] == 2


async def test_at_the_end_they_are_written(tmp_path: Path) -> None:
    path = writable(tmp_path / "metrics.txt")
    bus = Bus()
    listener = bus.subscribe()
    bus.publish(e.TurnEnded(1, 1500.0, "completed"))
    bus.close()
    await Metrics(path=path).run(listener)
    assert b'assistant_turns_total{outcome="completed"} 1.0' in path.read_bytes()
    with pytest.raises(BadRecording, match=r"cannot write the metrics .*; name another file"):
        writable(tmp_path)


def names(text: str) -> set[str]:
    return set(re.findall(r"\bassistant_[a-z_]+\b", text))


def samples() -> set[str]:
    """Every name that a scrape can hold."""
    found = set()
    for family in Metrics().registry.collect():
        ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}[family.type]
        found |= {f"{family.name}{end}" for end in ends}
    return found


@pytest.mark.parametrize("document", ["grafana.json", "alerts.yml"])
def test_every_metric_that_a_document_names_exists(document: str, root: Path) -> None:
    named = names((root / "docs" / document).read_text("utf-8"))
    assert named
    assert named - samples() == set()


def test_the_document_lists_every_metric(root: Path) -> None:
    families = {family.name for family in Metrics().registry.collect()}
    assert names((root / "docs" / "OBSERVABILITY.md").read_text("utf-8")) == families


def test_the_dashboard_is_json_whose_panels_ask_for_something(root: Path) -> None:
    board = json.loads((root / "docs" / "grafana.json").read_text("utf-8"))
    assert len(board["panels"]) > 8
    for panel in board["panels"]:
        assert panel["title"]
        assert all(target["expr"] for target in panel["targets"])


def test_no_sample_comes_twice() -> None:
    metrics = Metrics()
    metrics.feed(e.TurnTimed(1, 100.0, {"gate": 1.0}))
    metrics.feed(e.SessionResumed(1, 10.0, 0.0, 0.0))
    lines = [line.rpartition(" ")[0] for line in metrics.exposition().decode().splitlines() if line[0] != "#"]
    assert len(lines) == len(set(lines))
