"""What the model asks of tools, as the session sees it: the debts, and whether a reply rests on one of them.

Most calls are waited for: until one is answered, the reply that asked for it is not whole, and what led to it is said
again to a session that does not know it. A call of a tool that says of itself that nobody waits for it, a timer's,
stops counting once the turn that asked is complete. Its answer comes whenever it comes; where the session that asked
is gone by then, it is told in words.
"""

import json
from collections.abc import Iterable

import attrs

from actors.live.commands import ToolResponse
from actors.live.ledger import Ledger
from actors.live.signals import FunctionCall
from pipeline.events import Trouble
from pipeline.messages import CallsCancelled, Say, ToolAnswer, ToolCalled


@attrs.frozen
class Told(Say):
    """What a tool came to whose call is gone with its session: text like any, but none of the user's."""


@attrs.define
class Calling:
    """Keeps the ledger, numbers calls that come without an id, and knows whether something is waited for.

    `patient` are the names of the tools that nobody waits for.
    """

    ledger: Ledger
    patient: frozenset[str] = frozenset()
    called: bool = False  # a tool was called and nothing was said since
    _unnamed: int = attrs.field(default=0, init=False)
    _void: tuple[str, ...] = attrs.field(default=(), init=False)
    _until: int = attrs.field(default=0, init=False)

    @property
    def waits(self) -> bool:
        """Whether an answer is waited for."""
        return bool(self.ledger.waited)

    @property
    def owing(self) -> bool:
        """Whether the reply still rests on a tool: unanswered, or answered and nothing said since."""
        return self.called or self.waits

    def asked(self, calls: Iterable[FunctionCall], turn: int) -> list[ToolCalled]:
        """Takes the calls of a message; gives those that are not repeated."""
        self.called = True
        new = []
        for call in calls:
            self._unnamed += not call.id
            call_id = call.id or f"unnamed-{self._unnamed}"
            if self.ledger.asked(call_id, call.name, patient=call.name in self.patient):
                new.append(ToolCalled(call_id, call.name, call.args, turn))
        return new

    def answered(self, answer: ToolAnswer) -> tuple[list[Told], list[Trouble]]:
        """Takes a tool's answer: gives what is to be told in words; one that nobody is owed any more is dropped."""
        response = ToolResponse(answer.id, answer.name, answer.response, answer.scheduling, answer.will_continue)
        if self.ledger.answered(response) == "void":
            why = self.ledger.why_void(answer.id) or "nobody is owed it"
            return [], [Trouble(f"a late answer of {answer.name}", "void", f"dropped: {why}")]
        return self._told(), []

    def sounds(self) -> None:
        """Something is said: the reply rests on a tool only as far as one is waited for."""
        self.called = self.called and self.waits

    def begins(self) -> None:
        """A reply begins."""
        self.called = False
        self.ledger.replied()

    def over(self) -> None:
        """The turn is complete: of what it asked for, some is not waited for any more."""
        if self.ledger.let_go() and not self.waits:
            self.called = False

    def relinked(self, *, resumed: bool, until: int) -> tuple[list[Told], list[CallsCancelled]]:
        """The link is back: gives what is to be told in words, and the calls that are void.

        The model asks for those again once it has heard what is kept up to `until`.
        """
        void = self.ledger.relinked(resumed=resumed)
        self._void, self._until = (*self._void, *void), until
        return self._told(), [CallsCancelled(void, "void: the session that asked is gone")] if void else []

    def settled(self, base: int) -> list[CallsCancelled]:
        """A turn is complete, and what was said up to `base` is answered: void calls will not be asked for again."""
        if not self._void or self.owing or base < self._until:
            return []
        void, self._void = self._void, ()
        return [CallsCancelled(void, "answered: what had led to it is answered without it, or with it")]

    def _told(self) -> list[Told]:
        return [Told(in_words(answers)) for answers in self.ledger.alone() if answers[-1].scheduling != "SILENT"]


def in_words(answers: list[ToolResponse]) -> str:
    """Says what a tool came to, for a model that does not know of the call."""
    results = [answer.response.get("summary") or json.dumps(answer.response, ensure_ascii=False) for answer in answers]
    return f"(The tool {answers[-1].name}, called earlier, is done; tell the user: {'; '.join(map(str, results))})"
