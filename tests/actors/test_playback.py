"""The playback actor: what is lowered for an interruption comes back, and what is cut is the turn that was meant."""

from typing import Any

import trio
import trio.testing

from actors.audio.player import Player
from actors.audio.timeline import Timeline
from actors.playback import Discard
from pipeline.channels import Capacity, Edge, Outlet, Overflow
from pipeline.events import Bus
from pipeline.messages import Duck, Interrupted, ReplyAudio


def playing() -> tuple[Discard, dict[str, Outlet[Any]]]:
    """Gives a playback, and the ends its neighbours write to."""
    edges: dict[str, Edge[Any]] = {
        name: Edge(name, Capacity(100, "items"), Overflow.FAIL) for name in ("reply", "control", "duck")
    }
    bus = Bus()
    playback = Discard(
        **{name: edge.inlet() for name, edge in edges.items()},
        audible=Outlet(None, None), player=Player(bus), timeline=Timeline(bus), bus=bus,
    )  # fmt: skip
    return playback, {name: edge.outlet() for name, edge in edges.items()}


def sound(turn: int, seconds: float) -> ReplyAudio:
    return ReplyAudio(turn, b"\x00\x10" * round(24_000 * seconds), 0.0)


async def test_a_word_that_silences_nothing_does_not_leave_the_level_low(autojump_clock: object) -> None:
    playback, ends = playing()
    player = playback.player
    async with trio.open_nursery() as nursery:
        nursery.start_soon(playback.run)
        ends["reply"].send_nowait(sound(1, 5))
        await trio.sleep(0.1)
        ends["duck"].send_nowait(Duck(trio.current_time()))
        await trio.sleep(0.1)
        assert player.ring._gain < 1
        ends["control"].send_nowait(Interrupted(0, trio.current_time()))
        await trio.sleep(1.5)
        assert player.ring._gain == 1
        assert player.sounding
        nursery.cancel_scope.cancel("enough")


async def test_an_interruption_cuts_what_is_put_in_and_not_the_turn_behind_it(autojump_clock: object) -> None:
    playback, ends = playing()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(playback.run)
        for turn in (1, 1, 1, 2, 2):  # they are there together, and the first is more than the ring holds
            ends["reply"].send_nowait(sound(turn, 3))
        await trio.sleep(1)
        assert 0.9 < playback.player.ring.heard / 24_000 < 1.1
        ends["control"].send_nowait(Interrupted(1, trio.current_time()))
        await trio.sleep(7.5)
        assert 6.9 < playback.player.ring.heard / 24_000 < 7.1
        nursery.cancel_scope.cancel("enough")


async def test_a_speaker_that_is_lost_while_sound_is_put_in_leaves_nothing_to_cut(autojump_clock: object) -> None:
    playback, ends = playing()
    with trio.move_on_after(1):
        ends["reply"].send_nowait(sound(1, 9))
        await playback.run()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(playback.run)
        await trio.testing.wait_all_tasks_blocked()
        ends["control"].send_nowait(Interrupted(1, trio.current_time()))
        await trio.testing.wait_all_tasks_blocked()
        ends["reply"].send_nowait(sound(2, 3))
        await trio.sleep(4)
        assert playback.player.ring.heard == 3 * 24_000
        nursery.cancel_scope.cancel("enough")
