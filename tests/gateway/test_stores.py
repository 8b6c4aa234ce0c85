"""What gateways share keeps the same promises in memory and in a real Redis, and fails in the safe direction."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import limits
import pytest
import trio

from actors.gateway.problems import Problem
from actors.gateway.redis_store import RedisStore
from actors.gateway.store import Memory, Store
from pipeline.errors import PlanError

Open = Callable[[], Store]


@pytest.fixture(params=["memory", "redis"])
def opened(request: pytest.FixtureRequest) -> Store:
    """A store of each kind."""
    if request.param == "memory":
        return Memory()
    return RedisStore(request.getfixturevalue("redis_server").url)


@pytest.fixture
async def store(opened: Store) -> AsyncIterator[Store]:
    """A store that is closed afterwards."""
    async with aclosing(opened):
        yield opened


def unique(request: pytest.FixtureRequest) -> str:
    return f"{request.node.name}"


async def test_what_is_kept_is_found_until_its_time_is_up(store: Store, request: pytest.FixtureRequest) -> None:
    name = unique(request)
    assert await store.get(name) is None
    await store.put(name, b"\0\xff", 60)
    assert await store.get(name) == b"\0\xff"
    await store.put(name, b"new", 0.05)
    assert await store.get(name) == b"new"
    await trio.sleep(0.1)
    assert await store.get(name) is None
    await store.put(name, b"again", 60)
    await store.forget(name)
    assert await store.get(name) is None


async def test_a_name_is_claimed_once(store: Store, request: pytest.FixtureRequest) -> None:
    name = unique(request)
    won = []

    async def claim() -> None:
        won.append(await store.claim(name, 60))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(claim)
    assert sorted(won) == [False] * 19 + [True]


async def test_groups_have_their_limits_all_or_none(store: Store, request: pytest.FixtureRequest) -> None:
    everybody, anna, ben = (f"{unique(request)} {name}" for name in ("all", "anna", "ben"))

    async def enter(user: str, member: str) -> str | None:
        return await store.enter({everybody: 3, user: 2}, member, 60)

    assert [await enter(anna, member) for member in ("1", "2", "3", "1")] == [None, None, anna, None]
    assert [await enter(ben, member) for member in ("4", "5")] == [None, everybody]
    assert [await store.count(group) for group in (everybody, anna, ben)] == [3, 2, 1]
    await store.leave([everybody, anna], "1")
    assert await enter(ben, "5") is None
    assert await store.count(everybody) == 3


async def test_a_member_that_gives_no_sign_of_life_is_out(store: Store, request: pytest.FixtureRequest) -> None:
    group = unique(request)
    assert await store.enter({group: 1}, "1", 0.05) is None
    await trio.sleep(0.1)
    assert await store.count(group) == 0
    assert await store.enter({group: 1}, "2", 60) is None


async def test_exactly_the_rate_goes_through(store: Store, request: pytest.FixtureRequest) -> None:
    rate, waits = limits.parse("7/minute"), []

    async def hit() -> None:
        waits.append(await store.hit(rate, unique(request)))

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(hit)
    assert waits.count(0) == 7
    assert all(0 < wait <= 60 for wait in waits if wait)
    assert await store.hit(rate, unique(request) + " of another") == 0


async def test_where_a_relayed_conversation_stands(store: Store, request: pytest.FixtureRequest) -> None:
    name = unique(request)
    await store.save_relay(name, b"state", 60)
    assert await store.load_relay(name) == b"state"
    await store.forget_relay(name)
    assert await store.load_relay(name) is None


async def test_memory_forgets_the_dead_and_the_oldest_first() -> None:
    store = Memory(most=3)
    await store.put("dead", b"", -1)
    for name in ("a", "b", "c", "d"):
        await store.put(name, b"", 60)
    assert [await store.get(name) is not None for name in ("dead", "a", "b", "c", "d")] == [
        False,
        False,
        True,
        True,
        True,
    ]


async def test_two_stores_on_one_redis_share(redis_server: Any) -> None:
    async with aclosing(RedisStore(redis_server.url)) as one, aclosing(RedisStore(redis_server.url)) as other:
        await one.put("shared", b"x", 60)
        assert await other.get("shared") == b"x"
        rate = limits.parse("1/minute")
        assert await one.hit(rate, "shared") == 0
        assert await other.hit(rate, "shared") > 0


async def test_a_redis_that_dies_or_hangs_is_a_problem_and_comes_back(redis_server: Any) -> None:
    async with aclosing(RedisStore(redis_server.url)) as store:
        await store.check()
        redis_server.pause()
        began = time.monotonic()
        with pytest.raises(Problem) as raised:
            await store.enter({"group": 1}, "1", 60)
        assert time.monotonic() - began < 10
        redis_server.resume()
        assert (raised.value.status, raised.value.retry_after) == (503, 5)
        redis_server.stop()
        for ask in (store.check(), store.hit(limits.parse("1/minute"), "x"), store.get("x"), store.leave(["g"], "1")):
            with pytest.raises(Problem):
                await ask
        redis_server.start()
        await store.check()
        assert await store.hit(limits.parse("1/minute"), "x") == 0


def test_a_url_that_is_none_is_a_mistake_in_the_plan() -> None:
    with pytest.raises(PlanError, match="redis is no URL of a Redis") as raised:
        RedisStore("http://:secret@localhost")
    assert "secret" not in str(raised.value)
