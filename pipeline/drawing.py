"""A plan on paper: as TOML, as a text graph, and for Graphviz."""

from collections.abc import Iterator
from typing import Any

import tomli_w

from pipeline.plan import Plan
from pipeline.secrets import SHOWN
from pipeline.wiring import OUTSIDE, EdgeSpec, Graph


def as_toml(plan: Plan) -> str:
    """Gives the merged plan as TOML that can be used again with --config.

    Objects set from code show as text, and headers, which may carry credentials, without their values.
    """
    return tomli_w.dumps(_plain(plan.tables))


def _plain(value: Any) -> Any:  # noqa: ANN401 - TOML has any shape
    if isinstance(value, dict):
        value = {key: dict.fromkeys(item, SHOWN) if key == "headers" else item for key, item in value.items()}
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | bool | int | float) else str(value)


def as_text(graph: Graph) -> str:
    """Gives the graph as text: each actor, and below it where its edges lead."""
    return "\n".join(_lines(graph))


def _lines(graph: Graph) -> Iterator[str]:
    width = max(len(edge.carries.__name__) for edge in graph.edges.values()) if graph.edges else 0
    for name, used, outputs in _senders(graph):
        yield f"# {name}  ({used})"
        for edge in outputs:
            spec = graph.edges[edge]
            readers = " ".join(graph.readers(edge)) or "nobody"
            yield f"#   --> {readers:<11} {edge:<15} {spec.carries.__name__:<{width}}  {_bound(spec)}"


def _senders(graph: Graph) -> Iterator[tuple[str, str, list[str]]]:
    for node in graph.nodes.values():
        yield node.name, f"{node.made.__module__}:{node.made.__qualname__}", list(node.outputs.values())
    yield OUTSIDE, "the program around the pipeline", list(graph.outside_outputs.values())


def _bound(spec: EdgeSpec) -> str:
    return f"{spec.capacity}, {spec.overflow.value}{', optional' if spec.optional else ''}"


def as_dot(graph: Graph) -> str:
    """Gives the graph in Graphviz's language."""
    lines = [
        "digraph plan {",
        "  rankdir=LR;",
        "  node [shape=box, fontname=sans];",
        "  edge [fontname=sans, fontsize=9];",
    ]
    for name, used, outputs in _senders(graph):
        lines.append(f"  {_quoted(name)} [label={_quoted(name, used)}];")
        for edge in outputs:
            spec = graph.edges[edge]
            style = "dashed" if spec.optional else "solid"
            label = _quoted(edge, f"{spec.carries.__name__}, {_bound(spec)}")
            lines += [
                f"  {_quoted(name)} -> {_quoted(reader)} [label={label}, style={style}];"
                for reader in graph.readers(edge)
            ]
    return "\n".join([*lines, "}"])


def _quoted(*lines: str) -> str:
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"' + "\\n".join(escaped) + '"'
