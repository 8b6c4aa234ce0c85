"""Sockets that the desk lets in: counted, ended in time, revoked, and seen out with a code."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio

from actors.gateway.access import Caller
from actors.gateway.desk import CALLER
from actors.gateway.problems import Problem

Make = Callable[..., Any]
NEAR = Caller("127.0.0.1", secure=False, host="localhost:8000", direct=True)


@attrs.define
class Socket:
    """As much of a WebSocket as the desk sees."""

    scope: dict[str, Any] = attrs.field(factory=lambda: {CALLER: NEAR})
    headers: dict[str, str] = attrs.field(factory=dict)
    cookies: dict[str, str] = attrs.field(factory=dict)
    closed: list[tuple[int, str]] = attrs.field(factory=list)

    async def close(self, code: int, reason: str) -> None:
        await trio.lowlevel.checkpoint()
        self.closed.append((code, reason))


async def test_whoever_is_in_counts_until_leaving(make: Make) -> None:
    desk = make(limits={"sessions_per_user": 1}).desk
    socket = Socket()
    async with desk.visit(socket, "relay") as visit:
        assert await desk.store.count("sessions") == 1
        assert desk.visits == {visit.id: visit}
        with pytest.raises(Problem, match="too many sessions"):
            await desk.visit(Socket(), "relay").__aenter__()
        visit.beat(2, [700.0])
    assert await desk.store.count("sessions") == 0
    assert desk.counts.latency()["p50"] == 700
    assert socket.closed == []
    async with desk.visit(Socket(), "relay"):
        pass


async def test_time_is_up(make: Make, autojump_clock: trio.testing.MockClock) -> None:
    desk, socket = make(session_life=100.0).desk, Socket()
    async with desk.visit(socket, "relay"):
        await trio.sleep_forever()
    assert trio.current_time() == 100
    assert socket.closed == [(4002, "the time of this session is up")]


async def test_the_gateway_goes(make: Make) -> None:
    desk, socket, late = make().desk, Socket(), Socket()
    async with desk.visit(socket, "relay"):
        desk.close()
        await trio.sleep_forever()
    async with desk.visit(late, "relay"):
        await trio.sleep_forever()
    assert socket.closed == late.closed == [(1001, "the gateway ends")]


async def test_a_revocation_made_elsewhere_is_seen_soon(make: Make, autojump_clock: trio.testing.MockClock) -> None:
    house = make()
    socket = Socket()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.desk.keep)
        async with house.desk.visit(socket, "relay"):
            house.now[0] += 1
            await house.desk.store.put("revoked:local", repr(house.now[0]).encode(), 1000)
            await trio.sleep_forever()
        nursery.cancel_scope.cancel("it has ended")
    assert socket.closed[0][0] == 4001
    assert trio.current_time() <= 10


async def test_open_sessions_stay_counted(make: Make, autojump_clock: trio.testing.MockClock) -> None:
    house = make()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.desk.keep)
        async with house.desk.visit(Socket(), "relay"):
            for _ in range(60):
                house.now[0] += 5
                await trio.sleep(5)
            assert await house.desk.store.count("sessions") == 1
        nursery.cancel_scope.cancel("it has ended")


async def test_a_store_that_is_away_ends_nobody(
    make: Make, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make()

    async def away(*_: object) -> None:
        await trio.lowlevel.checkpoint()
        raise Problem("not-ready", "away", retry_after=5)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.desk.keep)
        async with house.desk.visit(Socket(), "relay") as visit:
            for name in ("enter", "get", "leave"):
                monkeypatch.setattr(type(house.desk.store), name, away)
            await trio.sleep(60)
            assert not visit.scope.cancel_called
        nursery.cancel_scope.cancel("it has ended")
    with pytest.raises(Problem):
        await house.desk.visit(Socket(), "relay").__aenter__()
