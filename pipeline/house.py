"""A graph opened: its channels, its shared state, and the building of incarnations."""

from contextlib import ExitStack
from functools import partial
from typing import Any

import attrs
import trio

from pipeline.actor import Signature
from pipeline.channels import Edge, Inlet, Outlet
from pipeline.environment import Environment
from pipeline.events import Bus, Dropped, Trouble, milliseconds
from pipeline.plan import Plan
from pipeline.supervisor import Supervised
from pipeline.wiring import Graph, Node

CLOSE_DEADLINE = 1.0  # seconds for one shared object to let go of what it holds


@attrs.define
class House:
    """An opened graph: channels, shared state, and the way to build one incarnation of each actor.

    Whoever opens it calls `aclose` when every actor has ended.
    """

    plan: Plan
    graph: Graph
    bus: Bus
    environment: Environment
    edges: dict[str, Edge[Any]] = attrs.field(factory=dict, init=False)
    state: dict[str, Any] = attrs.field(factory=dict, init=False)
    finished: set[str] = attrs.field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        def dropped(edge: str, count: int, ms: float) -> None:
            self.bus.publish(Dropped(edge=edge, dropped=count, ms=milliseconds(ms / 1000)))

        for spec in self.graph.edges.values():
            self.edges[spec.name] = Edge(spec.name, spec.capacity, spec.overflow, dropped)
        for name, kept in self.graph.state.items():
            self.state[name] = kept.make(**kept.settings, **self._given(kept.signature))

    def outlet(self, port: str) -> Outlet[Any]:
        """Gives the program around the pipeline a sending end of one of its ports."""
        return self._outlet(self.graph.outside_outputs[port])

    def shared(self, kind: type) -> Any:  # noqa: ANN401 - the caller names the type
        """Gives the shared object of that type."""
        return next(held for held in self.state.values() if isinstance(held, kind))

    async def live(self, node: Node, supervised: Supervised) -> None:
        """Runs an actor under supervision until it has ended for good; then its neighbours see the end of it."""
        await supervised.supervise(partial(self.incarnation, node), self.bus)
        self._finish(node)

    async def incarnation(self, node: Node) -> None:
        """Builds a fresh object with ends of its own and runs it; the ends are closed however it goes."""
        with ExitStack() as ends:
            arguments: dict[str, Any] = dict(node.settings)
            for port in node.signature.inputs:
                arguments[port] = ends.enter_context(self._inlet(node.inputs[port]))
            for port in node.signature.outputs:
                arguments[port] = ends.enter_context(self._outlet(node.outputs[port]))
            for name, kind in node.signature.shared.items():
                arguments[name] = self.shared(kind)
            arguments.update(self._given(node.signature))
            await node.made(**arguments).run()

    def _inlet(self, edge: str) -> Inlet[Any]:
        return self.edges[edge].inlet() if self.graph.senders(edge) else Inlet(None, None)

    def _outlet(self, edge: str) -> Outlet[Any]:
        return self.edges[edge].outlet() if self.graph.readers(edge) else Outlet(None, None)

    def _given(self, signature: Signature) -> dict[str, Any]:
        """Gathers what the house itself gives: the bus, the environment, the plan, and tables of it."""
        surroundings = {Bus: self.bus, Environment: self.environment, Plan: self.plan}
        given: dict[str, Any] = {name: surroundings[kind] for name, kind in signature.surroundings.items()}
        return given | {name: self.graph.sections.get(table, {}) for name, table in signature.sections.items()}

    def _finish(self, node: Node) -> None:
        """The actor has ended: an edge all of whose senders have is closed, and nobody waits for it to read."""
        self.finished.add(node.name)
        for edge in node.outputs.values():
            if self.finished.issuperset(self.graph.senders(edge)):
                self.edges[edge].close_outlet()
        for edge in node.inputs.values():
            self.edges[edge].close_inlet()

    async def aclose(self) -> None:
        """Closes every edge, and what is shared that has a `close` or `aclose`; each within a second.

        One that fails to close is told on the bus, and the others are closed all the same.
        """
        for edge in self.edges.values():
            edge.close()
        for name, held in self.state.items():
            try:
                if hasattr(held, "aclose"):
                    with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_DEADLINE):
                        await held.aclose()
                elif hasattr(held, "close"):
                    held.close()
            except Exception as error:  # noqa: BLE001 - whatever a user's class does at its end
                what, action = f"{name} could not be closed", "the rest is closed"
                self.bus.publish(Trouble(what, type(error).__name__, action, str(error)))
