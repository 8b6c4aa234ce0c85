"""A mute service is told from one that is silent on purpose; a forgotten end does not merge two replies."""

from typing import Any

import pytest

from actors.live import signals as s
from actors.live.patience import FIRST_LIMIT, SIGNS, WAIT, Patience
from actors.live.session import Session
from pipeline.events import Bus
from pipeline.messages import ReplyAudio, ReplyEnded, SpeechStarted

SPEECH = s.Speech(bytes(960), 24_000)


def asked(patience: Patience, *times: float) -> Patience:
    for time in times:
        patience.asked(time)
    return patience


def test_two_questions_without_a_sign_are_enough_after_a_while() -> None:
    patience = asked(Patience(), 1.0)
    assert not patience.over(1000.0)
    asked(patience, 20.0)
    assert not patience.over(20.0 + WAIT)
    assert patience.over(20.1 + WAIT)


@pytest.mark.parametrize("signal", [s.InputText("x"), SPEECH, s.TurnComplete(), s.WaitingForInput()])
def test_any_sign_begins_the_count_anew(signal: s.Signal) -> None:
    patience = asked(Patience(), 1.0, 2.0)
    patience.sign(signal)
    assert isinstance(signal, SIGNS)
    assert not asked(patience, 3.0).over(1000.0)
    assert asked(patience, 4.0).over(1000.0)


@pytest.mark.parametrize("signal", [s.Interruption(), s.UsageReport({}), s.GoAway(1.0), s.Handle("h", resumable=True)])
def test_what_comes_by_itself_is_no_sign(signal: s.Signal) -> None:
    patience = asked(Patience(), 1.0, 2.0)
    patience.sign(signal)
    assert patience.over(1000.0)


def test_what_is_said_again_does_not_count_and_each_verdict_takes_more() -> None:
    patience = asked(Patience(), 1.0, 2.0)
    patience.renew()
    assert not asked(patience, 1.0, 2.0, 3.0, 4.0, 5.0).over(1000.0)
    assert asked(patience, 6.0).over(1000.0)
    patience.sign(s.TurnComplete())
    assert asked(patience, *(6.0 + number for number in range(1, FIRST_LIMIT + 1))).over(1000.0)


@pytest.fixture
def session() -> Session:
    session = Session(Bus(), {})
    session.dialling("test")
    session.link(resumed=False)
    return session


def replied(session: Session, now: float) -> list[Any]:
    return [effect for effect in session.receive(SPEECH, now) if isinstance(effect, ReplyAudio | ReplyEnded)]


def test_a_reply_whose_end_was_forgotten_ends_when_the_next_one_begins(session: Session) -> None:
    replied(session, 1.0)
    session.receive(s.GenerationComplete(), 1.1)
    session.hear(SpeechStarted(9.0, 0))
    ended, sound = replied(session, 12.0)
    assert (ended.turn, ended.outcome, sound.turn) == (1, "completed", 2)


def test_a_reply_that_is_still_coming_goes_on_while_the_user_speaks(session: Session) -> None:
    replied(session, 1.0)
    session.hear(SpeechStarted(2.0, 0))
    (sound,) = replied(session, 2.5)
    assert sound.turn == 1


def test_the_end_of_a_reply_is_its_own_whoever_speaks(session: Session) -> None:
    replied(session, 1.0)
    session.receive(s.GenerationComplete(), 1.1)
    session.hear(SpeechStarted(1.5, 0))
    effects = session.receive(s.TurnComplete(), 2.0)
    assert [effect.turn for effect in effects if isinstance(effect, ReplyEnded)] == [1]
    assert session.turn == 1
