"""Small plans of the tests' own: fake actors on a few edges, with the two ports that a program around them has."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from pipeline.events import Bus, Event, Subscription
from pipeline.plan import Plan
from pipeline.wiring import OUTSIDE_OUTPUTS

MakePlan = Callable[..., Plan]


def edge(kind: object, capacity: str = "16 items", overflow: str = "block", **more: object) -> dict[str, object]:
    return {"type": kind, "capacity": capacity, "overflow": overflow, **more}


@pytest.fixture
def make_plan(tmp_path: Path) -> MakePlan:
    """Gives `make_plan(actors, edges, **tables)`: a plan from nothing, whose outside ports lead nowhere by default."""

    def make(actors: Mapping[str, Any], edges: Mapping[str, Any] | None = None, **tables: object) -> Plan:
        plan = Plan(folder=tmp_path)
        ends = {port: edge(kind.__name__, optional=True) for port, kind in OUTSIDE_OUTPUTS.items()}
        outside = {"outputs": {port: port for port in OUTSIDE_OUTPUTS}}
        plan.merge({"edges": {**ends, **(edges or {})}, "actors": actors, "outside": outside, **tables}, "test.toml")
        return plan

    return make


@attrs.define
class Heard:
    """What a listener on the bus has got so far."""

    bus: Bus
    listener: Subscription = attrs.field(init=False)
    events: list[Event] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.listener = self.bus.subscribe()

    async def run(self) -> None:
        async for event in self.listener:
            self.events.append(event)

    def named(self, name: str) -> list[Any]:
        return [event for event in self.events if event.name == name]


@pytest.fixture
async def heard(nursery: trio.Nursery) -> Heard:
    """Listens on a bus of its own until the bus closes."""
    listening = Heard(Bus())
    nursery.start_soon(listening.run)
    return listening
