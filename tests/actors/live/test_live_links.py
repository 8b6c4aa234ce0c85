"""The actors at both ends of the wire: what they tell the link's owner, and that a loss keeps its reason."""

import base64
import json
from collections import deque
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from actors.downlink import Downlink, route
from actors.live.link import Link, LinkLost, Renewed
from actors.live.session import Session
from actors.live.signals import Handle
from actors.live.wire import AUDIO_FRAME
from actors.uplink import CONFIRMED_WITHIN, Uplink
from pipeline.channels import Capacity, Edge, Inlet, Overflow
from pipeline.errors import TransportLost
from pipeline.events import Bus, SessionStateChanged, Trouble
from pipeline.messages import Interrupted, ReplyAudio, ReplyEnded, Say, Voiced

SOUND = b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"AAA="}}]}}}'
INTERRUPTED = b'{"serverContent":{"interrupted":true}}'
HANDLE = b'{"sessionResumptionUpdate": {"newHandle": "H", "resumable": true}}'


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


@pytest.fixture
def ends() -> Ends:
    return Ends()


async def test_a_loss_is_reported_with_its_reason_and_not_hidden_by_an_abort(ends: Ends) -> None:
    wire = FakeWire(deque([HANDLE, TransportLost(1000, "")]))
    ends.outlet("down").send_nowait(ends.link(wire))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ends.downlink().run)
        await trio.testing.wait_all_tasks_blocked()
        assert ends.reports() == [Renewed(1), LinkLost(1, 1000, "")]
        assert not wire.aborted
        nursery.cancel_scope.cancel("enough")


async def test_an_interruption_is_obeyed_before_what_came_behind_it_is_looked_at() -> None:
    """Many times, because it is a matter of chance which of two tasks goes first."""
    for _ in range(20):
        ends, seen = Ends(), []
        wire = FakeWire(deque([SOUND, INTERRUPTED, *[SOUND] * 20]))

        async def obey(inlet: Inlet[Any], read: deque[Any], seen: list[int]) -> None:
            await inlet.receive()
            seen.append(len(read))

        ends.outlet("down").send_nowait(ends.link(wire))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(obey, ends.inlet("control"), wire.frames, seen)
            nursery.start_soon(ends.downlink().run)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel("enough")
        assert seen == [20]  # none behind it


@pytest.mark.parametrize("actor", ["downlink", "uplink"])
async def test_a_cancelled_end_breaks_the_link_that_nobody_would_use(ends: Ends, actor: str) -> None:
    wire = FakeWire()
    ends.outlet("down" if actor == "downlink" else "links").send_nowait(ends.link(wire))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(getattr(ends, actor)().run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel("enough")
    assert wire.aborted


async def test_what_could_not_be_written_goes_out_on_the_next_link(ends: Ends) -> None:
    first, second = FakeWire(broken=TransportLost(1006, "gone")), FakeWire()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ends.uplink().run)
        ends.outlet("links").send_nowait(ends.link(first))
        ends.outlet("requests").send_nowait(Say("hello"))
        await trio.testing.wait_all_tasks_blocked()
        assert ends.reports() == [LinkLost(1, 1006, "gone")]
        ends.session.lost("gone", 0.0)
        ends.outlet("links").send_nowait(ends.link(second))
        await trio.testing.wait_all_tasks_blocked()
        assert second.sent == ['{"realtimeInput":{"text":"hello"}}']
        assert not first.aborted
        nursery.cancel_scope.cancel("enough")


async def test_a_write_that_fails_late_does_not_lose_the_link_that_came_meanwhile(
    autojump_clock: object, ends: Ends
) -> None:
    class Slow(FakeWire):
        async def send(self, frame: str) -> None:
            await trio.sleep(1)
            raise TransportLost(1006, f"gone before {frame}")

    second = FakeWire()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ends.uplink().run)
        ends.outlet("links").send_nowait(ends.link(Slow()))
        ends.outlet("requests").send_nowait(Say("hello"))
        await trio.testing.wait_all_tasks_blocked()
        ends.session.lost("gone", 0.0)
        ends.outlet("links").send_nowait(ends.link(second))
        await trio.sleep(2)
        assert second.sent == ['{"realtimeInput":{"text":"hello"}}']
        nursery.cancel_scope.cancel("enough")


async def test_while_a_write_stands_still_speech_waits_and_all_else_is_taken(ends: Ends) -> None:
    goes_on = trio.Event()

    class Still(FakeWire):
        async def send(self, frame: str) -> None:
            await goes_on.wait()
            await super().send(frame)

    wire = Still()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ends.uplink().run)
        ends.outlet("links").send_nowait(ends.link(wire))
        said = [Voiced(bytes([number, 0]), float(number), number) for number in range(30)]
        for one in said:
            ends.outlet("speech").send_nowait(one)
            await trio.testing.wait_all_tasks_blocked()
        ends.outlet("requests").send_nowait(Say("hello"))
        await trio.testing.wait_all_tasks_blocked()
        assert (ends.edges["speech"].waiting, ends.edges["requests"].waiting, wire.sent) == (0, 0, [])
        goes_on.set()
        await trio.testing.wait_all_tasks_blocked()
        assert (ends.edges["speech"].waiting, len(wire.sent)) == (0, 31)
        spoken = [AUDIO_FRAME % base64.b64encode(one.pcm).decode() for one in said]
        assert wire.sent == [*spoken, '{"realtimeInput":{"text":"hello"}}']  # in the order in which they were said
        nursery.cancel_scope.cancel("enough")


async def test_speech_keeps_its_order_whoever_else_comes_in_the_same_moment() -> None:
    """Many times, because it is a matter of chance which of two tasks goes first."""
    for _ in range(20):
        ends, wire = Ends(), FakeWire()
        ends.outlet("links").send_nowait(ends.link(wire))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ends.uplink().run)
            await trio.testing.wait_all_tasks_blocked()
            said = [Voiced(bytes([number, 0]), float(number), number) for number in range(3)]
            for one in said:  # the first goes to the writer, which waits for it, and the others lie in the edge
                ends.outlet("speech").send_nowait(one)
            ends.outlet("requests").send_nowait(Say("hello"))
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel("enough")
        spoken = [frame for frame in wire.sent if "audio" in frame]
        assert spoken == [AUDIO_FRAME % base64.b64encode(one.pcm).decode() for one in said]


async def test_on_a_slow_line_the_uplink_ends_with_the_write_in_which_it_is_cancelled(
    ends: Ends, autojump_clock: object
) -> None:
    class Slow(FakeWire):
        async def send(self, frame: str) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.1)
            self.sent.append(frame)

    async def speak(outlet: Any) -> None:
        for number in range(500):
            outlet.send_nowait(Voiced(bytes(640), 0.02 * number, 320 * number))
            await trio.sleep(0.02)

    ends.edges["speech"] = Edge("speech", Capacity(1000, "items"), Overflow.FAIL)
    wire = Slow()
    ends.outlet("links").send_nowait(ends.link(wire))
    async with trio.open_nursery() as speaking:
        speaking.start_soon(speak, ends.outlet("speech"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ends.uplink().run)
            await trio.sleep(2)
            nursery.cancel_scope.cancel("a restart")
        assert (len(wire.sent), wire.aborted) == (pytest.approx(20, abs=1), True)
        speaking.cancel_scope.cancel("enough")


async def test_a_loss_in_the_moment_of_an_interruption_finds_the_session_interrupted(ends: Ends) -> None:
    wire = FakeWire(deque([SOUND, INTERRUPTED]))
    heard = ends.session.bus.subscribe()

    async def lose(inlet: Inlet[Any]) -> None:
        await inlet.receive()
        route(ends.session.lost("gone", 0.0), ends.session.bus, *map(ends.outlet, ("reply", "control", "calls")))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lose, ends.inlet("control"))
        ends.outlet("down").send_nowait(ends.link(wire))
        nursery.start_soon(ends.downlink().run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel("enough")
    ends.session.bus.close()
    states = [(event.from_, event.to) async for event in heard if isinstance(event, SessionStateChanged)]
    assert states[-1] == ("INTERRUPTED", "DISCONNECTED")
    reply = ends.inlet("reply")
    said = [reply.receive_nowait() for _ in range(reply.waiting)]
    assert [item.outcome for item in said if isinstance(item, ReplyEnded)] == ["interrupted"]
    assert ends.edges["control"].waiting == 0


async def test_without_a_link_speech_is_taken_and_once_no_more_can_come_requests_go_out(ends: Ends) -> None:
    wire, speech = FakeWire(), ends.outlet("speech")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ends.uplink().run)
        speech.send_nowait(Voiced(bytes(640), 0.0, 0))
        await trio.testing.wait_all_tasks_blocked()
        assert (ends.edges["speech"].waiting, ends.session.kept.end) == (0, 1)
        speech.close()
        ends.edges["speech"].close()
        ends.outlet("links").send_nowait(ends.link(wire))
        ends.outlet("requests").send_nowait(Say("hello"))
        await trio.testing.wait_all_tasks_blocked()
        assert [*map(list, map(json.loads, wire.sent))] == [["realtimeInput"]] * 2
        nursery.cancel_scope.cancel("enough")


async def test_frames_of_a_link_that_is_over_mean_nothing(ends: Ends) -> None:
    wire = FakeWire(deque([HANDLE]))
    ends.outlet("down").send_nowait(ends.link(wire))
    ends.session.lost("gone", 0.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ends.downlink().run)
        await trio.testing.wait_all_tasks_blocked()
        assert ends.session.handle is None
        nursery.cancel_scope.cancel("enough")


async def test_what_the_service_said_before_the_link_stood_is_taken_and_reported(ends: Ends) -> None:
    link = ends.link(FakeWire())
    ends.outlet("down").send_nowait(attrs.evolve(link, early=(Handle("H", resumable=True),)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ends.downlink().run)
        await trio.testing.wait_all_tasks_blocked()
        assert (ends.session.handle, ends.reports()) == ("H", [Renewed(1)])
        nursery.cancel_scope.cancel("enough")


async def test_a_reply_that_outgrows_its_edge_ends_with_one_error_and_the_next_is_played(ends: Ends) -> None:
    ends.edges["reply"] = Edge("reply", Capacity(100, "bytes"), Overflow.FAIL)
    sound = base64.b64encode(bytes(60)).decode()
    audio = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": sound}}
    piece = json.dumps({"serverContent": {"modelTurn": {"parts": [audio]}}}).encode()
    whole = b'{"serverContent": {"generationComplete": true, "turnComplete": true}}'
    wire = FakeWire(deque([piece] * 4 + [whole]))
    ends.outlet("down").send_nowait(ends.link(wire))
    heard = ends.session.bus.subscribe()
    reply, control = ends.inlet("reply"), ends.inlet("control")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ends.downlink().run)
        await trio.testing.wait_all_tasks_blocked()
        word = control.receive_nowait()
        assert isinstance(word, Interrupted)
        assert (word.turn, word.outcome, ends.edges["control"].waiting) == (1, "failed", 0)
        while ends.edges["reply"].waiting:
            reply.receive_nowait()
        wire.feed(piece)
        await trio.testing.wait_all_tasks_blocked()
        assert [type(item) for item in (reply.receive_nowait(),)] == [ReplyAudio]
        nursery.cancel_scope.cancel("enough")
    ends.session.bus.close()
    assert [event.code async for event in heard if isinstance(event, Trouble)] == ["overlong"]


ANSWER = (
    b'{"serverContent": {"outputTranscription": {"text": "yes"}, "generationComplete": true, "turnComplete": true}}'
)


async def answered(ends: Ends, wire: FakeWire, nursery: trio.Nursery) -> None:
    """Says hello over a wire whose far end has confirmed before, and lets an answer come."""
    ends.session.kept.confirms = True
    link = ends.link(wire)
    for name in ("links", "down"):
        ends.outlet(name).send_nowait(link)
    nursery.start_soon(ends.uplink().run)
    nursery.start_soon(ends.downlink().run)
    ends.outlet("requests").send_nowait(Say("hello"))
    await trio.testing.wait_all_tasks_blocked()
    wire.feed(ANSWER)


async def test_words_that_wait_on_their_way_are_not_taken_for_answered(ends: Ends, autojump_clock: object) -> None:
    """A reply to something older says nothing of them; what is known to have arrived is let go of with its answer."""
    wire, kept = FakeWire(), ends.session.kept
    async with trio.open_nursery() as nursery:
        await answered(ends, wire, nursery)
        await trio.testing.wait_all_tasks_blocked()
        assert [one.text for one in kept.unanswered()] == ["hello"]
        ends.outlet("requests").send_nowait(Say("and more"))
        await trio.testing.wait_all_tasks_blocked()
        assert wire.pings == [1]
        wire.arrives.set()
        await trio.testing.wait_all_tasks_blocked()
        assert wire.pings == [1, 2]
        assert [one.text for one in kept.unanswered()] == ["and more"]
        wire.feed(ANSWER)
        await trio.testing.wait_all_tasks_blocked()
        assert kept.unanswered() == []
        nursery.cancel_scope.cancel("enough")


async def test_a_far_end_that_confirms_nothing_is_believed_when_it_answers(ends: Ends, autojump_clock: object) -> None:
    wire, kept = FakeWire(), ends.session.kept
    async with trio.open_nursery() as nursery:
        await answered(ends, wire, nursery)
        await trio.sleep(CONFIRMED_WITHIN - 1)
        assert kept.unanswered() != []
        await trio.sleep(2)
        assert (kept.unanswered(), kept.confirms) == ([], False)
        nursery.cancel_scope.cancel("enough")
