"""Laminar: a real collector gets the whole tree of a conversation with faults; a bad one changes nothing."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from actors.emulator.scenario import parse
from pipeline import Bus
from pipeline import events as e
from pipeline.environment import Environment
from pipeline.errors import PlanError
from pipeline.plan import Plan
from telemetry.laminar import Collector, Exporter
from telemetry.sinks import Occasion, listening

SECOND = 1_000_000_000
TOOL = """
from tools import tool

CALLS = []

@tool(idempotent=True)
async def get_time(place: str) -> dict[str, object]:
    "Tells the time in a place."
    CALLS.append(place)
    if len(CALLS) == 1:
        raise RuntimeError("the clock is broken")
    return {"summary": "It is noon exactly"}
"""


def value(held: Any) -> Any:
    """The plain value of an OTLP attribute."""
    kind = held.WhichOneof("value")
    return [value(one) for one in held.array_value.values] if kind == "array_value" else getattr(held, kind)


def attributes(span: Any) -> dict[str, Any]:
    return {pair.key: value(pair.value) for pair in span.attributes}


def tree(spans: list[Any]) -> tuple[Any, list[Any], Any]:
    """The session, its turns and the one tool; every child lies within its parent, and there is nothing else."""
    by_id = {span.span_id: span for span in spans}
    (session,) = (span for span in spans if span.name == "session")
    turns = sorted((span for span in spans if span.name == "turn"), key=lambda span: span.start_time_unix_nano)
    (tool,) = (span for span in spans if span.name.startswith("tool "))
    assert len(spans) == len(by_id) == 2 + len(turns)
    assert {span.trace_id for span in spans} == {session.trace_id}
    assert session.parent_span_id == b""
    assert {turn.parent_span_id for turn in turns} == {session.span_id}
    assert tool.parent_span_id == turns[0].span_id
    for span in spans:
        parent = by_id.get(span.parent_span_id, session)
        assert parent.start_time_unix_nano <= span.start_time_unix_nano
        assert span.start_time_unix_nano <= span.end_time_unix_nano <= parent.end_time_unix_nano
    return session, turns, tool


async def test_the_collector_gets_the_tree_of_a_conversation_with_faults(
    autojump_clock: object, watched: Callable[..., Any], collector: Callable[..., Any], tmp_path: Path, canary: str
) -> None:
    receiver = collector()
    (tmp_path / "broken.py").write_text(TOOL)
    environment = Environment(laminar_key=canary, laminar_url=receiver.url)
    options = {"trace": str(tmp_path / "trace.jsonl"), "events": str(tmp_path / "events.jsonl")}
    plan = {"tools__use": ["broken.py"], "telemetry__content": "full"}
    async with watched("time-tokyo.flac", options, environment, **plan) as near:
        await near.until(lambda: near.named("turn.end"))
        await near.conversation.say("Tell me a long story")
        await near.until(lambda: len(near.named("turn.first_audio")) == 2)
        await trio.sleep(1)
        near.cut()
        await near.until(lambda: near.named("session.resumed"))
        await near.until(lambda: len(near.named("turn.first_audio")) == 3)
        await trio.sleep(1)
        await near.conversation.interrupt()
        await near.until(lambda: len(near.named("turn.end")) == 3)
        await trio.sleep(2)

    spans = receiver.spans()
    assert {(path, headers["authorization"]) for path, headers, _ in receiver.requests} == {
        ("/v1/traces", f"Bearer {canary}")
    }
    session, turns, tool = tree(spans)
    assert [attributes(turn)["outcome"] for turn in turns] == ["completed", "failed", "interrupted"]
    assert [turn.status.code for turn in turns] == [0, 2, 0]
    assert (attributes(tool)["outcome"], tool.status.code) == ("error", 2)
    assert attributes(tool)["lmnr.span.type"] == "TOOL"
    assert attributes(tool)["lmnr.span.path"] == ["session", "turn", tool.name]
    assert attributes(turns[0])["lmnr.span.type"] == "LLM"
    assert attributes(turns[0])["gen_ai.request.model"] == "gemini-3.8-live"
    assert attributes(turns[0])["gen_ai.usage.output_tokens"] > 0
    assert "tokyo" in attributes(turns[0])["lmnr.span.input"]
    resumed = [mark for mark in session.events if mark.name == "session.resumed"]
    assert len(resumed) == 1
    assert canary not in str(spans)

    ends = near.named("turn.end")
    first = near.named("session.state")[0]
    for turn, end in zip(turns, ends, strict=True):
        since = (turn.end_time_unix_nano - session.start_time_unix_nano) / SECOND
        assert since == pytest.approx(end.at - first.at, abs=0.1)
    began = [(turn.start_time_unix_nano - session.start_time_unix_nano) / SECOND for turn in turns[:2]]
    spoken, typed = near.named("microphone.started")[0], near.named("turn.first_audio")[1]
    assert began[0] == pytest.approx(spoken.at + near.named("turn.user_start")[0].at_ms / 1000 - first.at, abs=0.02)
    assert began[1] == pytest.approx(typed.at - typed.latency_ms / 1000 - first.at, abs=0.02)
    same_time(tool, near, session, first)
    written = [json.loads(line) for line in (tmp_path / "trace.jsonl").read_text().splitlines()]
    assert {one["span_id"] for one in written} == {span.span_id.hex() for span in spans}
    for one in written:
        (span,) = (span for span in spans if span.span_id.hex() == one["span_id"])
        assert one["start"] * SECOND == pytest.approx(span.start_time_unix_nano, abs=SECOND / 1000)
        assert one["attributes"]["outcome"] == attributes(span)["outcome"]


def same_time(tool: Any, near: Any, session: Any, first: Any) -> None:
    """The tool's span lies where its events do."""
    for moment, name in ((tool.start_time_unix_nano, "tool.call"), (tool.end_time_unix_nano, "tool.result")):
        since = (moment - session.start_time_unix_nano) / SECOND
        assert since == pytest.approx(near.named(name)[0].at - first.at, abs=0.001)


SLOW = """
import trio
from tools import tool

@tool
async def get_time(place: str) -> dict[str, object]:
    "Tells the time in a place."
    await trio.sleep(5)
    return {"summary": "It is noon exactly"}
"""
CANCELS = """
shows = "a call that is taken back"

[[step]]
on = "toolCall"
do = "cancel"
after = 0.7
"""


async def test_a_call_that_is_taken_back_is_cancelled_and_no_error(
    autojump_clock: object, watched: Callable[..., Any], collector: Callable[..., Any], tmp_path: Path, canary: str
) -> None:
    receiver = collector()
    (tmp_path / "slow.py").write_text(SLOW)
    environment = Environment(laminar_key=canary, laminar_url=receiver.url)
    plan = {"tools__use": ["slow.py"], "scenario": parse(CANCELS)}
    async with watched("time-tokyo.flac", {}, environment, **plan) as near:
        await near.until(lambda: near.named("tool.result"))
        await trio.sleep(8)
    spans = receiver.spans()
    (session,) = (span for span in spans if span.name == "session")
    (tool,) = (span for span in spans if span.name.startswith("tool "))
    assert (attributes(tool)["outcome"], tool.status.code) == ("cancelled", 0)
    assert (tool.end_time_unix_nano - tool.start_time_unix_nano) / SECOND == pytest.approx(0.7, abs=0.05)
    same_time(tool, near, session, near.named("session.state")[0])


@pytest.mark.parametrize("fault", ["down", "refusing", "hanging"])
async def test_a_bad_collector_changes_nothing_in_the_conversation(
    fault: str, autojump_clock: object, watched: Callable[..., Any], collector: Callable[..., Any], canary: str
) -> None:
    made: dict[str, dict[str, Any]] = {"refusing": {"status": 503}, "hanging": {"hang": True}}
    url = "http://127.0.0.1:1" if fault == "down" else collector(**made[fault]).url
    outcomes, latencies = [], []
    for key in ("", canary):
        async with watched("time-tokyo.flac", {}, Environment(laminar_key=key, laminar_url=url)) as near:
            await near.until(lambda near=near: near.named("turn.end"))
            await near.conversation.say("What is the time in Tokyo?")
            await near.until(lambda near=near: len(near.named("turn.end")) == 2)
        outcomes.append([(event.turn, event.outcome) for event in near.named("turn.end")])
        latencies.append(near.named("turn.first_audio")[0].latency_ms)
        assert near.named("error") == near.named("telemetry.lost") == []
    assert outcomes == [[(1, "completed"), (2, "completed")]] * 2
    assert latencies[1] == pytest.approx(latencies[0], abs=60)


def occasion(url: str | None, key: str, tmp_path: Path) -> Occasion:
    environment = Environment(laminar_key=key, laminar_url=url)
    plan = Plan.load(folder=tmp_path)
    return Occasion.of(Bus(environment.secrets()), plan, environment, {"quiet": True})


async def converse_shortly(held: Occasion) -> None:
    async with listening(held) as listeners:
        for event in (e.FirstAudio(1, 800.0), e.TurnEnded(1, 500.0, "completed")):
            listeners.bus.publish(event)
        await trio.sleep(0.05)


@pytest.mark.parametrize("fault", ["down", "refusing", "hanging"])
async def test_a_bad_collector_delays_the_exit_by_two_seconds_at_most(
    fault: str, collector: Callable[..., Any], tmp_path: Path, canary: str
) -> None:
    Exporter(Collector.of("http://127.0.0.1:1"), canary).take(None)  # the import is not what is measured
    made: dict[str, dict[str, Any]] = {"refusing": {"status": 503}, "hanging": {"hang": True}}
    url = "http://127.0.0.1:1" if fault == "down" else collector(**made[fault]).url
    began = time.monotonic()
    await converse_shortly(occasion(url, canary, tmp_path))
    assert time.monotonic() - began < 2.5


async def test_a_thread_sends_while_the_conversation_goes_on(
    collector: Callable[..., Any], tmp_path: Path, canary: str
) -> None:
    receiver = collector()
    await converse_shortly(occasion(receiver.url, canary, tmp_path))
    assert sorted(span.name for span in receiver.spans()) == ["session", "turn"]


async def test_without_a_key_or_where_the_plan_says_so_nothing_is_sent(tmp_path: Path, canary: str) -> None:
    held = occasion("http://127.0.0.1:1", "", tmp_path)
    async with listening(held) as listeners:
        assert listeners._sinks == []
    held = occasion("http://127.0.0.1:1", canary, tmp_path)
    held.plan.set("telemetry.laminar", value=False)
    held = attrs.evolve(held, settings=attrs.evolve(held.settings, laminar=False))
    async with listening(held) as listeners:
        assert listeners._sinks == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (None, Collector("https://api.lmnr.ai", 443)),
        ("http://127.0.0.1:4318", Collector("http://127.0.0.1", 4318)),
        ("http://127.0.0.1:4318/", Collector("http://127.0.0.1", 4318)),
        ("collector.example", Collector("https://collector.example", 443)),
        ("http://[::1]:80", Collector("http://[::1]", 80)),
    ],
)
def test_an_address_is_taken_apart(url: str | None, expected: Collector) -> None:
    assert Collector.of(url) == expected


@pytest.mark.parametrize("url", ["http://host:port", "ftp://host", "http://host/v1/traces", "http://"])
def test_an_address_that_lmnr_would_misread_is_refused(url: str) -> None:
    with pytest.raises(PlanError, match=r"LMNR_BASE_URL is .*(; it takes a host|, no address)"):
        Collector.of(url)
