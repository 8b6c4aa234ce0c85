"""Relayed conversations, whole, under virtual time: pages that come, go, come back, are slow or never return."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from actors.gateway import relay_wire as wire

Relaying = Callable[..., Any]


async def test_a_question_is_heard_and_answered(relaying: Relaying, autojump_clock: trio.testing.MockClock) -> None:
    async with relaying() as house:
        page = house.page("hello.wav")
        await house.connect(page)
        await house.until(lambda: page.named("turn.end"))
        assert "hello" in page.heard_words("user")[0].lower()
        assert page.heard_words("model")
        (first,), (ended,) = page.named("turn.first_audio"), page.named("turn.end")
        assert 0 < first["latency_ms"] < 5000
        assert ended["outcome"] == "completed"
        assert ended["heard_ms"] == pytest.approx(len(page.audio()) / 48, abs=1)
        assert any(told["type"] == "whole" for told in page.told)


async def test_what_is_said_while_the_network_is_gone_arrives(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = house.page("weather-paris.flac")
        await house.connect(page)
        await trio.sleep(1.0)
        house.cut(page)
        await trio.sleep(6.0)
        assert page.said < 16_000 * 1.2
        await house.connect(page)
        await house.until(lambda: page.named("turn.end"))
        assert "paris" in page.heard_words("user")[0].lower()
        assert house.place(house.spoken("weather-paris.flac"), house.audio()) > 0.99


async def test_a_reply_goes_on_where_the_network_broke(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = house.page("count-to-twenty.flac")
        await house.connect(page)
        await house.until(lambda: page.heard > 48_000)
        house.cut(page)
        await trio.sleep(8.0)
        had = page.received
        await house.connect(page)
        await house.until(lambda: page.named("turn.end"))
        assert page.received > had
        assert page.named("turn.end")[0]["outcome"] == "completed"
        spoken = [one for one in house.seen if one.kind == "sent"]
        assert spoken
        assert len(page.audio()) / 48 == pytest.approx(page.named("turn.end")[0]["heard_ms"], abs=1)


async def test_a_reloaded_page_gets_the_conversation_and_the_rest_of_the_reply(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = house.page("count-to-twenty.flac")
        await house.connect(page)
        await house.until(lambda: page.heard > 48_000)
        fresh = house.reload(page)
        await house.connect(fresh)
        await house.until(lambda: fresh.named("turn.end"))
        assert fresh.heard_words("user")[0] == page.heard_words("user")[0]
        (ended,) = fresh.named("turn.end")
        missing = ended["heard_ms"] - len(fresh.audio()) / 48
        assert 1500 < missing < 2600, "what was played before the reload is not played again"


async def test_an_interruption_silences_the_page(relaying: Relaying, autojump_clock: trio.testing.MockClock) -> None:
    async with relaying() as house:
        page = house.page("count-to-twenty.flac")
        await house.connect(page)
        await house.until(lambda: page.heard > 24_000)
        page.send("interrupt")
        await house.until(lambda: page.named("turn.end"))
        (ended,) = page.named("turn.end")
        assert ended["outcome"] == "interrupted"
        assert 900 < ended["heard_ms"] < 1400
        assert [told["type"] for told in page.told].count("flush") == 1
        page.send("say", text="Hello", number=1)
        page.send("say", text="Hello", number=1)
        await house.until(lambda: len(page.named("turn.end")) == 2)
        assert page.named("turn.end")[1]["outcome"] == "completed"
        assert page.heard_words("user").count("Hello") == 1, "a text that was sent again is taken once"


async def test_a_page_that_takes_nothing_stalls_nobody(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        slow, quick = house.page("hello.wav"), house.page("hello.wav")
        socket = await house.connect(slow, slow=100.0)
        await house.connect(quick)
        await house.until(lambda: quick.named("turn.end"), 20)
        await house.until(lambda: socket.closed, 40)
        assert socket.closed[0] == 1006


async def test_a_silent_page_is_given_up(relaying: Relaying, autojump_clock: trio.testing.MockClock) -> None:
    async with relaying() as house:
        mute = house.page()
        mute.base = 0
        socket = await house.connect(mute)
        mute.link, link = None, mute.link  # its network swallows everything, and says nothing
        await house.until(lambda: socket.closed, 40)
        assert socket.closed[0] == wire.TOO_SLOW
        link.close()


async def test_another_window_takes_over(relaying: Relaying, autojump_clock: trio.testing.MockClock) -> None:
    async with relaying() as house:
        page = house.page()
        first = await house.connect(page)
        await house.until(lambda: page.kept)
        other = house.page()
        other.kept = page.kept
        await house.connect(other)
        await house.until(lambda: first.closed)
        assert first.closed[0] == wire.TAKEN_OVER
        other.send("ping", number=5)
        await house.until(lambda: {"type": "pong", "number": 5} in other.told)


async def test_a_conversation_needs_its_secret_and_its_user(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = house.page()
        await house.connect(page)
        await house.until(lambda: page.kept)
        thief = house.page()
        thief.kept = page.kept | {"secret": "guessed"}
        socket = await house.connect(thief)
        await house.until(lambda: socket.closed)
        assert socket.closed[0] == wire.NOT_FOUND
        thief.kept, house.user = page.kept, "somebody else"
        socket = await house.connect(thief)
        await house.until(lambda: socket.closed)
        assert socket.closed[0] == wire.NOT_FOUND


@pytest.mark.parametrize("first", ['{"type":"ping"}', "no JSON", b"\0" * 20])
async def test_the_first_message_is_a_hello(
    relaying: Relaying, autojump_clock: trio.testing.MockClock, first: str | bytes
) -> None:
    async with relaying() as house:
        page = house.page()
        page.opening = first
        socket = await house.connect(page)
        await house.until(lambda: socket.closed)
        assert socket.closed[0] == wire.NOT_UNDERSTOOD
        assert not house.relay.talks


async def test_a_wish_that_is_not_allowed_begins_nothing(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = house.page()
        page.opening = '{"type":"hello","voice":"Nobody"}'
        socket = await house.connect(page)
        await house.until(lambda: socket.closed)
        assert "voice" in socket.closed[1]
        assert not house.relay.talks


async def test_a_conversation_nobody_comes_back_to_ends(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying(kept_for=30.0) as house:
        page = house.page()
        await house.connect(page)
        await house.until(lambda: page.kept)
        house.cut(page)
        await trio.sleep(25)
        assert house.relay.talks
        await trio.sleep(10)
        assert not house.relay.talks
        assert await house.desk.store.load_relay(page.kept["session"]) is None


async def test_ending_ends_it_at_once(relaying: Relaying, autojump_clock: trio.testing.MockClock) -> None:
    async with relaying() as house:
        page = house.page()
        socket = await house.connect(page)
        await house.until(lambda: page.kept)
        page.send("end")
        await house.until(lambda: socket.closed and not house.relay.talks, 5)
        assert socket.closed[0] == 1000


async def test_one_user_does_not_pile_up_conversations(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        pages = [house.page() for _ in range(8)]
        for page in pages:
            await house.connect(page)
            await house.until(lambda page=page: page.kept)
            house.cut(page)
            await trio.sleep(1)
        assert len(house.relay.talks) == house.desk.settings.limits.sessions_per_user
        assert pages[-1].kept["session"] in house.relay.talks


async def test_another_gateway_goes_on_with_a_conversation(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = house.page()
        await house.connect(page)
        await house.until(lambda: page.kept)
        page.send("say", text="What is the weather in Paris?", number=1)
        await house.until(lambda: page.named("turn.end"))
        await trio.sleep(3)
        house.cut(page)
        (talk,) = house.relay.talks.values()
        talk.scope.cancel("the process is killed")
        house.relay.desk.closing.set()
        other = house.another()
        await house.nursery.start(other.relay.run)
        await trio.sleep(1)
        await other.connect(page)
        page.send("say", text="What did I ask?", number=2)
        await house.until(lambda: len(page.named("turn.end")) == 2)
        assert "weather in paris" in page.heard_words("model")[-1].lower()
        numbers = [told["number"] for told in page.told if told["type"] == "event"]
        assert numbers == sorted(set(numbers))


async def test_what_was_not_answered_is_said_again_to_the_other_gateway(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = house.page()
        await house.connect(page)
        await house.until(lambda: page.kept)
        page.send("say", text="Hello", number=1)
        await house.until(lambda: page.named("turn.end"))
        await trio.sleep(3)
        (talk,) = house.relay.talks.values()
        page.microphone = bytes(2 * page.said) + house.spoken("weather-paris.flac")
        said = page.said
        await trio.sleep(2.5)  # in the middle of the question
        house.cut(page)
        talk.scope.cancel("the process is killed")
        house.relay.desk.closing.set()
        await trio.sleep(0.5)
        other = house.another()
        await house.nursery.start(other.relay.run)
        await other.connect(page)
        await house.until(lambda: len([told for told in page.told if told["type"] == "welcome"]) == 2)
        (_, welcome) = [told for told in page.told if told["type"] == "welcome"]
        assert welcome["mic"] <= said
        await house.until(lambda: len(page.named("turn.end")) == 2)
        assert "paris" in page.heard_words("user")[-1].lower()


async def test_a_gateway_lets_go_of_what_another_has_taken(
    relaying: Relaying, autojump_clock: trio.testing.MockClock
) -> None:
    async with relaying() as house:
        page = house.page()
        await house.connect(page)
        await house.until(lambda: page.kept)
        page.send("say", text="Hello", number=1)
        await house.until(lambda: page.named("turn.end"))
        await trio.sleep(3)
        house.cut(page)
        other = house.another()
        await house.nursery.start(other.relay.run)
        await other.connect(page)
        await house.until(lambda: not house.relay.talks)
        page.send("say", text="Hello", number=2)
        await house.until(lambda: len(page.named("turn.end")) == 2)
        assert await house.desk.store.load_relay(page.kept["session"]) is not None
