"""Sockets that the desk lets in: counted, ended in time, revoked, and seen out with a code."""

import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio

from actors.gateway.access import Caller
from actors.gateway.desk import CALLER, LOOK
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


async def test_whoever_is_in_is_known_until_leaving(make: Make) -> None:
    desk = make().desk
    socket = Socket()
    async with desk.visit(socket, "relay") as visit:
        assert desk.visits == {visit.id: visit}
        visit.beat(2, [700.0])
    assert desk.visits == {}
    assert desk.counts.latency()["p50"] == 700
    assert socket.closed == []


async def test_whoever_may_not_come_in_is_noted_and_counted(make: Make) -> None:
    desk = make("an-access-key-of-16", limits={"tokens_per_user": "1/minute"}).desk
    with pytest.raises(Problem):
        await desk.visit(Socket(), "relay").__aenter__()
    keyed = {"authorization": "Bearer an-access-key-of-16"}
    async with desk.visit(Socket(headers=keyed), "relay"):
        pass
    with pytest.raises(Problem):
        await desk.visit(Socket(headers=keyed), "relay").__aenter__()
    told = [json.loads(line) for line in desk.audit.path.read_text().splitlines()]
    seen = [(line["what"], line["outcome"], line["address"], line.get("user")) for line in told]
    assert seen == [
        ("session.begin", "not-signed-in", "127.0.0.1", None),
        ("session.begin", "too-often", "127.0.0.1", "owner"),
    ]
    assert desk.counts.errors == {"not-signed-in": 1, "too-often": 1}


async def test_what_began_before_ends_when_its_time_is_up(make: Make, autojump_clock: trio.testing.MockClock) -> None:
    house, socket = make(session_life=100.0), Socket()
    async with house.desk.visit(socket, "relay") as visit:
        house.desk.settle(visit, house.now[0] - 70)
        await trio.sleep_forever()
    assert trio.current_time() == pytest.approx(30)
    assert socket.closed[0][0] == 4002


async def test_the_end_of_direct_sessions_is_noted(make: Make, autojump_clock: trio.testing.MockClock) -> None:
    house = make(session_life=100.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.desk.keep)
        async with house.client() as page:
            ended = (await page.post("/api/token")).json()
            revoked = (await page.post("/api/token")).json()
            headers = {"authorization": f"Bearer {ended['session_secret']}"}
            assert (await page.delete(f"/api/sessions/{ended['session']}", headers=headers)).status_code == 204
            house.now[0] += 1
            await page.post("/api/revocations", json={"user": "local"})
            await trio.sleep(LOOK + 1)
            house.now[0] += 1
            late = (await page.post("/api/token")).json()
            house.now[0] += 100
            await trio.sleep(LOOK + 1)
        nursery.cancel_scope.cancel("all are over")
    told = [json.loads(line) for line in house.desk.audit.path.read_text().splitlines()]
    ends = {line["session"]: line["outcome"] for line in told if line["what"] == "session.end"}
    assert ends == {ended["session"]: "over", revoked["session"]: "revoked", late["session"]: "the time is up"}


async def test_time_is_up(make: Make, autojump_clock: trio.testing.MockClock) -> None:
    desk, socket = make(session_life=100.0).desk, Socket()
    async with desk.visit(socket, "relay"):
        await trio.sleep_forever()
    assert trio.current_time() == pytest.approx(100)
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
            for name in ("enter", "get", "hit", "leave"):
                monkeypatch.setattr(type(house.desk.store), name, away)
            await trio.sleep(60)
            assert not visit.scope.cancel_called
        nursery.cancel_scope.cancel("it has ended")
    with pytest.raises(Problem):
        await house.desk.visit(Socket(), "relay").__aenter__()
