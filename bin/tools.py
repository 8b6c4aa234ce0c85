"""`assistant tools`: the tools with their schemas; `tools call NAME JSON` runs one."""

import argparse
import json

import trio

from pipeline.errors import PlanError
from pipeline.plan import Plan
from tools.toolbox import Toolbox, planned


def main(options: argparse.Namespace) -> int:
    """Lists the tools, or runs one: its result as JSON on stdout, or an error on stderr and exit code 1."""
    plan = Plan.load(*options.config, sets=options.set)
    toolbox = planned(plan)
    if options.action is None:
        print(json.dumps(toolbox.declarations(), indent=2, ensure_ascii=False))
        return 0
    if not options.name:
        raise PlanError('tools call needs a name, as in: tools call get_time \'{"city": "Paris"}\'')
    print(json.dumps(trio.run(_call, toolbox, options.name, options.json), ensure_ascii=False))
    return 0


async def _call(toolbox: Toolbox, name: str, arguments: str) -> dict[str, object]:
    async with toolbox:
        return await toolbox.run_json(name, arguments)
