"""Dispatch: runs the tools that the model calls, each in a scope and with a deadline of its own.

A call is always settled: with an answer, an error in plain words, or by being cancelled or void. What is owed stands in
the docket, which outlives an incarnation: the next one runs again what does no harm twice, and answers the rest.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack

import attrs
import trio

from pipeline.actor import Shared
from pipeline.channels import Inlet, Outlet
from pipeline.errors import ToolFailed
from pipeline.events import Bus, ToolConsent, ToolEnded, ToolStarted, Trouble, milliseconds
from pipeline.messages import CallNews, CallsCancelled, Heard, ToolAnswer, ToolCalled
from tools.consent import PAUSE, request
from tools.docket import ATTEMPTS, UNCONFIRMED, VOID, Answer, Docket, Run
from tools.registry import Tool
from tools.toolbox import Toolbox

LATE = 2.0  # seconds for the words that a call rests on: transcripts come in no order with calls (live-protocol 4.1)
QUEUED = 60.0  # seconds that a call waits for others of a tool that runs one at a time, before its own time begins
LONGEST_REASON = 1000


@attrs.define(eq=False)
class _Job:
    """A run at work: its scope, and what keeps its parts in order on their way out."""

    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    sending: trio.Lock = attrs.field(factory=trio.Lock)


@attrs.define
class Dispatch:
    """Starts a task for each call; `parallel` bounds how many run at once, the others wait their turn."""

    calls: Inlet[CallNews]
    answers: Outlet[ToolAnswer]
    toolbox: Shared[Toolbox]
    docket: Shared[Docket]
    bus: Bus
    parallel: int = 16
    _jobs: dict[Run, _Job] = attrs.field(factory=dict, init=False)
    _heard: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def run(self) -> None:
        """Runs until cancelled, which cancels the tools; a sync tool's thread is left to itself."""
        places = trio.CapacityLimiter(self.parallel)
        async with trio.open_nursery() as nursery:

            def start(run: Run) -> None:
                self._jobs[run] = _Job()
                nursery.start_soon(self._work, run, places, name=f"tool {run.name}")

            for run in self.docket.stranded():
                self._strand(run)
                start(run)
            async for news in self.calls:
                if isinstance(news, ToolCalled):
                    self.bus.publish(ToolStarted(news.id, news.name, news.args, news.turn))
                    taken = self.docket.take(news, self._tool(news.name), trio.current_time())
                    if (job := self._jobs.get(taken)) is None:
                        start(taken)
                    else:
                        nursery.start_soon(self._catch_up, taken, job, name=f"parts of {taken.name}")
                elif isinstance(news, CallsCancelled):
                    self._cancel(news)
                elif isinstance(news, Heard):
                    self._hear(news)

    def _tool(self, name: str) -> Tool | None:
        return self.toolbox.get(name) if name in self.toolbox else None

    def _strand(self, run: Run) -> None:
        """A run was lost with an earlier incarnation: one that is not to be run once more is answered instead."""
        if run.answer is None and not (run.harmless and run.attempts < ATTEMPTS):
            sentence = f"{run.name} was cut short by a fault, so nobody knows whether it was done; ask the user"
            self.docket.finish(run, _failed(ToolFailed(sentence)), trio.current_time())

    def _hear(self, news: Heard) -> None:
        self._decided(self.docket.consent.heard(news.text, news.turn, trio.current_time()))
        self._heard.set()

    def _decided(self, questions: Mapping[str, str]) -> None:
        for asked, state in questions.items():
            self.bus.publish(ToolConsent(asked, state))

    def _cancel(self, news: CallsCancelled) -> None:
        """Stops the work for these ids; work that other calls wait for, or will be asked for again, goes on."""
        struck, unwanted = self.docket.cancel(news.ids, news.reason, trio.current_time())
        for run, call in struck:
            self._tell(run, call, VOID if news.reason.startswith(VOID) else "cancelled")
        for run in unwanted:
            self._jobs[run].scope.cancel(news.reason)

    async def _work(self, run: Run, places: trio.CapacityLimiter) -> None:
        over = False
        job = self._jobs[run]
        try:
            with job.scope as scope:
                if run.answer is None:
                    run.begin()
                    answer = await self._answer(run, job, places)
                    self.docket.finish(run, answer, trio.current_time())
                await self._pay(run, job)
            over = True
        finally:
            del self._jobs[run]
            if over or scope.cancel_called:  # else dispatch itself ends, and the debt stays
                self.docket.end(run)

    async def _answer(self, run: Run, job: _Job, places: trio.CapacityLimiter) -> Answer:
        """Runs the tool; whatever goes wrong becomes an answer."""
        try:
            tool = self.toolbox.get(run.name)
            if tool.confirm and not await self._agreed(run, tool):
                return Answer(request(run.name, run.args), UNCONFIRMED)
            async with AsyncExitStack() as held:
                await self._wait(tool, held, places)
                return await self._bounded(run, job, tool)
        except ToolFailed as failed:
            return self._told(run, failed)
        except Exception as fault:  # noqa: BLE001 - a tool must not end the conversation, however it is at fault
            words = f"{run.name} failed because of a fault in it; asking again will not help"
            return self._told(run, ToolFailed(words, detail=f"{type(fault).__name__}: {fault}"[:LONGEST_REASON]))

    def _told(self, run: Run, failed: ToolFailed) -> Answer:
        if failed.detail:
            self.bus.publish(Trouble(f"{run.name} failed", "tool", "the model is told so", failed.detail))
        return _failed(failed)

    async def _wait(self, tool: Tool, held: AsyncExitStack, places: trio.CapacityLimiter) -> None:
        """Waits until the tool may run, and holds what it needs for that.

        Who waits for another call takes no place from others, and a timer takes none at all: nobody waits for it.
        """
        if tool.exclusive:
            with trio.move_on_after(QUEUED) as queue:
                await held.enter_async_context(tool.alone())
            if queue.cancelled_caught:
                raise ToolFailed(f"{tool.name} was not run: another call of it is still at work", retry=True)
        if tool.blocking is not False:
            await held.enter_async_context(places)

    async def _agreed(self, run: Run, tool: Tool) -> bool:
        """Decides whether the user has agreed to this very call; the last words may still be on their way."""
        tool.accept(run.args)  # what cannot run anyway is not asked for
        consent = self.docket.consent
        until = trio.current_time() + LATE
        while True:
            now = trio.current_time()
            self._decided(consent.settle(now))
            if (verdict := consent.judge(run.asked, run.turn, now)) != "wait":
                break
            if now >= until:
                consent.ask_again(run.asked, run.turn, now)
                break
            self._heard = trio.Event()
            with trio.move_on_at(min(until, now + PAUSE)):
                await self._heard.wait()
        if verdict != "agreed":
            self.bus.publish(ToolConsent(run.asked, "asked"))
        return verdict == "agreed"

    async def _bounded(self, run: Run, job: _Job, tool: Tool) -> Answer:
        """Runs the tool within its time."""

        async def ahead(value: object, /) -> None:
            run.parts.append(value if isinstance(value, Mapping) else {"result": value})
            await self._catch_up(run, job)

        try:
            with trio.fail_after(tool.timeout):  # whoever waits for an answer takes one
                return Answer(await (tool.call(run.args) if tool.blocking else tool.run(run.args, ahead)))
        except trio.TooSlowError:
            slow = tool.doubt(f"{tool.name} did not answer within {tool.timeout:g} s")
            return attrs.evolve(_failed(slow), outcome="timeout")

    async def _catch_up(self, run: Run, job: _Job) -> None:
        """Sends what there is ahead of the last answer to every call that has not had it, also those that joined."""
        tool = self._tool(run.name)
        scheduling = tool.scheduling if tool is not None else None
        async with job.sending:
            while (unsent := run.unsent()) is not None:
                call, part = unsent
                await self.answers.send(ToolAnswer(call.id, call.name, part, scheduling, will_continue=True))
                run.was_sent(call)

    async def _pay(self, run: Run, job: _Job) -> None:
        """Gives the answer to every call that waits for it, also those that join meanwhile."""
        answer, tool = run.answer, self._tool(run.name)
        assert answer is not None  # noqa: S101 - only finished runs are paid for
        asking = answer.outcome == UNCONFIRMED
        scheduling = tool.scheduling if tool is not None else None
        if asking and scheduling == "SILENT":
            scheduling = "WHEN_IDLE"  # a question has to be put
        streams = tool is not None and tool.streams and not tool.blocking
        while run.calls:
            await self._catch_up(run, job)
            if not run.calls:
                break
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
