"""An opened graph: fresh objects on lasting edges, and what neighbours see when an actor ends."""

from collections.abc import Callable
from typing import Any

import attrs
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from pipeline.actor import Shared, section
from pipeline.channels import Inlet, Outlet
from pipeline.environment import Environment
from pipeline.events import Bus, Notice
from pipeline.graph import check
from pipeline.house import CLOSE_DEADLINE, House
from pipeline.messages import Duck, Say
from pipeline.plan import Plan
from pipeline.supervisor import Supervised

MakePlan = Callable[..., Plan]


@attrs.define
class Diary:
    """Shared: what happened, in order."""

    lines: list[object] = attrs.field(factory=list)
    closed: bool = False

    def close(self) -> None:
        self.closed = True


@attrs.define
class Teller:
    """Sends numbers; crashes once after each of `crash_after`."""

    out: Outlet[Duck]
    diary: Shared[Diary]
    count: int = 3
    crash_after: tuple[int, ...] = ()
    temporary: bool = False

    async def run(self) -> None:
        told = sum(isinstance(line, int) for line in self.diary.lines)
        while told < self.count:
            self.diary.lines.append(told)
            await self.out.send(Duck(float(told)))
            told += 1
            if told in self.crash_after:
                raise ValueError(told)


@attrs.define
class Listener:
    """Writes what it hears; returns after `patience` messages, or crashes instead."""

    into: Inlet[Duck]
    diary: Shared[Diary]
    bus: Bus
    environment: Environment
    plan: Plan
    patience: int = 1000
    crash: bool = False
    room: dict[str, object] = section("room")  # noqa: RUF009 - makes a field

    async def run(self) -> None:
        async for duck in self.into:
            self.diary.lines.append(f"heard {duck.at:g}")
            self.patience -= 1
            if self.patience <= 0:
                if self.crash:
                    raise ValueError("had enough")
                return
        self.diary.lines.append("the end")


def tables(teller: dict[str, Any] | None = None, listener: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "actors": {
            "teller": {"use": Teller, "outputs": {"out": "ducks"}, **(teller or {})},
            "listener": {"use": Listener, "inputs": {"into": "ducks"}, **(listener or {})},
        },
        "edges": {"ducks": {"type": "Duck", "capacity": "2 items", "overflow": "block"}},
        "state": {"diary": {"use": Diary}},
    }


def opened(plan: Plan, bus: Bus) -> House:
    return House(plan, check(plan), bus, Environment())


async def live(house: House) -> dict[str, Supervised]:
    """Runs every actor until it has ended."""
    all_of_them = {name: Supervised(name, node.policy) for name, node in house.graph.nodes.items()}
    async with trio.open_nursery() as nursery:
        for name, node in house.graph.nodes.items():
            nursery.start_soon(house.live, node, all_of_them[name])
    return all_of_them


async def test_a_return_closes_the_outputs_and_the_end_flows_downstream(make_plan: MakePlan, heard: Any) -> None:
    house = opened(make_plan(**tables()), heard.bus)
    lives = await live(house)
    assert house.state["diary"].lines[-2:] == ["heard 2", "the end"]
    assert {supervised.state for supervised in lives.values()} == {"done"}


async def test_only_the_crashed_actor_starts_again_and_nothing_is_lost(
    make_plan: MakePlan, heard: Any, autojump_clock: MockClock
) -> None:
    house = opened(make_plan(**tables({"count": 6, "crash_after": [2, 4]})), heard.bus)
    lives = await live(house)
    lines = house.state["diary"].lines
    assert [line for line in lines if isinstance(line, str)] == [*(f"heard {n}" for n in range(6)), "the end"]
    assert (lives["teller"].restarts, lives["listener"].restarts) == (2, 0)


async def test_a_crashed_reader_finds_what_waited_for_it(
    make_plan: MakePlan, heard: Any, autojump_clock: MockClock
) -> None:
    house = opened(make_plan(**tables({"count": 7}, {"patience": 3, "crash": True})), heard.bus)
    lives = await live(house)
    assert [line for line in house.state["diary"].lines if isinstance(line, str)][:7] == [
        f"heard {n}" for n in range(7)
    ]
    assert (lives["teller"].restarts, lives["listener"].restarts) == (0, 2)


async def test_a_sender_goes_on_when_its_reader_has_returned(make_plan: MakePlan, heard: Any) -> None:
    house = opened(make_plan(**tables({"count": 50}, {"patience": 2})), heard.bus)
    with trio.fail_after(1):
        lives = await live(house)
    assert {supervised.state for supervised in lives.values()} == {"done"}
    assert [line for line in house.state["diary"].lines if isinstance(line, str)] == ["heard 0", "heard 1"]


async def test_the_death_of_a_temporary_actor_stops_nobody(make_plan: MakePlan, heard: Any) -> None:
    temporary = {"restart": {"temporary": True}}
    plan = make_plan(**tables({"count": 50}, {"patience": 2, "crash": True, **temporary}))
    with trio.fail_after(1):
        lives = await live(opened(plan, heard.bus))
    assert (lives["teller"].state, lives["listener"].state) == ("done", "ended")
    plan = make_plan(**tables({"crash_after": [1], **temporary}))
    with trio.fail_after(1):
        lives = await live(house := opened(plan, heard.bus))
    assert house.state["diary"].lines[-1] == "the end"
    assert (lives["teller"].state, lives["listener"].state) == ("ended", "done")


@attrs.define
class Slow:
    """Waits until the bus says go; crashes then in its first life, and sends one thing in its second."""

    out: Outlet[Duck]
    diary: Shared[Diary]
    bus: Bus

    async def run(self) -> None:
        if "crashed" not in self.diary.lines:
            await anext(self.bus.subscribe())
            self.diary.lines.append("crashed")
            raise ValueError
        await self.out.send(Duck(99))


async def test_an_edge_ends_with_its_last_sender_also_after_a_crash(
    make_plan: MakePlan, heard: Any, autojump_clock: MockClock
) -> None:
    given = tables({"count": 1})
    given["actors"]["second"] = {"use": Slow, "outputs": {"out": "ducks"}}
    house = opened(make_plan(**given), heard.bus)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(live, house)
        await wait_all_tasks_blocked()
        assert house.state["diary"].lines == [0, "heard 0"]
        house.bus.publish(Notice("go"))
    assert house.state["diary"].lines[2:] == ["crashed", "heard 99", "the end"]


async def test_an_actor_is_given_what_it_asks_for(make_plan: MakePlan, heard: Any) -> None:
    given: list[Any] = []

    class Curious(Listener):
        async def run(self) -> None:
            given.append(self)

    plan = make_plan(**tables({"count": 0}, {"use": Curious}), room={"headphones": True})
    house = opened(plan, heard.bus)
    await live(house)
    (curious,) = given
    assert (curious.bus, curious.environment, curious.plan) == (heard.bus, Environment(), plan)
    assert curious.room == {"headphones": True}
    assert curious.diary is house.state["diary"] is house.shared(Diary)


async def test_optional_edges_without_an_end_carry_nothing(make_plan: MakePlan, heard: Any) -> None:
    given = tables({"count": 50, "outputs": {"out": "unread"}}, {"inputs": {"into": "unsent"}})
    optional = {**given["edges"]["ducks"], "optional": True}
    given["edges"] = {"unread": optional, "unsent": optional}
    house = opened(make_plan(**given), heard.bus)
    with trio.fail_after(1):
        await live(house)
    assert "the end" in house.state["diary"].lines
    assert house.edges["unread"].counters.sent == 0
    with house.outlet("requests") as requests:
        for _ in range(100):
            await requests.send(Say("to nobody"))


async def test_drops_become_events(make_plan: MakePlan, heard: Any) -> None:
    given = tables()
    given["edges"]["ducks"]["overflow"] = "drop_oldest"
    house = opened(make_plan(**given), heard.bus)
    outlet = house.edges["ducks"].outlet()
    for number in range(5):
        outlet.send_nowait(Duck(number))
    await house.aclose()
    await wait_all_tasks_blocked()
    assert [(event.edge, event.dropped, event.ms) for event in heard.named("channel.drop")] == [("ducks", 3, 0)]


@attrs.define
class Clinging:
    """Shared: does not let go by itself."""

    async def aclose(self) -> None:
        await trio.sleep_forever()


@attrs.define
class Failing:
    """Shared: fails to close."""

    def close(self) -> None:
        raise OSError("disk full")


class Plainly:
    """Shared: has nothing to close."""


async def test_everything_shared_is_closed_whatever_the_others_do(
    make_plan: MakePlan, heard: Any, autojump_clock: MockClock
) -> None:
    given = tables()
    given["state"] = {name: {"use": kind} for name, kind in STATE.items()}
    house = opened(make_plan(**given), heard.bus)
    before = trio.current_time()
    with trio.CancelScope() as scope:
        scope.cancel()
        await house.aclose()
    assert trio.current_time() == before + CLOSE_DEADLINE
    assert house.state["diary"].closed
    await wait_all_tasks_blocked()
    (trouble,) = heard.named("error")
    assert (trouble.what, trouble.code) == ("failing could not be closed", "OSError")
    assert trouble.detail == "disk full"


STATE = {"clinging": Clinging, "failing": Failing, "plainly": Plainly, "diary": Diary}
