"""The ledger of tool debts: what is owed to whom, across reconnects.

A debt belongs to the call id and to the session that asked. It is `open` until the tool has answered, `due` until
the answer is written, `written` until a later resumable handle proves that the session knows it, then `delivered`.
It is `void` when it was cancelled, or when the session that asked is gone; the model then asks again by itself,
because the words that led to the call are replayed.
"""

from collections.abc import Callable, Iterator

import attrs

from actors.live.commands import ToolResponse
from pipeline.events import ToolDebt

REMEMBERED = 256  # void ids whose late answers can still be explained


@attrs.define
class Debt:
    """One call and what became of it.

    `asked_at` counts the resumable handles seen before it; `known` of its `written` answers came before the last one.
    """

    id: str
    name: str
    asked_at: int
    state: str = "open"
    answers: list[ToolResponse] = attrs.field(factory=list)
    written: int = 0
    known: int = 0
    complete: bool = False


def _silent(_debt: ToolDebt) -> None:
    """Nobody listens."""


@attrs.define
class Ledger:
    """Knows every debt that is not settled; `handles` counts the resumable handles of this conversation.

    `tell` is called with what becomes of a debt.
    """

    handles: int = 0
    tell: Callable[[ToolDebt], None] = _silent
    _debts: dict[str, Debt] = attrs.field(factory=dict, init=False)
    _void: dict[str, str] = attrs.field(factory=dict, init=False)

    def asked(self, call_id: str, name: str) -> bool:
        """Opens a debt; False for an id that is already owed (a repeated message)."""
        if call_id in self._debts:
            return False
        self._void.pop(call_id, None)
        self._debts[call_id] = Debt(call_id, name, asked_at=self.handles)
        self.tell(ToolDebt(call_id, name, "owed"))
        return True

    def answered(self, answer: ToolResponse) -> str:
        """Takes a tool's answer: `due` if somebody waits for it, else `void`, and the answer is dropped."""
        debt = self._debts.get(answer.id)
        if debt is None or debt.complete:
            return "void"
        debt.answers.append(answer)
        debt.complete = not answer.will_continue
        debt.state = "due"
        return "due"

    def due(self) -> ToolResponse | None:
        """Gives the next answer to write, oldest debt first."""
        for debt in self._debts.values():
            if debt.written < len(debt.answers):
                return debt.answers[debt.written]
        return None

    def wrote(self, answer: ToolResponse) -> None:
        """Notes that an answer is on the wire."""
        debt = self._debts.get(answer.id)
        if debt is not None and any(answer is owed for owed in debt.answers[debt.written :][:1]):
            debt.written += 1
            if debt.complete and debt.written == len(debt.answers):
                debt.state = "written"
                self.tell(ToolDebt(debt.id, debt.name, "written"))

    def cancel(self, ids: tuple[str, ...], why: str) -> tuple[str, ...]:
        """Voids debts; gives those that were really owed."""
        struck = [debt for call_id in ids if (debt := self._debts.pop(call_id, None)) is not None]
        gone = tuple(debt.id for debt in struck)
        for debt in struck:
            self.tell(ToolDebt(debt.id, debt.name, "void", why))
        self._void.update(dict.fromkeys(gone, why))
        while len(self._void) > REMEMBERED:
            self._void.pop(next(iter(self._void)))
        return gone

    def handle_renewed(self) -> None:
        """A resumable handle came: what was written before it is known to the session for good."""
        self.handles += 1
        for debt in list(self._debts.values()):
            debt.known = debt.written
            if debt.state == "written":
                del self._debts[debt.id]
                self.tell(ToolDebt(debt.id, debt.name, "delivered"))

    def relinked(self, *, resumed: bool) -> tuple[str, ...]:
        """The link is back: gives the ids voided because the session at the far end never asked for them.

        A resumed session stands where its last handle was issued; calls it made since are unknown to it. What was
        written since that handle is written again.
        """
        lost = tuple(d.id for d in self._debts.values() if not resumed or d.asked_at >= self.handles)
        self.cancel(lost, "the session that asked is gone")
        for debt in self._debts.values():
            debt.written = debt.known
            if debt.state == "written":
                debt.state = "due"
                self.tell(ToolDebt(debt.id, debt.name, "owed", "the link was lost before the session knew the answer"))
        return lost

    @property
    def open(self) -> tuple[str, ...]:
        """The ids whose answers are not written yet."""
        return tuple(self._unwritten())

    def why_void(self, call_id: str) -> str:
        """Tells why a call is void, empty if it is not known to be."""
        return self._void.get(call_id, "")

    def _unwritten(self) -> Iterator[str]:
        for debt in self._debts.values():
            if debt.state != "written":
                yield debt.id
