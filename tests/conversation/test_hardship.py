"""Odd frames, crashing actors, refusals: the conversation goes on, or ends with one sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from actors.vad import Energy
from pipeline.channels import Outlet
from pipeline.errors import GaveUp, PlanError, Refused
from pipeline.messages import Captured

FIXTURES = Path(__file__).parent.parent / "fixtures"
QUESTION = FIXTURES / "time-tokyo.flac"
Talking = Callable[..., Any]


def ends_with(kind: type[Exception], words: str) -> Any:
    return pytest.RaisesGroup(pytest.RaisesExc(kind, match=words), flatten_subgroups=True)


ODD = [
    b"{}",
    b"[]",
    b"not json",
    b"\xff\xfe",
    json.dumps({"somethingNew": {"a": 1}}).encode(),
    json.dumps({"serverContent": {"newField": 1}}).encode(),
    json.dumps({"serverContent": {"modelTurn": {"parts": [{"text": "plan", "thought": True}, {"novel": 1}]}}}).encode(),
    json.dumps({"error": {"code": 500, "message": "x"}}).encode(),
    json.dumps({"padding": "x" * 900_000}).encode(),
    json.dumps({"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "1.5s"}}).encode(),
]


async def test_odd_frames_are_counted_and_the_conversation_goes_on(autojump_clock: object, talking: Talking) -> None:
    async with talking(QUESTION) as (near, far):
        await near.until(lambda: near.named("turn.user_start"))
        for frame in ODD * 2:
            far.service.connections[0].inject(frame)
        await near.until(lambda: near.named("turn.end"))
        unrecognised = near.conversation.house.state["session"].unrecognised
    assert near.finals("user") == ["what time is it in tokyo"]
    assert unrecognised["somethingNew"] == 2
    assert len([event for event in near.named("notice") if "somethingNew" in event.text]) == 1


async def test_a_stray_interruption_before_any_reply_does_not_mute(autojump_clock: object, talking: Talking) -> None:
    async with talking(QUESTION) as (near, far):
        await near.until(lambda: near.named("turn.user_end"))
        far.service.connections[0].inject(b'{"serverContent": {"interrupted": true}}')
        await near.until(lambda: near.named("turn.end"))
    assert near.outcomes() == ["completed"]
    assert near.named("turn.end")[0].heard_ms > 500


@attrs.define
class Clumsy(Energy):
    """Crashes once in mid-sentence."""

    async def run(self) -> None:
        if len(CRASHES) < LIMIT["times"]:
            CRASHES.append(1)
            await trio.sleep(0.9)
            raise ValueError("a bug")
        await super().run()


CRASHES: list[int] = []
LIMIT = {"times": 1}


async def test_a_crashed_actor_is_restarted_alone(autojump_clock: object, talking: Talking) -> None:
    CRASHES.clear()
    LIMIT["times"] = 1
    async with talking(QUESTION, actors__vad__use=Clumsy) as (near, far):
        await near.until(lambda: near.named("turn.end"))
    assert [(event.actor, event.crashes) for event in near.named("actor.restart")] == [("vad", 1)]
    assert near.finals("user") == ["what time is it in tokyo"]
    assert far.dialled == 1


async def test_an_actor_that_keeps_crashing_ends_the_run_with_one_sentence(
    autojump_clock: object, talking: Talking
) -> None:
    CRASHES.clear()
    LIMIT["times"] = 100
    with ends_with(GaveUp, "vad crashed 6 times within 60 s"):
        async with talking(QUESTION, actors__vad__use=Clumsy) as (_near, _far):
            await trio.sleep(120)


@pytest.mark.parametrize("actor", ["microphone", "vad", "uplink", "downlink", "playback", "dispatch", "connection"])
async def test_any_actor_restarts_in_mid_sentence_without_losing_a_word(
    autojump_clock: object, talking: Talking, actor: str
) -> None:
    async with talking(QUESTION) as (near, _far):
        await near.until(lambda: near.named("turn.user_start"))
        await trio.sleep(0.5)
        near.conversation.restart(actor)
        await near.until(lambda: near.named("turn.end"))
    assert near.finals("user") == ["what time is it in tokyo"]
    assert near.outcomes() == ["completed"]
    assert [event.actor for event in near.named("actor.restart")] == [actor]


@pytest.mark.parametrize("actor", ["uplink", "downlink", "playback", "connection"])
async def test_any_actor_restarts_in_mid_reply_and_the_turn_ends(
    autojump_clock: object, talking: Talking, actor: str
) -> None:
    async with talking(QUESTION, {"burst": 1.2}) as (near, _far):
        await near.until(lambda: near.named("turn.first_audio"))
        await trio.sleep(0.5)
        near.conversation.restart(actor)
        await near.until(lambda: near.named("turn.end") and near.outcomes()[-1] == "completed")
        await near.conversation.say("what did i ask")
        await near.until(lambda: "You asked me" in "".join(near.finals("model")))


async def test_a_refused_setup_ends_with_one_sentence(autojump_clock: object, talking: Talking) -> None:
    with ends_with(Refused, "gemini-9"):
        async with talking(live__model="gemini-9"):
            await trio.sleep(10)


async def test_a_misspelt_field_is_refused_by_name(autojump_clock: object, talking: Talking) -> None:
    with ends_with(PlanError, "temprature"):
        async with talking(live__temprature=0.5):
            await trio.sleep(10)


async def test_a_service_out_of_reach_ends_within_ten_seconds(autojump_clock: object, talking: Talking) -> None:
    began = trio.current_time()
    with ends_with(Refused, "connection refused"):
        async with talking() as (_near, far):
            far.refuse = 10**6
            await trio.sleep(60)
    assert trio.current_time() - began < 10


async def test_the_uplink_is_the_only_writer_and_cancelling_it_breaks_the_link(
    autojump_clock: object, talking: Talking
) -> None:
    async with talking(QUESTION) as (near, far):
        await near.until(lambda: near.named("turn.user_start"))
        near.conversation.restart("uplink")
        await near.until(lambda: far.dialled == 2)
        await near.until(lambda: near.named("turn.end"))
    assert near.named("session.resumed")
    reasons = [event.reason for event in near.named("session.state") if event.to == "DISCONNECTED"]
    assert reasons == ["connection lost with code 1006: the link was given up"]


@attrs.define
class Own:
    """A user's own microphone, which knows nothing of the house's timeline: quiet, or dead."""

    captured: Outlet[Captured]
    dead: bool = False

    async def run(self) -> None:
        position = 0
        while not self.dead:
            await trio.sleep(0.02)
            self.captured.send_nowait(Captured(bytes(640), trio.current_time(), position))
            position += 320
        await trio.sleep_forever()


@pytest.mark.parametrize("dead", [False, True])
async def test_replies_are_heard_whatever_the_microphone_is(
    autojump_clock: object, talking: Talking, dead: bool
) -> None:
    async with talking(None, actors__microphone__use=Own, actors__microphone__dead=dead) as (near, _far):
        await near.conversation.say("what time is it")
        await near.until(lambda: near.named("turn.end"))
    assert near.outcomes() == ["completed"]


async def test_a_playback_that_is_started_again_late_plays_in_real_time(
    autojump_clock: object, talking: Talking
) -> None:
    async with talking(None, actors__playback__use="actors.playback:Discard") as (near, _far):
        await trio.sleep(30)
        await near.conversation.say("what time is it")
        await near.until(lambda: near.named("turn.first_audio"))
        near.conversation.restart("playback")
        await near.until(lambda: near.named("turn.end"))
    first, end = near.named("turn.first_audio")[0], near.named("turn.end")[0]
    assert abs(1000 * (end.at - first.at) - end.heard_ms) < 500
