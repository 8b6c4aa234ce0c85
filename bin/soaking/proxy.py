"""The same network over real sockets: a proxy between any client and any service, on Trio.

Every connection through it is a `network.Line`, so whatever can happen to one in memory can happen to it.
"""

import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio

from bin.soaking.network import Line, Network

PIECE = 65536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, with no time: closing sends a reset


@asynccontextmanager
async def proxied(network: Network, host: str, port: int) -> AsyncIterator[int]:
    """Listens on a free port of 127.0.0.1 while the block runs, and gives it; what comes goes to `host` and `port`."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        serve = partial(_serve, network, host, port)
        nursery.start_soon(partial(trio.serve_listeners, serve, listeners))  # noqa: ASYNC113 - the socket listens already
        yield int(listeners[0].socket.getsockname()[1])
        nursery.cancel_scope.cancel("the proxy ends")


async def _serve(network: Network, host: str, port: int, client: trio.SocketStream) -> None:
    """Carries one connection until either end, or the network, has ended it."""
    try:
        line = await network.dial()
        service = await trio.open_tcp_stream(host, port)
    except OSError:
        _reset(client)
        return
    async with service:
        await _carry(line, client, service)
        if line.broken:
            _reset(client)
            _reset(service)


async def _carry(line: Line, client: trio.SocketStream, service: trio.SocketStream) -> None:
    """Pumps both ways between the sockets and the line until that is over."""
    async with trio.open_nursery() as nursery:
        for source, sink in (
            (client, line.near()),
            (line.far(), service),
            (service, line.far()),
            (line.near(), client),
        ):
            nursery.start_soon(_pump, line, source, sink)
        await _over(line)
        nursery.cancel_scope.cancel("the line is over")


async def _pump(line: Line, source: trio.abc.ReceiveStream, sink: trio.abc.SendStream) -> None:
    """Carries bytes one way; an end in order is passed on, and what is broken breaks the line."""
    try:
        while data := await source.receive_some(PIECE):
            await sink.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        line.cut()
        return
    await trio.aclose_forcefully(sink)


async def _over(line: Line) -> None:
    """Waits until nothing can go through the line any more."""
    while not line.over:  # noqa: ASYNC110 - real time; a tenth of a second late is soon enough
        await trio.sleep(0.05)


def _reset(stream: trio.SocketStream) -> None:
    """Closes a socket as a crash would: the other side gets a reset."""
    with contextlib.suppress(OSError):  # it may be closed already
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        stream.socket.close()
