"""Each action of a scenario against a raw client, under virtual time."""

import contextlib
import random
from typing import Any

import pytest
import trio
from wsproto.events import Ping

from actors.emulator.scenario import parse

LONG = "a reply that is so long that something else can happen in the middle of it before it has been heard"
INTERRUPTED = ["interrupted", "turnComplete"]
TOOLS = {"tools": [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}]}
BLOCKING = {"tools": [{"functionDeclarations": [{"name": "f", "behavior": "BLOCKING"}]}]}


def scripted(*steps: str, head: str = "") -> Any:
    return parse('shows = "x"\n' + head + "".join(f"\n[[step]]\n{step}\n" for step in steps))


async def ping(client: Any) -> None:
    await client.stream.send_all(client.ws.send(Ping(payload=b"?")))


async def test_say_takes_the_place_of_an_answer(build: Any, autojump_clock: Any, spoken: Any) -> None:
    async with build(scenario=scripted('on = "turn"\nturn = 2\ndo = "say"\ntext = "No."')) as world:
        client = await world.ready()
        heard = []
        for text in ("one", "two", "three"):
            await client.text(text)
            heard.append(spoken(await client.until("turnComplete")))
    assert heard == ["You said one.", "No.", "You said three."]


async def test_say_and_call_together_answer(build: Any, autojump_clock: Any, names: Any) -> None:
    steps = 'on = "turn"\ndo = "say"\ntext = "Let me see."', 'on = "turn"\ndo = "call"\nname = "f"\nargs = { a = [1] }'
    async with build(scenario=scripted(*steps)) as world:
        client = await world.ready(**TOOLS)
        await client.text("one")
        seen = await client.until("toolCall")
        (call,) = seen[-1]["toolCall"]["functionCalls"]
        assert (call["name"], call["args"]) == ("f", {"a": [1]})
        assert "modelTurn" in names(seen)
        await client.answer(call["id"], {"output": "x"})
        await client.until("turnComplete")


async def test_say_at_a_time_is_a_turn_of_its_own(build: Any, autojump_clock: Any, spoken: Any) -> None:
    async with build(scenario=scripted('second = 5\ndo = "say"\ntext = "Still there?"')) as world:
        client = await world.ready()
        assert await client.quiet(4.9) == []
        assert spoken(await client.until("turnComplete")) == "Still there?"
        await client.text("yes")
        assert spoken(await client.until("turnComplete")) == "You said yes."
    assert world.mind.asked == [("yes", ("model: Still there?",))]


async def test_a_call_at_a_time_is_answered_aloud(build: Any, autojump_clock: Any, spoken: Any) -> None:
    async with build(scenario=scripted('second = 5\ndo = "call"\nname = "f"')) as world:
        client = await world.ready(**TOOLS)
        (call,) = (await client.until("toolCall"))[-1]["toolCall"]["functionCalls"]
        await client.answer(call["id"], {"output": "x"})
        assert spoken(await client.until("turnComplete")) == "f gave x."


async def test_silence_in_place_of_an_answer(build: Any, autojump_clock: Any, spoken: Any) -> None:
    async with build(scenario=scripted('on = "turn"\ndo = "silent"')) as world:
        client = await world.ready()
        await client.text("one")
        assert await client.quiet(50.0) == []
        await client.text("two")
        assert spoken(await client.until("turnComplete")) == "You said two."


async def test_a_prompt_taken_up_again_is_the_same_turn(
    build: Any, autojump_clock: Any, speech: Any, silence: Any, spoken: Any
) -> None:
    step = 'on = "turn"\nturn = 1\ntimes = 0\ndo = "say"\ntext = "First."'
    async with build("one", "more", scenario=scripted(step), first_audio=0.5) as world:
        client = await world.ready()
        await client.say(speech(0.6) + silence(0.9) + speech(0.6) + silence(1.0))
        assert spoken(await client.until("turnComplete")) == "First."
        await client.text("two")
        assert spoken(await client.until("turnComplete")) == "You said two."


@pytest.mark.parametrize("tools", [TOOLS, BLOCKING])
async def test_silence_about_an_answer_until_the_user_goes_on(
    build: Any, autojump_clock: Any, spoken: Any, tools: Any
) -> None:
    async with build(scenario=scripted('on = "response"\ndo = "silent"')) as world:
        client = await world.ready(**tools)
        await client.text("call f")
        (call,) = (await client.until("toolCall"))[-1]["toolCall"]["functionCalls"]
        await client.answer(call["id"], {"output": "x"})
        assert await client.quiet(50.0) == []
        await client.text(" ")
        assert spoken(await client.until("turnComplete")) == "f gave x."


async def test_an_interruption_stops_a_reply_where_it_is(build: Any, autojump_clock: Any, names: Any) -> None:
    async with build(scenario=scripted('on = "modelTurn"\nnth = 3\ndo = "interrupt"')) as world:
        client = await world.ready()
        await client.text(LONG)
        seen = await client.until("turnComplete")
        assert sum("modelTurn" in message["serverContent"] for message in seen) == 3
        assert names(seen)[-2:] == INTERRUPTED
        assert await client.quiet(60.0) == []


async def test_an_interruption_of_nothing_is_told_alone(build: Any, autojump_clock: Any) -> None:
    async with build(scenario=scripted('second = 1\ndo = "interrupt"')) as world:
        client = await world.ready()
        assert await client.quiet(60.0) == [{"serverContent": {"interrupted": True}}]


@pytest.mark.parametrize("tools", [TOOLS, BLOCKING])
async def test_calls_are_cancelled(build: Any, autojump_clock: Any, names: Any, spoken: Any, tools: Any) -> None:
    async with build(scenario=scripted('on = "toolCall"\nafter = 2\ndo = "cancel"')) as world:
        client = await world.ready(**tools)
        await client.text("call f")
        (call,) = (await client.until("toolCall"))[-1]["toolCall"]["functionCalls"]
        seen = await client.until("turnComplete")
        assert seen[0] == {"toolCallCancellation": {"ids": [call["id"]]}}
        assert names(seen) == ["toolCallCancellation", "turnComplete"]
        await client.answer(call["id"], {"output": "x"})
        await client.text("two")
        assert spoken(await client.until("turnComplete")) == "You said two."


async def test_a_turn_is_finished_early(build: Any, autojump_clock: Any, names: Any) -> None:
    async with build(scenario=scripted('on = "modelTurn"\nnth = 3\ndo = "finish"')) as world:
        client = await world.ready()
        await client.text(LONG)
        seen = await client.until("turnComplete")
        assert names(seen)[-2:] == ["modelTurn", "turnComplete"]
        assert "usageMetadata" in seen[-1]
        assert await client.quiet(60.0) == []


async def test_everything_is_forgotten(build: Any, autojump_clock: Any) -> None:
    async with build(scenario=scripted('on = "turnComplete"\ndo = "forget"')) as world:
        client = await world.ready()
        for text in ("one", "two"):
            await client.text(text)
            await client.until("turnComplete")
    assert [context for _, context in world.mind.asked] == [(), ()]


async def test_going_away(build: Any, autojump_clock: Any) -> None:
    async with build(scenario=scripted('second = 5\ndo = "go_away"\nseconds = 7')) as world:
        client = await world.ready()
        began = trio.current_time()
        assert await client.receive() == {"goAway": {"timeLeft": "7s"}}
        assert (await client.closed()).code == 1011
        assert trio.current_time() - began == pytest.approx(12)


@pytest.mark.parametrize("moment", ["connect", "setup", "setupComplete", "turn", "text", "modelTurn"])
async def test_closing_at_any_moment(build: Any, autojump_clock: Any, moment: str) -> None:
    async with build(scenario=scripted(f'on = "{moment}"\ndo = "close"\ncode = 4321\nreason = "enough"')) as world:
        client = await world.client()
        with contextlib.suppress(Exception):
            await client.setup()
            await client.text("one")
        closed = await client.closed()
        assert (closed.code, closed.reason) == (4321, "enough")
        client = await world.ready()
        await client.text("one")
        await client.until("turnComplete")


async def test_cutting(build: Any, autojump_clock: Any) -> None:
    async with build(scenario=scripted('on = "modelTurn"\nnth = 3\ndo = "cut"')) as world:
        client = await world.ready()
        await client.text(LONG)
        with pytest.raises(Exception, match="1006"):
            await client.until("turnComplete")
        await trio.sleep(1.0)
        assert world.states()[-1] == "closed 1006"


async def test_a_delay_keeps_the_order(build: Any, autojump_clock: Any, names: Any) -> None:
    async with build(scenario=scripted('on = "modelTurn"\nnth = 3\ndo = "delay"\nseconds = 9')) as world:
        client = await world.ready()
        await client.text(LONG)
        early = await client.quiet(9.0)
        assert sum("modelTurn" in message["serverContent"] for message in early) == 3
        assert names(await client.until("turnComplete"))[-2:] == ["generationComplete", "turnComplete"]


async def test_stalled_reads(build: Any, autojump_clock: Any) -> None:
    async with build(scenario=scripted('on = "connect"\ndo = "stall"\nseconds = 20')) as world:
        client = await world.client()
        began = trio.current_time()
        await client.setup()
        assert trio.current_time() - began == 20


@pytest.mark.parametrize(("late", "pongs"), [("30", [0, 1]), ("inf", [0, 0])])
async def test_late_pongs(build: Any, autojump_clock: Any, late: str, pongs: list[int]) -> None:
    async with build(scenario=scripted(f'on = "connect"\ndo = "pong"\nseconds = {late}')) as world:
        client = await world.ready()
        await ping(client)
        counted = []
        for _ in pongs:
            await client.quiet(29.5)
            counted.append(len(client.pongs))
        assert counted == pongs


@pytest.mark.parametrize(
    ("what", "raw"),
    [
        ("message = { a = [1] }", b'{\n  "a": [\n    1\n  ]\n}\n'),
        ('text = "{ }"', b"{ }"),
        ('text = "{ }"\nform = "text"', "{ }"),
        ('hex = "7b 7d"', b"{}"),
        ('hex = "82 02 7b 7d"\nform = "wire"', b"{}"),
    ],
)
async def test_sending_anything(build: Any, autojump_clock: Any, what: str, raw: bytes | str) -> None:
    async with build(scenario=scripted(f'second = 1\ndo = "send"\n{what}')) as world:
        client = await world.ready()
        await client.receive()
        found = client.raw[-1]
        assert (found, isinstance(found, str)) == (raw, isinstance(raw, str))


async def test_messages_are_edited_in_the_order_of_the_file(build: Any, autojump_clock: Any) -> None:
    steps = (
        'on = "turnComplete"\ndo = "set"\npath = "usageMetadata.promptTokensDetails.0.modality"\nvalue = "SMELL"',
        'on = "turnComplete"\ndo = "strip"\npath = "usageMetadata.promptTokensDetails.*.tokenCount"',
        'on = "turnComplete"\ndo = "strip"\npath = "serverContent.interactionStatus"',
        'on = "turnComplete"\ndo = "set"\npath = "brand.new"\nvalue = 3',
        'on = "turnComplete"\ndo = "repeat"\ncount = 2',
    )
    async with build(scenario=scripted(*steps)) as world:
        client = await world.ready()
        await client.text("one")
        first = (await client.until("turnComplete"))[-1]
        assert first["usageMetadata"]["promptTokensDetails"] == [{"modality": "SMELL"}]
        assert (first["serverContent"], first["brand"]) == ({"turnComplete": True}, {"new": 3})
        assert await client.quiet(1.0) == [first, first]


async def test_a_message_of_which_nothing_is_left_is_not_sent(build: Any, autojump_clock: Any, names: Any) -> None:
    step = 'on = "generationComplete"\ndo = "strip"\npath = "serverContent.generationComplete"'
    async with build(scenario=scripted(step)) as world:
        client = await world.ready()
        await client.text("one")
        assert "generationComplete" not in names(await client.until("turnComplete"))


async def test_a_held_message_is_overtaken(build: Any, autojump_clock: Any, names: Any) -> None:
    async with build(scenario=scripted('on = "generationComplete"\ndo = "hold"\nseconds = 9')) as world:
        client = await world.ready()
        await client.text("one")
        assert "generationComplete" not in names(await client.until("turnComplete"))
        assert names(await client.quiet(9.0)) == ["generationComplete"]


async def test_messages_are_joined(build: Any, autojump_clock: Any, audio: Any, spoken: Any, names: Any) -> None:
    async with build() as world:
        client = await world.ready()
        await client.text(LONG)
        plain = await client.until("turnComplete")
    async with build(scenario=scripted('on = "modelTurn"\ntimes = 0\ndo = "join"\ncount = 3')) as world:
        client = await world.ready()
        await client.text(LONG)
        seen = await client.until("turnComplete")
    assert audio(seen) == audio(plain)
    assert spoken(seen) == spoken(plain)
    assert len(seen) < len(plain) / 2


@pytest.mark.parametrize("count", range(1, 7))
async def test_a_joined_turn_is_complete_all_the_same(build: Any, autojump_clock: Any, count: int) -> None:
    async with build(scenario=scripted(f'on = "modelTurn"\ntimes = 0\ndo = "join"\ncount = {count}')) as world:
        client = await world.ready()
        await client.text("one")
        await client.until("turnComplete")


async def test_conditions(build: Any, autojump_clock: Any) -> None:
    step = 'on = "turn"\nof = "connection"\nturn = 2\ntimes = 0\ndo = "send"\nmessage = { hit = 1 }'
    other = 'on = "text"\nconnection = 2\nhaving = "open_call"\ndo = "send"\nmessage = { call = 1 }'
    async with build(scenario=scripted(step, other)) as world:
        for number in (1, 2):
            client = await world.ready(**TOOLS)
            hits = []
            for text in ("one", "two", "three"):
                await client.text(text)
                hits.append(any("hit" in message for message in await client.until("turnComplete")))
            assert hits == [False, True, False]
            await client.text("call f")
            await client.until("toolCall")
            await client.text("four")
            assert any("call" in message for message in await client.quiet(5.0)) is (number == 2)
            await client.close()


async def test_chance_and_jitter_come_again_from_the_seed(build: Any, autojump_clock: Any) -> None:
    async def run(seed: int) -> list[float]:
        head = f"seed = {seed}\n[latency]\nburst = 2.0\njitter = 0.5\n"
        step = 'on = "modelTurn"\ntimes = 0\nchance = 0.5\ndo = "drop"'
        async with build(scenario=scripted(step, head=head)) as world:
            client = await world.ready()
            began = trio.current_time()
            await client.text(LONG)
            times = []
            while "generationComplete" not in str(await client.receive()):
                times.append(round(trio.current_time() - began, 6))
            return times

    random.seed(0)
    first = await run(1)
    random.seed(1)
    assert await run(1) == first
    assert await run(2) != first


async def test_the_service_counts_over_connections(build: Any, autojump_clock: Any) -> None:
    steps = (
        'second = 30\ndo = "send"\nmessage = { service = 1 }',
        'second = 30\nof = "connection"\ndo = "send"\nmessage = { own = 1 }',
    )
    async with build(scenario=scripted(*steps), time_scale=2.0) as world:
        first = await world.ready()
        assert await first.quiet(10.0) == []
        second = await world.ready()
        assert await first.quiet(6.0) == [{"service": 1}, {"own": 1}]
        assert await second.quiet(20.0) == [{"service": 1}, {"own": 1}]


async def test_the_user_s_speech_is_an_occasion(build: Any, autojump_clock: Any, speech: Any, silence: Any) -> None:
    steps = [f'on = "{on}"\ndo = "send"\nmessage = {{ {on} = 1 }}' for on in ("audio", "speech", "silence", "content")]
    async with build("one", scenario=scripted(*steps)) as world:
        client = await world.ready()
        await client.say(speech(0.6) + silence(1.0))
        await client.send({"clientContent": {"turns": [], "turnComplete": True}})
        seen = [name for message in await client.until("turnComplete") for name in message]
        assert [name for name in seen if name in {"audio", "speech", "silence", "content"}] == [
            "audio",
            "speech",
            "silence",
            "content",
        ]
