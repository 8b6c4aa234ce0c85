"""What the operator has a say in: tools, revocation, times, numbers; and what is told of relayed conversations."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from actors.gateway import relay_wire as wire
from actors.gateway.desk import LOOK, REVOKED

Relaying = Callable[..., Any]
TOOLS = {"tools.use": ["tools.clock", "tools.weather"], "tools.google_search": True}


def declared(house: Any) -> set[str]:
    """The tools of the setup that the service had last."""
    setup = [one.message.setup for one in house.seen if one.message is not None and one.message.setup is not None][-1]
    names = {function.name for tool in setup.tools for function in tool.function_declarations}
    return names | {"google_search" for tool in setup.tools if tool.google_search is not None}


@pytest.mark.parametrize(
    ("settings", "wish", "expected"),
    [
        ({}, {}, {"get_time", "get_weather", "google_search", "set_timer"}),
        ({"tools": ["get_time"]}, {}, {"get_time"}),
        ({"tools": ["google_search"]}, {}, {"google_search"}),
        ({"tools": []}, {}, set()),
        ({}, {"tools": ["get_weather"]}, {"get_weather"}),
        ({"tools": ["get_time", "get_weather"]}, {"tools": []}, set()),
    ],
)
async def test_the_model_has_the_tools_that_are_allowed_and_no_other(
    relaying: Relaying, autojump_clock: trio.testing.MockClock, settings: Any, wish: Any, expected: set[str]
) -> None:
    async with relaying(plan=TOOLS, **settings) as house:
        page = house.page()
        page.opening = wire.say("hello", **wish)
        await house.connect(page)
        await house.until(lambda: page.named("session.state"))
        await house.until(lambda: page.kept)
        await trio.sleep(3)
        assert declared(house) == expected


async def test_a_tool_that_is_not_allowed_cannot_be_wished_for(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying(plan=TOOLS, tools=["get_time"]) as house:
        page = house.page()
        page.opening = wire.say("hello", tools=["get_weather"])
        socket = await house.connect(page)
        await house.until(lambda: socket.closed)
        assert socket.closed[0] == wire.NOT_TO_BE_HAD
        assert not house.relay.talks


async def test_another_gateway_keeps_to_the_tools_as_well(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying(plan=TOOLS) as house:
        page = house.page()
        page.opening = wire.say("hello", tools=["get_time"])
        await house.connect(page)
        await house.until(lambda: page.kept)
        await trio.sleep(3)
        house.cut(page)
        page.opening = None
        other = house.another()
        await house.nursery.start(other.relay.run)
        await other.connect(page)
        await house.until(lambda: other.relay.talks)
        await trio.sleep(3)
        assert declared(house) == {"get_time"}


# -- revocation and time


async def begun(house: Any) -> Any:
    """A page whose conversation stands, and is saved."""
    page = house.page()
    await house.connect(page)
    await house.until(lambda: page.kept)
    await trio.sleep(3)
    return page


async def test_revoking_ends_a_conversation_whose_page_is_away(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = await begun(house)
        house.cut(page)
        await trio.sleep(1)
        house.user = "ben"
        other = await begun(house)
        assert await house.desk.revoke("somebody") == 1
        await house.until(lambda: len(house.relay.talks) == 1, 2)
        assert await house.desk.store.load_relay(page.kept["session"]) is None
        assert other.kept["session"] in house.relay.talks
        house.user = "somebody"
        socket = await house.connect(page)
        await house.until(lambda: socket.closed)
        assert socket.closed[0] == wire.NOT_FOUND


async def test_a_revocation_made_elsewhere_ends_it_too(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = await begun(house)
        house.cut(page)
        await house.desk.store.put("revoked:somebody", repr(house.desk.clock()).encode(), 1000)
        await house.until(lambda: not house.relay.talks, LOOK + 1)


async def test_a_page_that_comes_back_after_a_revocation_is_told_so(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = await begun(house)
        house.cut(page)
        await trio.sleep(0.1)
        await house.desk.store.put("revoked:somebody", repr(house.desk.clock()).encode(), 1000)
        socket = await house.connect(page)
        await house.until(lambda: socket.closed)
        assert socket.closed[0] == REVOKED
        await house.until(lambda: not house.relay.talks)
        fresh = await begun(house)
        assert fresh.kept["session"] in house.relay.talks, "what begins after a revocation stands"


async def test_another_gateway_goes_on_with_nothing_that_is_revoked(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = await begun(house)
        kept = await house.desk.store.load_relay(page.kept["session"])
        house.cut(page)
        await house.desk.revoke("somebody")
        await house.until(lambda: not house.relay.talks)
        await house.desk.store.save_relay(page.kept["session"], kept, 1000)  # its gateway was killed before
        other = house.another()
        await house.nursery.start(other.relay.run)
        socket = await other.connect(page)
        await house.until(lambda: socket.closed)
        assert socket.closed[0] == REVOKED
        assert await house.desk.store.load_relay(page.kept["session"]) is None


async def test_the_time_of_a_conversation_goes_on_over_all_its_sockets(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying(session_life=60.0) as house:
        page = house.page()
        socket = await house.connect(page)
        began = trio.current_time()
        while not socket.closed:
            house.cut(page)
            socket = await house.connect(page)
            await trio.sleep(7)
        assert trio.current_time() - began <= 70
        assert not house.relay.talks


async def test_a_conversation_without_a_page_ends_in_time(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying(session_life=30.0, kept_for=1000.0) as house:
        page = await begun(house)
        house.cut(page)
        await trio.sleep(30 + LOOK)
        assert not house.relay.talks
        socket = await house.connect(page)
        await house.until(lambda: socket.closed)
        assert socket.closed[0] == wire.NOT_FOUND


# -- numbers


async def test_conversations_without_a_page_count(relaying: Relaying, autojump_clock: trio.testing.MockClock) -> None:
    async with relaying(limits={"sessions": 2}) as house:
        for user in ("anna", "ben"):
            house.user = user
            house.cut(await begun(house))
        await trio.sleep(100)  # longer than a lease
        house.user = "chris"
        page = house.page()
        socket = await house.connect(page)
        await house.until(lambda: socket.closed)
        assert socket.closed[0] == wire.TOO_MANY
        assert "retry after" in socket.closed[1]
        assert len(house.relay.talks) == 2


async def test_a_page_that_comes_back_begins_nothing(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = await begun(house)
        for _ in range(3):
            house.cut(page)
            await house.connect(page)
            await trio.sleep(1)
        assert house.desk.counts.sessions_total == 1


@pytest.mark.parametrize(("kind", "fields"), [("say", {"text": "Hello"}), ("interrupt", {}), ("ping", {})])
async def test_a_page_that_says_too_much_is_let_go(
    relaying: Relaying, autojump_clock: trio.testing.MockClock, kind: str, fields: Any
) -> None:
    limits = {"words_per_conversation": "5/minute", "messages_per_conversation": "5/minute"}
    async with relaying(limits=limits) as house:
        page = house.page()
        socket = await house.connect(page)
        await house.until(lambda: page.kept)
        for number in range(5):
            page.send(kind, **fields)
            await trio.sleep(0.1)
            assert socket.closed is None, number
        page.send(kind, **fields)
        await house.until(lambda: socket.closed, 5)
        assert socket.closed[0] == wire.TOO_MANY
        assert re.search(r"retry after \d+$", socket.closed[1])


# -- what is told


async def test_the_audit_log_tells_a_conversations_story(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying(plan={"tools.use": ["tools.clock"]}) as house:
        page = await begun(house)
        page.send("say", text="What time is it in Tokyo?", number=1)
        await house.until(lambda: page.named("turn.end"))
        house.cut(page)
        await trio.sleep(1)
        await house.connect(page)
        await trio.sleep(1)
        page.send("end")
        await house.until(lambda: not house.relay.talks)
        told = [(line["what"], line["outcome"]) for line in house.audit]
        assert told == [
            ("session.begin", "begun"),
            ("tool", "ok"),
            ("session.leave", "the page is gone"),
            ("session.resume", "resumed"),
            ("session.leave", "ended by the user"),
            ("session.end", "ended by the user"),
        ]
        for line in house.audit:
            assert (line["user"], line["session"], line["kind"]) == ("somebody", page.kept["session"], "relay")
            assert line["model"] == "gemini-3.8-live"
            assert line["expires"] > line["at"]
        assert {line.get("address") for line in house.audit} == {"192.0.2.1", None}
        assert house.audit[1]["tool"] == "get_time"


async def test_a_page_that_is_refused_begins_and_ends_nothing(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = house.page()
        page.kept = {"session": "nowhere", "secret": "its own"}
        socket = await house.connect(page)
        await house.until(lambda: socket.closed)
        assert [(line["what"], line["outcome"]) for line in house.audit] == [("session.begin", "unknown-path")]
        assert house.desk.counts.errors == {"unknown-path": 1}


async def test_conversations_are_counted_together(relaying: Relaying, autojump_clock: trio.testing.MockClock) -> None:
    async with relaying(plan={"tools.use": ["tools.clock"]}) as house:

        def count(name: str) -> float:
            told = house.desk.counts.exposition().decode()
            return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", told, re.MULTILINE))

        pages = [await begun(house), await begun(house)]
        assert count("assistant_session_up") == 2
        for page in pages:
            page.send("say", text="What time is it in Tokyo?", number=1)
            await house.until(lambda page=page: page.named("turn.end"))
        assert count("assistant_turns_total") == 2
        assert count("assistant_tools_total") == 2
        assert 'assistant_tokens_total{direction="input",modality="text",model="gemini-3.8-live"}' in (
            house.desk.counts.exposition().decode()
        )
        pages[0].send("end")
        await house.until(lambda: len(house.relay.talks) == 1)
        assert count("assistant_session_up") == 1
        pages[1].send("end")
        await house.until(lambda: not house.relay.talks)
        assert count("assistant_session_up") == 0


async def test_the_plans_log_tells_of_each_conversation(
    relaying: Relaying, autojump_clock: trio.testing.MockClock, tmp_path: Any
) -> None:
    plan = {"telemetry.log": "json", "telemetry.log_file": "told.jsonl", "telemetry.metrics": "counts.txt"}
    async with relaying(plan=plan) as house:
        for _ in range(2):
            page = await begun(house)
            page.send("say", text="Hello", number=1)
            await house.until(lambda page=page: page.named("turn.end"))
            page.send("end")
            await house.until(lambda: not house.relay.talks)
        assert (tmp_path / "told.jsonl").read_text().count('"turn"') >= 2
        assert not (tmp_path / "counts.txt").exists()


async def test_a_gateway_that_ends_waits_for_what_listens(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = await begun(house)
        house.desk.close()
        with trio.fail_after(5):
            await house.relay.rest()
        assert house.audit[-1]["outcome"] == "the gateway ends"
        assert await house.desk.store.load_relay(page.kept["session"]) is not None
