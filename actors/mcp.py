"""MCP: keeps a session with every server that the plan names, and offers its tools to the model.

A server that cannot be reached, or dies, is daily work: it is tried again with growing pauses, and meanwhile its tools
answer that they are away.
"""

import random
from collections.abc import Mapping

import attrs
import trio

from pipeline.actor import Shared
from pipeline.errors import ToolFailed
from pipeline.events import Bus, Notice, Trouble
from pipeline.supervisor import Policy
from tools.foreign import foreign
from tools.mcp import Away, Peer, connected
from tools.servers import Server
from tools.toolbox import Toolbox

PAUSES = Policy(first_delay=0.5, longest_delay=60.0)
STABLE_AFTER = 60.0  # seconds after which a server that fails is tried again at once
PROBE_EVERY = 30.0  # seconds between two looks at what an idle server offers, which also tells whether it still is
PROBE_WITHIN = 10.0


@attrs.define(eq=False)
class Seat:
    """Where the session with one server sits while there is one; its tools find it here."""

    server: Server
    peer: Peer | None = None
    running: int = 0

    async def call(self, name: str, arguments: Mapping[str, object]) -> object:
        """Runs a tool of the server; ToolFailed, to be tried again, where the server is away or dies meanwhile."""
        peer = self.peer
        if peer is None:
            raise ToolFailed(
                f"{name} is away: its server {self.server.name} is not running; it is being started again", retry=True
            )
        self.running += 1
        try:
            return await peer.call(name, arguments)
        except Away as away:
            peer.lost.set()
            what = f"{name} was cut short: its server {self.server.name} ended; it is being started again"
            raise ToolFailed(what, retry=True, detail=str(away)) from away
        finally:
            self.running -= 1


@attrs.define
class Servers:
    """Runs a task for each server; ends at once where the plan names none.

    Cancellation ends the servers' processes, within a second.
    """

    toolbox: Shared[Toolbox]
    bus: Bus

    async def run(self) -> None:
        """Keeps the servers until cancelled."""
        async with trio.open_nursery() as nursery:
            for server in self.toolbox.servers:
                nursery.start_soon(self._keep, Seat(server), name=f"mcp {server.name}")

    async def _keep(self, seat: Seat) -> None:
        failures = 0
        self._hide(seat.server)
        while True:
            began = trio.current_time()
            reason, said = await self._session(seat)
            failures = 1 if trio.current_time() - began > STABLE_AFTER else failures + 1
            pause = PAUSES.delay(failures, random.random())  # noqa: S311 - jitter
            what, action = f"MCP server {seat.server.name}: {reason}", f"again in {pause:.1f} s"
            self.bus.publish(Trouble(what, "mcp", action, said))
            await trio.sleep(pause)

    def _hide(self, server: Server) -> None:
        try:
            for secret in server.secrets():
                self.bus.secrets.hide(secret)
        except ToolFailed:
            return  # a variable that is not set is told when the server is to be started

    async def _session(self, seat: Seat) -> tuple[str, str | None]:
        """Has one session with a server; gives the reason for its end, and what the server said of it, if anything."""
        ready = False
        try:
            with trio.move_on_after(seat.server.start) as starting:
                async with connected(seat.server) as peer:
                    await self._offer(seat, peer)
                    starting.deadline = float("inf")
                    seat.peer, ready = peer, True
                    return await self._watch(seat, peer), None
        except Away as away:
            return "it failed", " ".join(str(away).split())
        except ToolFailed as error:
            return " ".join(str(error).split()), error.detail or None
        finally:
            seat.peer = None
        return "it stopped answering" if ready else f"it was not ready within {seat.server.start:g} s", None

    async def _watch(self, seat: Seat, peer: Peer) -> str:
        """Waits for the end of a server, and has a look at it now and then while it has nothing to do."""
        while True:
            with trio.move_on_after(PROBE_EVERY):
                await peer.lost.wait()
                return "it ended"
            if seat.running:
                continue
            with trio.move_on_after(PROBE_WITHIN) as probe:
                await self._offer(seat, peer)
            if probe.cancelled_caught and not seat.running:
                return f"it did not answer within {PROBE_WITHIN:g} s"

    async def _offer(self, seat: Seat, peer: Peer) -> None:
        server = seat.server
        described = [each for each in await peer.tools() if each.name not in server.leave_out]
        refused = self.toolbox.offer(server.name, [foreign(server, each, seat.call) for each in described])
        for name in refused:
            self.bus.publish(Notice(f"MCP server {server.name}: there is another tool called {name}; left out"))
