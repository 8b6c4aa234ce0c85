"""The budget: warns when a limit of the plan comes near, and ends the conversation in order when it is reached."""

import math

import attrs
import trio

from pipeline.actor import Shared
from pipeline.channels import Outlet
from pipeline.events import Bus, Event, Farewell, Notice, Subscription, Transcript, Trouble, TurnEnded, Usage
from pipeline.messages import Request, Say
from telemetry.purse import Purse

LOOK_PERIOD = 1.0  # seconds between two looks at the clock
SAVE_PERIOD = 60.0  # seconds between two writings of the day's sum
GOODBYE_WITHIN = 15.0  # seconds for the model to say goodbye


@attrs.define
class Budget:
    """Watches the purse; ends at once where the plan sets no limit."""

    requests: Outlet[Request]
    purse: Shared[Purse]
    bus: Bus
    _warned: set[tuple[str, bool]] = attrs.field(factory=set, init=False)  # the limits of which it was said, by kind
    _told: bool = attrs.field(default=False, init=False)  # that something has no price
    _saved_at: float = attrs.field(default=-math.inf, init=False)
    _turn: int = attrs.field(default=0, init=False)  # the latest that was heard of

    async def run(self) -> None:
        """Runs until the budget is used up and the goodbye said, or it is cancelled."""
        if not self.purse.limited:
            return
        events = self.bus.subscribe()
        self._saved_at = trio.current_time()
        while not self._used_up(trio.current_time()):
            with trio.move_on_after(LOOK_PERIOD):
                self._count(await anext(events))
        await self._goodbye(events)

    def _count(self, event: Event) -> None:
        if isinstance(event, Usage):
            self.purse.use(event.counts)
        self._turn = max(self._turn, getattr(event, "turn", None) or 0)

    def _used_up(self, now: float) -> bool:
        """Counts the time, warns once of each limit, and tells whether one is reached."""
        self.purse.pass_time(now)
        if now >= self._saved_at + SAVE_PERIOD:
            self._saved_at = now
            self._save()
        used = self.purse.used()
        for limit in used:
            if limit.part >= self.purse.budget.warn_at and (limit.kind, limit.daily) not in self._warned:
                self._warned.add((limit.kind, limit.daily))
                self.bus.publish(Notice(f"the budget runs out: {limit} are used"))
        if self.purse.unpriced and not self._told and (self.purse.budget.money or self.purse.budget.day_money):
            self._told = True
            self.bus.publish(Notice("some tokens have no price under [telemetry.prices]; the budget counts the others"))
        return used[0].part >= 1.0

    def _save(self) -> None:
        error = self.purse.save()
        if error is not None:
            what = f"the day's use could not be kept in {self.purse.budget.file}: {error.strerror}"
            self.bus.publish(Trouble(what, error.errno or 0, "other conversations of today do not count it"))

    async def _goodbye(self, events: Subscription) -> None:
        """Has the model say goodbye, waits until that was heard, and asks the program to end.

        The counts of a reply come before its end, so the reply that used the budget up is often still to be heard.
        """
        most = self.purse.used()[0]
        self.bus.publish(Notice(f"the budget is used up: {most}; saying goodbye"))
        with trio.move_on_after(GOODBYE_WITHIN):
            words = self.purse.budget.goodbye
            await self.requests.send(Say(words))
            before = math.inf
            async for event in events:
                self._count(event)
                if isinstance(event, Transcript) and event.who == "user" and words in event.text:
                    before = min(before, self._turn)
                if isinstance(event, TurnEnded) and event.turn > before and event.outcome == "completed":
                    break
        self._save()
        self.bus.publish(Farewell(f"the budget is used up: {most}"))
