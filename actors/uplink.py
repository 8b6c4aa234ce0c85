"""The uplink: the only writer on the socket. Control goes ahead of audio; a write is never cut in the middle."""

import attrs
import trio

from actors.live.link import Link, LinkLost, Report
from actors.live.session import Session
from actors.live.wire import encode
from pipeline.actor import Shared
from pipeline.channels import Inlet, Outlet
from pipeline.errors import TransportLost
from pipeline.events import Bus, Event
from pipeline.messages import Request, ToolAnswer, Uttered

MOMENT = 1.0  # seconds in which what is said may wait for a write that stands still
CONFIRMED_WITHIN = 60.0  # seconds; a far end that takes longer does not tell, and a line so slow is broken


@attrs.define
class Uplink:
    """Takes speech, requests and tool answers into the session, and writes what the session wants on the wire.

    Taking waits for writing no longer than a moment, so the edges stay short while the link is down or stands still.
    Speech is taken by who writes it, which saves it a step, and where that takes longer by who looks after it.
    Cancellation breaks the link, because nobody would write on it any more; its owner then makes another.
    """

    speech: Inlet[Uttered]
    requests: Inlet[Request]
    answers: Inlet[ToolAnswer]
    links: Inlet[Link]
    reports: Outlet[Report]
    session: Shared[Session]
    bus: Bus
    _link: Link | None = attrs.field(default=None, init=False)
    _asked: Link | None = attrs.field(default=None, init=False)  # of which it is being learned what has arrived
    _waiting: trio.CancelScope | None = attrs.field(default=None, init=False)  # of a writer with nothing to write

    async def run(self) -> None:
        """Runs until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._look_after)
                nursery.start_soon(self._ask)
                nursery.start_soon(self._answer)
                nursery.start_soon(self._relink)
                nursery.start_soon(self._write, nursery)
        finally:
            if self._link is not None:
                self._link.wire.abort()

    async def _look_after(self) -> None:
        """Takes what was said during a write that stands still."""
        while True:
            await trio.sleep(MOMENT)
            self._take_speech()

    def _take_speech(self) -> None:
        """Takes what waits, unless the writer waits for it: that may have been given the next of it already."""
        if self._waiting is None:
            for _ in range(self.speech.waiting):
                self._tell(self.session.hear(self.speech.receive_nowait()))

    async def _ask(self) -> None:
        async for request in self.requests:
            self._take_speech()  # which was said before
            self._tell(self.session.hear(request))
            self._write_now()

    async def _answer(self) -> None:
        async for answer in self.answers:
            self._tell(self.session.answer(answer))
            self._write_now()

    async def _relink(self) -> None:
        async for link in self.links:
            self._link = link
            self._write_now()

    def _write_now(self) -> None:
        """Has the writer look for something to write, where it waits."""
        if self._waiting is not None:
            self._waiting.cancel("there is something to write")

    def _tell(self, effects: tuple[object, ...]) -> None:
        for effect in effects:
            if isinstance(effect, Event):
                self.bus.publish(effect)

    async def _write(self, nursery: trio.Nursery) -> None:
        while True:
            await trio.lowlevel.checkpoint_if_cancelled()  # a write is none, where one follows the other
            self._take_speech()
            link = self._link
            command = self.session.next_command() if link and link.epoch == self.session.epoch else None
            if link is not None and link is not self._asked and self._unconfirmed(link):
                self._asked = link
                nursery.start_soon(self._confirm, link)
            if link is None or command is None:
                await self._wait()
                continue
            began = trio.current_time()
            try:
                await link.wire.send(encode(command))
            except TransportLost as lost:
                if self._link is link:  # else there is a newer one already
                    self._link = None
                self.reports.send_nowait(LinkLost(link.epoch, lost.code, lost.reason))
                continue
            if link.epoch == self.session.epoch:
                self.session.wrote(command, trio.current_time(), began)

    async def _wait(self) -> None:
        """Waits for what is said next and takes it, or for whatever else there is to write."""
        with trio.CancelScope() as self._waiting:
            try:
                self._tell(self.session.hear(await self.speech.receive()))
            except trio.EndOfChannel:
                await trio.sleep_forever()
        self._waiting = None

    def _unconfirmed(self, link: Link) -> bool:
        return link.epoch == self.session.epoch and self.session.kept.arrived < self.session.kept.said

    async def _confirm(self, link: Link) -> None:
        """Asks until all that was said over this link is known to have arrived, or never will."""
        try:
            while self._unconfirmed(link):
                said = self.session.kept.said
                came = await link.wire.pong(CONFIRMED_WITHIN)
                if link.epoch == self.session.epoch:
                    self.session.kept.confirm(said, confirms=came)
        except TransportLost:
            return  # the writer and the reader tell of it
        self._asked = None if self._asked is link else self._asked
