"""A conversation that runs out of its budget: a warning, a goodbye that is heard, and an end in order."""

from collections.abc import Callable
from typing import Any

import trio

from pipeline.sections import Budget

Watching = Callable[..., Any]


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
