"""Words that nobody answers are told of, with how far they have come."""

import math
from collections.abc import Iterable

import attrs
import pytest

from actors.answers import WAIT, Owed
from pipeline import events as e


def owed(events: Iterable[tuple[float, e.Event]]) -> Owed:
    """What is owed after these events, none of which comes too late."""
    found = Owed()
    for at, event in events:
        assert at < found.due(), "it would have been told"
        found.feed(attrs.evolve(event, at=at))
    return found


def said(begin: float, end: float) -> list[tuple[float, e.Event]]:
    return [(begin + 0.1, e.UserStarted(1000 * begin)), (end + 0.4, e.UserEnded(1000 * end))]


REPLIES: list[e.Event] = [
    e.FirstAudio(1, 900.0),
    e.ToolStarted("c", "clock", {}, 1),
    e.Transcript("model", "It", final=False, turn=1),
    e.TurnEnded(1, 0.0, "completed"),
]


def test_nobody_owes_anything_at_first() -> None:
    assert Owed().due() == math.inf


def test_speech_is_owed_a_reply_some_seconds_after_its_end() -> None:
    assert owed(said(1, 2)).due() == 2.4 + WAIT


@pytest.mark.parametrize("reply", REPLIES, ids=lambda event: event.name)
def test_whatever_begins_a_reply_pays(reply: e.Event) -> None:
    assert owed([*said(1, 2), (3.0, reply)]).due() == math.inf


@pytest.mark.parametrize(
    "sign",
    [
        e.Transcript("user", "what", final=False),
        e.Transcript("user", "what", final=True, turn=1),
        e.Usage({}, 1),
        e.ToolEnded("c", "clock", 1.0, "ok"),
    ],
)
def test_other_signs_of_life_do_not(sign: e.Event) -> None:
    assert owed([*said(1, 2), (3.0, sign)]).due() == 2.4 + WAIT


def test_a_pause_within_an_utterance_is_no_end_of_it() -> None:
    assert owed([*said(1, 2), *said(4, 9)]).due() == 9.4 + WAIT
    assert owed([*said(1, 2), *said(4, 9), (10.0, REPLIES[0])]).due() == math.inf


def test_a_reply_to_what_was_said_later_does_not_pay_for_what_came_long_before() -> None:
    assert owed([*said(1, 2), *said(5.5, 6.5), (7.0, REPLIES[0])]).due() == 2.4 + WAIT


def test_a_reply_that_begins_while_the_user_asks_again_is_to_the_words_before() -> None:
    again = [(5.6, e.UserStarted(5500.0)), (5.8, REPLIES[0]), (6.4, e.UserEnded(6000.0))]
    assert owed([*said(1, 2), *again]).due() == 6.4 + WAIT


def test_words_over_a_reply_that_goes_on_are_owed_none_and_those_that_cut_it_short_are() -> None:
    humming = [*said(1, 2), (3.0, REPLIES[0]), *said(4, 4.5)]
    assert owed([*humming, (9.0, e.TurnEnded(1, 6000.0, "completed"))]).due() == math.inf
    cut = [(5.0, e.TurnInterrupted(1, 2000.0, 9.0)), (5.0, e.TurnEnded(1, 2000.0, "interrupted"))]
    assert owed([*humming, *cut]).due() == 4.9 + WAIT
    assert owed([*humming, (5.0, e.TurnEnded(1, 2000.0, "failed"))]).due() == 4.9 + WAIT
    early = [*said(1, 2), (3.0, REPLIES[0]), (4.1, e.UserStarted(4000.0)), *cut, (5.9, e.UserEnded(5500.0))]
    assert owed(early).due() == 5.9 + WAIT


def test_a_tool_under_way_is_a_reply_and_its_words_are_no_second_one() -> None:
    asked = [*said(1, 2), (3.0, REPLIES[1])]
    assert owed([*asked, (30.0, REPLIES[0]), (31.0, e.TurnEnded(1, 500.0, "completed"))]).due() == math.inf


def test_typed_words_are_owed_a_reply_too() -> None:
    assert owed([(1.0, e.Transcript("user", "hello", final=True))]).due() == 1.0 + WAIT
