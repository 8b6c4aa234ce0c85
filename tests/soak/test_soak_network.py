"""The network of a soak: in order whatever the jitter, late by as much as asked, and broken in every way."""

import random
from collections.abc import Callable

import pytest
import trio

from bin.soaking.network import WINDOW, Conditions, Line, Network


@pytest.fixture
def network() -> Network:
    return Network(random.Random(1))


async def sent(line: Line, data: bytes) -> bytes:
    await line.near().send_all(data)
    return await line.far().receive_some(len(data))


def test_pieces_arrive_in_order_and_no_earlier_than_the_latency() -> None:
    conditions, dice = Conditions(latency=0.2, jitter=0.5), random.Random(3)
    arrivals = [conditions.arrival(n / 100, 100, dice) for n in range(200)]
    assert arrivals == sorted(arrivals)
    assert all(0.2 <= arrival - n / 100 <= 2.7 for n, arrival in enumerate(arrivals))
    assert max(arrival - n / 100 for n, arrival in enumerate(arrivals)) > 0.6


def test_a_slow_line_takes_its_time_for_every_byte() -> None:
    conditions = Conditions(rate=10_000)
    assert [conditions.arrival(0, 5000, random.Random(1)) for _ in range(3)] == [0.5, 1.0, 1.5]
    assert conditions.arrival(10, 5000, random.Random(1)) == 10.5


async def test_a_clear_line_carries_both_ways_and_ends_in_order(autojump_clock: object, network: Network) -> None:
    line = await network.dial()
    assert await sent(line, b"up") == b"up"
    await line.far().send_all(b"down")
    assert await line.near().receive_some(2) == b"do"
    assert await line.near().receive_some(2) == b"wn"
    far = line.far()
    await far.aclose()
    assert await line.near().receive_some() == b""
    with pytest.raises(trio.BrokenResourceError):
        await line.near().send_all(b"x")
    with pytest.raises(trio.ClosedResourceError):
        await far.receive_some()


async def test_latency_and_stalls_delay(autojump_clock: object, network: Network) -> None:
    line = await network.dial()
    network.up.latency = 2.0
    began = trio.current_time()
    await sent(line, b"late")
    assert trio.current_time() - began == pytest.approx(2)
    network.up.clear()
    network.up.stalled = trio.current_time() + 5
    await sent(line, b"stalled")
    assert trio.current_time() - began == pytest.approx(7)


async def test_a_cut_is_noticed_by_whoever_waits(autojump_clock: object, network: Network) -> None:
    line = await network.dial()
    async with trio.open_nursery() as nursery:
        for end in (line.near(), line.far()):
            nursery.start_soon(refused, end.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        network.cut()
    assert line.broken
    assert line.over


async def refused(act: Callable[[], object]) -> None:
    with pytest.raises(trio.BrokenResourceError):
        await act()  # type: ignore[misc]


async def test_a_black_hole_swallows_one_way_until_the_window_is_full(autojump_clock: object, network: Network) -> None:
    line = await network.dial()
    line.swallow(down=False)
    await line.far().send_all(b"down")
    assert await line.near().receive_some() == b"down"
    await line.near().send_all(bytes(WINDOW))
    with trio.move_on_after(60) as scope:
        await line.near().send_all(b"one more")
    assert scope.cancelled_caught
    with trio.move_on_after(60) as scope:
        await line.far().receive_some()
    assert scope.cancelled_caught


async def test_a_service_that_is_away_refuses_and_one_that_hangs_is_waited_for(
    autojump_clock: object, network: Network
) -> None:
    network.away = trio.current_time() + 10
    with pytest.raises(OSError, match="refused"):
        await network.dial()
    network.clear()
    network.hangs = trio.current_time() + 10
    began = trio.current_time()
    await network.dial()
    assert trio.current_time() - began == pytest.approx(10)
