"""The graph of a plan: checked whole before anything starts, then opened into channels and incarnations.

`check` imports the classes that the plan names and compares what they ask for with what the plan wires. `Graph`
is the result, still without any channel; `pipeline.house` opens it.
"""

import importlib
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from pipeline.actor import Signature
from pipeline.channels import Capacity, Overflow
from pipeline.errors import PlanError
from pipeline.plan import Plan
from pipeline.settings import structure
from pipeline.supervisor import Policy

OUTSIDE = "outside"  # the program around the pipeline, which has ports like an actor
EDGE_KEYS = ("type", "capacity", "overflow", "optional")
ACTOR_KEYS = ("use", "inputs", "outputs", "restart")


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


def load_name(name: object, where: str) -> Any:  # noqa: ANN401 - any class or function of the user's
    """Imports `package.module:Name`, also from the working folder; an object that is no string is taken as it is."""
    if not isinstance(name, str):
        return name
    module, colon, attribute = name.partition(":")
    if not colon or not module or not attribute:
        raise PlanError(f'{where} is {name!r}; write it as "package.module:Class"')
    if "" not in sys.path:
        sys.path.append("")  # the user's own modules lie in the working folder, behind the house's own
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:  # whatever a user's module does when it is imported
        why = f"{type(error).__name__}: {error}"
        raise PlanError(f"{where} names {name!r}, but module {module} cannot be imported: {why}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise PlanError(f"{where} names {name!r}, but {module} has no {attribute}")
        found = getattr(found, part)
    return found


def check(plan: Plan) -> Graph:
    """Checks a plan whole and gives its graph.

    Raises PlanError naming file, key, what was found and what is allowed: unknown keys, actors, edges and types,
    ports bound twice or never, messages of the wrong type, a cycle of edges that all block.
    """
    _check_tables(plan)
    edges = {name: _edge(plan, name) for name in plan.table("edges")}
    nodes = {name: _node(plan, name) for name in plan.table("actors")}
    state = {name: _state(plan, name) for name in plan.table("state")}
    outside = _bindings(plan, OUTSIDE, plan.table(OUTSIDE), "outputs")
    sections = {key: value for key, value in plan.tables.items() if key not in ("actors", "edges", "state", OUTSIDE)}
    graph = Graph(nodes, edges, state, outside, sections)
    _check_wiring(plan, graph)
    _check_state(plan, graph)
    _check_blocking_cycles(plan, graph)
    return graph


def _check_tables(plan: Plan) -> None:
    known = set(Plan.load(folder=plan.folder).tables)
    for name, value in plan.tables.items():
        if name not in known or not isinstance(value, dict):
            raise PlanError(f"{plan.where(name)} is not a table of the plan; there are {', '.join(sorted(known))}")


def _edge(plan: Plan, name: str) -> EdgeSpec:
    key = f"edges.{name}"
    table = plan.table("edges", name)
    _refuse_unknown(plan, key, table, EDGE_KEYS)
    for needed in ("type", "capacity", "overflow"):
        if needed not in table:
            raise PlanError(f"{plan.where(key)} has no {needed}; an edge needs type, capacity and overflow")
    kind = table["type"]
    where = plan.where(f"{key}.type")
    carries = load_name(kind if not isinstance(kind, str) or ":" in kind else f"pipeline.messages:{kind}", where)
    policies = [policy.value for policy in Overflow]
    if table["overflow"] not in policies:
        found = plan.where(f"{key}.overflow")
        raise PlanError(f"{found} is {table['overflow']!r}; it must be one of {', '.join(policies)}")
    try:
        capacity = Capacity.parse(table["capacity"])
    except PlanError as error:
        raise PlanError(f"{plan.where(f'{key}.capacity')}: {error}") from None
    optional = structure(table.get("optional", False), bool, plan.where(f"{key}.optional"))
    return EdgeSpec(name, carries, capacity, Overflow(table["overflow"]), optional)


def _node(plan: Plan, name: str) -> Node:
    key = f"actors.{name}"
    table = plan.table("actors", name)
    if "use" not in table:
        allowed = ", ".join(sorted(Plan.load(folder=plan.folder).table("actors")))
        raise PlanError(
            f"{plan.where(key)} has no use; the house's actors are {allowed}, and an actor of your own needs "
            f'use = "module:Class"'
        )
    made = load_name(table["use"], plan.where(f"{key}.use"))
    if not isinstance(made, type) or not callable(getattr(made, "run", None)):
        raise PlanError(f"{plan.where(f'{key}.use')} names {made!r}; an actor is a class with async def run(self)")
    signature = Signature.of(made)
    policy = structure(plan.table("actors", name, "restart"), Policy, plan.where(f"{key}.restart"))
    return Node(
        name,
        made,
        signature,
        _settings(plan, key, table, signature, ACTOR_KEYS),
        _bindings(plan, key, table, "inputs"),
        _bindings(plan, key, table, "outputs"),
        policy,
    )


def _state(plan: Plan, name: str) -> StateSpec:
    key = f"state.{name}"
    table = plan.table("state", name)
    make = load_name(table.get("use"), plan.where(f"{key}.use"))
    kind = make if isinstance(make, type) else typing.get_type_hints(make).get("return", object)
    signature = Signature.of(make)
    return StateSpec(make, kind, signature, _settings(plan, key, table, signature, ("use",)))


def _settings(
    plan: Plan, key: str, table: Mapping[str, Any], signature: Signature, own: tuple[str, ...]
) -> dict[str, object]:
    given = {name: value for name, value in table.items() if name not in own}
    _refuse_unknown(plan, key, given, tuple(signature.settings))
    missing = signature.required - set(given)
    if missing:
        raise PlanError(f"{plan.where(key)} needs {', '.join(sorted(missing))}, which is not set")
    return {
        name: structure(value, signature.settings[name], plan.where(f"{key}.{name}")) for name, value in given.items()
    }


def _refuse_unknown(plan: Plan, key: str, table: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    for name in table:
        if name not in allowed:
            known = ", ".join(sorted(allowed)) or "no settings"
            raise PlanError(f"{plan.where(f'{key}.{name}')} is unknown; {key} has {known}")


def _bindings(plan: Plan, key: str, table: Mapping[str, Any], side: str) -> dict[str, str]:
    given = table.get(side, {})
    bound: dict[str, str] = structure(given, dict[str, str], plan.where(f"{key}.{side}"))
    known = plan.table("edges")
    for port, edge in bound.items():
        if edge not in known:
            allowed = ", ".join(sorted(known))
            raise PlanError(f"{plan.where(f'{key}.{side}.{port}')} is {edge!r}, no edge of the plan: {allowed}")
    return bound


def _check_wiring(plan: Plan, graph: Graph) -> None:
    for node in graph.nodes.values():
        for side, ports, bound in (
            ("inputs", node.signature.inputs, node.inputs),
            ("outputs", node.signature.outputs, node.outputs),
        ):
            _check_ports(plan, graph, f"actors.{node.name}.{side}", ports, bound)
    for edge in graph.edges.values():
        readers, senders = graph.readers(edge.name), graph.senders(edge.name)
        where = plan.where(f"edges.{edge.name}")
        if len(readers) > 1:
            raise PlanError(f"{where} is read by {' and '.join(readers)}; an edge has one reader")
        if not edge.optional and not (readers and senders):
            end = "reads from it" if senders else "sends into it"
            raise PlanError(f"{where}: nobody {end}; bind it to a port, or take the edge out")


def _check_ports(plan: Plan, graph: Graph, key: str, ports: Mapping[str, type], bound: Mapping[str, str]) -> None:
    for port, edge in bound.items():
        spec = graph.edges[edge]
        if port not in ports:
            if spec.optional:
                continue
            allowed = ", ".join(sorted(ports)) or "none"
            raise PlanError(f"{plan.where(f'{key}.{port}')}: there is no such port; the class has {allowed}")
        if ports[port] is not spec.carries:
            raise PlanError(
                f"{plan.where(f'{key}.{port}')}: the port takes {ports[port].__name__}, "
                f"but edge {edge} carries {spec.carries.__name__}"
            )
    for port in ports:
        if port not in bound:
            raise PlanError(f'{plan.where(key)}: port {port} is bound to no edge; add {port} = "EDGE"')
    twice = [edge for edge in set(bound.values()) if list(bound.values()).count(edge) > 1]
    if twice:
        raise PlanError(f"{plan.where(key)}: edge {twice[0]} is bound to two ports; a port has an edge of its own")


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
