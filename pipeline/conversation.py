"""A conversation from Python: load a plan, run it, listen to its events, speak, interrupt.

plan = Plan.load("my.toml")
async with converse(plan) as conversation:
    await conversation.say("What is the weather in Paris?")
    async for event in conversation.events():
        ...
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial

import attrs
import trio

from pipeline.channels import Outlet
from pipeline.environment import Environment
from pipeline.errors import AssistantError, first_error
from pipeline.events import ENDS, Bus, Muted, Subscription, Trouble
from pipeline.gauges import Gauging
from pipeline.graph import check
from pipeline.house import House
from pipeline.messages import Interrupted, ReplyControl, Request, Say, Stop
from pipeline.plan import Plan
from pipeline.supervisor import Supervised


@attrs.define
class Conversation:
    """A running plan; made by `converse`, which also ends it. `tap` is shown what the program asks of the service."""

    house: House
    supervised: dict[str, Supervised]
    _requests: Outlet[Request]
    _control: Outlet[ReplyControl]
    _end: Callable[[], None]
    tap: Callable[[Request], None] | None = attrs.field(default=None, init=False)
    _over: bool = attrs.field(default=False, init=False)

    @property
    def bus(self) -> Bus:
        """Where the actors' events go."""
        return self.house.bus

    def events(self, capacity: int = 4096) -> Subscription:
        """Starts listening from now on; iterate it for events. It ends with the conversation."""
        return self.bus.subscribe(capacity)

    async def say(self, text: str) -> None:
        """Sends text from the user; it is kept across a reconnect like speech. Cancelled means: not sent.

        AssistantError when the conversation is over.
        """
        if self._over:
            raise AssistantError("the conversation is over, so there is nobody to say anything to; begin another")
        await self._ask(Say(text))

    async def interrupt(self) -> None:
        """Silences the present reply and asks the service to stop generating."""
        self._control.send_nowait(Interrupted(turn=None, at=trio.current_time()))
        await self._ask(Stop())

    async def _ask(self, request: Request) -> None:
        await self._requests.send(request)
        if self.tap is not None:
            self.tap(request)

    def mute(self, muted: bool = True) -> None:
        """Keeps all that the microphone hears from the service, or no longer; what was being said ends there at once.

        AssistantError where the plan's gate cannot be muted: it is shared state with a field `muted`.
        """
        gate = next((held for held in self.house.state.values() if hasattr(held, "muted")), None)
        if gate is None:
            raise AssistantError("this plan has no gate that can be muted; [state.gate] is actors.audio.gate:Gate")
        if gate.muted is not muted:
            gate.muted = muted
            self.bus.publish(Muted(muted))

    @property
    def muted(self) -> bool:
        """Whether the microphone is kept from the service."""
        return any(getattr(held, "muted", False) for held in self.house.state.values())

    def end(self) -> None:
        """Ends the conversation in order: the block of `converse` is left, as if it had come to its end."""
        self._end()

    def restart(self, actor: str) -> None:
        """Starts one actor afresh, deliberately; the conversation goes on.

        AssistantError if there is no such actor, or if it has ended for good.
        """
        if actor not in self.supervised:
            raise AssistantError(f"there is no actor {actor!r} to restart; there are {', '.join(self.supervised)}")
        if self.supervised[actor].over:
            raise AssistantError(f"{actor} has ended, and what has ended is not started again")
        self.supervised[actor].restart("asked to by the program")


@asynccontextmanager
async def converse(
    plan: Plan,
    *,
    tools: Iterable[Callable[..., object]] = (),
    bus: Bus | None = None,
    environment: Environment | None = None,
) -> AsyncIterator[Conversation]:
    """Runs a plan while the block runs; leaving the block ends the conversation in order.

    `tools` are functions that the model may call, besides those of the plan. The plan is checked before anything
    starts (PlanError). A failure inside is told on the bus, ends the block and comes out as one AssistantError, with
    the group it came in as its cause; errors of the block itself come out in a group, as from any Trio nursery. The
    bus is closed at the end, also one that was passed in.
    """
    try:
        environment = environment or Environment.read(folder=plan.folder)
        bus = bus or Bus(environment.secrets())
        bus.secrets.hide(environment.google_key)
        house = House(plan, check(plan), bus, environment)
        failure: AssistantError | None = None
        cause: BaseExceptionGroup[AssistantError] | None = None
        try:
            for function in tools:
                house.state["toolbox"].add(function)
            async with _running(house) as conversation:
                yield conversation
        except* AssistantError as group:
            cause, failure = group, first_error(group)
            failure.args = bus.secrets.redacted(failure.args)
            detail = str(failure) if str(failure) != failure.brief else None
            bus.publish(Trouble(failure.brief, type(failure).__name__, ENDS, detail))
        finally:
            await house.aclose()
        if failure is not None:
            raise failure from cause
    finally:
        if bus is not None:
            bus.close()


@asynccontextmanager
async def _running(house: House) -> AsyncIterator[Conversation]:
    """Runs every actor of an open house while the block runs."""
    nodes = house.graph.nodes
    supervised = {name: Supervised(name, node.policy) for name, node in nodes.items()}
    with house.outlet("requests") as requests, house.outlet("control") as control:
        async with trio.open_nursery() as nursery:
            for name, node in nodes.items():
                nursery.start_soon(house.live, node, supervised[name], name=name)
            nursery.start_soon(Gauging(house, supervised).run)
            end = partial(nursery.cancel_scope.cancel, "the program ends it")
            conversation = Conversation(house, supervised, requests, control, end)
            try:
                yield conversation
            finally:
                conversation._over = True  # noqa: SLF001 - one of the two makes the other
            nursery.cancel_scope.cancel("the conversation is over")
