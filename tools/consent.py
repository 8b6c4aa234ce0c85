"""Consent: a tool marked `confirm` runs only after the user has agreed by voice. Sans-io: words and times come in.

The model asks for the tool, and is told to ask the user. What the user says after that decides: a word of `no`, or
silence, voids the question; a word of `yes` lets the same call run once. The model's own word counts for nothing.
What the words mean is in `tools.assent`.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from pipeline.errors import PlanError
from tools.assent import NO, YES, Words, finished, plain

Verdict = Literal["ask", "wait", "agreed"]
PATIENCE = 30.0  # seconds of silence that void a question
PAUSE = 0.7  # seconds without a further fragment after which a last word is taken to be whole
SLACK = 1e-6  # seconds: times are sums of floats
KEYS = ("yes", "no", "patience")


@attrs.define
class _Question:
    """One call that waits for the user: since when, and what was said after it, by turns.

    `turn` is the reply in which the model asked for the tool; only what is said after it counts. `told` is that the
    user agrees; it may be taken back until the call comes.
    """

    turn: int
    since: float
    heard: dict[int, str] = attrs.field(factory=dict)
    told: bool = False

    def said(self, *, whole: bool) -> list[str]:
        """Gives what was said, each turn by itself; of the last turn's last word only if it is surely `whole`."""
        *before, last = self.heard.values() if self.heard else ("",)
        return [*before, last if whole else finished(last)]


@attrs.define
class Consent:
    """The open questions of a conversation; `yes` and `no` are words or phrases, `patience` is in seconds."""

    yes: tuple[str, ...] = YES
    no: tuple[str, ...] = NO
    patience: float = PATIENCE
    _words: Words = attrs.field(init=False)
    _open: dict[str, _Question] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._words = Words(self.yes, self.no)

    @classmethod
    def of(cls, table: Mapping[str, Any], where: str) -> "Consent":
        """Reads the plan's `[tools.confirm]`; PlanError for what is wrong in it."""
        for key, value in table.items():
            if key not in KEYS:
                raise PlanError(f"{where}.{key} is unknown; there are {', '.join(KEYS)}")
            if key == "patience":
                if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                    raise PlanError(f"{where}.patience is {value!r}; it must be a number of seconds above 0")
            elif not isinstance(value, list | tuple) or not all(isinstance(w, str) and plain(w) for w in value):
                raise PlanError(f'{where}.{key} is {value!r}; it must be a list of words, as in ["yes", "go ahead"]')
        yes, no = tuple(map(plain, table.get("yes", YES))), tuple(map(plain, table.get("no", NO)))
        return cls(yes, no, float(table.get("patience", PATIENCE)))

    def heard(self, text: str, turn: int, now: float) -> dict[str, str]:
        """Takes a fragment of what the user says, ahead of reply number `turn`; gives what `settle` gives then."""
        decided = self._expire(now)
        for question in self._open.values():
            if turn > question.turn:
                question.heard[turn] = question.heard.get(turn, "") + text
                question.since = now
        return decided | self.settle(now)

    def settle(self, now: float) -> dict[str, str]:
        """Gives the questions that are decided by now: `agreed`, or `refused`, and those that are `expired`.

        A fragment may end within a word, so the last one counts once something follows it, or nothing for a while.
        """
        decided = self._expire(now)
        for asked, question in list(self._open.items()):
            said = question.said(whole=self._paused(question, now))
            if any(map(self._words.refuse, said)):
                del self._open[asked]
                decided[asked] = "refused"
            elif not question.told and any(map(self._words.agree, said)):
                question.told = True
                decided[asked] = "agreed"
        return decided

    def judge(self, asked: str, turn: int, now: float) -> Verdict:
        """Decides on a call: `ask` the user first, `wait` for words that may be on their way, or it is `agreed`.

        It rests on all that was said by now, and an agreement serves one call.
        """
        self._expire(now)
        question = self._open.get(asked)
        if question is None or any(map(self._words.refuse, question.said(whole=True))):
            if question is None or self._paused(question, now):
                self.ask_again(asked, turn, now)
                return "ask"
            return "wait"
        if not any(map(self._words.agree, question.said(whole=True))):
            return "wait"
        last = next(reversed(question.heard.values()))
        if finished(last) != last and not self._paused(question, now):
            return "wait"
        del self._open[asked]
        return "agreed"

    def ask_again(self, asked: str, turn: int, now: float) -> None:
        """The model called again and the user has said nothing that decides: the question stays open."""
        self._open[asked] = _Question(turn, now)

    def _paused(self, question: _Question, now: float) -> bool:
        return now - question.since >= PAUSE - SLACK

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
