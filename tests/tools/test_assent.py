"""What agrees and what refuses: in doubt neither."""

import pytest

from tools.assent import NO, YES, Words, finished

SAID = {
    "Yes, please.": "agreed",
    "YES!": "agreed",
    "of course": "agreed",
    "Sure, of course.": "agreed",
    "please go ahead": "agreed",
    "ok do it": "agreed",
    "Okay, that's fine, do that now please": "agreed",
    "yes delete the file": "agreed",
    "Yes. How long will it take?": "agreed",
    "I agree": "agreed",
    "that is correct": "agreed",
    "¡Sí!": "agreed",
    "yesterday": None,
    "what is the weather": None,
    "nothing, I know": None,
    "Are you sure?": None,
    "are you sure": None,
    "What is the correct amount?": None,
    "what is the correct amount": None,
    "Is that okay for my account?": None,
    "well is that okay": None,
    "Make sure it is the right file first": None,
    "I can do that myself": None,
    "Yes?": None,
    "do you want a yes": None,
    "yes, but to my sister": None,
    "yes if it is free": None,
    "okra": None,
    "that is the correct file of the two": None,
    "no": "refused",
    "No thank you": "refused",
    "yes, no, wait": "refused",
    "don\u2019t": "refused",
    "I am not sure": "refused",
    "You shouldn't do that": "refused",
    "you shouldnt do that": "refused",
    "I can't do that now": "refused",
    "I cannot say yes": "refused",
    "We won't proceed": "refused",
    "hold on": "refused",
    "leave it": "refused",
    "I refuse": "refused",
    "Never mind, yes": "refused",
}


@pytest.mark.parametrize("said", SAID)
def test_what_is_said_decides_or_does_not(said: str) -> None:
    words = Words(YES, NO)
    found = "refused" if words.refuse(said) else "agreed" if words.agree(said) else None
    assert found == SAID[said]


@pytest.mark.parametrize("said", ["I want an important paint", "my aunt went"])
def test_words_that_only_end_like_a_no_are_none(said: str) -> None:
    assert not Words(YES, NO).refuse(said)


@pytest.mark.parametrize(
    ("said", "whole"), [("yes", ""), ("yes ", "yes "), ("yes pl", "yes "), ("yes.", "yes."), ("don't", "")]
)
def test_a_last_word_is_whole_when_something_follows_it(said: str, whole: str) -> None:
    assert finished(said) == whole


def test_a_word_of_the_plans_own_agrees_anywhere() -> None:
    words = Words(("hai",), NO)
    assert words.agree("so hai then")
    assert not words.agree("yes")
