"""Runs a plan that is no conversation, such as that of the gateway: the same supervision, and nothing to say to it."""

import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources

import attrs
import trio

from pipeline.environment import Environment
from pipeline.errors import AssistantError, first_error
from pipeline.events import Bus
from pipeline.graph import check
from pipeline.house import House
from pipeline.plan import Plan
from pipeline.supervisor import Supervised
from pipeline.wiring import OUTSIDE

WIRED = ("actors", "edges", "state", OUTSIDE)


def plan_of(name: str, settings: Plan) -> Plan:
    """Gives the shipped plan of that name with all tables of another that wire nothing: settings are shared."""
    text = resources.files("pipeline").joinpath(f"{name}.toml").read_text("utf-8")
    kept = {table: value for table, value in settings.tables.items() if table not in WIRED}
    made = attrs.evolve(settings, tables=kept, origins=dict(settings.origins))
    made.merge(tomllib.loads(text), f"the plan of {name}")
    return made


@asynccontextmanager
async def working(plan: Plan, bus: Bus, environment: Environment) -> AsyncIterator[House]:
    """Runs a plan's actors while the block runs; leaving the block cancels them, and then what they share is closed.

    PlanError for what is wrong in the plan, before anything starts. A failure inside ends the block and comes out as
    one AssistantError without any secret. The bus is the caller's to close.
    """
    house = House(plan, check(plan), bus, environment)
    failure: AssistantError | None = None
    try:
        async with trio.open_nursery() as nursery:
            for name, node in house.graph.nodes.items():
                nursery.start_soon(house.live, node, Supervised(name, node.policy), name=name)
            yield house
            nursery.cancel_scope.cancel("the work is over")
    except* AssistantError as group:
        failure = first_error(group)
        failure.args = bus.secrets.redacted(failure.args)
    finally:
        await house.aclose()
    if failure is not None:
        raise failure
