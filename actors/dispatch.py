"""Dispatch: runs the tools that the model calls, each in a scope and with a deadline of its own.

A call is always settled: with an answer, an error in plain words, or by being cancelled or void. What is owed stands in
the docket, which outlives an incarnation: the next one runs again what does no harm twice, and answers the rest.
"""

from collections.abc import Mapping
from contextlib import nullcontext

import attrs
import trio

from pipeline.actor import Shared
from pipeline.channels import Inlet, Outlet
from pipeline.errors import ToolFailed
from pipeline.events import Bus, ToolConsent, ToolEnded, ToolStarted, Trouble, milliseconds
from pipeline.messages import CallNews, CallsCancelled, Heard, ToolAnswer, ToolCalled
from tools.consent import request
from tools.docket import UNCONFIRMED, VOID, Answer, Docket, Run
from tools.registry import Tool
from tools.toolbox import Toolbox

LATE = 2.0  # seconds for the words that a call rests on: transcripts come in no order with calls (live-protocol 4.1)
LONGEST_REASON = 1000


@attrs.define
class Dispatch:
    """Starts a task for each call; `parallel` bounds how many run at once, the others wait their turn."""

    calls: Inlet[CallNews]
    answers: Outlet[ToolAnswer]
    toolbox: Shared[Toolbox]
    docket: Shared[Docket]
    bus: Bus
    parallel: int = 16
    _scopes: dict[Run, trio.CancelScope] = attrs.field(factory=dict, init=False)
    _exclusive: dict[str, trio.Lock] = attrs.field(factory=dict, init=False)
    _heard: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def run(self) -> None:
        """Runs until cancelled, which cancels the tools; a sync tool's thread is left to itself."""
        places = trio.CapacityLimiter(self.parallel)
        async with trio.open_nursery() as nursery:

            def start(run: Run) -> None:
                self._scopes[run] = trio.CancelScope()
                nursery.start_soon(self._work, run, places, name=f"tool {run.name}")

            for run in self.docket.stranded():
                self._strand(run)
                start(run)
            async for news in self.calls:
                if isinstance(news, ToolCalled):
                    self.bus.publish(ToolStarted(news.id, news.name, news.args, news.turn))
                    taken = self.docket.take(news, self._tool(news.name), trio.current_time())
                    if taken is not None:
                        start(taken)
                elif isinstance(news, CallsCancelled):
                    self._cancel(news)
                elif isinstance(news, Heard):
                    self._hear(news)

    def _tool(self, name: str) -> Tool | None:
        return self.toolbox.get(name) if name in self.toolbox else None

    def _strand(self, run: Run) -> None:
        """A run was lost with an earlier incarnation: one that would do harm when run again is answered instead."""
        if run.answer is None and not run.harmless:
            sentence = f"{run.name} was cut short by a fault, so nobody knows whether it was done; ask the user"
            self.docket.finish(run, _failed(ToolFailed(sentence)), trio.current_time())

    def _hear(self, news: Heard) -> None:
        for asked, state in self.docket.consent.heard(news.text, news.turn, trio.current_time()).items():
            self.bus.publish(ToolConsent(asked, state))
        self._heard.set()

    def _cancel(self, news: CallsCancelled) -> None:
        """Stops the work for these ids; work that other calls wait for, or will be asked for again, goes on."""
        struck, unwanted = self.docket.cancel(news.ids, news.reason, trio.current_time())
        for run, call in struck:
            self._tell(run, call, VOID if news.reason.startswith(VOID) else "cancelled")
        for run in unwanted:
            self._scopes[run].cancel(news.reason)

    async def _work(self, run: Run, places: trio.CapacityLimiter) -> None:
        over = False
        try:
            with self._scopes[run] as scope:
                if run.answer is None:
                    async with nullcontext() if self._waits_long(run) else places:
                        answer = await self._answer(run)
                    self.docket.finish(run, answer, trio.current_time())
                await self._pay(run)
            over = True
        finally:
            del self._scopes[run]
            if over or scope.cancel_called:  # else dispatch itself ends, and the debt stays
                self.docket.end(run)

    def _waits_long(self, run: Run) -> bool:
        """Whether a tool says that nobody waits for it: a timer must not take a place from the others."""
        tool = self._tool(run.name)
        return tool is not None and tool.blocking is False

    async def _answer(self, run: Run) -> Answer:
        """Runs the tool; whatever goes wrong becomes an answer."""
        try:
            tool = self.toolbox.get(run.name)
            if tool.confirm and not await self._agreed(run, tool):
                return Answer(request(run.name, run.args), UNCONFIRMED)
            return Answer(await self._bounded(run, tool))
        except ToolFailed as failed:
            if failed.detail:
                self.bus.publish(Trouble(f"{run.name} failed", "tool", "the model is told so", failed.detail))
            return _failed(failed)
        except trio.TooSlowError:
            slow = ToolFailed(f"{tool.name} did not answer within {tool.timeout:g} s", retry=True)
            return attrs.evolve(_failed(slow), outcome="timeout")

    async def _agreed(self, run: Run, tool: Tool) -> bool:
        """Decides whether the user has agreed to this very call; the last words may still be on their way."""
        tool.accept(run.args)  # what cannot run anyway is not asked for
        consent = self.docket.consent
        until = trio.current_time() + LATE
        while (verdict := consent.judge(run.asked, run.turn, trio.current_time())) == "wait":
            self._heard = trio.Event()
            with trio.move_on_at(until) as patience:
                await self._heard.wait()
            if patience.cancelled_caught:
                consent.ask_again(run.asked, run.turn, trio.current_time())
                break
        if verdict != "agreed":
            self.bus.publish(ToolConsent(run.asked, "asked"))
        return verdict == "agreed"

    async def _bounded(self, run: Run, tool: Tool) -> Mapping[str, object]:
        async def ahead(value: object, /) -> None:
            part = value if isinstance(value, Mapping) else {"result": value}
            for call in list(run.calls):
                await self.answers.send(ToolAnswer(call.id, call.name, part, tool.scheduling, will_continue=True))

        with trio.fail_after(tool.timeout):
            async with self._exclusive.setdefault(tool.name, trio.Lock()) if tool.exclusive else nullcontext():
                if tool.blocking:  # whoever waits for an answer takes one
                    return await tool.call(run.args)
                return await tool.run(run.args, ahead)

    async def _pay(self, run: Run) -> None:
        """Gives the answer to every call that waits for it, also those that join meanwhile."""
        answer, tool = run.answer, self._tool(run.name)
        assert answer is not None  # noqa: S101 - only finished runs are paid for
        asking = answer.outcome == UNCONFIRMED
        scheduling = tool.scheduling if tool is not None else None
        if asking and scheduling == "SILENT":
            scheduling = "WHEN_IDLE"  # a question has to be put
        streams = tool is not None and tool.streams and not tool.blocking
        while run.calls:
            call = run.calls[0]
            last = False if streams else None  # an ordinary answer says nothing of others
            await self.answers.send(ToolAnswer(call.id, call.name, answer.response, scheduling, will_continue=last))
            if self.docket.paid(run, call):
                self._tell(run, call, "ok" if asking else answer.outcome)

    def _tell(self, run: Run, call: ToolCalled, outcome: str) -> None:
        elapsed = milliseconds(trio.current_time() - run.began)
        result = run.answer.response if run.answer else None
        self.bus.publish(ToolEnded(id=call.id, name_=call.name, ms=elapsed, outcome=outcome, result=result))


def _failed(failed: ToolFailed) -> Answer:
    return Answer({"error": str(failed)[:LONGEST_REASON], "retry": failed.retry}, "error")
