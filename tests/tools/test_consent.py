"""Consent: which words agree, which refuse, and what the plan may say of them."""

import pytest

from pipeline.errors import PlanError
from tools.consent import Consent, asked_for, request

SAID = {
    "Yes, please.": "agreed",
    "YES!": "agreed",
    "of course": "agreed",
    "please go ahead": "agreed",
    "ok do it": "agreed",
    "yesterday": None,
    "what is the weather": None,
    "no": "refused",
    "No thank you": "refused",
    "yes, no, wait": "refused",
    "don\u2019t": "refused",
    "I am not sure": "refused",
    "nothing, I know": None,
}


@pytest.mark.parametrize("words", SAID)
def test_what_is_said_decides_or_does_not(words: str) -> None:
    consent = Consent()
    assert consent.judge("a", 1, 0.0) == "ask"
    decided = consent.heard(words, 2, 1.0)
    assert decided.get("a") == SAID[words]
    expected = {"agreed": "agreed", "refused": "ask", None: "wait"}[SAID[words]]
    assert consent.judge("a", 2, 2.0) == expected


def test_fragments_of_one_turn_are_joined_as_they_come() -> None:
    consent = Consent()
    consent.judge("a", 1, 0.0)
    assert consent.heard("ye", 2, 1.0) == {}
    assert consent.heard("s", 2, 1.0) == {"a": "agreed"}


def test_an_agreement_serves_one_call_and_fades() -> None:
    consent = Consent(patience=30.0)
    for later, verdict in ((29.0, "agreed"), (31.0, "ask")):
        consent.judge("a", 1, 0.0)
        consent.heard("yes", 2, 10.0)
        assert consent.judge("a", 2, 10.0 + later) == verdict
        consent = Consent(patience=30.0)


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
    assert consent.heard("yes", 2, 1.0) == {}
    assert consent.heard("hai", 3, 2.0) == {"a": "agreed"}
