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
REPEATED_WITHIN = 600.0  # seconds in which a call whose session was lost may be asked again, after a long outage too
VOID = "void"
UNCONFIRMED = "unconfirmed"  # the user was to be asked first


@attrs.frozen
class Answer:
    """What a run came to: `outcome` is that of the event log."""

    response: Mapping[str, object]
    outcome: str = "ok"


@attrs.define(eq=False)
class Run:
    """One run of a tool and the calls that wait for it.

    `harmless` says that running it twice does no harm. `deserted` is a run whose calls were voided with their session:
    the model will ask again, and then takes over this run rather than start another.
    """

    name: str
    args: Mapping[str, object]
    turn: int
    asked: str
    began: float
    harmless: bool
    fresh: float
    calls: list[ToolCalled] = attrs.field(factory=list)
    answer: Answer | None = None
    stopped: bool = False

    @property
    def deserted(self) -> bool:
        """Whether nobody waits for it, and it runs on."""
        return not self.calls and not self.stopped


@attrs.frozen
class _Kept:
    """An answer for calls to come until then; one of a tool that does harm when run twice serves `once`."""

    asked: str
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

    def take(self, call: ToolCalled, tool: Tool | None, now: float) -> Run | None:
        """Enters a call: gives the run to start for it, None if it joins one that runs already."""
        asked = asked_for(call.name, call.args)
        harmless = tool is not None and tool.idempotent
        for run in self._runs:
            if run.asked == asked and not run.stopped and (harmless or run.deserted):
                run.calls.append(call)
                return None
        fresh = tool.fresh if tool is not None else 0.0
        run = Run(call.name, call.args, call.turn, asked, now, harmless, fresh, [call])
        run.answer = self._serve(asked, now)
        self._runs.append(run)
        return run

    def cancel(self, ids: Iterable[str], why: str, now: float) -> tuple[list[tuple[Run, ToolCalled]], list[Run]]:
        """Strikes calls out: gives them with their runs, and the runs that nobody wants any more.

        Where the calls are void, the model asks again: the run goes on, or its answer is kept.
        """
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
        run.answer = answer
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
            self._kept = [*self._kept[-REMEMBERED + 1 :], _Kept(run.asked, run.answer, now + period, not run.harmless)]

    def _serve(self, asked: str, now: float) -> Answer | None:
        self._kept = [kept for kept in self._kept if kept.until > now]
        for kept in self._kept:
            if kept.asked == asked:
                if kept.once:
                    self._kept.remove(kept)
                return kept.answer
        return None
