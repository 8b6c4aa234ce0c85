"""Decides what a scenario has the far end do, and when. Sans-io: told what happens and what time it is, it answers.

One Script per service counts what is counted over all connections; it gives each connection a Part of its own.
"""

import heapq
import random
from collections import Counter
from collections.abc import Collection

import attrs

from actors.emulator.actions import Action
from actors.emulator.scenario import Scenario, Step


@attrs.define(eq=False)
class Script:
    """A scenario under way. `scale` divides the times of `second`, as it does the service's other clocks."""

    scenario: Scenario
    scale: float = 1.0
    turns: int = attrs.field(default=0, init=False)
    matched: Counter[tuple[int, int]] = attrs.field(factory=Counter, init=False)
    _began: float | None = attrs.field(default=None, init=False)

    def enter(self, connection: int, now: float) -> "Part":
        """Gives the part of a connection that begins now; the first one begins the service's time."""
        if self._began is None:
            self._began = now
        part = Part(self, connection)
        for step in self.scenario.steps:
            when = step.when
            if when.second is None or when.connection not in (None, connection):
                continue
            due = (self._began if when.of == "service" else now) + when.second / self.scale
            if due >= now and part.lucky(when.chance):
                part.schedule(due + when.after, step.action)
        return part


@attrs.define(eq=False)
class Part:
    """What the scenario has for one connection; `dice` are its own, seeded, so that chance comes again."""

    script: Script
    connection: int
    turns: int = attrs.field(default=0, init=False)
    dice: random.Random = attrs.field(init=False)
    _agenda: list[tuple[float, int, Action]] = attrs.field(factory=list, init=False)
    _scheduled: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.dice = random.Random(f"{self.script.scenario.seed}/{self.connection}")  # noqa: S311 - wants to be repeated

    @property
    def idle(self) -> bool:
        """Whether the scenario has nothing for any message or moment."""
        return not self.script.scenario.steps

    def turn(self) -> None:
        """A turn of the model begins; call before it `happens`."""
        self.turns += 1
        self.script.turns += 1

    def happens(self, what: str, now: float, having: Collection[str] = ()) -> list[Action]:
        """Gives what is to be done at once, in the order of the file; what is for later is kept."""
        found = []
        for index, step in enumerate(self.script.scenario.steps):
            if step.when.on == what and self._counts(index, step, having):
                if step.when.after:
                    self.schedule(now + step.when.after, step.action)
                else:
                    found.append(step.action)
        return found

    @property
    def deadline(self) -> float:
        """When there will be something to do; inf for never."""
        return self._agenda[0][0] if self._agenda else float("inf")

    @property
    def planned(self) -> int:
        """How much is kept for later."""
        return len(self._agenda)

    def due(self, now: float) -> list[Action]:
        """Takes what is to be done by now, earliest first."""
        found = []
        while self._agenda and self._agenda[0][0] <= now:
            found.append(heapq.heappop(self._agenda)[2])
        return found

    def schedule(self, at: float, action: Action) -> None:
        """Keeps something for later."""
        self._scheduled += 1
        heapq.heappush(self._agenda, (at, self._scheduled, action))

    def lucky(self, chance: float) -> bool:
        """Throws the dice where there is anything to throw for."""
        return chance >= 1 or self.dice.random() < chance

    def leave(self) -> None:
        """The connection is over: what was counted for it alone is forgotten."""
        for key in [key for key in self.script.matched if key[1] == self.connection]:
            del self.script.matched[key]

    def _counts(self, index: int, step: Step, having: Collection[str]) -> bool:
        when = step.when
        whole = when.of == "service"
        if when.connection not in (None, self.connection) or (when.having and when.having not in having):
            return False
        if when.turn not in (None, self.script.turns if whole else self.turns):
            return False
        scope = index, 0 if whole else self.connection
        self.script.matched[scope] += 1
        number = self.script.matched[scope] - when.nth + 1
        return number >= 1 and (not when.times or number <= when.times) and self.lucky(when.chance)
