"""Watches for tasks that keep the event loop to themselves: while one computes, no other actor moves."""

import math
import time
from collections.abc import Callable
from typing import Any

import attrs
import trio


@attrs.frozen
class Step:
    """The longest step: its seconds, and the name of the task that took them."""

    seconds: float
    task: str


@attrs.define(eq=False)
class LoopWatch(trio.abc.Instrument):
    """A Trio instrument: one clock reading a step and nothing else. `clock` counts real seconds."""

    clock: Callable[[], float] = time.perf_counter
    _ended: float = attrs.field(default=math.inf, init=False)  # the step before, or the wait
    _longest: float = attrs.field(default=0.0, init=False)
    _task: str = attrs.field(default="", init=False)

    def after_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - Trio's own signature
        """Notes when the loop has waited: tasks begin to run, one right after the other."""
        self._ended = self.clock()

    def after_task_step(self, task: Any) -> None:  # noqa: ANN401 - a trio.lowlevel.Task
        """Compares its step to the longest."""
        now = self.clock()
        took, self._ended = now - self._ended, now
        if took > self._longest:
            self._longest, self._task = took, task.name

    def take(self) -> Step:
        """Gives the longest step since the last time, and begins anew."""
        step = Step(self._longest, self._task)
        self._longest, self._task = 0.0, ""
        return step
