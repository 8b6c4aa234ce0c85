"""What a plan comes to: actors, edges and shared state by name, and the checks of how they are wired.

`pipeline.graph` reads all this from a plan; `pipeline.house` opens it. Nothing here has a channel yet.
"""

from collections.abc import Callable, Mapping

import attrs

from pipeline.actor import Signature
from pipeline.channels import Capacity, Overflow
from pipeline.errors import PlanError
from pipeline.messages import ReplyControl, Request
from pipeline.plan import DEFAULT, Plan
from pipeline.supervisor import Policy

OUTSIDE = "outside"  # the program around the pipeline, which has ports like an actor
OUTSIDE_OUTPUTS = {"requests": Request, "control": ReplyControl}


@attrs.frozen
class EdgeSpec:
    """An edge as the plan declares it; `optional` edges may lack an end, and then carry nothing."""

    name: str
    carries: type
    capacity: Capacity
    overflow: Overflow
    optional: bool


@attrs.frozen
class Node:
    """An actor as the plan declares it: its class, its settings and which edge is at which port."""

    name: str
    made: type
    signature: Signature
    settings: Mapping[str, object]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    policy: Policy


@attrs.frozen
class StateSpec:
    """Shared state as the plan declares it: what makes it, of which type it is, and its settings."""

    make: Callable[..., object]
    kind: type
    signature: Signature
    settings: Mapping[str, object]


@attrs.frozen
class Graph:
    """A checked plan: nodes, edges, shared state, and the tables that actors read whole."""

    nodes: Mapping[str, Node]
    edges: Mapping[str, EdgeSpec]
    state: Mapping[str, StateSpec]
    outside_outputs: Mapping[str, str]
    sections: Mapping[str, Mapping[str, object]]

    def senders(self, edge: str) -> list[str]:
        """Names who sends into an edge."""
        inside = [node.name for node in self.nodes.values() if edge in node.outputs.values()]
        return inside + ([OUTSIDE] if edge in self.outside_outputs.values() else [])

    def readers(self, edge: str) -> list[str]:
        """Names who reads an edge."""
        return [node.name for node in self.nodes.values() if edge in node.inputs.values()]


def check_wiring(plan: Plan, graph: Graph) -> None:
    """Raises PlanError where ports, edges and shared state do not fit together; `pipeline.graph.check` says how."""
    for node in graph.nodes.values():
        key = f"actors.{node.name}"
        _check_ports(plan, graph, key, "inputs", node.signature.inputs, node.inputs)
        _check_ports(plan, graph, key, "outputs", node.signature.outputs, node.outputs)
    if OUTSIDE in plan.tables:  # a plan that is no conversation has nothing that one could say to it
        _check_ports(plan, graph, OUTSIDE, "outputs", OUTSIDE_OUTPUTS, graph.outside_outputs)
    for edge in graph.edges.values():
        readers, senders = graph.readers(edge.name), graph.senders(edge.name)
        where = plan.where(f"edges.{edge.name}")
        if len(readers) > 1:
            place = _bound_at(plan, graph, edge.name)
            raise PlanError(f"{place}: edges.{edge.name} is read by {' and '.join(readers)}; an edge has one reader")
        if not edge.optional and not (readers and senders):
            end = "reads from it" if senders else "sends into it"
            raise PlanError(f"{where}: nobody {end}; bind it to a port, or take the edge out")
    _check_state(plan, graph)
    _check_blocking_cycles(plan, graph)


def _check_ports(
    plan: Plan, graph: Graph, key: str, side: str, ports: Mapping[str, type], bound: Mapping[str, str]
) -> None:
    for port, edge in bound.items():
        place = plan.origin(f"{key}.{side}.{port}")
        if place == DEFAULT:  # where the house's own wiring does not fit, another class has been put into it
            place = plan.origin(f"{key}.use")
        where = f"{place}: {key}.{side}.{port}"
        if port not in ports:
            allowed = ", ".join(sorted(ports)) or "none"
            raise PlanError(f"{where}: {_who(plan, key)} has no such port; its {side} are {allowed}")
        if ports[port] is not graph.edges[edge].carries:
            takes, carries = (getattr(kind, "__name__", str(kind)) for kind in (ports[port], graph.edges[edge].carries))
            raise PlanError(f"{where}: the port takes {takes}, but edge {edge} carries {carries}")
    for port in ports:
        if port not in bound:
            where = f"{plan.origin(f'{key}.use')}: {key}.{side}"
            raise PlanError(f'{where}: {_who(plan, key)} has port {port}, bound to no edge; add {port} = "EDGE"')
    twice = [edge for edge in bound.values() if list(bound.values()).count(edge) > 1]
    if twice:
        where = plan.where(f"{key}.{side}")
        raise PlanError(f"{where}: edge {twice[0]} is bound to two ports; a port has an edge of its own")


def _bound_at(plan: Plan, graph: Graph, edge: str) -> str:
    """Names where an edge was bound to a port last: a user's file rather than the default plan."""
    keys = [f"actors.{n.name}.inputs.{port}" for n in graph.nodes.values() for port, e in n.inputs.items() if e == edge]
    places = [plan.origin(key) for key in keys] + [plan.origin(f"edges.{edge}")]
    return next((place for place in places if place != DEFAULT), DEFAULT)


def _who(plan: Plan, key: str) -> str:
    used = plan.table(*key.split(".", 1)).get("use")
    return "the program around the pipeline" if used is None else getattr(used, "__qualname__", str(used))


def _check_state(plan: Plan, graph: Graph) -> None:
    for node in graph.nodes.values():
        for name, kind in node.signature.shared.items():
            holders = [s for s, spec in graph.state.items() if issubclass(spec.kind, kind)]
            if len(holders) != 1:
                raise PlanError(
                    f"{plan.where(f'actors.{node.name}')} shares {name}: {kind.__name__}, and {len(holders)} "
                    f"[state] entries are of that type; there must be one"
                )


def _check_blocking_cycles(plan: Plan, graph: Graph) -> None:
    """A ring of actors that wait for each other's room can stand still for good."""
    onward: dict[str, set[str]] = {
        node.name: {
            reader
            for edge in node.outputs.values()
            if graph.edges[edge].overflow is Overflow.BLOCK
            for reader in graph.readers(edge)
        }
        for node in graph.nodes.values()
    }

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            ring = " -> ".join((*path[path.index(name) :], name))
            raise PlanError(
                f"{plan.where('edges')}: {ring} is a cycle of edges that all block, so it can stand still for "
                f'good; give one of them overflow = "fail" or "drop_oldest"'
            )
        for following in onward[name]:
            visit(following, (*path, name))

    for name in onward:
        visit(name, ())
