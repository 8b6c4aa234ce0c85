"""A plan that is no conversation: its settings are those of the merged plan, its wiring is its own."""

from collections.abc import Callable

import attrs
import pytest
import trio

from pipeline import Bus, Plan, Shared
from pipeline.environment import Environment
from pipeline.errors import Fatal, PlanError
from pipeline.events import ActorRestarted
from pipeline.graph import check
from pipeline.secrets import SHOWN
from pipeline.working import plan_of, working


@attrs.define
class Tray:
    """Shared: what the worker is to do, and what became of it."""

    faults: list[Exception] = attrs.field(factory=list)
    lives: int = 0
    working: trio.Event = attrs.field(factory=trio.Event)
    closed: bool = False

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self.closed = True


@attrs.define
class Worker:
    """Works until cancelled, or fails as it is told to."""

    tray: Shared[Tray]

    async def run(self) -> None:
        self.tray.lives += 1
        if self.tray.faults:
            raise self.tray.faults.pop(0)
        self.tray.working.set()
        await trio.sleep_forever()


@pytest.fixture
def work() -> Callable[[], Plan]:
    """Gives a plan with one worker."""

    def make() -> Plan:
        plan = Plan.load()
        for table in ("actors", "edges", "state", "outside"):
            plan.tables.pop(table)
        plan.set("state.tray.use", Tray)
        plan.set("actors.worker", {"use": Worker})
        return plan

    return make


async def test_actors_work_while_the_block_runs(work: Callable[[], Plan]) -> None:
    bus = Bus()
    async with working(work(), bus, Environment()) as house:
        tray: Tray = house.shared(Tray)
        await tray.working.wait()
        assert not tray.closed
    assert tray.closed


async def test_a_crash_is_mended(work: Callable[[], Plan], autojump_clock: trio.testing.MockClock) -> None:
    bus = Bus()
    events = bus.subscribe()
    async with working(work(), bus, Environment()) as house:
        tray: Tray = house.shared(Tray)
        tray.faults.append(ValueError("once"))
        await tray.working.wait()
    assert tray.lives == 2
    assert isinstance(await anext(events), ActorRestarted)


async def test_what_cannot_be_mended_ends_it_without_a_secret(work: Callable[[], Plan], canary: str) -> None:
    bus = Bus(Environment(access_key=canary).secrets())
    with pytest.raises(Fatal) as raised:  # noqa: PT012 - the block is what is ended
        async with working(work(), bus, Environment()) as house:
            house.shared(Tray).faults.append(Fatal(f"the key {canary} is wrong"))
            await trio.sleep_forever()
    assert str(raised.value) == f"the key {SHOWN} is wrong"


async def test_a_wrong_plan_starts_nothing(work: Callable[[], Plan]) -> None:
    plan = work()
    plan.set("actors.worker.speed", 3)
    with pytest.raises(PlanError, match="speed is unknown"):
        async with working(plan, Bus(), Environment()):
            raise AssertionError("it began")


def test_the_gateways_plan_has_the_settings_of_the_merged_one() -> None:
    merged = Plan.load(sets=["live.model=gemini-x", "gateway.mode=relay", "actors.vad.threshold=0.6"])
    plan = plan_of("serve", merged)
    assert set(plan.table("actors")) == {"gateway", "mcp"}
    assert plan.table("live")["model"] == "gemini-x"
    assert plan.table("gateway")["mode"] == "relay"
    assert plan.where("gateway.mode").startswith("--set")
    assert set(check(plan).nodes) == {"gateway", "mcp"}
    assert merged.table("actors", "vad")["threshold"] == 0.6
