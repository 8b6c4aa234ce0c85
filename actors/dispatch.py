"""Dispatch: runs the tools that the model calls, each in a scope and with a deadline of its own.

A call is always settled: with an answer, an error in plain words, or by being cancelled. A repeated call to an
idempotent tool joins the one that runs, or takes its answer if that is fresh.
"""

import json
from collections.abc import Mapping
from contextlib import nullcontext

import attrs
import trio

from pipeline.actor import Shared
from pipeline.channels import Inlet, Outlet
from pipeline.errors import ToolFailed
from pipeline.events import Bus, ToolEnded, ToolStarted, milliseconds
from pipeline.messages import CallNews, CallsCancelled, ToolAnswer, ToolCalled
from tools.registry import Tool
from tools.toolbox import Toolbox

FRESH = 60.0  # seconds for which an idempotent answer serves a call that is asked again after a resume
REMEMBERED = 64


@attrs.define(eq=False)
class _Run:
    """One run of a tool and the calls that wait for it."""

    calls: list[ToolCalled]
    began: float
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    cancelled: str = ""


@attrs.define
class Dispatch:
    """Starts a task for each call; `parallel` bounds how many run at once, the others wait their turn."""

    calls: Inlet[CallNews]
    answers: Outlet[ToolAnswer]
    toolbox: Shared[Toolbox]
    bus: Bus
    parallel: int = 16
    _runs: dict[str, _Run] = attrs.field(factory=dict, init=False)
    _done: dict[str, tuple[float, Mapping[str, object]]] = attrs.field(factory=dict, init=False)
    _exclusive: dict[str, trio.Lock] = attrs.field(factory=dict, init=False)

    async def run(self) -> None:
        """Runs until cancelled, which cancels the tools; a sync tool's thread is left to itself."""
        places = trio.CapacityLimiter(self.parallel)
        async with trio.open_nursery() as nursery:
            async for news in self.calls:
                if isinstance(news, CallsCancelled):
                    self._cancel(news)
                elif isinstance(news, ToolCalled):
                    self.bus.publish(ToolStarted(news.id, news.name, news.args))
                    if not self._joined(news):
                        run = _Run([news], trio.current_time())
                        self._runs[self._key(news)] = run
                        nursery.start_soon(self._work, run, places, name=f"tool {news.name}")

    def _key(self, call: ToolCalled) -> str:
        """Names what a call asks for; calls to a tool that is not idempotent never share a name."""
        asked = json.dumps([call.name, call.args], sort_keys=True, default=str)
        known = call.name in self.toolbox and self.toolbox.get(call.name).idempotent
        return asked if known else f"{call.id} {asked}"

    def _joined(self, call: ToolCalled) -> bool:
        running = self._runs.get(self._key(call))
        if running is not None and not running.cancelled:
            running.calls.append(call)
            return True
        return False

    def _cancel(self, news: CallsCancelled) -> None:
        """Stops the work for these ids; work that other calls wait for, or will be asked for again, goes on."""
        for run in self._runs.values():
            for call in [call for call in run.calls if call.id in news.ids]:
                run.calls.remove(call)
                outcome = "void" if news.reason.startswith("void") else "cancelled"
                self._tell(call, run.began, outcome)
                if not run.calls and outcome == "cancelled":
                    run.cancelled = news.reason
                    run.scope.cancel(news.reason)

    async def _work(self, run: _Run, places: trio.CapacityLimiter) -> None:
        call = run.calls[0]
        key = self._key(call)
        try:
            with run.scope:
                async with nullcontext() if self._waits_long(call) else places:
                    response, outcome, tool = await self._response(run, call, key)
                await self._settle(run, response, outcome, tool)
        finally:
            if self._runs.get(key) is run:
                del self._runs[key]

    def _waits_long(self, call: ToolCalled) -> bool:
        """Whether a tool says that nobody waits for it: a timer must not take a place from the others."""
        return call.name in self.toolbox and self.toolbox.get(call.name).blocking is False

    async def _response(self, run: _Run, call: ToolCalled, key: str) -> tuple[Mapping[str, object], str, Tool | None]:
        try:
            tool = self.toolbox.get(call.name)
        except ToolFailed as failed:
            return _error(failed), "error", None
        fresh = self._done.get(key)
        if fresh is not None and trio.current_time() - fresh[0] < FRESH:
            return fresh[1], "ok", tool
        try:
            response = await self._bounded(run, call, tool)
        except ToolFailed as failed:
            return _error(failed), "error", tool
        except trio.TooSlowError:
            slow = ToolFailed(f"{tool.name} did not answer within {tool.timeout:g} s", retry=True)
            return _error(slow), "timeout", tool
        if tool.idempotent:
            self._remember(key, response)
        return response, "ok", tool

    async def _bounded(self, run: _Run, call: ToolCalled, tool: Tool) -> Mapping[str, object]:
        async def ahead(value: object, /) -> None:
            part = value if isinstance(value, Mapping) else {"result": value}
            for waiting in run.calls:
                await self.answers.send(ToolAnswer(waiting.id, waiting.name, part, tool.scheduling, will_continue=True))

        with trio.fail_after(tool.timeout):
            if not tool.exclusive:
                return await tool.run(call.args, ahead)
            async with self._exclusive.setdefault(tool.name, trio.Lock()):
                return await tool.run(call.args, ahead)

    async def _settle(self, run: _Run, response: Mapping[str, object], outcome: str, tool: Tool | None) -> None:
        while run.calls:
            call = run.calls[0]
            scheduling = tool.scheduling if tool is not None else None
            last = False if tool is not None and tool.streams else None  # an ordinary answer says nothing of it
            await self.answers.send(ToolAnswer(call.id, call.name, response, scheduling, will_continue=last))
            if call in run.calls:
                run.calls.remove(call)
                self._tell(call, run.began, outcome)

    def _tell(self, call: ToolCalled, began: float, outcome: str) -> None:
        elapsed = milliseconds(trio.current_time() - began)
        self.bus.publish(ToolEnded(id=call.id, name_=call.name, ms=elapsed, outcome=outcome))

    def _remember(self, key: str, response: Mapping[str, object]) -> None:
        self._done[key] = (trio.current_time(), response)
        while len(self._done) > REMEMBERED:
            del self._done[next(iter(self._done))]


def _error(failed: ToolFailed) -> Mapping[str, object]:
    return {"error": str(failed), "retry": failed.retry}
