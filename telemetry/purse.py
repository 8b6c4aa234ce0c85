"""What a conversation has used up of its budget, and all of a day together; no clock of its own, one small file."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from pipeline.errors import Spent
from pipeline.plan import Plan
from pipeline.sections import Budget, Telemetry, path_of, price_of, section_of
from telemetry.usage import Tokens

KINDS = ("minutes", "tokens", "money")
SECONDS = 60.0


def today() -> str:
    """Names the day, in UTC."""
    return datetime.now(UTC).date().isoformat()


@attrs.frozen
class Used:
    """A limit and what is used of it."""

    kind: str
    limit: float
    used: float
    daily: bool

    @property
    def part(self) -> float:
        """How much of the limit that is, 1 for all of it."""
        return self.used / self.limit

    def __str__(self) -> str:
        amount = f"{self.used:.2f} of {self.limit:g}" if self.kind != "tokens" else f"{self.used:.0f} of {self.limit:g}"
        return f"{amount} {self.kind}{' a day' if self.daily else ''}"


@attrs.define
class Purse:
    """Counts what is spent; it outlives the actor that watches it, and keeps the day's sum in a file of mode 0600.

    The file is only touched where a limit for a day is set. One that cannot be read counts as empty; one that cannot be
    written is told by `save`. Raises Spent where a day's limit is reached already, so that nothing is begun.
    """

    plan: Plan
    budget: Budget = attrs.field(init=False)
    unpriced: bool = attrs.field(default=False, init=False)  # tokens were used whose price nobody knows
    _spent: dict[str, float] = attrs.field(factory=lambda: dict.fromkeys(KINDS, 0.0), init=False)
    _saved: dict[str, float] = attrs.field(factory=lambda: dict.fromkeys(KINDS, 0.0), init=False)
    _before: dict[str, float] = attrs.field(factory=lambda: dict.fromkeys(KINDS, 0.0), init=False)  # others, today
    _began: float | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.budget = section_of(self.plan, "budget", Budget)
        if self._daily:
            self._before = self._read()
            self._refuse_a_spent_day()

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return any(limit for _, limit, _ in self._limits())

    @property
    def _daily(self) -> bool:
        return any(limit for _, limit, daily in self._limits() if daily)

    def pass_time(self, now: float) -> None:
        """Counts the time since the first call."""
        if self._began is None:
            self._began = now
        self._spent["minutes"] = (now - self._began) / SECONDS

    def use(self, counts: Mapping[str, Any]) -> None:
        """Counts the tokens of one report of the service, and what they cost."""
        tokens = Tokens.of(counts)
        self._spent["tokens"] += tokens.total
        cost, whole = tokens.known_cost(self._price())
        self.unpriced = self.unpriced or not whole
        self._spent["money"] += cost

    def used(self) -> list[Used]:
        """Gives every limit with what is used of it, the most used first."""
        found = [
            Used(kind, limit, self._spent[kind] + (self._before[kind] if daily else 0.0), daily)
            for kind, limit, daily in self._limits()
            if limit
        ]
        return sorted(found, key=lambda used: -used.part)

    def save(self) -> OSError | None:
        """Adds what is new to the day's file, where a day has a limit; gives the error where that fails."""
        path = self._path
        if not self._daily or path is None:
            return None
        others = self._read()
        total = {kind: others[kind] + self._spent[kind] - self._saved[kind] for kind in KINDS}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(f".{os.getpid()}")
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump({"day": today(), **total}, file)
            fresh.replace(path)
        except OSError as error:
            return error
        self._saved = dict(self._spent)
        self._before = {kind: total[kind] - self._spent[kind] for kind in KINDS}
        return None

    def close(self) -> None:
        """Keeps the day's sum."""
        self.save()

    def _refuse_a_spent_day(self) -> None:
        for used in self.used():
            if used.part >= 1.0:
                raise Spent(
                    f"the budget of the day is used up: {used}; it begins anew at midnight UTC, "
                    f"and budget.day_{used.kind} sets it"
                )

    @property
    def _path(self) -> Path | None:
        return path_of(self.plan, self.budget.file)

    def _read(self) -> dict[str, float]:
        held: Any = {}
        with suppress(OSError, ValueError):
            held = json.loads(self._path.read_text("utf-8")) if self._path else {}
        ours = isinstance(held, dict) and held.get("day") == today()
        return {kind: float(held[kind]) if ours and _number(held.get(kind)) else 0.0 for kind in KINDS}

    def _price(self) -> Any:  # noqa: ANN401 - a Price, or None
        prices = section_of(self.plan, "telemetry", Telemetry).prices
        return price_of(str(self.plan.table("live").get("model", "")), prices)

    def _limits(self) -> Iterator[tuple[str, float, bool]]:
        for kind in KINDS:
            yield kind, getattr(self.budget, kind), False
            yield kind, getattr(self.budget, f"day_{kind}"), True


def _number(value: object) -> bool:
    return isinstance(value, int | float) and value >= 0
