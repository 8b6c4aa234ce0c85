"""Connections break; no word is lost and no answer is doubled."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
import trio

FIXTURES = Path(__file__).parent.parent / "fixtures"
QUESTION = FIXTURES / "what-did-i-ask.flac"  # 16 kHz, so that its samples reach the wire as they are
Talking = Callable[..., Any]


def cut(far: Any) -> None:
    for connection in list(far.service.connections):
        connection.cut()


def connected(near: Any) -> bool:
    states = near.named("session.state")
    return bool(states) and states[-1].to == "CONNECTED"


@pytest.mark.parametrize("library", ["by_websockets", "by_trio_websocket"])
async def test_a_cut_in_mid_sentence_replays_the_whole_sentence(
    autojump_clock: object, talking: Talking, library: str
) -> None:
    async with talking(QUESTION, actors__connection__websocket=f"actors.live.{library}:opened") as (near, far):
        await near.until(lambda: near.named("turn.user_start"))
        await trio.sleep(0.7)
        cut(far)
        await near.until(lambda: near.named("turn.end"))
        await trio.sleep(5)
    resumed = near.named("session.resumed")
    assert len(resumed) == 1
    assert not resumed[0].fresh
    assert resumed[0].lost_ms == 0
    assert resumed[0].replayed_ms > 700
    assert near.finals("user") == ["what did i ask"]
    assert near.outcomes() == ["completed"]
    sound, _ = soundfile.read(QUESTION, dtype="int16")
    numbers = sorted({one.connection for one in far.seen if one.kind == "audio"})
    first, second = far.audio(numbers[0]), far.audio(numbers[1])
    place = sound.tobytes().find(second[: len(first)])
    assert place >= 0, "the replay begins where the first connection's audio began"
    assert second.startswith(first), "what the first connection got, the second got again"


async def test_a_cut_in_mid_reply_flushes_it_and_the_answer_comes_whole(
    autojump_clock: object, talking: Talking
) -> None:
    async with talking(FIXTURES / "long-story.flac", {"burst": 1.5}) as (near, far):
        await near.until(lambda: near.named("turn.first_audio"))
        await trio.sleep(2)
        cut(far)
        await near.until(lambda: len(near.named("turn.end")) == 2, 200)
    assert near.outcomes() == ["failed", "completed"]
    assert near.named("session.resumed")[0].replayed_ms > 0


async def test_a_cut_after_the_reply_was_generated_lets_it_play_to_its_end(
    autojump_clock: object, talking: Talking
) -> None:
    async with talking(FIXTURES / "long-story.flac", {"burst": 50.0}) as (near, far):
        await near.until(lambda: near.named("turn.first_audio"))
        await trio.sleep(4)
        cut(far)
        await near.until(lambda: near.named("turn.end"), 200)
        await near.until(lambda: connected(near))
        await near.conversation.say("what did i ask")
        await near.until(lambda: len(near.named("turn.end")) == 2, 200)
    assert near.outcomes() == ["completed", "completed"]
    assert near.named("session.resumed")[0].replayed_ms == 0
    assert "story" in near.finals("model")[-1], "the session was told what it had not kept"


async def test_context_survives_a_cut_between_turns(autojump_clock: object, talking: Talking) -> None:
    async with talking(FIXTURES / "time-tokyo.flac") as (near, far):
        await near.until(lambda: near.named("turn.end"))
        await trio.sleep(3)
        cut(far)
        await near.until(lambda: near.named("session.resumed"))
        await near.conversation.say("what did i ask")
        await near.until(lambda: len(near.named("turn.end")) == 2)
    assert "time" in near.finals("model")[-1]
    assert near.named("session.resumed")[0].replayed_ms == 0


async def test_a_lost_handle_means_a_fresh_session_that_is_told_what_was_said(
    autojump_clock: object, talking: Talking
) -> None:
    async with talking(FIXTURES / "time-tokyo.flac") as (near, far):
        await near.until(lambda: near.named("turn.end"))
        await trio.sleep(3)
        far.service.handles._kept.clear()
        cut(far)
        await near.until(lambda: near.named("session.resumed"))
        await near.conversation.say("what did i ask")
        await near.until(lambda: len(near.named("turn.end")) == 2)
    assert near.named("session.resumed")[0].fresh
    assert "time" in near.finals("model")[-1]


async def test_go_away_is_followed_at_a_turn_boundary(autojump_clock: object, talking: Talking) -> None:
    async with talking(QUESTION) as (near, far):
        await near.until(lambda: near.named("turn.first_audio"))
        far.service.connections[0].go_away(30)
        await near.until(lambda: near.named("turn.end"))
        await near.until(lambda: near.named("session.resumed"))
    assert near.outcomes() == ["completed"]
    going, resumed = near.named("session.going_away")[0], near.named("session.resumed")[0]
    assert resumed.at - going.at < 30
    assert resumed.replayed_ms == 0
    assert resumed.gap_ms < 1000


async def test_go_away_without_a_boundary_is_followed_ahead_of_its_deadline(
    autojump_clock: object, talking: Talking
) -> None:
    async with talking(FIXTURES / "long-story.flac", {"burst": 1.0}) as (near, far):
        await near.until(lambda: near.named("turn.first_audio"))
        far.service.connections[0].go_away(10)
        await near.until(lambda: near.named("session.resumed"))
        going, resumed = near.named("session.going_away")[0], near.named("session.resumed")[0]
        assert 5 < resumed.at - going.at < 10
        assert [one.code for one in near.named("error")] == []


async def test_a_service_that_is_down_for_ten_minutes_is_waited_for(autojump_clock: object, talking: Talking) -> None:
    async with talking(QUESTION) as (near, far):
        await near.until(lambda: near.named("turn.user_start"))
        began = trio.current_time()
        far.refuse = 1_000_000
        cut(far)
        await trio.sleep(600)
        far.refuse = 0
        await near.until(lambda: near.named("turn.end"), 120)
        assert near.named("session.resumed")[0].at - began < 600 + 13
    assert len(near.finals("user")) == 1
    assert near.finals("user")[0].startswith("what did i ask")
    assert near.named("session.resumed")[0].lost_ms == 0


async def test_a_tool_call_that_was_cut_is_asked_again_and_answered_once(
    autojump_clock: object, talking: Talking, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(
        "import trio\n"
        "from tools.registry import tool\n"
        "RUNS = []\n"
        "@tool(idempotent=True)\n"
        "async def get_time(place: str) -> dict[str, object]:\n"
        "    'Tells the time in a place.'\n"
        "    RUNS.append(place)\n"
        "    await trio.sleep(3)\n"
        "    return {'summary': 'it is noon'}\n"
    )
    async with talking(FIXTURES / "time-tokyo.flac", tools__use=["slow.py"]) as (near, far):
        await near.until(lambda: near.named("tool.call"))
        await trio.sleep(1)
        cut(far)
        await near.until(lambda: near.named("turn.end") and near.outcomes()[-1] == "completed")
    outcomes = [(event.id, event.outcome) for event in near.named("tool.result")]
    assert [outcome for _, outcome in outcomes] == ["void", "ok"]
    assert len(near.named("tool.call")) == 2
    assert "noon" in near.finals("model")[-1]
