"""A real MCP server by the official package, for tests: over stdio, or with a port over streamable HTTP."""

import os
import sys
import time

import anyio
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("shop")


@server.tool()
def add(a: int, b: int = 2) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("inside")


@server.tool()
def die() -> str:
    """Ends the whole server in mid-call."""
    os._exit(3)


@server.tool()
async def rest(seconds: float) -> str:
    """Takes its time."""
    await anyio.sleep(seconds)
    return "rested"


@server.tool()
def surroundings() -> list[str]:
    """Tells the names of its environment variables."""
    return sorted(os.environ)


@server.tool()
def recite(length: int) -> str:
    """Gives a text of that length."""
    return "x" * length


@server.tool()
async def learn(ctx: Context) -> str:
    """Learns to sing."""
    server.add_tool(sing)
    await ctx.notify_tools_changed()
    return "learnt"


def sing() -> str:
    """Sings."""
    return "la"


@server.tool()
def number_of_process() -> int:
    """Tells its process number."""
    return os.getpid()


if __name__ == "__main__":
    sys.stderr.write("a word of complaint\n")
    sys.stderr.flush()
    if "hang" in sys.argv:
        time.sleep(60)
    if sys.argv[-1].isdecimal():
        server.run("streamable-http", port=int(sys.argv[-1]))
    else:
        server.run("stdio")
