"""The docket: which calls are open, which runs they wait for, and which answers may serve a call that is repeated.

Sans-io, and shared by the incarnations of dispatch, so that a debt survives the crash of whoever was paying it.
"""

from collections.abc import Iterable, Mapping

import attrs

from pipeline.events import Bus, ToolEnded, milliseconds
from pipeline.messages import ToolCalled
from pipeline.plan import Plan
from tools.consent import Consent, asked_for
from tools.registry import Tool

REMEMBERED = 64
REPEATED_WITHIN = 600.0  # seconds in which a call whose session was lost is asked again at the latest, after an outage
ATTEMPTS = 2  # a run that was cut short so often is not tried again: it may be what cuts it short
VOID = "void"
ANSWERED = "answered"  # what was said is: the model will not ask again for what it had asked for then
UNCONFIRMED = "unconfirmed"  # the user was to be asked first


@attrs.frozen
class Answer:
    """What a run came to: `outcome` is that of the event log, `parts` are the answers ahead of the last one."""

    response: Mapping[str, object]
    outcome: str = "ok"
    parts: tuple[Mapping[str, object], ...] = ()


@attrs.define(eq=False)
class Run:
    """One run of a tool and the calls that wait for it.

    `harmless` says that running it twice does no harm. `deserted` is a run whose calls were voided with their session:
    the model will ask again, and then takes over this run rather than start another. `parts` are its answers so far,
    of which each call has been sent as many as `sent` says. `attempts` counts how often it was begun.
    """

    name: str
    args: Mapping[str, object]
    turn: int
    asked: str
    began: float
    harmless: bool
    fresh: float
    calls: list[ToolCalled] = attrs.field(factory=list)
    ids: set[str] = attrs.field(factory=set)
    answer: Answer | None = None
    stopped: bool = False
    attempts: int = 0
    parts: list[Mapping[str, object]] = attrs.field(factory=list)
    sent: dict[str, int] = attrs.field(factory=dict)

    @property
    def deserted(self) -> bool:
        """Whether nobody waits for it, and it runs on."""
        return not self.calls and not self.stopped

    def begin(self) -> None:
        """It is begun, perhaps again: then its parts come again, and whoever has them is sent the further ones."""
        self.attempts += 1
        self.parts.clear()

    def unsent(self) -> tuple[ToolCalled, Mapping[str, object]] | None:
        """Gives a part that a call has yet to be sent; each call's come in order."""
        for call in self.calls:
            number = self.sent.get(call.id, 0)
            if number < len(self.parts):
                return call, self.parts[number]
        return None

    def was_sent(self, call: ToolCalled) -> None:
        """Notes that a call has been sent one part more."""
        self.sent[call.id] = self.sent.get(call.id, 0) + 1


@attrs.frozen
class _Kept:
    """An answer for calls to come until then.

    One of a tool that does harm when run twice serves `once`, for the call of these `ids` repeated.
    """

    asked: str
    ids: frozenset[str]
    answer: Answer
    until: float
    once: bool


@attrs.define(eq=False)
class Docket:
    """The books of dispatch. Every call in it is answered, cancelled or void in the end."""

    plan: Plan = attrs.field(factory=Plan)
    bus: Bus = attrs.field(factory=Bus)
    consent: Consent = attrs.field(init=False)
    _runs: list[Run] = attrs.field(factory=list, init=False)
    _kept: list[_Kept] = attrs.field(factory=list, init=False)
    _paid: dict[str, Run] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.consent = Consent.of(self.plan.table("tools", "confirm"), self.plan.where("tools.confirm"))

    def take(self, call: ToolCalled, tool: Tool | None, now: float) -> Run:
        """Enters a call: gives the run to start for it, or the one it joins, which runs already."""
        asked = asked_for(call.name, call.args)
        harmless = tool is not None and tool.idempotent
        for run in self._runs:
            if run.asked == asked and not run.stopped and (harmless or run.deserted):
                run.calls.append(call)
                run.ids.add(call.id)
                return run
        fresh = tool.fresh if tool is not None else 0.0
        run = Run(call.name, call.args, call.turn, asked, now, harmless, fresh, [call], {call.id})
        run.answer = self._serve(asked, now)
        run.parts = list(run.answer.parts) if run.answer is not None else []
        self._runs.append(run)
        return run

    def cancel(self, ids: Iterable[str], why: str, now: float) -> tuple[list[tuple[Run, ToolCalled]], list[Run]]:
        """Strikes calls out: gives them with their runs, and the runs that nobody wants any more.

        Where the calls are void, the model asks again: the run goes on, or its answer is kept. Once what was said is
        answered, it does not any more: an equal call is then a wish of its own.
        """
        if why.startswith(ANSWERED):
            self._kept = [kept for kept in self._kept if not (kept.once and kept.ids & set(ids))]
            return [], []
        struck, unwanted, wanted = [], [], set(ids)
        for run in [self._paid.pop(call_id) for call_id in wanted if call_id in self._paid]:
            if why.startswith(VOID):  # its answer was on the way and went down with the link
                self._keep(run, now)
        for run in self._runs:
            gone = [call for call in run.calls if call.id in wanted]
            run.calls = [call for call in run.calls if call.id not in wanted]
            struck += [(run, call) for call in gone]
            if not gone or run.calls:
                continue
            if not why.startswith(VOID):
                run.stopped = True
                unwanted.append(run)
            elif run.answer is not None:
                self._keep(run, now)
        return struck, unwanted

    def finish(self, run: Run, answer: Answer, now: float) -> None:
        """Notes what a run came to; it is then owed to the calls that wait for it, or kept for one to come."""
        run.answer = attrs.evolve(answer, parts=tuple(run.parts))
        if run.deserted or run.harmless:
            self._keep(run, now)

    def paid(self, run: Run, call: ToolCalled) -> bool:
        """Strikes out a call that has its answer; False if it was cancelled meanwhile."""
        if call not in run.calls:
            return False
        run.calls.remove(call)
        self._paid[call.id] = run
        if len(self._paid) > REMEMBERED:
            del self._paid[next(iter(self._paid))]
        return True

    def end(self, run: Run) -> None:
        """Ends a run."""
        self._runs = [other for other in self._runs if other is not run]

    def stranded(self) -> tuple[Run, ...]:
        """Gives the runs that are still open: to an incarnation that begins, those of the one before it."""
        return tuple(self._runs)

    def close(self) -> None:
        """The conversation is over: what is still open was cancelled by that, and the bus is told."""
        for run in self._runs:
            for call in run.calls:
                elapsed = milliseconds(self.bus.clock() - run.began)
                self.bus.publish(ToolEnded(id=call.id, name_=call.name, ms=elapsed, outcome="cancelled"))
        self._runs = []

    def _keep(self, run: Run, now: float) -> None:
        assert run.answer is not None  # noqa: S101 - kept are answers
        period = run.fresh if run.harmless else REPEATED_WITHIN
        worth = run.answer.outcome == "ok" or not (run.harmless or run.answer.outcome == UNCONFIRMED)
        if period > 0 and worth:
            ids = frozenset(run.ids)
            kept = _Kept(run.asked, ids, run.answer, now + period, not run.harmless)
            self._kept = [*self._kept[-REMEMBERED + 1 :], kept]

    def _serve(self, asked: str, now: float) -> Answer | None:
        self._kept = [kept for kept in self._kept if kept.until > now]
        for kept in self._kept:
            if kept.asked == asked:
                if kept.once:
                    self._kept.remove(kept)
                return kept.answer
        return None
