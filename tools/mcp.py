"""MCP by the official package: one session with one server, over a child process or streamable HTTP.

The only importer of mcp, and it imports it when a server is to be reached, in a thread: that takes some seconds.
"""

import importlib
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from types import ModuleType
from typing import Any

import attrs
import trio

from pipeline.errors import ToolFailed, first_error
from tools.foreign import Described
from tools.process import ENDS, LONGEST_LINE, Child, running
from tools.servers import Server

PARTS = ("mcp", "mcp.shared.message", "mcp.client.streamable_http", "mcp.shared._httpx_utils", "mcp_types", "pydantic")
MOST_PAGES = 20
CHANGED = "notifications/tools/list_changed"
LONG = 50_000  # characters of a message that is read in a thread
ASKED = re.compile(  # the id of a response, which one server writes first and the next one last
    r'\s*\{"jsonrpc":\s*"2\.0",\s*"id":\s*(\d+),.*|.*"id":\s*(\d+)(?:,\s*"jsonrpc":\s*"2\.0")?\s*\}\s*', re.DOTALL
)
LONGEST_REASON = 300
TOO_LONG = (
    f'{{"jsonrpc":"2.0","id":%s,"error":{{"code":-32603,"message":"its answer has more than {LONGEST_LINE} bytes"}}}}'
)


class Away(Exception):
    """The server is gone, or does not do as MCP says."""


@attrs.define(eq=False)
class Peer:
    """A session with a server; made by `connected`.

    `lost` is set once the server is known to be gone, `changed` once it says that it offers other tools than before.
    """

    client: Any
    lost: trio.Event = attrs.field(factory=trio.Event)
    changed: trio.Event = attrs.field(factory=trio.Event)

    async def stirs(self) -> None:
        """Waits until the server is gone or offers other tools."""
        async with trio.open_nursery() as nursery:

            async def wait(event: trio.Event) -> None:
                await event.wait()
                nursery.cancel_scope.cancel("one is enough")

            nursery.start_soon(wait, self.lost)
            nursery.start_soon(wait, self.changed)

    async def tools(self) -> list[Described]:
        """Asks what tools there are; Away if that fails."""
        self.changed = trio.Event()
        found: list[Described] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await self._asked(self.client.list_tools(cursor=cursor, cache_mode="bypass"))
            found += [Described(tool.name, tool.description or "", dict(tool.input_schema)) for tool in page.tools]
            cursor = page.next_cursor
            if not cursor:
                break
        return found

    async def call(self, name: str, arguments: Mapping[str, object]) -> object:
        """Runs a tool: gives its structured result, or else its texts. ToolFailed in the tool's own words; Away."""
        result = await self._asked(self.client.call_tool(name, dict(arguments)))
        texts = [part.text for part in result.content if getattr(part, "type", "") == "text"]
        if result.is_error:
            reason = " ".join(" ".join(texts).split())[:LONGEST_REASON]
            raise ToolFailed(reason or f"{name} failed and gave no reason", retry=False)
        if result.structured_content is not None:
            return result.structured_content
        others = [part.type for part in result.content if getattr(part, "type", "") != "text"]
        return "\n".join([*texts, *(f"({kind} that cannot be spoken)" for kind in others)])

    async def _asked(self, answer: Any) -> Any:  # noqa: ANN401 - one of the package's many results
        import anyio  # noqa: PLC0415 - comes with it
        from mcp import MCPError  # noqa: PLC0415 - see the module

        try:
            return await answer
        except MCPError as error:
            if error.code in _PROTOCOL and not self.lost.is_set():
                raise ToolFailed(" ".join(str(error).split())[:LONGEST_REASON]) from None
            raise Away(str(error)) from None
        except (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
            raise Away("the connection is closed") from error
        except (ValueError, RuntimeError) as error:  # how the package says that a result breaks its own schema
            raise ToolFailed("its server gave a result that nobody can read", detail=str(error)) from error


_PROTOCOL = (-32602, -32601, -32603)  # JSON-RPC: the server is there, and refuses this very request


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Peer]:
    """Reaches a server and gives a session with it; the server ends with the block.

    Raises ToolFailed or Away, in words for a log, where it cannot be reached. Deadlines are the caller's.
    """
    await trio.to_thread.run_sync(_load, abandon_on_cancel=True)
    import mcp  # noqa: PLC0415 - see the module

    words: Callable[[], str] = str
    failure: Exception | None = None
    peer = Peer(None)

    async def hear(message: object) -> None:
        await trio.lowlevel.checkpoint()
        if getattr(message, "method", "") == CHANGED:
            peer.changed.set()

    try:
        async with (
            _transport(server) as (transport, peer.lost, words),
            mcp.Client(transport, cache=None, message_handler=hear) as peer.client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(_listen, peer)
            yield peer
            nursery.cancel_scope.cancel("the session is over")
    except* Exception as group:  # noqa: BLE001 - the package and what it stands on raise of all kinds
        failure = first_error(group)
    if isinstance(failure, ToolFailed):  # our own words, for everyone
        raise failure
    if failure is not None:
        reason = str(failure) or type(failure).__name__
        said = words()
        raise Away(f"{reason}; it said: {said}" if said else reason) from failure


async def _listen(peer: Peer) -> None:
    """Has servers of the newer protocol say when they offer other tools; older ones do so unasked, or never."""
    try:
        async with peer.client.listen(tools_list_changed=True) as changes:
            async for _ in changes:
                peer.changed.set()
    except Exception:  # noqa: BLE001 - of all kinds, as above; whoever cannot be listened to is asked now and then
        await trio.lowlevel.checkpoint()


def _load() -> None:
    """Imports the package; what it has to say of a server's mistakes is not for the terminal."""
    logging.getLogger("mcp").addHandler(logging.NullHandler())
    for part in PARTS:
        importlib.import_module(part)


async def _off(away: bool, work: Callable[[str], Any], line: str) -> Any:  # noqa: ANN401 - one of many messages
    """Does a piece of work on a line here, or away in a thread."""
    return await trio.to_thread.run_sync(work, line, abandon_on_cancel=True) if away else work(line)


Transport = AbstractAsyncContextManager[tuple[Any, Any]]


@asynccontextmanager
async def _transport(server: Server) -> AsyncIterator[tuple[Transport, trio.Event, Callable[[], str]]]:
    """Gives the way to a server, an event for its end, and what it complained of last."""
    lost = trio.Event()
    if not server.url:
        async with running(server.words, server.environment(), server.folder) as child:
            yield _over_lines(child, lost), lost, child.last_words
        return
    http = importlib.import_module("mcp.client.streamable_http")
    made: ModuleType = importlib.import_module("mcp.shared._httpx_utils")
    async with made.create_mcp_http_client(headers=server.filled_headers()) as client:
        yield http.streamable_http_client(server.url, http_client=client), lost, str


@asynccontextmanager
async def _over_lines(child: Child, lost: trio.Event) -> AsyncIterator[tuple[Any, Any]]:
    """Gives the two streams of messages that the package wants, over a child's lines."""
    import anyio  # noqa: PLC0415 - comes with it
    from mcp.shared.message import SessionMessage  # noqa: PLC0415 - see the module
    from mcp_types import jsonrpc_message_adapter  # noqa: PLC0415 - see the module

    understood = partial(jsonrpc_message_adapter.validate_json, by_name=False)
    incoming, received = anyio.create_memory_object_stream[Any](0)
    sent, outgoing = anyio.create_memory_object_stream[Any](0)

    async def read() -> None:
        async with incoming:
            while (line := await child.receive()) is not None:
                try:
                    message: Any = SessionMessage(await _off(len(line) > LONG, understood, line))
                except ValueError as error:  # something printed that is no message, or one that was too long
                    found = ASKED.fullmatch(line) if len(line) >= 2 * ENDS else None
                    refused = TOO_LONG % (found[1] or found[2]) if found else ""
                    message = SessionMessage(understood(refused)) if refused else error
                try:
                    await incoming.send(message)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    break
        lost.set()

    async def write() -> None:
        async with outgoing:
            async for message in outgoing:
                try:
                    await child.send(message.message.model_dump_json(by_alias=True, exclude_unset=True))
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    await incoming.aclose()
                    return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        nursery.start_soon(write)
        try:
            yield received, sent
        finally:
            received.close()
            sent.close()
            nursery.cancel_scope.cancel("the session is over")
