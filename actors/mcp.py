"""MCP: keeps a session with every server that the plan names, and offers its tools to the model.

A server that cannot be reached, or dies, is daily work: it is tried again with growing pauses. Meanwhile its tools
answer that they are away, and after a few seconds of that they are withdrawn.
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
from tools.registry import IN_DOUBT
from tools.servers import Server
from tools.toolbox import Toolbox

PAUSES = Policy(first_delay=0.5, longest_delay=60.0)
STABLE_AFTER = 60.0  # seconds after which a server that fails is tried again at once
PROBE_EVERY = 30.0  # seconds between two looks at what an idle server offers, which also tells whether it still is
PROBE_WITHIN = 10.0
AWAY_AFTER = 5.0  # seconds after which the tools of a server that is gone are withdrawn


@attrs.define(eq=False)
class Seat:
    """Where the session with one server sits while there is one; its tools find it here."""

    server: Server
    peer: Peer | None = None
    running: int = 0
    moved: trio.Event = attrs.field(factory=trio.Event)

    def take(self, peer: Peer | None) -> None:
        """The session has begun, or is over."""
        if peer is not self.peer:
            self.peer = peer
            self.moved.set()
            self.moved = trio.Event()

    async def call(self, name: str, arguments: Mapping[str, object]) -> object:
        """Runs a tool of the server; ToolFailed where the server is away, to be tried again, or dies meanwhile."""
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
            what = f"{name} was cut short: its server {self.server.name} ended and is being started again"
            harmless = name in self.server.idempotent
            raise ToolFailed(what if harmless else f"{what}; {IN_DOUBT}", retry=harmless, detail=str(away)) from away
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
            for seat in map(Seat, self.toolbox.servers):
                nursery.start_soon(self._keep, seat, name=f"mcp {seat.server.name}")
                nursery.start_soon(self._miss, seat, name=f"mcp {seat.server.name} away")

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

    async def _miss(self, seat: Seat) -> None:
        """Withdraws the tools of a server that has gone and is not back soon."""
        while True:
            await seat.moved.wait()
            if seat.peer is None:
                with trio.move_on_after(AWAY_AFTER) as patience:
                    await seat.moved.wait()
                if patience.cancelled_caught:
                    self.toolbox.withdraw(seat.server.name)

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
                    seat.take(peer)
                    ready = True
                    return await self._watch(seat, peer), None
        except Away as away:
            return "it failed", " ".join(str(away).split())
        except ToolFailed as error:
            return " ".join(str(error).split()), error.detail or None
        finally:
            seat.take(None)
        return "it stopped answering" if ready else f"it was not ready within {seat.server.start:g} s", None

    async def _watch(self, seat: Seat, peer: Peer) -> str:
        """Waits for the end of a server, and asks what it offers when that changes, or now and then while it rests."""
        while True:
            with trio.move_on_after(PROBE_EVERY):
                await peer.stirs()
            if peer.lost.is_set():
                return "it ended"
            if seat.running and not peer.changed.is_set():
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
