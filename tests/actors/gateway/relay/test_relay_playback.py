"""A reply that plays at a page: after an interruption nothing of it follows, and nothing behind it is missing."""

from collections.abc import Sequence
from typing import Any

import pytest
import trio
import trio.testing

from actors.audio.player import Player
from actors.audio.timeline import Timeline
from actors.gateway.page_audio import Page, Playback
from pipeline.channels import Capacity, Edge, Outlet, Overflow
from pipeline.events import Bus
from pipeline.messages import Interrupted, ReplyAudio

TENTH = 2400  # samples
TURNS = 12  # of the same, because it is a matter of chance which task of several goes first


def sound(turn: int, seconds: float) -> ReplyAudio:
    return ReplyAudio(turn, bytes([turn, turn]) * round(24_000 * seconds), 0.0)


async def told_after_an_interruption(chunk: float, played: float, behind: Sequence[ReplyAudio]) -> dict[int, int]:
    """Samples of each turn that the page is sent after a long one was interrupted, with others `behind` it."""
    edges: dict[str, Edge[Any]] = {
        name: Edge(name, Capacity(1000, "items"), Overflow.FAIL) for name in ("reply", "control", "duck")
    }
    ends = {name: edge.outlet() for name, edge in edges.items()}
    bus, page, sent = Bus(), Page(), {1: 0, 2: 0}
    ring = page.ring
    playback = Playback(
        **{name: edge.inlet() for name, edge in edges.items()},
        audible=Outlet(None, None), player=Player(bus), timeline=Timeline(bus), bus=bus, page=page,
    )  # fmt: skip

    async def send() -> None:
        while True:
            await page.changed()
            while (piece := ring.take()) is not None:
                for turn in sent:
                    sent[turn] += piece.pcm.count(bytes([turn])) // 2

    async with trio.open_nursery() as nursery:
        nursery.start_soon(playback.run)
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        ring.attach(None, 0, 0.0)
        for _ in range(round(8 / chunk)):
            ends["reply"].send_nowait(sound(1, chunk))
        await trio.testing.wait_all_tasks_blocked()
        for tenths in range(1, round(10 * played) + 1):
            ring.reached(TENTH * tenths, tenths / 10)
            await trio.testing.wait_all_tasks_blocked()
        sent.update({1: 0, 2: 0})
        ends["control"].send_nowait(Interrupted(1, trio.current_time()))
        for _ in range(2):  # as the downlink does
            await trio.lowlevel.checkpoint()
        for item in behind:
            ends["reply"].send_nowait(item)
        await trio.testing.wait_all_tasks_blocked()
        ring.flushed(1, ring.position, 1.0)
        for second in range(100):
            await trio.testing.wait_all_tasks_blocked()
            ring.reached(min(ring.sent, ring.position + TENTH), 2.0 + second)
        nursery.cancel_scope.cancel("enough")
    return sent


@pytest.mark.parametrize("chunk", [0.04, 0.2, 1.0])
async def test_nothing_of_a_turn_follows_its_interruption(autojump_clock: object, chunk: float) -> None:
    for tenth in range(TURNS):
        assert await told_after_an_interruption(chunk, 0.6 + tenth / 10, []) == {1: 0, 2: 0}


@pytest.mark.parametrize("pieces", [[1.0] * 3, [6.0]])
async def test_the_turn_behind_an_interrupted_one_comes_whole(autojump_clock: object, pieces: list[float]) -> None:
    for tenth in range(TURNS):
        sent = await told_after_an_interruption(0.04, 3.5 + tenth / 10, [sound(2, piece) for piece in pieces])
        assert sent == {1: 0, 2: round(24_000 * sum(pieces))}
