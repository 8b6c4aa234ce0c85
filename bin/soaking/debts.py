"""What is owed to the calls of tools: what our end tells of each, held against what the far end asked and was given."""

import hashlib
import json
from collections import Counter, deque
from collections.abc import Callable, Mapping

import attrs
import trio

from bin.soaking.findings import Findings
from pipeline.events import ToolDebt, ToolEnded, ToolStarted

SETTLED = {"delivered", "void"}
ANSWERED = {"ok", "error", "timeout"}  # outcomes of which the model is told
MOST = 64  # calls that may be open at once; older ones are judged as at the end
GONE = 128  # settled calls of which something may still come, over a link that lags


@attrs.define(eq=False)
class _Call:
    """One call: asked for on `link`, by the far end; `state` as its tool has it, and `debt` as the ledger has it."""

    link: int
    at: float
    name: str
    state: str = ""
    debt: str = ""
    result: bytes = b""
    answers: Counter[int] = attrs.field(factory=Counter)  # whole ones, by the link on which they came
    answer: bytes = b""

    @property
    def settled(self) -> bool:
        return self.debt in SETTLED and self.state not in ("", "running")


@attrs.define(eq=False)
class Debts:
    """Knows every call that is not settled. `troubled(since)` says whether something has been wrong since then."""

    findings: Findings
    zero: float = 0.0
    troubled: Callable[[float], bool] = lambda _since: False
    asked_for: int = 0
    open: dict[str, _Call] = attrs.field(factory=dict, init=False)
    _called: bool = attrs.field(default=False, init=False)  # of what our end took, something is unanswered or unsaid
    _gone: deque[str] = attrs.field(factory=lambda: deque(maxlen=GONE), init=False)

    # -- the far end -----------------------------------------------------------------------------------------

    def asked(self, link: int, call: str, name: str) -> None:
        """The far end calls a tool."""
        self.asked_for += 1
        self.open[call] = _Call(link, trio.current_time(), name)
        while len(self.open) > MOST:
            self._judge(next(iter(self.open)))

    def answered(self, link: int, call: str, response: Mapping[str, object], *, whole: bool) -> None:
        """An answer arrives at the far end; those that are only a part of one are none yet."""
        known = self.open.get(call)
        if known is None:
            self._check(call in self._gone, f"an answer came to call {call[-6:]}, which nobody made")
        elif whole:
            known.answers[link] += 1
            known.answer = _sum(response)
            self._check(known.answers[link] == 1, f"call {call[-6:]} of {known.name} was answered twice on link {link}")
            self._compare(call, known)

    def unanswered(self, link: int) -> bool:
        """Whether the far end waits for a tool on that link: a turn that it ends now is only a part of its answer."""
        return any(one.link == link and not one.answers for one in self.open.values())

    # -- our end ---------------------------------------------------------------------------------------------

    @property
    def owing(self) -> bool:
        """Whether a reply that ends now is only a part of one, as our end has it: the rest is a tool's to give."""
        return self._called or self._wanting

    @property
    def _wanting(self) -> bool:
        return any(one.debt == "owed" for one in self.open.values())

    def sounds(self) -> None:
        """Our end is given sound: the reply rests on a tool only where an answer has still to be written."""
        self._called = self._called and self._wanting

    def started(self, event: ToolStarted) -> None:
        """Our end has taken the call."""
        known = self.open.get(event.id)
        self._check(known is not None and not known.state, f"a call of {event.name_} came twice, or nobody made it")
        if known is not None:
            known.state = "running"

    def ended(self, event: ToolEnded) -> None:
        """Our end is through with the call."""
        known = self.open.get(event.id)
        what = f"a call of {event.name_} was settled again, or never made: {event.outcome}"
        self._check(known is not None and known.state == "running", what)
        if known is not None:
            known.state = event.outcome
            known.result = _sum(event.result) if event.result is not None and event.outcome in ANSWERED else b""
            self._compare(event.id, known)
            self._forget(event.id, known)

    def owed(self, event: ToolDebt) -> None:
        """The ledger tells what has become of the answer: what it takes for delivered has arrived, once on its link."""
        known = self.open.get(event.id)
        if known is None:
            self._check(event.id in self._gone, f"the ledger tells of a call of {event.name_} that nobody made")
            return
        known.debt = event.state
        self._called = self._called or event.state == "owed"
        if event.state == "delivered":
            self._check(bool(known.answers), f"the answer to call {event.id[-6:]} of {event.name_} never arrived")
        self._forget(event.id, known)

    def close(self) -> None:
        """Judges what must be over at the end."""
        for call in list(self.open):
            self._judge(call)

    def _judge(self, call: str) -> None:
        known = self.open.pop(call)
        self._gone.append(call)
        if not known.state and not known.debt:
            self._check(self.troubled(known.at), f"call {call[-6:]} of {known.name} was never taken")
            return
        self._check(known.state != "running", f"call {call[-6:]} of {known.name} was never settled")
        if known.debt == "written":
            self._check(bool(known.answers), f"the answer to call {call[-6:]} was written and never arrived")
        else:
            self._check(known.debt in SETTLED, f"the answer to call {call[-6:]} is still {known.debt}")

    def _compare(self, call: str, known: _Call) -> None:
        if known.answer and known.result:
            same = known.answer == known.result
            self._check(same, f"the answer to call {call[-6:]} of {known.name} is not what arrived")

    def _forget(self, call: str, known: _Call) -> None:
        if known.settled:
            del self.open[call]
            self._gone.append(call)

    def _check(self, held: bool, what: str) -> None:
        self.findings.check("tool debts", held=held, at=trio.current_time() - self.zero, what=what)


def _sum(content: Mapping[str, object]) -> bytes:
    return hashlib.blake2b(json.dumps(content, sort_keys=True, default=str).encode(), digest_size=12).digest()
