"""What agrees and what refuses, among the words of someone who was asked: in doubt neither, and rather no than yes.

A transcript has any punctuation or none, so a question is known by its mark or by how it begins, and a condition
agrees to nothing. Words that people say for many reasons ("sure", "correct") agree only where nothing else is said.
"""

import re
from collections.abc import Iterable, Iterator

import attrs

WEAK = (
    *("sure", "ok", "okay", "confirm", "confirmed", "agreed", "correct", "absolutely", "definitely", "proceed"),
    *("certainly", "do it", "do that", "of course"),
)
YES = ("yes", "yeah", "yep", "yup", "go ahead", "please do", "i agree", "i confirm", "ja", "oui", "sí", *WEAK)
NO = (
    *("no", "nope", "nah", "not", "never", "nevermind", "stop", "cancel", "wait", "abort", "hold on", "hang on"),
    *("leave it", "forget it", "skip it", "refuse", "decline", "cannot", "nein", "non"),
)
# Beside the words of the plan: "shouldn't" in all its forms, as people write and as recognisers do.
NEGATED = re.compile(r"\b(?:\w+n't|(?:do|did|does|ca|wo|would|should|could|must|is|are|was|were|have|has|ai)nt)(?!\w)")
CONDITIONS = ("but", "if", "unless", "maybe", "perhaps", "later")
FILLERS = (
    *("please", "just", "then", "now", "well", "um", "uh", "oh", "ah", "hm", "so", "and", "very", "right", "fine"),
    *("good", "great", "perfect", "alright", "all right", "thanks", "thank you", "let's", "lets", "i'm", "i am"),
    *("that's", "thats", "that is", "it's", "its", "it is", "with me", "by me", "for me", "sounds"),
)
ASKING = re.compile(
    r"(?:what|why|how|who|whose|when|where|which|is|are|am|was|were|does|did|can|could|should|would|will|has|have"
    r"|may|do (?:i|you|we|they))\b"
)
SENTENCE = re.compile(r"[^.!?…。？]+[.!?…。？]*")  # noqa: RUF001 - marks of other scripts


@attrs.frozen
class Words:
    """The words and phrases that agree and refuse, as `plain` gives them."""

    yes: tuple[str, ...]
    no: tuple[str, ...]

    def refuse(self, said: str) -> bool:
        """Tells whether anything in it is a no."""
        words = plain(said)
        return _holds(words, self.no) or NEGATED.search(words) is not None

    def agree(self, said: str) -> bool:
        """Tells whether it is a yes and nothing that takes it back."""
        whole = plain(said)
        if self.refuse(said) or _holds(whole, CONDITIONS):
            return False
        sentences = [*_stated(said)]
        strong = tuple(word for word in self.yes if word not in WEAK)
        if any(_holds(sentence, strong) for sentence in sentences):
            return True
        return whole == " ".join(sentences) and _only(whole, self.yes)


def plain(text: str) -> str:
    """Gives the words alone, in one spelling of capitals and apostrophes."""
    return " ".join(re.findall(r"[\w']+", text.replace("\u2019", "'").casefold()))


def finished(text: str) -> str:
    """Gives a text without the last word, unless something behind it shows that it is whole."""
    return re.sub(r"[\w'\u2019]+$", "", text)


def _stated(said: str) -> Iterator[str]:
    """Yields the sentences that are no questions."""
    for sentence in SENTENCE.findall(said):
        words = plain(sentence)
        if words and not re.search(r"[?？]", sentence) and not ASKING.match(_trimmed(words)):  # noqa: RUF001
            yield words


def _trimmed(words: str) -> str:
    """Takes the fillers away from the front: "well, is that okay" is a question."""
    return re.sub(rf"^(?:(?:{_any(FILLERS)}) )*", "", words)


def _only(words: str, yes: Iterable[str]) -> bool:
    """Tells whether there is a word of `yes`, and nothing but such words and fillers."""
    rest = re.sub(rf"\b(?:{_any(yes)})(?![\w'])", "\0", words)
    return "\0" in rest and not re.sub(rf"\b(?:{_any(FILLERS)})(?![\w'])", "", rest).strip(" \0")


def _any(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True))) or "(?!)"


def _holds(said: str, words: Iterable[str]) -> bool:
    return any(f" {word} " in f" {said} " for word in words)
