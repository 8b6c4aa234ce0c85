"""A conversation that runs out of its budget: a warning, a goodbye that is heard, and an end in order."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from pipeline.errors import Spent
from pipeline.events import Usage
from pipeline.sections import Budget, Price
from telemetry.purse import today

Watching = Callable[..., Any]
ALL = dict.fromkeys(("text_in", "audio_in", "text_out", "audio_out"), 100.0)


def notices(near: Any) -> list[str]:
    return [event.text for event in near.named("notice") if "budget" in event.text]


async def test_it_warns_says_goodbye_and_asks_for_the_end(autojump_clock: object, watched: Watching) -> None:
    async with watched("silence.flac", budget__minutes=0.5) as near:
        await near.until(lambda: notices(near))
        assert near.events[-1].at - near.events[0].at > 20
        assert not near.named("session.farewell")
        await near.until(lambda: near.named("session.farewell"), 60)
        await trio.sleep(1)
    warning, end = notices(near)
    assert "of 0.5 minutes" in warning
    assert "of 0.5 minutes" in end
    assert [event.text for event in near.named("transcript") if event.who == "user" and event.final] == [
        Budget().goodbye
    ]
    assert [event.outcome for event in near.named("turn.end")] == ["completed"]
    assert near.named("transcript")[-1].text == "Goodbye!"
    farewell = near.named("session.farewell")[0]
    assert farewell.at >= near.named("turn.end")[0].at
    assert 30 < farewell.at - near.events[0].at < 46


async def test_tokens_count_too_and_a_silent_model_does_not_keep_it(autojump_clock: object, watched: Watching) -> None:
    async with watched("time-tokyo.flac", budget__tokens=10) as near:
        await near.until(lambda: near.named("turn.end"))
        near.service.close()
        await near.until(lambda: near.named("session.farewell"), 60)
    assert "tokens" in near.named("session.farewell")[0].reason


async def test_the_reply_that_uses_it_up_is_not_taken_for_the_goodbye(
    autojump_clock: object, watched: Watching
) -> None:
    async with watched("time-tokyo.flac", budget__tokens=10) as near:
        await near.until(lambda: near.named("session.farewell"), 60)
        assert [event.text for event in near.named("transcript") if event.final][-1] == "Goodbye!"
        assert [(event.turn, event.outcome) for event in near.named("turn.end")] == [(1, "completed"), (2, "completed")]


async def test_without_a_limit_the_actor_ends_at_once(autojump_clock: object, watched: Watching) -> None:
    async with watched("silence.flac") as near:
        await trio.sleep(300)
        assert near.conversation.supervised["budget"].state == "done"
    assert notices(near) == []


async def test_each_limit_has_a_warning_of_its_own(autojump_clock: object, watched: Watching) -> None:
    async with watched("time-tokyo.flac", budget__minutes=0.5, budget__tokens=2000, budget__warn_at=0.01) as near:
        await near.until(lambda: near.named("usage"))
        await trio.sleep(3)
    warnings = [text for text in notices(near) if "runs out" in text]
    assert sorted(text.split()[-3] for text in warnings) == ["minutes", "tokens"]


async def test_money_bites_though_something_has_no_price(autojump_clock: object, watched: Watching) -> None:
    """Video has none here, and is told once, however often it comes; the rest is counted."""
    prices = {"gemini-3.8-live": {**ALL, "unit": Price().unit}}
    async with watched("silence.flac", budget__money=0.025, telemetry__prices=prices) as near:
        await near.until(lambda: near.events)
        for _ in range(3):
            details = [{"modality": "VIDEO", "tokenCount": 10}, {"modality": "AUDIO", "tokenCount": 100}]
            near.conversation.bus.publish(Usage({"promptTokenCount": 110, "promptTokensDetails": details}))
            assert near.named("session.farewell") == []
            await trio.sleep(2)
        await near.until(lambda: near.named("session.farewell"), 60)
    assert "0.03 of 0.025 money" in near.named("session.farewell")[0].reason
    assert len([event for event in near.named("notice") if "have no price" in event.text]) == 1


async def test_a_day_that_is_spent_opens_neither_microphone_nor_link(
    autojump_clock: object, watched: Watching, tmp_path: Path
) -> None:
    (tmp_path / "spent.json").write_text(json.dumps({"day": today(), "minutes": 12.0}))
    begun: list[object] = []
    spent = pytest.RaisesExc(Spent, match=r"12\.00 of 10 minutes a day")
    with pytest.RaisesGroup(spent, flatten_subgroups=True):
        async with watched("hello.wav", budget__day_minutes=10, budget__file="spent.json") as near:
            begun.append(near)
    assert begun == []
