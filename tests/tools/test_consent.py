"""Consent: which words agree, which refuse, and what the plan may say of them."""

import pytest

from pipeline.errors import PlanError
from tools.consent import PAUSE, Consent, asked_for, request


def asked() -> Consent:
    consent = Consent()
    assert consent.judge("a", 1, 0.0) == "ask"
    return consent


def test_a_yes_agrees_and_a_no_refuses() -> None:
    consent = asked()
    assert consent.heard("Yes.", 2, 1.0) == {"a": "agreed"}
    assert consent.judge("a", 2, 1.0) == "agreed"
    assert asked().heard("No.", 2, 1.0) == {"a": "refused"}


FRAGMENTS: dict[tuple[str, ...], str] = {
    ("ye", "s"): "agreed",
    ("of cou", "rse"): "agreed",
    ("Yes", "terday I saw it"): "wait",
    ("ok", "ra"): "wait",
    ("correct", "ion"): "wait",
    ("Yes. ", "no"): "ask",
    ("yes", " please wait"): "ask",
    ("no", "thing"): "wait",
}


@pytest.mark.parametrize("fragments", FRAGMENTS, ids="+".join)
def test_a_word_counts_once_it_is_whole(fragments: tuple[str, ...]) -> None:
    consent = asked()
    for number, fragment in enumerate(fragments):
        consent.heard(fragment, 2, 1.0 + number * PAUSE / 2)
    over = 1.0 + PAUSE / 2
    if not fragments[-1].endswith("."):
        assert consent.judge("a", 2, over) == "wait"
    consent.settle(over + PAUSE)
    assert consent.judge("a", 2, over + PAUSE) == FRAGMENTS[fragments]


def test_a_last_word_is_whole_after_a_pause_or_in_a_turn_that_is_over() -> None:
    consent = asked()
    assert consent.heard("yes", 2, 1.0) == {}
    assert consent.settle(1.0 + PAUSE) == {"a": "agreed"}
    consent = asked()
    consent.heard("yes", 2, 1.0)
    assert consent.heard("what", 3, 1.0) == {"a": "agreed"}


def test_what_was_agreed_can_be_taken_back_until_the_call_comes() -> None:
    consent = asked()
    consent.heard("yes", 2, 1.0)
    assert consent.settle(2.0) == {"a": "agreed"}
    consent.heard("terday", 2, 2.1)
    assert consent.judge("a", 2, 5.0) == "wait"
    assert consent.heard(" no.", 2, 6.0) == {"a": "refused"}
    assert consent.judge("a", 2, 6.0) == "ask"


def test_an_agreement_serves_one_call_and_fades() -> None:
    for later, verdict in ((29.0, "agreed"), (31.0, "ask")):
        consent = asked()
        consent.heard("yes", 2, 10.0)
        assert consent.judge("a", 2, 10.0 + later) == verdict
        assert consent.judge("a", 2, 10.0 + later) in ("ask", "wait")


def test_a_question_expires_in_silence_and_says_so() -> None:
    consent = Consent()
    consent.judge("a", 1, 0.0)
    assert consent.heard("hello", 2, 31.0) == {"a": "expired"}


def test_equal_calls_are_one_question_however_they_are_written() -> None:
    assert asked_for("f", {"a": 1, "b": None, "c": 2.0}) == asked_for("f", {"c": 2, "a": 1.0})
    assert asked_for("f", {"a": 1}) != asked_for("f", {"a": 2})
    assert asked_for("f", {}) != asked_for("g", {})


def test_the_request_names_what_would_be_done() -> None:
    told = request("files_move_file", {"to_place": "attic", "copies": None})
    assert told["summary"] == "May I files move file with to place attic? Please say yes or no."


WRONG: dict[str, dict[str, object]] = {
    "tools.confirm.maybe is unknown; there are yes, no, patience": {"maybe": []},
    "tools.confirm.yes is 'yes'; it must be a list of words": {"yes": "yes"},
    "tools.confirm.no is [1]": {"no": [1]},
    "tools.confirm.patience is 0": {"patience": 0},
    "tools.confirm.patience is True": {"patience": True},
}


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_table_is_refused(words: str) -> None:
    with pytest.raises(PlanError) as caught:
        Consent.of(WRONG[words], "tools.confirm")
    assert words in str(caught.value)


def test_words_of_ones_own() -> None:
    consent = Consent.of({"yes": ["Hai!"], "patience": 5}, "tools.confirm")
    consent.judge("a", 1, 0.0)
    assert consent.heard("yes.", 2, 1.0) == {}
    assert consent.heard("hai.", 3, 2.0) == {"a": "agreed"}
