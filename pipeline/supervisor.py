"""Keeps one actor running: restart with backoff, a limit on how often, escalation beyond it.

The arithmetic (`Policy`, `Crashes`) knows no clock; the loop around it is `supervise`. After Erlang/OTP's
supervisors: more than `crashes` within `period` seconds ends the whole with a reason.
"""

import random
import traceback
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
import trio

from pipeline.errors import Fatal, GaveUp, first_error
from pipeline.events import ActorRestarted, Bus, Trouble


@attrs.frozen
class Policy:
    """How often an actor may crash, and how long to wait before it is started again.

    `temporary` actors are not started again and their death never ends the run. Times are seconds.
    """

    crashes: int = attrs.field(default=5, validator=attrs.validators.ge(0))
    period: float = attrs.field(default=60.0, validator=attrs.validators.gt(0))
    first_delay: float = attrs.field(default=0.1, validator=attrs.validators.ge(0))
    longest_delay: float = attrs.field(default=5.0, validator=attrs.validators.ge(0))
    temporary: bool = False

    def exhausted(self, crashes: deque[float], now: float) -> bool:
        """Forgets crashes older than the period and tells whether there are too many left."""
        while crashes and crashes[0] <= now - self.period:
            crashes.popleft()
        return len(crashes) > self.crashes

    def delay(self, crashes: int, jitter: float = 0.0) -> float:
        """Gives the wait before the next start: doubling, capped, stretched by up to a quarter of `jitter`."""
        doubled = self.first_delay * 2.0 ** min(max(crashes - 1, 0), 30)
        return min(doubled, self.longest_delay) * (1 + jitter / 4)


@attrs.define
class Supervised:
    """One actor under supervision: what the live view shows, and the handle for a deliberate restart."""

    name: str
    policy: Policy
    restarts: int = 0
    state: str = "starting"
    last_error: str | None = None
    _crashes: deque[float] = attrs.field(factory=deque, init=False)
    _scope: trio.CancelScope | None = attrs.field(default=None, init=False)

    @property
    def over(self) -> bool:
        """Whether it has ended for good."""
        return self.state in ("done", "ended", "failed")

    def restart(self, reason: str = "asked to") -> None:
        """Cancels the present incarnation, or the wait for the next, which starts at once; this counts as no crash."""
        if self._scope is not None:
            self._scope.cancel(reason)

    async def supervise(self, incarnation: Callable[[], Awaitable[None]], bus: Bus) -> None:
        """Runs incarnations until one returns, or a temporary one crashes.

        Raises GaveUp past the policy's limit, and Fatal as it comes (in a group). Cancellation passes untouched.
        """
        while True:
            self.state = "running"
            crash: Exception | None = None
            with trio.CancelScope() as self._scope:
                try:
                    await incarnation()
                except* Fatal:
                    self.state = "failed"
                    raise
                except* Exception as group:  # noqa: BLE001 - any crash; Cancelled is no Exception
                    crash = first_error(group)
                    self._note(crash, group)
            if crash is None and not self._scope.cancelled_caught:
                self.state = "done"
                return
            if crash is not None and self.policy.temporary:
                self.state = "ended"
                code, action = type(crash).__name__, "the conversation goes on without it"
                bus.publish(Trouble(f"{self.name} ended", code, action, self.last_error))
                return
            self._announce(crash, bus)
            if crash is not None:
                self.state = "waiting"
                with trio.CancelScope() as self._scope:
                    await trio.sleep(self.policy.delay(len(self._crashes), random.random()))  # noqa: S311 - jitter

    def _note(self, crash: Exception, group: ExceptionGroup[Exception]) -> None:
        now = trio.current_time()
        self._crashes.append(now)
        self.last_error = f"{type(crash).__name__}: {crash}"
        if not self.policy.temporary and self.policy.exhausted(self._crashes, now):
            self.state = "failed"
            raise GaveUp(self.name, len(self._crashes), self.policy.period, crash) from group

    def _announce(self, crash: Exception | None, bus: Bus) -> None:
        self.restarts += 1
        error, where = (None, None) if crash is None else (self.last_error, _place(crash))
        bus.publish(ActorRestarted(actor=self.name, crashes=len(self._crashes), error=error, where=where))


def _place(crash: Exception) -> str:
    """Names the line that raised: what a report of the fault needs, and no value that may be secret."""
    frames = traceback.extract_tb(crash.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "no traceback"
