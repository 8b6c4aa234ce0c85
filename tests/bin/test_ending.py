"""When a conversation over a recording is over: stories of events, and how long something is still waited for."""

import math
from collections.abc import Sequence

import attrs
import pytest

from bin.ending import GRACE, PATIENCE, Ending
from pipeline import events as e

LINGER = 5.0
NEVER = math.inf
NOW = -math.inf

UP = e.SessionStateChanged("CONNECTING", "CONNECTED", "setup is complete")
DOWN = e.SessionStateChanged("CONNECTED", "DISCONNECTED", "the link is gone")
CLOSED = e.SessionStateChanged("CLOSING", "CLOSED", "ended")
SENT = e.RecordingSent(3.0)
SPEAKS, SPOKE = e.UserStarted(0.0), e.UserEnded(0.0)
HEARD = e.Transcript("user", "what time", final=False)
UNDERSTOOD = e.Transcript("user", "what time is it", final=True)
SAYS = e.Transcript("model", "It is", final=False)
CALL, RESULT = e.ToolStarted("c", "clock", {}), e.ToolEnded("c", "clock", 1.0, "ok")


def begins(turn: int) -> e.Event:
    return e.FirstAudio(turn, 800.0)


def ends(turn: int, outcome: str = "completed") -> e.Event:
    return e.TurnEnded(turn, 1000.0, outcome)


def after(story: Sequence[e.Event], linger: float = LINGER) -> float:
    """How long after the last event of a story, one a second, the conversation is over."""
    ending = Ending(linger)
    for second, event in enumerate(story):
        ending.feed(attrs.evolve(event, at=float(second)))
    return ending.due() - (len(story) - 1)


ASKED = [UP, SPEAKS, SPOKE]
ANSWERED = [*ASKED, begins(1), ends(1)]

STORIES: dict[str, tuple[list[e.Event], float]] = {
    "the recording goes on": ([UP, SPEAKS, SPOKE, begins(1), ends(1)], NEVER),
    "answered and sent": ([*ANSWERED, SENT], GRACE),
    "sent and then answered": ([*ASKED, SENT, begins(1), ends(1)], GRACE),
    "nobody spoke": ([UP, SENT], LINGER),
    "there is no link yet": ([SENT], NEVER),
    "an answer is owed": ([*ASKED, SENT], PATIENCE),
    "an answer is owed to one who still speaks": ([UP, SPEAKS, SENT], PATIENCE),
    "the reply plays": ([*ASKED, SENT, begins(1)], NEVER),
    "two replies play": ([*ASKED, SENT, begins(1), begins(2), ends(1)], NEVER),
    "a tool is open": ([*ASKED, SENT, CALL], NEVER),
    "a tool has answered, the model has not": ([*ASKED, SENT, CALL, RESULT], PATIENCE),
    "a tool answers after the reply": ([*ANSWERED, SENT, CALL, RESULT], LINGER),
    "a second question": ([*ANSWERED, SPEAKS, SPOKE, SENT], PATIENCE),
    "a second question, answered": ([*ANSWERED, SPEAKS, SPOKE, SENT, begins(2), ends(2)], GRACE),
    "interrupted while speaking": ([*ASKED, begins(1), SPEAKS, ends(1, "interrupted"), SPOKE, SENT], PATIENCE),
    "interrupted after speaking": ([*ASKED, begins(1), SPEAKS, SPOKE, ends(1, "interrupted"), SENT], PATIENCE),
    "interrupted before it was heard": ([*ASKED, SPEAKS, SPOKE, ends(1, "interrupted"), SENT], PATIENCE),
    "interrupted through an open gate": ([UP, HEARD, begins(1), HEARD, ends(1, "interrupted"), SENT], PATIENCE),
    "interrupted and answered": (
        [*ASKED, begins(1), SPEAKS, ends(1, "interrupted"), SPOKE, SENT, begins(2), ends(2)],
        GRACE,
    ),
    "spoken over the end of a reply": ([*ASKED, begins(1), SPEAKS, SPOKE, ends(1), SENT], PATIENCE),
    "the reply came before the gate closed": ([UP, SPEAKS, begins(1), SPOKE, ends(1), SENT], GRACE),
    "a silent reply": ([*ASKED, ends(1), SENT], GRACE),
    "a silent reply to one who still speaks": ([UP, SPEAKS, ends(1), SENT], PATIENCE),
    "a reply that failed": ([*ASKED, SENT, begins(1), ends(1, "failed")], LINGER),
    "an open gate tells by words": ([UP, HEARD, SENT], PATIENCE),
    "an open gate, answered": ([UP, HEARD, UNDERSTOOD, begins(1), ends(1), SENT], GRACE),
    "words that come late": ([*ASKED, begins(1), HEARD, UNDERSTOOD, ends(1), SENT], GRACE),
    "words of the model owe nothing": ([UP, SENT, SAYS], LINGER),
    "the link is down": ([*ANSWERED, SENT, DOWN], NEVER),
    "down and up again": ([*ASKED, SENT, DOWN, UP], PATIENCE),
    "down and up with nothing owed": ([*ANSWERED, SENT, DOWN, UP], GRACE),
    "interrupted state is a link, too": (
        [*ANSWERED, SENT, e.SessionStateChanged("CONNECTED", "INTERRUPTED", "the user")],
        GRACE,
    ),
    "closing is not closed": ([*ANSWERED, SENT, e.SessionStateChanged("CONNECTED", "CLOSING", "closing")], NEVER),
    "closed for good": ([UP, SPEAKS, CLOSED], NOW),
    "a farewell": ([*ASKED, begins(1), e.Farewell("the budget is used up")], NOW),
    "a farewell and what follows": ([UP, e.Farewell("x"), e.SessionStateChanged("CONNECTED", "CLOSING", "x")], NOW),
    "closed while a reply plays": ([*ASKED, begins(1), CLOSED], NOW),
    "playback was started again": ([*ASKED, SENT, begins(1), e.ActorRestarted("playback", 1)], LINGER),
    "dispatch was started again": ([*ASKED, SENT, CALL, e.ActorRestarted("dispatch", 1)], NEVER),
    "another actor was": ([*ASKED, SENT, begins(1), e.ActorRestarted("vad", 1)], NEVER),
}


@pytest.mark.parametrize(("story", "left"), STORIES.values(), ids=STORIES.keys())
def test_when_it_is_over(story: list[e.Event], left: float) -> None:
    assert after(story) == left


@pytest.mark.parametrize(
    ("linger", "story", "left"),
    [(0.0, [UP, SENT], 0.0), (60.0, [UP, SENT], 60.0), (60.0, [*ASKED, SENT], 60.0), (0.0, [*ASKED, SENT], PATIENCE)],
)
def test_patience_is_the_longer_of_both(linger: float, story: list[e.Event], left: float) -> None:
    assert after(story, linger) == left


@pytest.mark.parametrize("event", [e.Usage({}), e.Notice("x"), e.Dropped("captured", 1, 20.0)])
def test_what_is_no_part_of_the_talk_puts_nothing_off(event: e.Event) -> None:
    assert after([*ANSWERED, SENT, event]) == GRACE - 1


def test_without_a_recording_only_the_far_end_ends_it() -> None:
    assert after(ANSWERED, NEVER) == NEVER
    assert after([*ANSWERED, CLOSED], NEVER) == NOW
