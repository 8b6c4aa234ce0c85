"""Checks an arranged conversation whole before anything is opened: plan, tools, setup, and the files it names."""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from actors.connection import Connection
from actors.live.recall import recall
from bin.arrange import Arrangement, shown
from pipeline.errors import PlanError
from pipeline.graph import check
from pipeline.plan import Plan
from pipeline.sections import path_of
from pipeline.wiring import Graph
from tools.loading import keep
from tools.toolbox import Toolbox, planned

LOGS = {"events": "the event log", "trace": "the trace", "metrics": "the metrics"}


@attrs.frozen
class Named:
    """A file that a conversation reads or writes, and how people know it."""

    what: str
    path: Path
    written: bool

    def is_same(self, other: "Named") -> bool:
        """Whether both are one plain file, by whatever names."""
        if self.path.exists() and other.path.exists():
            return self.path.is_file() and self.path.samefile(other.path)
        return self.path.resolve() == other.path.resolve()


def check_whole(arrangement: Arrangement, options: Mapping[str, Any]) -> Graph:
    """Raises PlanError for whatever would end the conversation before its first word, and gives the graph.

    Nothing is opened, made or written but the connection's own cache, which is what makes this quick the next time.
    """
    plan, secrets = arrangement.plan, arrangement.environment.secrets()
    graph = check(plan)
    toolbox = _tools(plan, graph)
    connection = graph.nodes.get("connection")
    if connection is not None and issubclass(connection.made, Connection):
        bare = secrets.redacted(plan.table("live")) == plan.table("live")  # else a secret would lie in the cache
        _check_setup(plan, toolbox, str(connection.settings.get("cache", "")) if bare else "")
    for one, other in itertools.combinations(_files(plan, graph, options), 2):
        if (one.written or other.written) and one.is_same(other):
            raise PlanError(
                f"{one.what} and {other.what} are the same file, {other.path}; name another for one of them"
            )
    return graph


def _tools(plan: Plan, graph: Graph) -> Toolbox | None:
    """Makes the toolbox that the plan asks for; what its files define is kept for the conversation."""
    if not any(state.make is planned for state in graph.state.values()):
        return None
    toolbox = planned(plan)
    keep(plan.table("tools").get("use", ()), plan.folder)
    return toolbox


def _check_setup(plan: Plan, toolbox: Toolbox | None, cache: str) -> None:
    """Builds the setup, or finds it built: a setting of [live] that cannot be is refused here."""
    declared = toolbox.declarations() if toolbox is not None else []
    local_turns = plan.table("room").get("turns") == "local"
    built = recall(Path(cache) if cache else None, plan.table("live"), declared, local_turns=local_turns)
    if built.base_url:
        shown(built.base_url)


def _files(plan: Plan, graph: Graph, options: Mapping[str, Any]) -> Iterator[Named]:
    for file in options.get("config") or ():
        yield Named(f"the plan {file}", plan.folder / file, written=False)
    for actor, what in (("microphone", "what is spoken (--input)"), ("playback", "what is heard (--output)")):
        path = graph.nodes[actor].settings.get("path") if actor in graph.nodes else None
        if isinstance(path, Path):
            yield Named(what, path, written=actor == "playback")
    for option, what in LOGS.items():
        if options.get(option):
            yield Named(f"{what} (--{option})", Path(options[option]), written=True)
    telemetry = plan.table("telemetry")
    for key in ("log_file", *(() if options.get("metrics") else ("metrics",))):
        if path := path_of(plan, telemetry.get(key, "")):
            yield Named(f"telemetry.{key}", path, written=True)
