"""A reply that goes missing is seen: on the screen, in trace, log, metrics and recording, with where the words are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from actors.emulator.scenario import parse
from actors.live.link import Link, Report
from pipeline import Inlet, Outlet
from pipeline.messages import Request, ToolAnswer, Uttered

Watching = Callable[..., Any]
IGNORES = """
shows = "a question that gets no answer"

[[step]]
on = "turn"
turn = 1
do = "silent"
"""


async def test_a_question_that_the_service_ignores_is_told_everywhere(
    autojump_clock: object, watched: Watching, tmp_path: Path
) -> None:
    options = {"trace": str(tmp_path / "trace"), "metrics": str(tmp_path / "metrics"), "record": str(tmp_path / "tape")}
    log = {"telemetry__log": "json", "telemetry__log_file": str(tmp_path / "log")}
    async with watched("time-tokyo.flac", options, scenario=parse(IGNORES, "a test"), **log) as near:
        await near.until(lambda: near.named("turn.user_end"))
        ended = near.named("turn.user_end")[0]
        await trio.sleep(4)
        assert near.named("turn.unanswered") == []
        await near.until(lambda: near.named("turn.unanswered"))
        (told,) = near.named("turn.unanswered")
        await near.conversation.say("What is the time in Tokyo?")
        await near.until(lambda: near.named("turn.end"))
        await trio.sleep(10)
    assert near.named("turn.unanswered") == [told]
    assert (told.where, told.at_ms) == ("service", ended.at_ms)
    assert told.ms == pytest.approx(6000, abs=600)
    assert '"turn.unanswered"' in (tmp_path / "trace").read_text()
    assert 'assistant_unanswered_total{where="service"} 1.0' in (tmp_path / "metrics").read_text()
    assert '"event":"turn.unanswered"' in (tmp_path / "log").read_text().replace('": "', '":"')
    assert '"turn.unanswered"' in (tmp_path / "tape" / "events.jsonl").read_text()


async def test_words_that_wait_for_a_link_are_told_and_answered_later(
    autojump_clock: object, watched: Watching
) -> None:
    async with watched("time-tokyo.flac") as near:
        await near.until(lambda: near.named("turn.user_start"))
        near.down = True
        near.cut()
        await near.until(lambda: near.named("turn.unanswered"))
        assert [event.where for event in near.named("turn.unanswered")] == ["uplink"]
        assert near.named("turn.first_audio") == []
        near.down = False
        await near.until(lambda: near.named("turn.end"))
    assert [event.outcome for event in near.named("turn.end")] == ["completed"]
    assert len(near.named("turn.unanswered")) == 1


@attrs.define
class Deaf:
    """An uplink that takes nothing."""

    speech: Inlet[Uttered]
    requests: Inlet[Request]
    answers: Inlet[ToolAnswer]
    links: Inlet[Link]
    reports: Outlet[Report]

    async def run(self) -> None:
        await trio.sleep_forever()


async def test_what_does_not_come_through_the_gate_says_so(autojump_clock: object, watched: Watching) -> None:
    """The uplink takes nothing: as far as anyone behind the gate knows, nobody has spoken."""
    async with watched("time-tokyo.flac", actors__uplink__use=Deaf) as near:
        await near.until(lambda: near.named("turn.unanswered"))
    assert [event.where for event in near.named("turn.unanswered")] == ["gate"]


async def test_an_ordinary_conversation_leaves_nothing_unanswered(autojump_clock: object, watched: Watching) -> None:
    async with watched("time-tokyo.flac") as near:
        await near.until(lambda: near.named("turn.end"))
        await near.conversation.say("Tell me a long story")
        await trio.sleep(30)
    assert near.named("turn.unanswered") == []
