"""The uplink: what is said keeps its order on the wire, whatever becomes of a write, and counts once it arrived."""

import base64
import json
from typing import Any

import pytest
import trio
import trio.testing

from actors.live.link import LinkLost
from actors.live.wire import AUDIO_FRAME
from actors.uplink import CONFIRMED_WITHIN
from pipeline.channels import Capacity, Edge, Overflow
from pipeline.errors import TransportLost
from pipeline.messages import Say, Voiced
from tests.actors.live.ends import Ends, FakeWire


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


async def test_while_a_write_stands_still_all_else_is_taken_and_speech_goes_before_typed_words(ends: Ends) -> None:
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
