"""The downlink: the only reader on the socket. It never waits for anyone but the socket."""

from collections.abc import Iterable

import attrs
import trio

from actors.live.link import Link, LinkLost, Report
from actors.live.session import Effect, Session
from actors.live.signals import Signal
from actors.live.wire import decode
from pipeline.actor import Shared
from pipeline.channels import Inlet, Outlet
from pipeline.errors import TransportLost
from pipeline.events import Bus, Event, Trouble
from pipeline.messages import CallNews, Interrupted, Reply, ReplyAudio, ReplyControl


def route(
    effects: Iterable[Effect],
    bus: Bus,
    reply: Outlet[Reply],
    control: Outlet[ReplyControl],
    calls: Outlet[CallNews],
    reports: Outlet[Report] | None = None,
) -> None:
    """Hands each effect of the session to its edge or to the bus, without waiting."""
    for effect in effects:
        if isinstance(effect, Reply):
            reply.send_nowait(effect)
        elif isinstance(effect, Event):
            bus.publish(effect)
        elif isinstance(effect, ReplyControl):
            control.send_nowait(effect)
        elif isinstance(effect, CallNews):
            calls.send_nowait(effect)
        elif reports is not None:
            reports.send_nowait(effect)


@attrs.define
class Downlink:
    """Reads each link until it breaks, and turns what comes into replies, calls, reports and events.

    Cancellation breaks the link, because nobody would read it any more; its owner then makes another. A reply for which
    its edge has no room ends there, and the conversation goes on.
    """

    links: Inlet[Link]
    reply: Outlet[Reply]
    control: Outlet[ReplyControl]
    calls: Outlet[CallNews]
    reports: Outlet[Report]
    session: Shared[Session]
    bus: Bus
    _overlong: int = attrs.field(default=0, init=False)

    async def run(self) -> None:
        """Runs until cancelled."""
        async for link in self.links:
            over = False
            try:
                await self._read(link)
                over = True
            finally:
                if not over:  # a link that is over was reported with its reason, which abort would hide
                    link.wire.abort()

    async def _read(self, link: Link) -> None:
        await self._take(link, link.early)
        while True:
            try:
                frame = await link.wire.receive()
            except TransportLost as lost:
                self.reports.send_nowait(LinkLost(link.epoch, lost.code, lost.reason))
                return
            await self._take(link, decode(frame))
            for more in link.wire.ready():
                await self._take(link, decode(more))

    async def _take(self, link: Link, signals: Iterable[Signal]) -> None:
        """Acts on these, in order; cancellation waits meanwhile."""
        for signal in signals:
            if not self._current(link):
                break
            effects = self.session.receive(signal, trio.current_time())
            if effects and isinstance(effects[0], Interrupted):
                await self._obeyed(effects[0])
                if not self._current(link):
                    break  # whoever has moved the session on has told of it
                effects = effects[1:]
            fitting = [effect for effect in effects if self._fits(effect)]
            route(fitting, self.bus, self.reply, self.control, self.calls, self.reports)

    def _current(self, link: Link) -> bool:
        """Whether the session has not moved on to another link, so that this one is only being emptied."""
        return link.epoch == self.session.epoch and self.session.linked

    async def _obeyed(self, word: Interrupted) -> None:
        """Has playback obey an interruption before anything else is made of it, or of what came behind it.

        Two turns of the loop: in the first one it is a matter of chance who is before whom.
        """
        self.control.send_nowait(word)
        for _ in range(2):
            await trio.lowlevel.cancel_shielded_checkpoint()

    def _fits(self, effect: Effect) -> bool:
        """Whether its edge has room, which only a reply may outgrow; such a reply is ended, once."""
        if not isinstance(effect, ReplyAudio):
            return True
        if effect.turn == self._overlong:
            return False
        if self.reply.fits(effect):
            return True
        self._overlong = effect.turn
        self.control.send_nowait(Interrupted(effect.turn, trio.current_time(), "failed"))
        self.bus.publish(Trouble("a reply is longer than edges.reply holds", "overlong", "its rest is skipped"))
        return False
