"""Links that come and go, and what belongs on the wire, as playbooks; conftest.py says how to read them."""

from typing import Any

import pytest

from actors.live import commands as c
from actors.live import signals as s
from actors.live.session import Session
from pipeline import events as e
from pipeline import messages as m


def test_a_cut_in_mid_utterance_replays_it_whole(stage: Any) -> None:
    stage.play(
        """
        >> handle H1
        << renewed
        >> speak 3
        >> send
        << wire audio x3
        >> heard what
        << user~ what
        >> lose
        << DISCONNECTED
        >> go-on 2
        >> hush
        >> link resumed
        << CONNECTING
        << CONNECTED
        >> go-on 1
        >> send
        << wire audio x6
        >> heard what is it
        << user~ what is it
        >> audio
        << user: what is it
        << audio 1
        """
    )


def test_a_cut_in_mid_reply_fails_the_turn_and_asks_again(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + """
        >> says Thi
        << model~ Thi
        >> audio
        << audio 1
        >> lose
        << silence 1 failed
        << DISCONNECTED
        >> link fresh
        << CONNECTING
        << CONNECTED
        >> send
        << wire audio x3
        << wire AudioStreamEnd
        >> audio
        << audio 2
        """
    )


WHOLE_AND_LOST = """
    >> audio
    << audio 1
    >> generated
    << whole 1
    >> lose
    << completed 1
"""


def test_a_cut_after_the_reply_was_generated_lets_it_play(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + """
        >> heard who
        << user~ who
        >> says Me
        << user: who
        << model~ Me
        """
        + WHOLE_AND_LOST
        + """
        << model: Me
        << DISCONNECTED
        >> link resumed
        << CONNECTING
        << CONNECTED
        >> send
        << wire history user who / model Me
        """
    )


WHOLE_AND_LEFT = f"""
    {WHOLE_AND_LOST}
    << DISCONNECTED
    >> link fresh
    << CONNECTING
    << CONNECTED
"""


def test_what_is_said_over_a_reply_of_a_link_that_is_gone_interrupts_it_once(stage: Any, asked: str) -> None:
    """The next link's service knows of no reply that goes on, so it cannot tell."""
    stage.play(
        asked
        + WHOLE_AND_LEFT
        + asked
        + """
        >> heard hello
        << silence 1 interrupted
        << user~ hello
        >> heard  there
        << user~  there
        >> audio
        << user: hello there
        << audio 2
        """
    )


def test_where_words_are_not_told_the_answer_to_them_interrupts_it(stage: Any, asked: str) -> None:
    stage.play(asked + WHOLE_AND_LEFT + asked + ">> audio\n<< silence 1 interrupted\n<< audio 2")


def test_what_is_said_over_it_interrupts_a_reply_that_waits_behind_it_too(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + WHOLE_AND_LEFT
        + """
        >> audio
        << audio 2
        >> generated
        << whole 2
        >> complete
        << completed 2
        << boundary
        """
        + asked
        + """
        >> heard hello
        << silence 2 interrupted
        << user~ hello
        """
    )


def test_a_reply_that_nobody_has_asked_for_lets_it_play(stage: Any, asked: str) -> None:
    stage.play(asked + WHOLE_AND_LEFT + ">> audio\n<< audio 2")


def test_a_cut_after_more_was_said_than_the_whole_reply_keeps_what_is_not_asked_again(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + """
        >> heard who
        << user~ who
        >> says Me
        << user: who
        << model~ Me
        >> audio
        << audio 1
        >> generated
        << whole 1
        >> audio
        << audio 1
        >> lose
        << silence 1 failed
        << model: Me
        << DISCONNECTED
        >> link fresh
        << CONNECTING
        << CONNECTED
        >> send
        << wire history user who / model Me
        """
    )


def test_a_cut_in_an_interrupted_turn_keeps_what_was_said(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + """
        >> heard who
        << user~ who
        >> says Me
        << user: who
        << model~ Me
        >> interrupted
        << silence 1 interrupted
        << INTERRUPTED
        >> lose
        << interrupted 1
        << model: Me
        << DISCONNECTED
        >> link fresh
        << CONNECTING
        << CONNECTED
        >> send
        << wire history user who / model Me
        """
    )


def test_a_handle_that_comes_before_what_was_told_was_heard_does_not_make_it_known(
    stage: Any, answered: str, asked: str
) -> None:
    stage.play(
        asked
        + answered
        + """
        >> lose
        << DISCONNECTED
        >> link fresh
        << CONNECTING
        << CONNECTED
        >> handle H1
        << renewed
        >> send
        << wire history user what is it? / model This is it.
        >> handle H2
        << renewed
        >> lose
        << DISCONNECTED
        >> link resumed
        << CONNECTING
        << CONNECTED
        >> send
        << wire history user what is it? / model This is it.
        >> audio
        << audio 2
        >> complete
        << completed 2
        << boundary
        >> handle H3
        << renewed
        >> lose
        << DISCONNECTED
        >> link resumed
        << CONNECTING
        << CONNECTED
        >> send
        """
    )


def test_a_model_that_takes_no_history_is_told_none(stage: Any, answered: str, asked: str) -> None:
    stage.session.takes_history = False
    stage.play(
        asked
        + answered
        + """
        >> stop
        >> lose
        << DISCONNECTED
        >> link fresh
        << CONNECTING
        << CONNECTED
        >> send
        """
    )


def test_only_a_resumable_handle_with_a_name_is_kept(stage: Any) -> None:
    stage.play(">> handle H1\n<< renewed\n>> unresumable\n")
    assert (stage.session.handle, stage.session.resumable) == ("H1", False)
    assert stage.session.receive(s.Handle("", resumable=True), 0.0) == ()
    assert stage.session.handle == "H1"
    stage.play(">> lose\n<< DISCONNECTED\n>> link fresh\n<< CONNECTING\n<< CONNECTED")
    assert stage.session.handle is None


def test_going_away_is_told_with_its_deadline(stage: Any) -> None:
    stage.play(">> wait 5\n>> goaway 50\n<< goingaway\n<< leave by 55")


def test_typed_words_are_sent_and_answered_with_their_time(stage: Any) -> None:
    stage.play(">> type hello\n<< user: hello\n>> wait 2\n>> send\n<< wire text hello\n>> wait 1")
    first, second = (stage.session.receive(s.Speech(b"", 24_000), 3.0)[-1] for _ in range(2))
    assert isinstance(first, m.ReplyAudio)
    assert isinstance(second, m.ReplyAudio)
    assert (first.asked, second.asked) == (m.Asked(2.0, began=2.0, written=2.0), None)
    assert stage.session.receive(s.TurnComplete(), 3.0)
    assert stage.session.history.all() == (c.Line("user", "hello"),)


def test_the_end_of_speech_in_mid_reply_is_the_time_of_the_next_reply(stage: Any, asked: str) -> None:
    stage.play(asked + ">> audio\n<< audio 1\n>> speak 5\n>> hush\n>> send\n<< wire audio x5\n>> audio\n<< audio 1\n")
    stage.play(">> complete\n<< completed 1\n<< boundary")
    reply = stage.session.receive(s.Speech(b"", 24_000), 3.0)[-1]
    assert isinstance(reply, m.ReplyAudio)
    assert reply.asked is not None
    assert reply.asked.at == pytest.approx(0.16)


def test_control_goes_ahead_of_answers_and_answers_ahead_of_words(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + """
        >> calls a
        << call a f 1
        >> speak 2
        >> type and this
        << user: and this
        >> answer a
        >> stop
        >> send
        << wire StopGenerating
        << wire answer a
        << wire audio x2
        << wire text and this
        """
    )


def test_a_stop_while_there_is_no_link_stops_nothing_later(stage: Any) -> None:
    stage.play(">> lose\n<< DISCONNECTED\n>> stop\n>> link fresh\n<< CONNECTING\n<< CONNECTED\n>> send")


def test_local_turns_are_marked_by_us(local_stage: Any) -> None:
    local_stage.play(
        """
        >> speak 2
        >> link fresh
        << CONNECTING
        << CONNECTED
        >> go-on 1
        >> hush
        >> gate-shuts
        >> send
        << wire ActivityStart
        << wire audio x3
        << wire ActivityEnd
        """
    )


def test_what_is_not_known_is_told_once_and_counted(stage: Any) -> None:
    stage.play(">> unknown x\n<< notice\n>> unknown x\n>> usage\n<< usage\n>> guess hm\n>> thinks hm")
    assert stage.session.unrecognised == {"x": 2}


def test_a_turn_boundary_is_when_nobody_speaks_and_nothing_is_owed(stage: Any) -> None:
    def idle(script: str) -> bool:
        stage.play(script)
        return stage.session.idle

    assert idle("")
    assert not idle(">> speak 1")
    assert not idle(">> hush")
    assert idle(">> send\n<< wire audio x1")
    assert not idle(">> calls a\n<< call a f 1")
    assert not idle(">> complete\n<< completed 1\n<< boundary")
    assert not idle(">> answer a")
    assert idle(">> send\n<< wire answer a")


@pytest.mark.parametrize("linked", [False, True])
def test_closing_is_told_once_and_from_any_state(linked: bool) -> None:
    bus = e.Bus(clock=lambda: 0.0)
    heard = bus.subscribe()
    session = Session(bus)
    if linked:
        session.dialling("test")
        session.link(resumed=False)
    session.close()
    session.close()
    changes = [event.to for event in heard._waiting if isinstance(event, e.SessionStateChanged)]
    assert changes == ["CLOSING", "CLOSED"]
    assert session.lost("late", 0.0) == ()
