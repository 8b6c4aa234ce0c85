"""The graph of a plan, checked whole before anything starts.

`check` imports the classes that the plan names, compares what they ask for with what the plan gives them, and has
`pipeline.wiring` look at how they are joined.
"""

import importlib
import sys
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.actor import Signature
from pipeline.channels import Capacity, Overflow
from pipeline.errors import PlanError
from pipeline.plan import Plan
from pipeline.sections import check_sections
from pipeline.settings import structure
from pipeline.supervisor import Policy
from pipeline.wiring import OUTSIDE, EdgeSpec, Graph, Node, StateSpec, check_wiring

EDGE_KEYS = ("type", "capacity", "overflow", "optional")
ACTOR_KEYS = ("use", "inputs", "outputs", "restart")


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
    nodes = {name: _node(plan, name, edges) for name in plan.table("actors")}
    state = {name: _state(plan, name) for name in plan.table("state")}
    _refuse_unknown(plan, OUTSIDE, plan.table(OUTSIDE), ("outputs",))
    outside = _bindings(plan, OUTSIDE, plan.table(OUTSIDE), "outputs")
    sections = {key: value for key, value in plan.tables.items() if key not in ("actors", "edges", "state", OUTSIDE)}
    graph = Graph(nodes, edges, state, outside, sections)
    check_wiring(plan, graph)
    return graph


def _check_tables(plan: Plan) -> None:
    known = set(Plan.load(folder=plan.folder).tables)
    for name, value in plan.tables.items():
        if name not in known or not isinstance(value, dict):
            raise PlanError(f"{plan.where(name)} is not a table of the plan; there are {', '.join(sorted(known))}")
    check_sections(plan)


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
    if not isinstance(carries, type):
        raise PlanError(f'{where} is {kind!r}, no class; name a message such as "Captured" or "package.module:Class"')
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


def _node(plan: Plan, name: str, edges: Mapping[str, EdgeSpec]) -> Node:
    key = f"actors.{name}"
    table = plan.table("actors", name)
    if "use" not in table:
        allowed = ", ".join(sorted(Plan.load(folder=plan.folder).table("actors")))
        raise PlanError(
            f"{plan.where(key)} has no use; the house's actors are {allowed}, and an actor of your own needs "
            f'use = "module:Class"'
        )
    where = plan.where(f"{key}.use")
    made = load_name(table["use"], where)
    if not isinstance(made, type) or not callable(getattr(made, "run", None)):
        raise PlanError(f"{where} names {made!r}; an actor is a class with async def run(self)")
    signature = _signature(made, where)

    def bound(side: str, ports: Mapping[str, type]) -> dict[str, str]:
        """A class need not have a port for an optional edge; then it is no end of that edge."""
        given = _bindings(plan, key, table, side)
        return {port: edge for port, edge in given.items() if port in ports or not edges[edge].optional}

    return Node(
        name,
        made,
        signature,
        _settings(plan, key, table, signature, ACTOR_KEYS),
        bound("inputs", signature.inputs),
        bound("outputs", signature.outputs),
        structure(table.get("restart", {}), Policy, plan.where(f"{key}.restart")),
    )


def _state(plan: Plan, name: str) -> StateSpec:
    key = f"state.{name}"
    table = plan.table("state", name)
    where = plan.where(f"{key}.use")
    make = load_name(table.get("use"), where)
    if not callable(make):
        raise PlanError(f'{where} is {make!r}; shared state needs use = "module:Class", or a function that makes it')
    signature = _signature(make, where)
    kind = make if isinstance(make, type) else typing.get_type_hints(make).get("return")
    if not isinstance(kind, type):
        raise PlanError(f"{where} names {make!r}, which does not say what it makes; annotate what it returns")
    return StateSpec(make, kind, signature, _settings(plan, key, table, signature, ("use",)))


def _signature(made: typing.Callable[..., object], where: str) -> Signature:
    try:
        return Signature.of(made)
    except PlanError as error:
        raise PlanError(f"{where}: {error}") from error


def _settings(
    plan: Plan, key: str, table: Mapping[str, Any], signature: Signature, own: tuple[str, ...]
) -> dict[str, object]:
    given = {name: value for name, value in table.items() if name not in own}
    _refuse_unknown(plan, key, given, (*signature.settings, *own))
    missing = signature.required - set(given)
    if missing:
        raise PlanError(f"{plan.where(key)} needs {', '.join(sorted(missing))}, which is not set")
    settings = {}
    for name, value in given.items():
        taken = structure(value, signature.settings[name], plan.where(f"{key}.{name}"))
        settings[name] = plan.folder / taken if isinstance(taken, Path) else taken
    return settings


def _refuse_unknown(plan: Plan, key: str, table: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    for name in table:
        if name not in allowed:
            raise PlanError(f"{plan.where(f'{key}.{name}')} is unknown; {key} has {', '.join(sorted(allowed))}")


def _bindings(plan: Plan, key: str, table: Mapping[str, Any], side: str) -> dict[str, str]:
    given = table.get(side, {})
    bound: dict[str, str] = structure(given, dict[str, str], plan.where(f"{key}.{side}"))
    known = plan.table("edges")
    for port, edge in bound.items():
        if edge not in known:
            allowed = ", ".join(sorted(known))
            raise PlanError(f"{plan.where(f'{key}.{side}.{port}')} is {edge!r}, no edge of the plan: {allowed}")
    return bound
