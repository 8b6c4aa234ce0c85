"""The playback actor: what is lowered for an interruption comes back, whatever became of it."""

from typing import Any

import trio
import trio.testing

from actors.audio.player import Player
from actors.audio.timeline import Timeline
from actors.playback import Discard
from pipeline.channels import Capacity, Edge, Inlet, Outlet, Overflow
from pipeline.events import Bus
from pipeline.messages import Duck, Interrupted, ReplyAudio


async def test_a_word_that_silences_nothing_does_not_leave_the_level_low(autojump_clock: object) -> None:
    edges: dict[str, Edge[Any]] = {
        name: Edge(name, Capacity(100, "items"), Overflow.FAIL) for name in ("reply", "control", "duck")
    }
    bus = Bus()
    player = Player(bus)
    playback = Discard(
        **{name: edge.inlet() for name, edge in edges.items()},
        audible=Outlet(None, None), player=player, timeline=Timeline(bus), bus=bus,
    )  # fmt: skip
    assert isinstance(playback.reply, Inlet)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(playback.run)
        edges["reply"].outlet().send_nowait(ReplyAudio(1, b"\x00\x10" * 24_000 * 5, 0.0))
        await trio.sleep(0.1)
        edges["duck"].outlet().send_nowait(Duck(trio.current_time()))
        await trio.sleep(0.1)
        assert player.ring._gain < 1
        edges["control"].outlet().send_nowait(Interrupted(0, trio.current_time()))
        await trio.sleep(1.5)
        assert player.ring._gain == 1
        assert player.sounding
        nursery.cancel_scope.cancel("enough")
