"""Measurements of a running house: only for who asks, and true."""

import math
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
import trio
from trio.testing import MockClock

from pipeline import converse
from pipeline.bus import Bus
from pipeline.channels import Capacity, Edge, Overflow
from pipeline.events import Gauges, Level, Notice
from pipeline.gauges import FLOOR, EdgeLook, level
from pipeline.loopwatch import LoopWatch, Step


async def test_measurements_go_only_to_those_who_ask() -> None:
    bus = Bus(clock=lambda: 0.0)
    log, screen = bus.subscribe(), bus.subscribe(gauges=0.5)
    bus.publish(Gauges(None, None, {}, {}, 0.0, 0))
    bus.publish(Notice("x"))
    bus.close()
    assert [event.name async for event in log] == ["notice"]
    assert [event.name async for event in screen] == ["gauges", "notice"]


async def test_the_bus_knows_how_often_to_measure(nursery: trio.Nursery) -> None:
    bus = Bus()
    asked = []

    async def wait() -> None:
        await bus.gauged()
        asked.append(bus.period)

    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()
    bus.subscribe()
    await trio.testing.wait_all_tasks_blocked()
    assert (asked, bus.period) == ([], None)
    slow = bus.subscribe(gauges=1.0)
    await trio.testing.wait_all_tasks_blocked()
    quick = bus.subscribe(gauges=0.2)
    assert (asked, bus.period) == ([1.0], 0.2)
    quick.close()
    assert bus.period == slow.gauges


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([], None),
        ([0, 0], Level(FLOOR, FLOOR)),
        ([-32768] * 4, Level(0.0, 0.0)),
        ([16384, 0, 0, 0], Level(-6.0, -12.0)),
        (list(np.rint(16384 * np.sin(np.arange(160) * math.pi / 8))), Level(-6.0, -9.0)),
    ],
)
def test_a_level_is_in_decibels_below_full_scale(samples: list[int], expected: Level | None) -> None:
    assert level(np.array(samples, "<i2").tobytes()) == expected


async def test_an_edge_tells_how_long_its_oldest_message_has_waited() -> None:
    edge: Edge[int] = Edge("answers", Capacity(3, "items"), Overflow.DROP_OLDEST)
    look, outlet, inlet = EdgeLook(edge), edge.outlet(), edge.inlet()
    assert look.look(0.0).age == 0.0
    outlet.send_nowait(1)
    assert (look.look(1.0).age, look.look(1.5).age) == (0.0, 0.5)
    outlet.send_nowait(2)
    assert (look.look(2.0).age, look.look(2.5).waiting) == (1.0, 2)
    inlet.receive_nowait()
    assert look.look(3.0).age == 1.0  # the second, which was first seen at 2.0
    inlet.receive_nowait()
    assert look.look(4.0).age == 0.0
    for number in range(5):
        outlet.send_nowait(number)
    gauge = look.look(5.0)
    assert (gauge.waiting, gauge.held, gauge.capacity, gauge.unit, gauge.dropped) == (3, 3.0, 3, "items", 2)


@attrs.define
class Busy:
    """A clock that a task moves by working."""

    now: float = 1.0

    def work(self, seconds: float) -> None:
        self.now += seconds


async def test_the_longest_step_names_its_task() -> None:
    clock = Busy()
    watch = LoopWatch(lambda: clock.now)
    trio.lowlevel.add_instrument(watch)
    try:
        async with trio.open_nursery() as nursery:

            async def labour(seconds: float) -> None:
                await trio.lowlevel.checkpoint()
                clock.work(seconds)

            nursery.start_soon(labour, 0.25, name="the quick one")
            nursery.start_soon(labour, 0.5, name="the slow one")
    finally:
        trio.lowlevel.remove_instrument(watch)
    assert watch.take() == Step(0.5, "the slow one")
    assert watch.take() == Step(0.0, "")


@attrs.define
class Idler:
    """Does nothing for good."""

    async def run(self) -> None:
        await trio.sleep_forever()


async def test_a_house_is_measured_while_it_is_watched(
    autojump_clock: MockClock, make_plan: Callable[..., Any]
) -> None:
    async with converse(make_plan({"idler": {"use": Idler}})) as conversation:
        unwatched = conversation.events()
        await trio.sleep(1)
        watching = conversation.bus.subscribe(gauges=0.25)
        await trio.sleep(1.1)
        watching.close()
        await trio.sleep(5)
        assert [event.name for event in unwatched._waiting].count("gauges") == 0
    measured = [event async for event in watching if isinstance(event, Gauges)]
    assert len(measured) == 4
    assert set(measured[0].edges) == set(conversation.house.edges)
    assert {name: gauge.state for name, gauge in measured[-1].actors.items()} == {"idler": "running"}
    assert measured[0].fields()["edges"]
