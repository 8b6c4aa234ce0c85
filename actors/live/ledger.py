"""The ledger of tool debts: what is owed to whom, across reconnects.

A debt belongs to the call id and to the session that asked. It is `open` until the tool has answered, `due` until
the answer is written, `written` until a later resumable handle proves that the session knows it, then `delivered`.
It is `void` when it was cancelled, or when the session that asked is gone; the model then asks again by itself,
because the words that led to the call are replayed. Where they are answered already, as those that led to a timer are,
it stands alone: its answer is told in words.
"""

from collections.abc import Callable, Iterator

import attrs

from actors.live.commands import ToolResponse
from pipeline.events import ToolDebt

REMEMBERED = 256  # void ids whose late answers can still be explained
SURE_AFTER = 0.5  # seconds that an answer takes to the service at most: a handle that comes sooner may not know it
GONE = "the session that asked is gone"


@attrs.define
class Debt:
    """One call and what became of it.

    `asked_at` counts the resumable handles seen before it; `known` of its answers were written long enough before the
    last one, of all that were, at the times `written`. `patient`: nobody waits for it once the turn that asked is over,
    and then not `waited`. `replied`: a reply has begun since its answer was written.
    """

    id: str
    name: str
    asked_at: int
    patient: bool = False
    waited: bool = True
    state: str = "open"
    answers: list[ToolResponse] = attrs.field(factory=list)
    written: list[float] = attrs.field(factory=list)
    known: int = 0
    complete: bool = False
    replied: bool = False

    def take(self, answer: ToolResponse) -> None:
        """Takes one more answer, perhaps the last."""
        self.answers.append(answer)
        self.complete = not answer.will_continue
        self.state = "due"


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
    _alone: dict[str, Debt] = attrs.field(factory=dict, init=False)

    def asked(self, call_id: str, name: str, *, patient: bool = False) -> bool:
        """Opens a debt; False for an id that is already owed (a repeated message)."""
        if call_id in self._debts:
            return False
        self._void.pop(call_id, None)
        self._debts[call_id] = Debt(call_id, name, self.handles, patient)
        self.tell(ToolDebt(call_id, name, "owed"))
        return True

    def answered(self, answer: ToolResponse) -> str:
        """Takes a tool's answer: `due` if it is owed, `alone`, or `void`, and then the answer is dropped."""
        debt = self._debts.get(answer.id)
        if debt is None and (alone := self._alone.get(answer.id)) is not None:
            alone.take(answer)
            return "alone"
        if debt is None or debt.complete:
            return "void"
        debt.take(answer)
        return "due"

    def due(self) -> ToolResponse | None:
        """Gives the next answer to write, oldest debt first."""
        for debt in self._debts.values():
            if len(debt.written) < len(debt.answers):
                return debt.answers[len(debt.written)]
        return None

    def wrote(self, answer: ToolResponse, now: float) -> None:
        """Notes that an answer is on the wire."""
        debt = self._debts.get(answer.id)
        if debt is not None and any(answer is owed for owed in debt.answers[len(debt.written) :][:1]):
            debt.written.append(now)
            debt.replied = False
            if debt.complete and len(debt.written) == len(debt.answers):
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

    def let_go(self) -> bool:
        """The turn is over: debts that nobody waits for any longer; tells whether there are such."""
        found = [debt for debt in self._debts.values() if debt.patient and debt.waited]
        for debt in found:
            debt.waited = False
        return bool(found)

    def replied(self) -> None:
        """A reply begins: the model has taken note of what was written."""
        for debt in self._debts.values():
            debt.replied = debt.state == "written"

    def alone(self) -> list[list[ToolResponse]]:
        """Gives the answers of debts whose session is gone, and that are complete; once."""
        done = [debt for debt in self._alone.values() if debt.complete]
        for debt in done:
            del self._alone[debt.id]
        return [debt.answers for debt in done]

    def handle_renewed(self, now: float) -> None:
        """A resumable handle came: what was written long enough before it is known to the session for good."""
        self.handles += 1
        for debt in list(self._debts.values()):
            debt.known = sum(at <= now - SURE_AFTER for at in debt.written)
            if debt.state == "written" and debt.known == len(debt.answers):
                del self._debts[debt.id]
                self.tell(ToolDebt(debt.id, debt.name, "delivered"))

    def relinked(self, *, resumed: bool) -> tuple[str, ...]:
        """The link is back: gives the ids voided because the session at the far end never asked for them.

        A resumed session stands where its last handle was issued; calls it made since are unknown to it. What was
        written since that handle is written again.
        """
        gone = [debt for debt in self._debts.values() if not resumed or debt.asked_at >= self.handles]
        for debt in gone:
            if not (debt.waited or debt.replied):
                self._alone[debt.id] = self._debts.pop(debt.id)
                self.tell(ToolDebt(debt.id, debt.name, "void", f"{GONE}; what comes of it is told in words"))
        lost = tuple(debt.id for debt in gone if debt.id in self._debts)
        self.cancel(lost, GONE)
        for debt in self._debts.values():
            del debt.written[debt.known :]
            if debt.state == "written":
                debt.state = "due"
                self.tell(ToolDebt(debt.id, debt.name, "owed", "the link was lost before the session knew the answer"))
        return lost

    @property
    def waited(self) -> tuple[str, ...]:
        """The ids that somebody waits for: for their answers, or for the writing of those."""
        debts = (self._debts[call_id] for call_id in self._unwritten())
        return tuple(debt.id for debt in debts if debt.waited or len(debt.written) < len(debt.answers))

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
