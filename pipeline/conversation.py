"""A conversation from Python: load a plan, run it, listen to its events, speak, interrupt.

plan = Plan.load("my.toml")
async with converse(plan) as conversation:
    await conversation.say("What is the weather in Paris?")
    async for event in conversation.events():
        ...
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import attrs
import trio

from pipeline.channels import Outlet
from pipeline.environment import Environment
from pipeline.errors import AssistantError, first_error
from pipeline.events import Bus, Subscription
from pipeline.graph import check
from pipeline.house import House
from pipeline.messages import Interrupted, ReplyControl, Request, Say, Stop
from pipeline.plan import Plan
from pipeline.supervisor import Supervised


@attrs.define
class Conversation:
    """A running plan; made by `converse`, which also ends it."""

    house: House
    supervised: dict[str, Supervised]
    _requests: Outlet[Request]
    _control: Outlet[ReplyControl]

    @property
    def bus(self) -> Bus:
        """Where the actors' events go."""
        return self.house.bus

    def events(self, capacity: int = 4096) -> Subscription:
        """Starts listening from now on; iterate it for events. It ends with the conversation."""
        return self.bus.subscribe(capacity)

    async def say(self, text: str) -> None:
        """Sends text from the user; it is kept across a reconnect like speech. Cancelled means: not sent."""
        await self._requests.send(Say(text))

    async def interrupt(self) -> None:
        """Silences the present reply and asks the service to stop generating."""
        self._control.send_nowait(Interrupted(turn=None, at=trio.current_time()))
        await self._requests.send(Stop())

    def restart(self, actor: str) -> None:
        """Starts one actor afresh, deliberately; the conversation goes on."""
        self.supervised[actor].restart("asked to by the program")


@asynccontextmanager
async def converse(
    plan: Plan, *, bus: Bus | None = None, environment: Environment | None = None
) -> AsyncIterator[Conversation]:
    """Runs a plan while the block runs; leaving the block ends the conversation in order.

    The plan is checked before anything starts (PlanError). A failure inside ends the block and comes out as one
    AssistantError, with the group it came in as its cause; errors of the block itself come out in a group, as
    from any Trio nursery. The bus is closed at the end, also one that was passed in.
    """
    environment = environment or Environment.read(folder=plan.folder)
    bus = bus or Bus(environment.secrets())
    house = House(plan, check(plan), bus, environment)
    supervised = {name: Supervised(name, node.policy) for name, node in house.graph.nodes.items()}
    failure: AssistantError | None = None
    cause: BaseExceptionGroup[AssistantError] | None = None
    try:
        with house.outlet("requests") as requests, house.outlet("control") as control:
            async with trio.open_nursery() as nursery:
                for name, node in house.graph.nodes.items():
                    nursery.start_soon(supervised[name].supervise, partial(house.incarnation, node), bus, name=name)
                yield Conversation(house, supervised, requests, control)
                nursery.cancel_scope.cancel("the conversation is over")
    except* AssistantError as group:
        cause = group
        failure = first_error(group)
    finally:
        await house.aclose()
        bus.close()
    if failure is not None:
        raise failure from cause
