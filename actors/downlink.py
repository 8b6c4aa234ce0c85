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
        self._take(link, link.early)
        while True:
            try:
                frame = await link.wire.receive()
            except TransportLost as lost:
                self.reports.send_nowait(LinkLost(link.epoch, lost.code, lost.reason))
                return
            urgent = self._take(link, decode(frame))
            for more in link.wire.ready():
                if urgent:
                    await self._obeyed()
                urgent = self._take(link, decode(more))

    @staticmethod
    async def _obeyed() -> None:
        """Has playback obey an interruption before what came behind it is looked at.

        Two turns of the loop: in the first one it is a matter of chance who is before whom.
        """
        for _ in range(2):
            await trio.lowlevel.checkpoint()

    def _take(self, link: Link, signals: Iterable[Signal]) -> bool:
        """Acts on these; tells whether there was an interruption among them."""
        urgent = False
        for signal in signals:
            if link.epoch != self.session.epoch or not self.session.linked:
                break  # the session has moved on to another link; this one is only being emptied
            effects = self.session.receive(signal, trio.current_time())
            fitting = [effect for effect in effects if not isinstance(effect, ReplyAudio) or self._fits(effect)]
            route(fitting, self.bus, self.reply, self.control, self.calls, self.reports)
            urgent = urgent or any(isinstance(effect, Interrupted) for effect in effects)
        return urgent

    def _fits(self, audio: ReplyAudio) -> bool:
        """Whether the reply's edge has room; a reply that has outgrown it is ended, once."""
        if audio.turn == self._overlong:
            return False
        if self.reply.fits(audio):
            return True
        self._overlong = audio.turn
        self.control.send_nowait(Interrupted(audio.turn, trio.current_time(), "failed"))
        self.bus.publish(Trouble("a reply is longer than edges.reply holds", "overlong", "its rest is skipped"))
        return False
