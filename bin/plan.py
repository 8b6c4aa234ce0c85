"""`assistant plan`: the merged plan and its graph."""

import argparse

from pipeline.drawing import as_dot, as_text, as_toml
from pipeline.graph import check
from pipeline.plan import Plan


def main(options: argparse.Namespace) -> int:
    """Prints the plan as TOML and its graph as text, or the graph for Graphviz."""
    plan = Plan.load(*options.config, sets=options.set)
    graph = check(plan)
    if options.dot:
        print(as_dot(graph))
    else:
        print(as_toml(plan))
        print(as_text(graph))
    return 0
