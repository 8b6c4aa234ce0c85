"""Time that passes at once, as when the loop stalls or the machine sleeps: nothing is lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

FIXTURES = Path(__file__).parent.parent / "fixtures"
QUESTION = FIXTURES / "what-did-i-ask.flac"
Talking = Callable[..., Any]


@pytest.mark.parametrize("seconds", [0.5, 5.0])
async def test_a_stall_while_the_user_speaks(
    autojump_clock: trio.testing.MockClock, talking: Talking, seconds: float
) -> None:
    async with talking(QUESTION) as (near, far):
        await near.until(lambda: near.named("turn.user_start"))
        autojump_clock.jump(seconds)
        await near.until(lambda: near.named("turn.end"))
    assert near.finals("user") == ["what did i ask"]
    assert near.outcomes() == ["completed"]
    assert near.named("channel.drop") == []
    assert far.dialled == 1


@pytest.mark.parametrize("seconds", [0.5, 5.0])
async def test_a_stall_while_a_reply_sounds(
    autojump_clock: trio.testing.MockClock, talking: Talking, seconds: float
) -> None:
    async with talking(QUESTION, {"burst": 1.2}) as (near, far):
        await near.until(lambda: near.named("turn.first_audio"))
        autojump_clock.jump(seconds)
        await near.until(lambda: near.named("turn.end"))
    assert near.outcomes() == ["completed"]
    assert near.named("turn.end")[0].heard_ms == round(len(far.spoken()) / 48, 1)


async def test_a_machine_that_slept_for_an_hour_answers_again(
    autojump_clock: trio.testing.MockClock, talking: Talking
) -> None:
    async with talking(QUESTION) as (near, _far):
        await near.until(lambda: near.named("turn.end"))
        autojump_clock.jump(3600)
        await trio.sleep(80)
        await near.conversation.say("what time is it in tokyo")
        await near.until(lambda: len(near.named("turn.end")) == 2, 120)
    assert near.outcomes() == ["completed", "completed"]
