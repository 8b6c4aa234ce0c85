"""Consent: a tool marked `confirm` runs only after the user has agreed by voice. Sans-io: words and times come in.

The model asks for the tool, and is told to ask the user. What the user says after that decides: a word of `no`, or
silence, voids the question; a word of `yes` lets the same call run once. The model's own word counts for nothing.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from pipeline.errors import PlanError

Verdict = Literal["ask", "wait", "agreed"]
PATIENCE = 30.0  # seconds of silence that void a question
YES = (
    *("yes", "yeah", "yep", "yup", "sure", "ok", "okay", "confirm", "confirmed", "agreed", "correct", "absolutely"),
    *("definitely", "proceed", "certainly", "go ahead", "do it", "do that", "of course", "please do"),
    *("ja", "oui", "sí"),
)
NO = ("no", "nope", "nah", "not", "don't", "dont", "never", "stop", "cancel", "wait", "abort", "nein", "non")
KEYS = ("yes", "no", "patience")


@attrs.define
class _Question:
    """One call that waits for the user: since when, what was said after it, and whether that agrees.

    `turn` is the reply in which the model asked for the tool; only what is said after it counts.
    """

    turn: int
    since: float
    heard: dict[int, str] = attrs.field(factory=dict)
    agreed: bool = False


@attrs.define
class Consent:
    """The open questions of a conversation; `yes` and `no` are words or phrases, `patience` is in seconds."""

    yes: tuple[str, ...] = YES
    no: tuple[str, ...] = NO
    patience: float = PATIENCE
    _open: dict[str, _Question] = attrs.field(factory=dict, init=False)

    @classmethod
    def of(cls, table: Mapping[str, Any], where: str) -> "Consent":
        """Reads the plan's `[tools.confirm]`; PlanError for what is wrong in it."""
        for key, value in table.items():
            if key not in KEYS:
                raise PlanError(f"{where}.{key} is unknown; there are {', '.join(KEYS)}")
            if key == "patience":
                if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                    raise PlanError(f"{where}.patience is {value!r}; it must be a number of seconds above 0")
            elif not isinstance(value, list | tuple) or not all(isinstance(w, str) and _plain(w) for w in value):
                raise PlanError(f'{where}.{key} is {value!r}; it must be a list of words, as in ["yes", "go ahead"]')
        made = cls()
        yes, no = tuple(map(_plain, table.get("yes", made.yes))), tuple(map(_plain, table.get("no", made.no)))
        return cls(yes, no, float(table.get("patience", made.patience)))

    def heard(self, text: str, turn: int, now: float) -> dict[str, str]:
        """Takes a fragment of what the user says, ahead of reply number `turn`.

        Gives the questions that this decides: `agreed`, or `refused`, and those that are `expired` by now.
        """
        decided = self._expire(now)
        for asked, question in list(self._open.items()):
            if turn <= question.turn:
                continue
            question.heard[turn] = question.heard.get(turn, "") + text
            question.since = now
            said = [_plain(words) for words in question.heard.values()]
            if any(_holds(words, self.no) for words in said):
                del self._open[asked]
                decided[asked] = "refused"
            elif not question.agreed and any(_holds(words, self.yes) for words in said):
                question.agreed = True
                decided[asked] = "agreed"
        return decided

    def judge(self, asked: str, turn: int, now: float) -> Verdict:
        """Decides on a call: `ask` the user first, `wait` for words that may be on their way, or it is `agreed`.

        An agreement serves one call.
        """
        self._expire(now)
        question = self._open.get(asked)
        if question is None:
            self._open[asked] = _Question(turn, now)
            return "ask"
        if question.agreed:
            del self._open[asked]
            return "agreed"
        return "wait"

    def ask_again(self, asked: str, turn: int, now: float) -> None:
        """The model called again and the user has said nothing that decides: the question stays open."""
        self._open[asked] = _Question(turn, now)

    def _expire(self, now: float) -> dict[str, str]:
        late = [asked for asked, question in self._open.items() if now - question.since > self.patience]
        for asked in late:
            del self._open[asked]
        return dict.fromkeys(late, "expired")


def asked_for(name: str, args: Mapping[str, object]) -> str:
    """Names what a call asks for: equal for calls that mean the same, whatever the order of their arguments."""
    given = {key: _number(value) for key, value in args.items() if value is not None}
    return json.dumps([name, given], sort_keys=True, default=str)


def request(name: str, args: Mapping[str, object]) -> dict[str, object]:
    """Gives the answer that has the model ask the user."""
    shown = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in args.items() if value is not None)
    what = re.sub(r"[_.:-]+", " ", name)
    return {
        "status": "waiting for the user's consent",
        "summary": f"May I {what}{f' with {shown}' if shown else ''}? Please say yes or no.",
        "instruction": f"Nothing has been done yet. Ask the user whether to do this. Only after they have said yes, "
        f"call {name} again with exactly the same arguments; if they say no, do not.",
    }


def _number(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[\w']+", text.replace("\u2019", "'").casefold()))


def _holds(said: str, words: tuple[str, ...]) -> bool:
    return any(f" {word} " in f" {said} " for word in words)
