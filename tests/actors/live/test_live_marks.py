"""The marks on the way of the user's last words: which write ended the turn, and how long tools were waited for."""

import pytest

from actors.live.marks import WRITES, Marks
from pipeline.messages import Asked, SpeechEnded, Voiced

BLOCK = bytes(640)
END = SpeechEnded(1.0, 16_000, taken=1.01, passed=1.02)


def written(marks: Marks, *blocks: float) -> None:
    """Writes blocks that begin at these times, each 10 ms after its end and for 5 ms."""
    for at in blocks:
        marks.wrote(Voiced(BLOCK, at, round(16_000 * at)), at + 0.03, at + 0.035)


def test_in_server_turns_the_block_with_the_last_word_ends_the_turn() -> None:
    marks = Marks()
    written(marks, 0.96, 0.98, 1.0, 1.02)
    marks.spoke(END)
    asked = marks.take(2.0)
    assert asked == Asked(1.0, 1.01, 1.02, pytest.approx(1.01), pytest.approx(1.015))
    assert marks.take(2.1) is None, "it is answered once"


def test_in_local_turns_the_end_itself_does() -> None:
    marks = Marks()
    written(marks, 0.98)
    marks.spoke(END)
    marks.wrote(END, 1.4, 1.45)
    assert marks.take(2.0) == Asked(1.0, 1.01, 1.02, 1.4, 1.45)


def test_a_replayed_block_counts_as_it_was_written_last() -> None:
    marks = Marks()
    written(marks, 0.96, 0.98)
    marks.wrote(Voiced(BLOCK, 0.98, 15_680), 5.0, 5.1)
    marks.spoke(END)
    asked = marks.take(6.0)
    assert asked is not None
    assert (asked.began, asked.written) == (5.0, 5.1)


def test_a_block_that_was_not_written_is_unknown() -> None:
    marks = Marks()
    marks.spoke(END)
    assert marks.take(2.0) == Asked(1.0, 1.01, 1.02)
    written(marks, 0.98, *(2 + number * 0.02 for number in range(WRITES)))
    marks.spoke(END)
    assert marks.take(9.0) == Asked(1.0, 1.01, 1.02), "nor is one that is forgotten"


def test_tools_count_from_the_call_to_the_last_answer() -> None:
    marks = Marks()
    marks.spoke(END)
    marks.called(2.0)
    marks.called(2.1)
    marks.answered(2.5, more=True)
    marks.answered(3.0, more=False)
    marks.called(4.0)  # one that is still at work when the reply begins
    asked = marks.take(4.5)
    assert asked is not None
    assert asked.tools == pytest.approx(1.5)


def test_tools_of_the_turn_before_do_not_count() -> None:
    marks = Marks()
    marks.called(0.1)
    marks.spoke(END)
    marks.answered(2.0, more=False)
    asked = marks.take(2.5)
    assert asked is not None
    assert asked.tools == 0.0


def test_typed_words_count_from_the_wire() -> None:
    marks = Marks()
    marks.typed(1.9, 2.0)
    assert marks.take(3.0) == Asked(2.0, None, None, 1.9, 2.0)
