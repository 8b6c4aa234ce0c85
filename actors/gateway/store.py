"""What several gateways must know together: rates, open sessions, revocations, and where relayed conversations stand.

`Store` is the one interface; `Memory` serves one process, `actors.gateway.redis_store:RedisStore` any number of
machines. Whoever cannot be asked raises Problem 503, so that nothing is allowed that could not be checked.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import attrs
import limits
import trio
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from actors.gateway.problems import Problem

RELAY = "relay:"
FRESH = 1.0  # seconds for which what was found of a store's health is told again


class Store(Protocol):
    """All lives are in seconds; cancellation leaves any of these done or not done, never half done."""

    async def put(self, name: str, value: bytes, life: float) -> None:
        """Keeps a value under a name for so long, in place of what was there."""

    async def get(self, name: str) -> bytes | None:
        """Gives what is kept under a name; None if nothing is, or not any more."""

    async def forget(self, name: str) -> None:
        """Forgets a name."""

    async def claim(self, name: str, life: float) -> bool:
        """Takes a name that nobody may take twice within its life; tells whether it was free."""

    async def enter(self, groups: Mapping[str, int], member: str, life: float) -> str | None:
        """Enters a member into all of these groups for so long, or lengthens its stay.

        Each group has a limit; gives the name of one that is full, and then nothing has changed.
        """

    async def leave(self, groups: Sequence[str], member: str) -> None:
        """Takes a member out of groups."""

    async def count(self, group: str) -> int:
        """Counts the members of a group."""

    async def hit(self, rate: limits.RateLimitItem, key: str) -> float:
        """Counts one event of a rate: 0 if it is within, else the seconds until one will be; those count nothing."""

    async def check(self) -> None:
        """Problem 503 if the store cannot be asked."""

    async def save_relay(self, session: str, state: bytes, life: float) -> None:
        """Keeps where a relayed conversation stands, so that another machine can go on with it."""

    async def load_relay(self, session: str) -> bytes | None:
        """Gives where a relayed conversation stands."""

    async def forget_relay(self, session: str) -> None:
        """Forgets a relayed conversation."""

    async def aclose(self) -> None:
        """Lets go of connections."""


@attrs.define(eq=False)
class Pulse:
    """How the store is, asked once a second at most: whoever wants to know need not be signed in."""

    _told: str = attrs.field(default="", init=False)
    _until: float = attrs.field(default=-math.inf, init=False)
    _asking: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    async def feel(self, store: Store) -> str:
        """Says "well", or what is wrong."""
        async with self._asking:
            if trio.current_time() >= self._until:
                try:
                    await store.check()
                    self._told = "well"
                except Problem as problem:
                    self._told = problem.detail
                self._until = trio.current_time() + FRESH
            return self._told


@attrs.define
class Memory:
    """The store of a single process. `clock` is wall time, as for the rates beneath."""

    clock: Callable[[], float] = time.time
    most: int = 100_000
    _kept: dict[str, tuple[bytes, float]] = attrs.field(factory=dict, init=False, repr=False)
    _groups: dict[str, dict[str, float]] = attrs.field(factory=dict, init=False, repr=False)
    _rates: MovingWindowRateLimiter = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._rates = MovingWindowRateLimiter(MemoryStorage())

    async def put(self, name: str, value: bytes, life: float) -> None:
        """Keeps a value; when there are too many, the dead and then the oldest are forgotten."""
        await trio.lowlevel.checkpoint()
        self._put(name, value, life)

    async def get(self, name: str) -> bytes | None:
        """Gives what is kept under a name."""
        await trio.lowlevel.checkpoint()
        return self._get(name)

    async def forget(self, name: str) -> None:
        """Forgets a name."""
        await trio.lowlevel.checkpoint()
        self._kept.pop(name, None)

    async def claim(self, name: str, life: float) -> bool:
        """Takes a name once."""
        await trio.lowlevel.checkpoint()
        if self._get(name) is not None:
            return False
        self._put(name, b"1", life)
        return True

    async def enter(self, groups: Mapping[str, int], member: str, life: float) -> str | None:
        """Enters a member into all groups, or none."""
        await trio.lowlevel.checkpoint()
        for group, limit in groups.items():
            if len(self._members(group).keys() | {member}) > limit:
                return group
        for group in groups:
            self._members(group)[member] = self.clock() + life
        return None

    async def leave(self, groups: Sequence[str], member: str) -> None:
        """Takes a member out of groups."""
        await trio.lowlevel.checkpoint()
        for group in groups:
            found = self._members(group)
            found.pop(member, None)
            if not found:
                del self._groups[group]

    async def count(self, group: str) -> int:
        """Counts the members of a group."""
        await trio.lowlevel.checkpoint()
        return len(self._members(group))

    async def hit(self, rate: limits.RateLimitItem, key: str) -> float:
        """Counts one event of a rate."""
        await trio.lowlevel.checkpoint()
        return hit(self._rates, rate, key)

    async def check(self) -> None:
        """Memory can always be asked."""
        await trio.lowlevel.checkpoint()

    async def save_relay(self, session: str, state: bytes, life: float) -> None:
        """Keeps where a relayed conversation stands."""
        await self.put(RELAY + session, state, life)

    async def load_relay(self, session: str) -> bytes | None:
        """Gives where a relayed conversation stands."""
        return await self.get(RELAY + session)

    async def forget_relay(self, session: str) -> None:
        """Forgets a relayed conversation."""
        await self.forget(RELAY + session)

    async def aclose(self) -> None:
        """Has nothing to let go of."""
        await trio.lowlevel.checkpoint()

    def _get(self, name: str) -> bytes | None:
        value, until = self._kept.get(name, (None, 0.0))
        return value if until > self.clock() else None

    def _put(self, name: str, value: bytes, life: float) -> None:
        if len(self._kept) >= self.most:
            now = self.clock()
            self._kept = {key: kept for key, kept in self._kept.items() if kept[1] > now}
            while len(self._kept) >= self.most:
                del self._kept[next(iter(self._kept))]
        self._kept.pop(name, None)
        self._kept[name] = (value, self.clock() + life)

    def _members(self, group: str) -> dict[str, float]:
        now = self.clock()
        found = {member: until for member, until in self._groups.get(group, {}).items() if until > now}
        self._groups[group] = found
        return found


def hit(rates: MovingWindowRateLimiter, rate: limits.RateLimitItem, key: str) -> float:
    """Counts one event, and gives the seconds until the next is within the rate where this one is not."""
    if rates.hit(rate, key):
        return 0.0
    return max(1.0, rates.get_window_stats(rate, key).reset_time - time.time())
