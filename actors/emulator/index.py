"""The web of the embedded service: a small index of topics, read from index.toml beside this file."""

import tomllib
from functools import cache
from pathlib import Path

import attrs

from actors.emulator.cities import plain


@attrs.frozen
class Topic:
    """One entry: its spoken names, the questions it answers (both plain), what to say, and where it stands."""

    names: tuple[str, ...]
    questions: tuple[str, ...]
    title: str
    uri: str
    answer: str


@cache
def topics() -> tuple[Topic, ...]:
    """Returns all topics of the index."""
    data = tomllib.loads(Path(__file__).with_name("index.toml").read_text(encoding="utf-8"))
    return tuple(
        Topic(
            names=tuple(plain(name) for name in entry["names"]),
            questions=tuple(plain(question) for question in entry["questions"]),
            title=entry["title"],
            uri=entry["uri"],
            answer=entry["answer"],
        )
        for entry in data["topic"]
    )


def answers(text: str) -> bool:
    """Tells whether plain `text` is word for word a question of the index."""
    return any(text in topic.questions for topic in topics())


def find(text: str) -> Topic | None:
    """Returns the topic that plain `text` asks for: its question, its name, or most of the words of either."""
    wanted = _content(text)
    best: tuple[float, Topic] | None = None
    for topic in topics():
        for phrase in (*topic.names, *topic.questions):
            if phrase == text:
                return topic
            words = _content(phrase)
            if not words:
                continue
            overlap = len(words & wanted) / len(words)
            score = overlap + len(words) / 100  # of two that fit wholly the more particular one
            if overlap >= _ENOUGH and (best is None or score > best[0]):
                best = (score, topic)
    return best[1] if best else None


_ENOUGH = 0.75
_EMPTY_WORDS = """
a about an and are did do does for in is it me of on search tell the to was were what when where who why how
look up find out web please
"""
_EMPTY = frozenset(_EMPTY_WORDS.split())


def _content(text: str) -> frozenset[str]:
    return frozenset(text.split()) - _EMPTY
