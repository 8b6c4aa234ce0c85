"""The downlink, and what both ends of the wire tell the link's owner: a loss keeps its reason."""

import base64
import json
from collections import deque
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from actors.downlink import route
from actors.live.link import LinkLost, Renewed
from actors.live.signals import Handle
from pipeline.channels import Capacity, Edge, Inlet, Overflow
from pipeline.errors import TransportLost
from pipeline.events import SessionStateChanged, Trouble
from pipeline.messages import Interrupted, ReplyAudio, ReplyEnded
from tests.actors.live.ends import Ends, FakeWire

SOUND = b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"AAA="}}]}}}'
INTERRUPTED = b'{"serverContent":{"interrupted":true}}'
HANDLE = b'{"sessionResumptionUpdate": {"newHandle": "H", "resumable": true}}'


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
