"""`assistant tools`: the tools with their schemas; `tools call NAME JSON` runs one."""

import argparse
import json
import sys
from contextlib import redirect_stdout

import trio

from pipeline.errors import PlanError, ToolFailed
from pipeline.events import Bus, Trouble
from pipeline.plan import Plan
from tools.toolbox import Toolbox, planned

SERVERS_WITHIN = 15.0  # seconds for MCP servers to say what they offer


def main(options: argparse.Namespace) -> int:
    """Lists the tools, or runs one: its result as JSON on stdout, or an error on stderr and exit code 1."""
    if options.action is not None and not options.name:
        raise PlanError('tools call needs a name, as in: tools call get_time \'{"city": "Paris"}\'')
    plan = Plan.load(*options.config, sets=options.set)
    with redirect_stdout(sys.stderr):  # what a tool prints is no part of its result
        toolbox = planned(plan)
        found = trio.run(_main, toolbox, options.name, options.json)
    print(json.dumps(found, indent=None if options.name else 2, ensure_ascii=False))
    return 0


async def _main(toolbox: Toolbox, name: str | None, arguments: str) -> object:
    async with toolbox, trio.open_nursery() as nursery:
        if toolbox.servers:
            await _serve(toolbox, nursery)
        found = toolbox.declarations() if name is None else await _call(toolbox, name, arguments)
        nursery.cancel_scope.cancel("done")
    return found


async def _serve(toolbox: Toolbox, nursery: trio.Nursery) -> None:
    """Starts the MCP servers of the plan, and says what is wrong with those that do not come."""
    from actors.mcp import Servers

    bus = Bus()
    troubles = bus.subscribe()

    async def complain() -> None:
        async for event in troubles:
            if isinstance(event, Trouble):
                print(f"assistant: {bus.secrets.redact(event.what)}", file=sys.stderr)

    nursery.start_soon(complain)
    nursery.start_soon(Servers(toolbox, bus).run)
    await toolbox.complete(SERVERS_WITHIN)


async def _call(toolbox: Toolbox, name: str, arguments: str) -> dict[str, object]:
    try:
        return await toolbox.run_json(name, arguments)
    except ToolFailed as failed:
        if not failed.detail:
            raise
        raise ToolFailed(f"{failed} ({failed.detail})") from failed  # whoever calls by hand is to mend it
