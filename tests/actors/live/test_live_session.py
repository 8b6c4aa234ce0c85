"""Turns and tools as playbooks; the stage in conftest.py says how to read them."""

from typing import Any

import pytest

from actors.live.underway import STALE_FOR


def test_a_normal_turn(stage: Any, answered: str, asked: str) -> None:
    stage.play(asked + answered)
    assert stage.session.idle
    assert [line.role for line in stage.session.history.all()] == ["user", "model"]


def test_an_interrupted_turn_and_the_next(stage: Any, interrupted: str, asked: str) -> None:
    stage.play(
        asked
        + interrupted
        + """
        >> audio
        >> says too late
        >> complete
        << interrupted 1
        << CONNECTED
        << boundary
        >> audio
        << audio 2
        >> generated
        << whole 2
        >> complete
        << completed 2
        << boundary
        """
    )


def test_an_interruption_after_the_turn_was_complete_silences_it_and_begins_none(
    stage: Any, answered: str, asked: str
) -> None:
    stage.play(
        asked
        + answered
        + """
        >> speak 2
        >> send
        << wire audio x2
        >> interrupted
        << silence 1 interrupted
        >> complete
        << boundary
        >> hush
        >> lose
        << DISCONNECTED
        >> link fresh
        << CONNECTING
        << CONNECTED
        >> send
        << wire history user what is it? / model This is it.
        << wire audio x2
        >> audio
        << audio 2
        """
    )


def test_an_interruption_before_any_content_begins_no_turn(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + """
        >> interrupted
        << silence 0 interrupted
        >> complete
        << boundary
        >> audio
        << audio 1
        """
    )


def test_a_forgotten_turn_complete_after_an_interruption_does_not_mute(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + f"""
        >> says One
        << model~ One
        >> interrupted
        << silence 1 interrupted
        << INTERRUPTED
        >> audio
        >> wait {STALE_FOR}
        >> audio
        >> wait 0.01
        >> heard stop
        << user~ stop
        >> audio
        << user: stop
        << model: One
        << CONNECTED
        << audio 2
        >> says Two
        << model~ Two
        >> complete
        << completed 2
        << model: Two
        << boundary
        """
    )
    assert [line.text for line in stage.session.history.all()] == ["stop", "One", "Two"]


def test_extended_thinking_ends_at_idle_only(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + """
        >> thinks how to begin
        >> complete IN_PROGRESS
        >> audio
        << audio 1
        >> complete IN_PROGRESS
        >> calls a
        << call a f 1
        >> complete IN_PROGRESS
        >> answer a
        >> send
        << wire answer a
        >> audio
        << audio 1
        >> generated
        << whole 1
        >> complete IDLE
        << completed 1
        << boundary
        """
    )


def test_extended_thinking_goes_on_after_an_interruption(stage: Any, interrupted: str, asked: str) -> None:
    stage.play(
        asked
        + interrupted
        + """
        >> complete IN_PROGRESS
        << interrupted 1
        << CONNECTED
        << boundary
        >> audio
        << audio 2
        """
    )


def test_an_empty_turn_counts_as_an_answer(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + """
        >> complete
        << completed 1
        << boundary
        >> lose
        << DISCONNECTED
        >> link fresh
        << CONNECTING
        << CONNECTED
        >> send
        """
    )


def test_a_model_that_waits_has_heard(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + """
        >> heard well
        << user~ well
        >> waiting
        << user: well
        >> lose
        << DISCONNECTED
        >> link fresh
        << CONNECTING
        << CONNECTED
        >> send
        << wire history user well
        """
    )


def test_a_turn_that_the_service_cut_short_is_told(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + """
        >> audio
        << audio 1
        >> cut-short BLOCKLIST
        << completed 1
        << trouble BLOCKLIST
        << boundary
        """
    )


def test_a_tool_turn(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + """
        >> calls a b
        << call a f 1
        << call b f 1
        >> calls a
        >> answer b
        >> answer a
        >> send
        << wire answer a
        << wire answer b
        >> audio
        << audio 1
        >> generated
        << whole 1
        >> complete
        << completed 1
        << boundary
        >> lose
        << DISCONNECTED
        >> link fresh
        << CONNECTING
        << CONNECTED
        << cancelled a b
        >> send
        """
    )


CUT_AFTER_A_CALL = """
    >> lose
    << silence 1 failed
    << DISCONNECTED
    >> link resumed
    << CONNECTING
    << CONNECTED
    << cancelled a
    >> send
    << wire audio x3
    << wire AudioStreamEnd
    >> answer a
    << trouble void
    >> calls a
    << call a f 2
    >> answer a
    >> send
    << wire answer a
"""


def test_a_cut_before_the_answer_replays_the_utterance(stage: Any, asked: str) -> None:
    stage.play(">> handle H1\n<< renewed\n" + asked + ">> calls a\n<< call a f 1\n>> generated" + CUT_AFTER_A_CALL)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cut_between_the_answer_and_what_follows_replays_the_utterance(stage: Any, asked: str, when: str) -> None:
    """Whether the generation that led to the call ends before its answer is written or after it."""
    call = ">> calls a\n<< call a f 1\n"
    answer = ">> answer a\n>> send\n<< wire answer a\n"
    generated = ">> generated\n"
    told = generated + answer if when == "before" else answer + generated
    stage.play(">> handle H1\n<< renewed\n" + asked + call + told + CUT_AFTER_A_CALL)


def test_a_call_that_the_handle_knows_is_answered_on_the_resumed_session_and_nothing_is_said_twice(
    stage: Any,
    asked: str,
) -> None:
    stage.play(
        asked
        + """
        >> calls a
        << call a f 1
        >> handle H1
        << renewed
        >> lose
        << silence 1 failed
        << DISCONNECTED
        >> answer a
        >> link resumed
        << CONNECTING
        << CONNECTED
        >> send
        << wire answer a
        >> audio
        << audio 2
        """
    )


def test_a_cancelled_call_drops_its_late_answer(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + """
        >> calls a b
        << call a f 1
        << call b f 1
        >> interrupted
        << silence 1 interrupted
        << INTERRUPTED
        >> void a b c
        << cancelled a b
        >> answer a
        << trouble void
        >> send
        """
    )


def test_an_interruption_without_a_cancellation_leaves_the_debt(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + """
        >> calls a
        << call a f 1
        >> interrupted
        << silence 1 interrupted
        << INTERRUPTED
        >> complete
        << interrupted 1
        << CONNECTED
        << boundary
        >> answer a
        >> send
        << wire answer a
        """
    )


def test_a_call_in_the_wake_of_an_interruption_is_still_owed(stage: Any, interrupted: str, asked: str) -> None:
    stage.play(
        asked + interrupted + ">> calls a\n<< call a f 1\n>> complete\n<< interrupted 1\n<< CONNECTED\n<< boundary"
    )
    assert stage.session.ledger.open == ("a",)


def test_an_answer_in_parts(stage: Any, asked: str) -> None:
    stage.play(
        asked
        + """
        >> calls a
        << call a f 1
        >> part a
        >> send
        << wire answer a
        >> audio
        << audio 1
        >> last a
        >> send
        << wire answer a
        >> last a
        << trouble void
        """
    )
