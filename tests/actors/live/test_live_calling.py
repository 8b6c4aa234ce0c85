"""Calls that nobody waits for, such as a timer's, and calls whose session is gone, as playbooks; see conftest.py."""

from collections.abc import Iterator
from typing import Any

import pytest

from actors.live import commands as c
from actors.live import signals as s
from actors.live.calling import in_words
from actors.live.patience import FIRST_LIMIT, WAIT
from pipeline import messages as m

TIMER_SET = """
    >> calls a
    << call a f 1
    >> audio
    << audio 1
    >> generated
    >> complete
    << completed 1
    << boundary
"""
TOLD = 'wire text (The tool f, called earlier, is done; tell the user: {"output": 1})'


def another_turn(turn: int, *more: str) -> str:
    lines = [">> speak 2", ">> hush", ">> send", "<< wire audio x2", ">> audio", f"<< audio {turn}", ">> generated"]
    lines += [f"<< whole {turn}", ">> complete", f"<< completed {turn}", *more, "<< boundary"]
    return "\n".join(["", *lines, ""])


@pytest.fixture
def timer(stage: Any, asked: str) -> Any:
    """A session in which a timer was set in turn 1."""
    stage.session.calling.patient = frozenset({"f"})
    stage.play(asked + TIMER_SET)
    return stage


def test_while_a_timer_runs_there_are_turn_boundaries(timer: Any) -> None:
    assert timer.session.idle
    assert timer.session.ledger.open == ("a",)
    timer.play(">> answer a")
    assert not timer.session.idle, "its answer is to be written first"
    timer.play(">> send\n<< wire answer a")
    assert timer.session.idle


def test_a_call_that_is_waited_for_is_none(stage: Any, asked: str) -> None:
    stage.play(asked + TIMER_SET)
    assert not stage.session.idle


def test_while_a_timer_runs_a_mute_service_is_noticed(timer: Any) -> None:
    for _ in range(FIRST_LIMIT):
        timer.play(">> wait 10\n>> speak 2\n>> hush\n>> send\n<< wire audio x2")
    assert timer.session.mute(timer.now + timer.position + WAIT + 1)


def test_turns_that_were_answered_while_a_timer_runs_are_not_said_again(timer: Any) -> None:
    timer.play(another_turn(2) + another_turn(3) + another_turn(4))
    assert timer.session.kept.seconds == 0
    timer.play(">> lose\n<< DISCONNECTED\n>> link fresh\n<< CONNECTING\n<< CONNECTED\n>> send")


def test_a_timer_that_the_handle_knows_is_answered_by_its_id(timer: Any) -> None:
    timer.play(
        """
        >> handle H1
        << renewed
        >> lose
        << DISCONNECTED
        >> link resumed
        << CONNECTING
        << CONNECTED
        >> answer a
        >> send
        << wire answer a
        """
    )


@pytest.mark.parametrize("when", ["before", "while", "after"])
def test_a_timer_whose_session_is_gone_runs_on_and_is_told_in_words(timer: Any, when: str) -> None:
    """Whether its answer comes before the loss, and is not written, while there is no link, or after it."""
    told: dict[str, str] = dict.fromkeys(("before", "while", "after"), "") | {when: ">> answer a\n"}
    timer.play(
        told["before"]
        + ">> lose\n<< DISCONNECTED\n"
        + told["while"]
        + ">> link fresh\n<< CONNECTING\n<< CONNECTED\n"
        + told["after"]
        + f">> send\n<< {TOLD}\n"
    )
    timer.play(">> audio\n<< audio 2\n>> complete\n<< completed 2\n<< boundary\n>> send")


def test_what_is_told_in_words_is_said_again_until_it_is_answered_and_is_no_word_of_the_users(timer: Any) -> None:
    timer.play(
        f"""
        >> lose
        << DISCONNECTED
        >> answer a
        >> link fresh
        << CONNECTING
        << CONNECTED
        >> send
        << {TOLD}
        >> lose
        << DISCONNECTED
        >> link fresh
        << CONNECTING
        << CONNECTED
        >> send
        << {TOLD}
        """
    )
    effects = timer.session.receive(s.Speech(b"\0\0", 24_000), timer.now)
    assert not [effect for effect in effects if isinstance(effect, m.Heard)], "nobody has agreed to anything"


def test_an_answer_that_was_spoken_of_is_not_told_again(timer: Any) -> None:
    timer.play(">> answer a\n>> send\n<< wire answer a\n>> audio\n<< audio 2\n>> complete\n<< completed 2\n<< boundary")
    timer.play(">> lose\n<< DISCONNECTED\n>> link fresh\n<< CONNECTING\n<< CONNECTED\n<< cancelled a\n>> send")


def test_a_stream_is_told_whole_and_what_is_silent_not_at_all(timer: Any) -> None:
    timer.play(">> lose\n<< DISCONNECTED\n>> part a\n>> link fresh\n<< CONNECTING\n<< CONNECTED\n>> send\n>> last a")
    (sent,) = iter_text(timer)
    assert sent.endswith("tell the user: {}; {})")


def iter_text(stage: Any) -> Iterator[str]:
    while (command := stage.session.next_command()) is not None:
        yield command.text
        stage.session.wrote(command, stage.now)


def test_what_is_to_be_silent_is_not_told(timer: Any) -> None:
    timer.play(">> lose\n<< DISCONNECTED\n>> link fresh\n<< CONNECTING\n<< CONNECTED")
    assert timer.session.answer(m.ToolAnswer("a", "f", {"output": 1}, "SILENT")) == ()
    timer.play(">> send")


def test_a_summary_says_it_best() -> None:
    answers = [c.ToolResponse("a", "set_timer", {"summary": "The timer for tea is up.", "seconds": 60})]
    assert in_words(answers) == "(The tool set_timer, called earlier, is done; tell the user: The timer for tea is up.)"


def test_a_timer_whose_turn_is_not_complete_is_asked_for_again(stage: Any, asked: str) -> None:
    stage.session.calling.patient = frozenset({"f"})
    stage.play(
        asked
        + """
        >> calls a
        << call a f 1
        >> lose
        << silence 1 failed
        << DISCONNECTED
        >> link fresh
        << CONNECTING
        << CONNECTED
        << cancelled a
        >> send
        << wire audio x3
        << wire AudioStreamEnd
        """
    )


def test_once_what_was_said_is_answered_nobody_will_ask_for_a_void_call_again(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + """
        >> calls a
        << call a f 1
        >> speak 2
        >> hush
        >> lose
        << silence 1 failed
        << DISCONNECTED
        >> link fresh
        << CONNECTING
        << CONNECTED
        << cancelled a
        >> send
        << wire audio x3
        << wire AudioStreamEnd
        << wire audio x2
        """
    )
    effects = [*stage.session.receive(s.Speech(b"\0\0", 24_000), 0.0), *stage.session.receive(s.TurnComplete(), 0.0)]
    (news,) = [effect for effect in effects if isinstance(effect, m.CallsCancelled)]
    assert news.ids == ("a",)
    assert news.reason.startswith("answered")
    stage.play(another_turn(3))


def test_half_of_what_was_said_is_not_all_of_it(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + """
        >> calls a
        << call a f 1
        >> lose
        << silence 1 failed
        << DISCONNECTED
        >> speak 2
        >> link fresh
        << CONNECTING
        << CONNECTED
        << cancelled a
        >> send
        << wire audio x3
        << wire AudioStreamEnd
        << wire audio x2
        >> audio
        << audio 2
        >> complete
        << completed 2
        << boundary
        >> hush
        >> send
        >> audio
        << audio 3
        >> complete
        << completed 3
        << cancelled a
        << boundary
        """
    )


METADATA = {"groundingChunks": [{"web": {"uri": "https://example.org/", "title": "A"}}]}


def sources(stage: Any, metadata: Any = METADATA) -> list[int]:
    return [effect.turn for effect in stage.session.receive(s.Grounding(metadata), stage.now)]


def test_sources_ahead_of_a_reply_are_of_that_reply(stage: Any, asked: str) -> None:
    stage.play(asked + ">> audio\n<< audio 1\n>> complete\n<< completed 1\n<< boundary")
    assert sources(stage) == [1], "of the last reply, as nobody has spoken since"
    stage.play(">> speak 2\n>> hush\n>> send\n<< wire audio x2")
    assert sources(stage) == []
    stage.play(">> audio\n<< sources\n<< audio 2")
    assert sources(stage) == []
    assert sources(stage, {"groundingChunks": [{"web": {"uri": "https://example.net/", "title": "B"}}]}) == [2]


def test_sources_of_a_reply_that_never_came_are_forgotten(stage: Any, asked: str) -> None:
    stage.play(asked)
    assert sources(stage) == []
    stage.play(">> lose\n<< DISCONNECTED\n>> link fresh\n<< CONNECTING\n<< CONNECTED\n>> audio\n<< audio 1")
