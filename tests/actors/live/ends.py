"""Both actors around the socket over one session, on a wire that a test feeds and reads."""

from collections import deque
from collections.abc import Iterator
from typing import Any

import attrs
import trio
import trio.testing

from actors.downlink import Downlink
from actors.live.link import Link
from actors.live.session import Session
from actors.uplink import Uplink
from pipeline.channels import Capacity, Edge, Overflow
from pipeline.errors import TransportLost
from pipeline.events import Bus


@attrs.define
class FakeWire:
    """A wire that says what the test gave it, then is lost; it takes everything until told otherwise."""

    frames: deque[bytes | TransportLost] = attrs.field(factory=deque)
    sent: list[str] = attrs.field(factory=list)
    broken: TransportLost | None = None
    aborted: bool = False
    pings: list[int] = attrs.field(factory=list)
    arrives: trio.Event = attrs.field(factory=trio.Event)
    _more: trio.Event = attrs.field(factory=trio.Event, init=False)

    def feed(self, frame: bytes) -> None:
        self.frames.append(frame)
        self._more.set()

    async def send(self, frame: str) -> None:
        await trio.lowlevel.checkpoint()
        if self.broken is not None:
            raise self.broken
        self.sent.append(frame)

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self.frames:
            self._more = trio.Event()
            await self._more.wait()
        frame = self.frames.popleft()
        if isinstance(frame, TransportLost):
            raise frame
        return frame

    def ready(self) -> Iterator[bytes]:
        while self.frames and isinstance(frame := self.frames[0], bytes):
            self.frames.popleft()
            yield frame

    async def pong(self, patience: float) -> bool:
        self.pings.append(len(self.sent))
        with trio.move_on_after(patience):
            await self.arrives.wait()
            return True
        return False

    def abort(self) -> None:
        self.aborted = True


def edge(name: str) -> Edge[Any]:
    return Edge(name, Capacity(100, "items"), Overflow.FAIL)


@attrs.define
class Ends:
    """Both actors over one session, with the edges that a test feeds and reads."""

    session: Session = attrs.field(factory=lambda: Session(Bus(clock=lambda: 0.0)))
    edges: dict[str, Edge[Any]] = attrs.field(factory=dict)

    def outlet(self, name: str) -> Any:
        return self.edges.setdefault(name, edge(name)).outlet()

    def inlet(self, name: str) -> Any:
        return self.edges.setdefault(name, edge(name)).inlet()

    def link(self, wire: FakeWire) -> Link:
        self.session.dialling("test")
        self.session.link(resumed=False)
        return Link(self.session.epoch, wire)

    def downlink(self) -> Downlink:
        outlets = {name: self.outlet(name) for name in ("reply", "control", "calls", "reports")}
        return Downlink(links=self.inlet("down"), session=self.session, bus=self.session.bus, **outlets)

    def uplink(self) -> Uplink:
        inlets = {name: self.inlet(name) for name in ("speech", "requests", "answers", "links")}
        return Uplink(reports=self.outlet("reports"), session=self.session, bus=self.session.bus, **inlets)

    def reports(self) -> list[Any]:
        found, inlet = [], self.inlet("reports")
        while self.edges["reports"].waiting:
            found.append(inlet.receive_nowait())
        return found
