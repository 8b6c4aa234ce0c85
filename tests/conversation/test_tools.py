"""Tools in conversation: timers that speak, consent by voice, debts across cuts and restarts, sources of a search."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import soundfile
import trio

from actors.audio.resample import resample
from actors.emulator import terms
from tools import Tool

FIXTURES = Path(__file__).parent.parent / "fixtures"
QUESTION = FIXTURES / "time-tokyo.flac"
Talking = Callable[..., Any]

SLOW = """
import trio
from tools import tool

RUNS = []

@tool({options})
async def get_time(place: str) -> dict[str, object]:
    "Tells the time in a place."
    RUNS.append(place)
    await trio.sleep({seconds})
    return {{"summary": "It is noon exactly"}}
"""
CONFIRMED = """
from tools import tool

RUNS = []

@tool(confirm=True{options})
async def set_timer(seconds: float) -> dict[str, object]:
    "Sets a timer."
    RUNS.append(seconds)
    return {{"summary": "The timer is set at last"}}
"""


def cut(far: Any) -> None:
    for connection in list(far.service.connections):
        connection.cut()


def said(near: Any, words: str) -> list[str]:
    return [text for text in near.finals("model") if words in text]


def answers(far: Any) -> list[Any]:
    """The function responses that arrived at the service."""
    messages = [one.message for one in far.seen if one.kind == "message" and one.message.tool_response is not None]
    return [response for message in messages for response in message.tool_response.function_responses]


async def connected(near: Any) -> None:
    await near.until(lambda: near.named("session.state")[-1:] and near.named("session.state")[-1].to == "CONNECTED")


def runs(near: Any, name: str) -> list[object]:
    function = near.conversation.house.state["toolbox"].get(name).function
    found: list[object] = function.__globals__["RUNS"]
    return found


def spoken(folder: Path, voice: Any, *parts: str | float) -> Path:
    """Writes a recording of someone who says these words with these pauses, in seconds, between them."""
    pcm = bytes(16_000)
    for part in parts:
        if isinstance(part, str):
            pcm += resample(voice.speak(part, voice="Kore"), 24_000, 16_000)
        else:
            pcm += bytes(2 * round(part * 16_000))
    path = folder / "spoken.wav"
    soundfile.write(path, np.frombuffer(pcm, "<i2"), 16_000)
    return path


async def test_a_timer_speaks_when_it_is_due_and_nothing_waits_for_it(autojump_clock: object, talking: Talking) -> None:
    async with talking(tools__use=["tools.clock"]) as (near, far):
        await connected(near)
        await near.conversation.say("set a timer for ten seconds")
        await near.until(lambda: near.named("tool.call"))
        began = trio.current_time()
        await near.until(lambda: near.named("turn.end"))
        await near.conversation.say("tell me a long story")
        await near.until(lambda: len(near.named("turn.first_audio")) == 2)
        assert trio.current_time() - began < 9, "it talks while the timer runs"
        await near.until(lambda: said(near, "timer is up"))
        await near.until(lambda: near.named("turn.interrupted"))
    (answer,) = answers(far)
    assert answer.scheduling.name == "INTERRUPT"
    assert 10 <= near.named("tool.result")[0].at - near.named("tool.call")[0].at < 10.1
    assert near.named("turn.interrupted")[0].turn == 2


async def test_a_search_tells_its_sources(autojump_clock: object, talking: Talking) -> None:
    async with talking(FIXTURES / "search-eiffel-tower.flac") as (near, _far):
        await near.until(lambda: near.named("turn.end"))
    sources = near.named("sources")[-1]
    assert sources.turn == 1
    assert [source["number"] for source in sources.sources] == list(range(1, len(sources.sources) + 1))
    assert all(source["title"] and str(source["uri"]).startswith("http") for source in sources.sources)


async def test_a_yes_by_voice_lets_a_tool_run(
    autojump_clock: object, talking: Talking, tmp_path: Path, voice: Any
) -> None:
    (tmp_path / "mine.py").write_text(CONFIRMED.format(options=""))
    recording = spoken(tmp_path, voice, "set a timer for ten seconds", 9.0, "yes please", 6.0)
    async with talking(recording, tools__use=["mine.py"]) as (near, _far):
        await near.until(lambda: said(near, "at last"))
        assert runs(near, "set_timer") == [10.0]
    assert near.finals("user") == ["set a timer for ten seconds", "yes please"]
    assert said(near, "May I set timer with seconds 10")
    assert [event.state for event in near.named("tool.consent")] == ["asked", "agreed"]
    assert [event.outcome for event in near.named("tool.result")] == ["ok", "ok"]


async def test_a_no_by_voice_does_not(autojump_clock: object, talking: Talking, tmp_path: Path, voice: Any) -> None:
    (tmp_path / "mine.py").write_text(CONFIRMED.format(options=", blocking=True"))
    recording = spoken(tmp_path, voice, "set a timer for ten seconds", 9.0, "no thank you", 6.0)
    async with talking(recording, tools__use=["mine.py"]) as (near, _far):
        await near.until(lambda: near.named("microphone.ended"))
        await trio.sleep(10)
        assert runs(near, "set_timer") == []
    assert [event.state for event in near.named("tool.consent")] == ["asked", "refused"]


@pytest.mark.parametrize(("pause", "runs_now"), [(5, True), (40, False)])
async def test_silence_voids_the_question(
    autojump_clock: object, talking: Talking, tmp_path: Path, pause: float, runs_now: bool
) -> None:
    (tmp_path / "mine.py").write_text(CONFIRMED.format(options=""))
    async with talking(tools__use=["mine.py"]) as (near, _far):
        await connected(near)
        await near.conversation.say("set a timer for ten seconds")
        await near.until(lambda: said(near, "May I"))
        await trio.sleep(pause)
        await near.conversation.say("yes")
        await near.until(lambda: said(near, "at last") if runs_now else len(said(near, "May I")) == 2)
        assert bool(runs(near, "set_timer")) is runs_now


# Steps of the exchange, each by what can be seen when it has been reached.
STEPS: dict[str, Callable[[Any], object]] = {
    "asked": lambda near: near.named("turn.user_end"),
    "called": lambda near: near.named("tool.call"),
    "running": lambda near: near.named("tool.call") and trio.current_time() > near.named("tool.call")[0].at + 1,
    "answered": lambda near: near.named("tool.result"),
    "written": lambda near: [event for event in near.named("tool.debt") if event.state == "written"],
    "spoken of": lambda near: near.named("turn.first_audio"),
    "delivered": lambda near: [event for event in near.named("tool.debt") if event.state == "delivered"],
}


@pytest.mark.parametrize("options", ["", "blocking=True"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_cut_at_any_step_leaves_no_debt_in_doubt_and_runs_nothing_twice(
    autojump_clock: object, talking: Talking, tmp_path: Path, step: str, options: str
) -> None:
    (tmp_path / "slow.py").write_text(SLOW.format(options=options, seconds=2))
    async with talking(QUESTION, tools__use=["slow.py"]) as (near, far):
        await near.until(lambda: STEPS[step](near))
        cut(far)
        await near.until(lambda: near.named("session.resumed"))
        await near.until(lambda: near.named("turn.end") and near.outcomes()[-1] == "completed")
        await near.until(lambda: near.conversation.house.state["session"].ledger.open == (), 20)
        await trio.sleep(5)
        assert runs(near, "get_time") == ["Tokyo"], "once, however often it was asked for"
    calls = [event.id for event in near.named("tool.call")]
    settled = [event.id for event in near.named("tool.result")]
    assert sorted(calls) == sorted(settled), "every call is settled, once"
    states: dict[str, list[str]] = {call: [] for call in calls}
    for event in near.named("tool.debt"):
        states[event.id].append(event.state)
    assert {found[-1] for found in states.values()} <= {"delivered", "void", "written"}
    assert states[calls[-1]][-1] in ("delivered", "written")
    assert len(said(near, "noon")) >= 1


@pytest.mark.parametrize(("options", "runs_made"), [("idempotent=True", 2), ("", 1)])
async def test_a_restart_of_dispatch_leaves_nothing_unanswered(
    autojump_clock: object, talking: Talking, tmp_path: Path, options: str, runs_made: int
) -> None:
    (tmp_path / "slow.py").write_text(SLOW.format(options=options, seconds=2))
    async with talking(QUESTION, tools__use=["slow.py"]) as (near, _far):
        await near.until(lambda: near.named("tool.call"))
        await trio.sleep(1)
        near.conversation.restart("dispatch")
        await near.until(lambda: near.named("turn.end") and near.outcomes()[-1] == "completed")
        assert len(runs(near, "get_time")) == runs_made
    assert [event.outcome for event in near.named("tool.result")] == ["ok" if runs_made == 2 else "error"]
    assert said(near, "noon" if runs_made == 2 else "nobody knows whether it was done")


async def test_a_call_that_the_end_of_the_conversation_cuts_off_is_told_to_be_cancelled(
    autojump_clock: object, talking: Talking, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(SLOW.format(options="", seconds=2))
    async with talking(QUESTION, tools__use=["slow.py"]) as (near, _far):
        await near.until(lambda: near.named("tool.call"))
        await trio.sleep(1)
    results = near.named("tool.result")
    assert [event.outcome for event in results] == ["cancelled"]
    assert 1000 <= results[0].ms < 1100


async def test_tools_that_come_late_are_named_at_the_next_boundary_without_losing_the_session(
    autojump_clock: object, talking: Talking
) -> None:
    async def whisper(text: str) -> dict[str, object]:
        """Whispers a text."""
        await trio.lowlevel.checkpoint()
        return {"summary": "It was whispered"}

    server = {"command": ["no-such-program"], "start": 1.0}
    began = trio.current_time()
    async with talking(tools__mcp={"late": server}, actors__mcp__use=Absent) as (near, far):
        await connected(near)
        assert trio.current_time() - began == pytest.approx(4.0, abs=0.1), "so long the first words wait for it"
        await near.conversation.say("what time is it in tokyo")
        await near.until(lambda: near.named("turn.end"))
        near.conversation.house.state["toolbox"].offer("late", [Tool.of(whisper)])
        await near.until(lambda: near.named("session.resumed"))
        await connected(near)
        await near.conversation.say("whisper good night")
        await near.until(lambda: said(near, "whispered"))
    assert far.dialled == 2
    assert not near.named("session.resumed")[0].fresh
    assert near.named("session.resumed")[0].replayed_ms == 0
    assert not near.named("error")


@attrs.define
class Absent:
    """Keeps no server at all."""

    async def run(self) -> None:
        """Ends at once."""
        await trio.lowlevel.checkpoint()


async def test_a_blocking_call_that_is_interrupted_without_a_cancellation_is_answered_all_the_same(
    autojump_clock: object, talking: Talking, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(SLOW.format(options="blocking=True", seconds=2))
    async with talking(QUESTION, tools__use=["slow.py"]) as (near, far):
        await near.until(lambda: near.named("tool.call"))
        far.service.connections[0].inject(b'{"serverContent": {"interrupted": true}}')
        await near.until(lambda: near.named("tool.result"))
        await near.until(lambda: [event for event in near.named("tool.debt") if event.state == "written"])
    assert [event.outcome for event in near.named("tool.result")] == ["ok"]


async def test_a_cancelled_call_sends_nothing(autojump_clock: object, talking: Talking, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW.format(options="blocking=True", seconds=8))
    async with talking(tools__use=["slow.py"]) as (near, far):
        await connected(near)
        await near.conversation.say("what time is it in tokyo")
        await near.until(lambda: near.named("tool.call"))
        await near.conversation.say("tell me a joke")
        await near.until(lambda: near.named("turn.end") and near.outcomes()[-1] == "completed")
        await trio.sleep(20)
    assert [event.outcome for event in near.named("tool.result")] == ["cancelled"]
    assert answers(far) == []
    assert [event.state for event in near.named("tool.debt")] == ["owed", "void"]


async def test_a_slow_tool_delays_neither_sound_nor_interruption(
    autojump_clock: object, talking: Talking, tmp_path: Path
) -> None:
    latency = {}
    for seconds in (0, 30):
        (tmp_path / "slow.py").write_text(SLOW.format(options="timeout=60, blocking=False", seconds=seconds))
        async with talking(tools__use=["slow.py"]) as (near, _far):
            await connected(near)
            await near.conversation.say("what time is it in tokyo")
            await near.until(lambda near=near: near.named("tool.call"))
            await trio.sleep(3)
            asked = trio.current_time()
            before = len(near.named("turn.first_audio"))
            await near.conversation.say("tell me a long story")
            await near.until(lambda near=near, before=before: len(near.named("turn.first_audio")) > before)
            latency[seconds] = near.named("turn.first_audio")[-1].at - asked
            await near.conversation.interrupt()
            await near.until(lambda near=near: near.named("turn.interrupted"))
            latency[seconds, "silent"] = near.named("turn.interrupted")[-1].silent_after_ms
    assert latency[30] == pytest.approx(latency[0], abs=0.05)
    assert latency[30, "silent"] == pytest.approx(latency[0, "silent"], abs=20)


async def test_tools_that_are_withdrawn_are_named_no_more_once_they_are_missed_for_a_while(
    autojump_clock: object, talking: Talking
) -> None:
    async def whisper(text: str) -> str:
        """Whispers a text."""
        await trio.lowlevel.checkpoint()
        return text

    server = {"command": ["no-such-program"], "start": 1.0}
    async with talking(tools__mcp={"shop": server}, actors__mcp__use=Absent) as (near, far):
        toolbox = near.conversation.house.state["toolbox"]
        toolbox.offer("shop", [Tool.of(whisper)])
        await connected(near)
        toolbox.withdraw("shop")
        await trio.sleep(10)
        toolbox.offer("shop", [Tool.of(whisper)])
        await trio.sleep(60)
        assert far.dialled == 1, "it was soon back"
        toolbox.withdraw("shop")
        await trio.sleep(25)
        assert far.dialled == 1
        await near.until(lambda: near.named("session.resumed"))
        await connected(near)
    assert far.dialled == 2
    (first, second) = [one.message.setup for one in far.seen if one.kind == "message" and one.message.setup is not None]
    assert "whisper" in str(first.tools)
    assert "whisper" not in str(second.tools)


async def test_a_service_that_takes_no_search_beside_tools_is_asked_without_it(
    autojump_clock: object, talking: Talking, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = terms.offer

    def particular(tools: Any, model: Any) -> Any:
        found = original(tools, model)
        if found.search and found.declared:
            raise terms.Breach("Tool use with function calling is unsupported")
        return found

    monkeypatch.setattr(terms, "offer", particular)
    async with talking(tools__use=["tools.clock"], tools__google_search=True) as (near, far):
        await connected(near)
        await near.conversation.say("what time is it in tokyo")
        await near.until(lambda: near.named("tool.result"))
    assert far.dialled == 2
    assert [event.text for event in near.named("notice") if "without search" in event.text]
