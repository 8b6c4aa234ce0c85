"""The house that a soak runs: the plan with the soak's ends in it, and everything that listens to a conversation.

The energy detector stands in for the default Silero, unless a setting names another: it takes a tenth of the time, and
hears the same clean speech.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import attrs
import trio

from actors.emulator.service import running
from bin.soaking.faults import ACTORS, World
from bin.soaking.near import Ear, Mouth, fragile
from bin.soaking.outcome import Order
from bin.soaking.proxy import proxied
from pipeline.bus import Bus, Subscription
from pipeline.environment import Environment
from pipeline.graph import check
from pipeline.plan import Plan
from telemetry.sinks import SINKS, Listening, Occasion, Sink, listening

NEVER = "ws://far.end"  # where a dial in memory is told to go
# Within minutes the service has its context full, as memory is judged later, and turns drop out of it.
WINDOW = {"trigger_tokens": 2000, "sliding_window": {"target_tokens": 1000}}


def planned(order: Order, folder: Path, world: World) -> Plan:
    """Gives the plan: tools, and devices but for real ones, are the soak's; with all faults every actor has a fuse."""
    plan = Plan.load(*order.configs, folder=folder)
    plan.set("tools.use", [])
    plan.set("actors.vad.use", "actors.vad:Energy")
    plan.set("live.context_window_compression", WINDOW)
    if order.devices:
        plan.set_text("room.headphones=true")  # what is spoken comes by another way than out of the speaker
    else:
        plan.set("actors.microphone", {"use": Mouth, "script": lambda: world.script})
        plan.set("actors.playback", {"use": Ear, "heard": lambda: world.heard})
    plan.set("actors.connection", {"endpoint": NEVER, "threads": order.clock == "real"})
    plan.set("state.toolbox", {"inline": order.clock == "virtual"})
    for setting in order.sets:
        plan.set_text(setting)
    if order.faults == "all":
        nodes = check(plan).nodes
        for name in ACTORS:
            table = {"use": fragile(nodes[name].made, name, world.lay), **_settings(plan, name)}
            plan.set(f"actors.{name}", table)
    return plan


async def connected(order: Order, plan: Plan, world: World, nursery: trio.Nursery) -> None:
    """Puts the service at the end of the network: in memory, or behind real sockets."""
    if order.clock == "virtual":
        plan.set("actors.connection.dial", _dialling(world, nursery))
        return
    port = await nursery.start(_served, world)
    plan.set("actors.connection.endpoint", f"http://127.0.0.1:{port}")


def listened(order: Order, plan: Plan, bus: Bus, folder: Path) -> AbstractAsyncContextManager[Listening]:
    """Has the event log, the trace and the metrics listen, as `talk` has them, with files in that folder."""
    real = order.clock == "real"
    files = {"events": folder / "events.jsonl", "trace": folder / "trace.jsonl", "metrics": folder / "metrics.txt"}
    occasion = Occasion.of(bus, plan, Environment(), {"quiet": True, **files}, threads=real)
    return listening(occasion, SINKS if real else tuple(partial(_unmeasured, opener) for opener in SINKS))


@attrs.define
class Unmeasured:
    """A sink but for what is measured of the loop for it, by the machine's clock: with that no run would come again."""

    sink: Sink
    gauges: ClassVar[None] = None

    @property
    def name(self) -> str:
        """What people are told it is."""
        return self.sink.name

    async def run(self, events: Subscription) -> None:
        """Takes events until the bus closes."""
        await self.sink.run(events)


def _unmeasured(opener: Callable[[Occasion], Sink | None], occasion: Occasion) -> Sink | None:
    sink = opener(occasion)
    return None if sink is None else Unmeasured(sink)


async def _served(world: World, *, task_status: trio.TaskStatus[int]) -> None:
    async with running(world.service) as address, proxied(world.network, address.host, address.port) as port:
        task_status.started(port)
        await trio.sleep_forever()


def _settings(plan: Plan, actor: str) -> dict[str, object]:
    """Gives what a plan says of an actor but its class, which takes its settings along when it is changed."""
    return {key: value for key, value in plan.table("actors", actor).items() if key != "use"}


def _dialling(world: World, nursery: trio.Nursery) -> Callable[..., Any]:
    async def dial(_address: object) -> trio.abc.Stream:
        line = await world.network.dial()
        nursery.start_soon(world.service.serve_stream, line.far())
        return line.near()

    return dial
