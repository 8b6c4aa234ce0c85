"""The store of many gateways: a Redis that all of them reach. Its client blocks: each call has a thread and a deadline.

A Redis that does not answer is a Problem 503 for whoever needed it: what cannot be checked is not allowed. Values,
among them resumption handles, lie in it as they are; docs/GATEWAY.md says how to keep others out of it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import attrs
import limits
import redis
import trio
from limits.storage import RedisStorage as RedisRates
from limits.strategies import MovingWindowRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

from actors.gateway.problems import Problem
from actors.gateway.store import RELAY, hit
from pipeline.errors import PlanError

T = TypeVar("T")
PREFIX = "{live-assistant}:"  # in braces: a cluster keeps all of it in one place, as the script below needs
WITHIN = 1.0  # seconds for Redis to answer
AT_ONCE = 16
RETRY_AFTER = 5.0

# Enters ARGV[1] into every group in KEYS for ARGV[2] ms, if each has room (ARGV[3...]); gives the full group's number.
# Redis' own clock counts, so that machines need not agree on the time.
ENTER = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for number, group in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', group, '-inf', now)
  if not redis.call('ZSCORE', group, ARGV[1]) and redis.call('ZCARD', group) >= tonumber(ARGV[2 + number]) then
    return number
  end
end
for _, group in ipairs(KEYS) do
  redis.call('ZADD', group, now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', group, ARGV[2])
end
return 0
"""
COUNT = """
local time = redis.call('TIME')
return redis.call('ZCOUNT', KEYS[1], '(' .. (time[1] * 1000 + math.floor(time[2] / 1000)), '+inf')
"""


@attrs.define(eq=False)
class RedisStore:
    """`Store` on a Redis of version 5 or later; `url` is redis://, rediss:// or unix://, PlanError if it is none."""

    url: str = attrs.field(repr=False)
    _client: Any = attrs.field(init=False, repr=False)
    _rates: MovingWindowRateLimiter = attrs.field(init=False, repr=False)
    _threads: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(AT_ONCE), init=False, repr=False)
    _enter: Any = attrs.field(init=False, repr=False)
    _count: Any = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        bounds: dict[str, Any] = {"socket_timeout": WITHIN, "socket_connect_timeout": WITHIN}
        try:
            pool: Any = redis.BlockingConnectionPool.from_url(
                self.url, max_connections=AT_ONCE, timeout=WITHIN, retry=Retry(NoBackoff(), 1), **bounds
            )
        except (ValueError, redis.RedisError):
            raise PlanError("[gateway] redis is no URL of a Redis; write it as redis://HOST:6379/0") from None
        self._client = redis.Redis(connection_pool=pool)
        self._enter = self._client.register_script(ENTER)
        self._count = self._client.register_script(COUNT)
        rates: Any = RedisRates("redis://", connection_pool=pool, wrap_exceptions=False, key_prefix=PREFIX + "rate")
        self._rates = MovingWindowRateLimiter(rates)

    async def put(self, name: str, value: bytes, life: float) -> None:
        """Keeps a value."""
        await self._ask(partial(self._client.set, PREFIX + name, value, px=_ms(life)))

    async def get(self, name: str) -> bytes | None:
        """Gives what is kept under a name."""
        found: bytes | None = await self._ask(partial(self._client.get, PREFIX + name))
        return found

    async def forget(self, name: str) -> None:
        """Forgets a name."""
        await self._ask(partial(self._client.delete, PREFIX + name))

    async def claim(self, name: str, life: float) -> bool:
        """Takes a name once."""
        return bool(await self._ask(partial(self._client.set, PREFIX + name, b"1", px=_ms(life), nx=True)))

    async def enter(self, groups: Mapping[str, int], member: str, life: float) -> str | None:
        """Enters a member into all groups, or none."""
        keys = [PREFIX + group for group in groups]
        full = await self._ask(partial(self._enter, keys=keys, args=[member, _ms(life), *groups.values()]))
        return list(groups)[full - 1] if full else None

    async def leave(self, groups: Sequence[str], member: str) -> None:
        """Takes a member out of groups."""

        def work() -> None:
            with self._client.pipeline() as pipeline:
                for group in groups:
                    pipeline.zrem(PREFIX + group, member)
                pipeline.execute()

        await self._ask(work)

    async def count(self, group: str) -> int:
        """Counts the members of a group."""
        return int(await self._ask(partial(self._count, keys=[PREFIX + group])))

    async def hit(self, rate: limits.RateLimitItem, key: str) -> float:
        """Counts one event of a rate."""
        return await self._ask(partial(hit, self._rates, rate, key))

    async def check(self) -> None:
        """Problem 503 if Redis does not answer."""
        await self._ask(self._client.ping)

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
        """Lets go of all connections."""
        await trio.lowlevel.checkpoint()
        self._client.close()
        self._client.connection_pool.disconnect()

    async def _ask(self, work: Callable[[], T]) -> T:
        with trio.move_on_after(2 * WITHIN):
            try:
                return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._threads)
            except (redis.RedisError, OSError):
                raise _away() from None
        raise _away()


def _away() -> Problem:
    return Problem("not-ready", "What the gateways share cannot be reached; try again.", retry_after=RETRY_AFTER)


def _ms(seconds: float) -> int:
    return max(1, int(1000 * seconds))
