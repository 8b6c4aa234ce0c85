"""Which page has a conversation when several want it, and what becomes of one that its visit may not go on with."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from actors.gateway import relay_wire as wire
from actors.gateway.desk import GOING_AWAY, REVOKED
from actors.gateway.problems import Problem

Relaying = Callable[..., Any]


async def test_a_page_that_took_over_is_there(relaying: Relaying, autojump_clock: trio.testing.MockClock) -> None:
    async with relaying(kept_for=30.0) as house:
        page = house.page()
        first = await house.connect(page)
        await house.until(lambda: page.kept)
        other = house.page()
        other.kept = page.kept
        second = await house.connect(other)
        await house.until(lambda: first.closed)
        (talk,) = house.relay.talks.values()
        assert not talk.away
        assert talk.page.ring.present
        await trio.sleep(60)
        assert house.relay.talks, "a conversation whose page is there does not end for want of one"
        third = house.page()
        third.kept = page.kept
        await house.connect(third)
        await house.until(lambda: second.closed, 5)
        assert second.closed[0] == wire.TAKEN_OVER


async def test_a_page_that_goes_before_the_conversation_stands_is_away(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        hello = wire.Hello()
        talk, _ = await house.relay._begun(hello, house.visit())
        with trio.CancelScope() as scope:
            scope.cancel("its visit is over")
            await talk.attend(None, hello, {})
        assert talk.away


async def test_two_sockets_that_come_for_one_conversation_find_the_same(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = house.page()
        await house.connect(page)
        await house.until(lambda: page.kept)
        await trio.sleep(5)
        house.cut(page)
        other = house.another()
        await house.nursery.start(other.relay.run)
        found = []

        async def come() -> None:
            hello = wire.Hello(page.kept["session"], page.kept["secret"])
            found.append((await other.relay._found(hello, house.visit()))[0])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(come)
            nursery.start_soon(come)
        assert found[0] is found[1]


@pytest.mark.parametrize(("code", "over"), [(1000, True), (REVOKED, True), (GOING_AWAY, False)])
async def test_a_visit_that_may_not_go_on_ends_the_conversation(
    relaying: Relaying, autojump_clock: trio.testing.MockClock, code: int, over: bool
) -> None:
    settings = {"session_life": 5.0} if code == 1000 else {}  # the time of a session; its code is settled after it
    async with relaying(**settings) as house:
        sending, incoming = trio.open_memory_channel[str | bytes](1)
        outgoing, _told = trio.open_memory_channel[str | bytes](1000)
        sending.send_nowait(wire.say("hello"))
        visit = house.visit(code=code)

        async def end() -> None:
            await trio.sleep(5)
            visit.scope.cancel("it may not go on")

        if not settings:
            house.nursery.start_soon(end)
        with visit.scope:
            await house.relay.serve(house.socket(incoming, outgoing), visit)
        await trio.sleep(0.5)
        assert (not house.relay.talks) is over


async def test_a_store_that_is_away_is_no_conversation_that_is_over(
    relaying: Relaying, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying() as house:

        async def away(_session: str) -> bytes | None:
            raise Problem("not-ready", "What the gateways share cannot be reached; try again.")

        monkeypatch.setattr(type(house.desk.store), "load_relay", staticmethod(away))
        page = house.page()
        page.kept = {"session": "elsewhere", "secret": "its own"}
        socket = await house.connect(page)
        await house.until(lambda: socket.closed)
        assert socket.closed[0] == wire.NOT_READY


async def test_a_gateway_that_ends_takes_nothing_back_from_the_one_that_goes_on(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = house.page()
        await house.connect(page)
        await house.until(lambda: page.kept)
        await trio.sleep(5)
        (talk,) = house.relay.talks.values()
        other = house.another()
        await house.nursery.start(other.relay.run)
        await other.connect(page)
        await house.until(lambda: other.relay.talks)
        house.desk.closing.set()
        talk.scope.cancel("the gateway ends")
        await house.until(lambda: not house.relay.talks)
        kept = await house.desk.store.load_relay(talk.id)
        assert msgspec.json.decode(kept)["gateway"] == other.relay.name


async def test_a_conversation_that_fails_ends_no_other(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page, other = house.page(), house.page()
        for one in (page, other):
            await house.connect(one)
            await house.until(lambda one=one: one.kept)
        await trio.sleep(5)
        house.cut(page)
        await house.desk.store.save_relay(page.kept["session"], b"what another version wrote", 60)
        await house.until(lambda: page.kept["session"] not in house.relay.talks)
        other.send("say", text="Hello", number=1)
        await house.until(lambda: other.named("turn.end"))


async def test_a_page_that_flits_between_gateways_keeps_its_conversation(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = house.page()
        await house.connect(page)
        await house.until(lambda: page.kept)
        await trio.sleep(5)
        (first,) = house.relay.talks.values()
        other = house.another()
        await house.nursery.start(other.relay.run)
        for gateway in (other, house):
            house.cut(page)
            await gateway.connect(page)
            await trio.sleep(0.3)
        (talk,) = house.relay.talks.values()
        assert talk is not first, "the other gateway has gone on, so what was here is old"
        await trio.sleep(5)
        assert not other.relay.talks
        page.send("say", text="Hello", number=1)
        await house.until(lambda: page.named("turn.end"))


async def test_a_gateway_whose_socket_is_dead_leaves_the_conversation_to_the_other(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = house.page()
        await house.connect(page)
        await house.until(lambda: page.kept)
        await trio.sleep(5)
        other = house.another()
        await house.nursery.start(other.relay.run)
        page.link, dead = None, page.link  # nothing tells the first gateway that this socket is dead
        await other.connect(page)
        await trio.sleep(3)
        assert not house.relay.talks
        assert dead is not None
        dead.close()
