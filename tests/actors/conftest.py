"""A dispatch on its own: calls go in, answers and events come out, and it can be started again."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from actors.dispatch import Dispatch
from pipeline.channels import Capacity, Edge, Inlet, Outlet, Overflow
from pipeline.events import Bus, Event, Subscription
from pipeline.messages import CallNews, ToolAnswer, ToolCalled
from tools import Toolbox
from tools.docket import Docket


@attrs.define
class Desk:
    """A dispatch that can be started again, and what a test puts before it and gets from it."""

    nursery: trio.Nursery
    toolbox: Toolbox = attrs.field(factory=lambda: Toolbox(inline=True))
    docket: Docket = attrs.field(factory=Docket)
    bus: Bus = attrs.field(factory=Bus)
    parallel: int = 16
    events: list[Event] = attrs.field(factory=list)
    answers: list[ToolAnswer] = attrs.field(factory=list)
    _listener: Subscription = attrs.field(init=False)
    _calls: Edge[CallNews] = attrs.field(init=False)
    _inlet: Inlet[ToolAnswer] = attrs.field(init=False)
    _edge: Edge[ToolAnswer] = attrs.field(init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    _outlet: Outlet[CallNews] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._listener = self.bus.subscribe(100_000)
        self._calls = Edge("calls", Capacity(4096, "items"), Overflow.FAIL)
        self._edge = Edge("answers", Capacity(64, "items"), Overflow.BLOCK)
        self._inlet, self._outlet = self._edge.inlet(), self._calls.outlet()

    def use(self, *functions: Callable[..., object]) -> None:
        for function in functions:
            self.toolbox.add(function)

    async def start(self) -> None:
        self._scope = trio.CancelScope()
        self.nursery.start_soon(self._run)
        await self.settle()

    async def _run(self) -> None:
        with self._scope, self._calls.inlet() as calls, self._edge.outlet() as answers:
            await Dispatch(calls, answers, self.toolbox, self.docket, self.bus, self.parallel).run()

    def stop(self) -> None:
        self._scope.cancel("asked to")

    async def restart(self) -> None:
        self.stop()
        await self.settle()
        await self.start()

    def send(self, *news: CallNews) -> None:
        for each in news:
            self._outlet.send_nowait(each)

    def call(self, name: str, call_id: str = "1", turn: int = 1, **args: object) -> None:
        self.send(ToolCalled(call_id, name, args, turn))

    async def settle(self, seconds: float = 0.0) -> None:
        """Lets time pass and everybody come to rest, and takes what has come out."""
        await trio.sleep(seconds)
        await trio.testing.wait_all_tasks_blocked()
        while self._edge.waiting:
            self.answers.append(self._inlet.receive_nowait())
            await trio.testing.wait_all_tasks_blocked()
        while self._listener._waiting:
            self.events.append(await anext(self._listener))

    def outcomes(self) -> list[tuple[str, str]]:
        return [(event.id, event.outcome) for event in self.events if event.name == "tool.result"]  # type: ignore[attr-defined]

    def told(self, call_id: str = "1") -> list[Mapping[str, object]]:
        return [answer.response for answer in self.answers if answer.id == call_id]

    def named(self, name: str) -> list[Any]:
        return [event for event in self.events if event.name == name]


@pytest.fixture
async def desk(nursery: trio.Nursery) -> AsyncIterator[Desk]:
    made = Desk(nursery)
    await made.start()
    yield made
    made.stop()


@pytest.fixture
def desk_of() -> type[Desk]:
    """The class, for a test that opens its own nursery."""
    return Desk
