"""`assistant plan`: the merged plan and its graph."""

import argparse

from bin.arrange import arrange
from bin.checking import check_whole
from pipeline.drawing import as_dot, as_text
from telemetry.tape_about import written


def main(options: argparse.Namespace) -> int:
    """Prints the plan that `talk` would run as TOML, without secrets, and its graph as text; or that for Graphviz."""
    arrangement = arrange(options)
    graph = check_whole(arrangement, vars(options))
    secrets = arrangement.environment.secrets()
    if options.dot:
        print(as_dot(graph))
    else:
        print(written(arrangement.plan, secrets))
        print(as_text(graph))
    return 0
