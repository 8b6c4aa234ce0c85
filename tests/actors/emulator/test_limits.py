"""A bad client cannot fill the memory: whatever it sends, keeps open or does not read has a bound."""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from wsproto.events import BytesMessage

from actors.emulator import mind, session, stage
from actors.emulator.costs import Cost
from actors.emulator.handles import Handles
from actors.emulator.mind import Declared, Exchange, respond
from actors.emulator.scenario import parse
from actors.emulator.session import Entry, Snapshot
from actors.emulator.tokens import Tokens
from actors.emulator.turn import Prompt, Utterance
from tests.streams import Through

MANUAL = {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}
COMPRESSED = {"contextWindowCompression": {"slidingWindow": {}}}
BIG = "x" * 200_000  # 50,000 tokens: three of them are more than any window


def told(complete: bool = False) -> Any:
    return {"clientContent": {"turns": [{"role": "user", "parts": [{"text": BIG}]}], "turnComplete": complete}}


@pytest.mark.parametrize("fields", [{}, COMPRESSED])
async def test_context_that_is_never_answered_is_bounded(build: Any, autojump_clock: Any, fields: Any) -> None:
    async with build() as world:
        client = await world.ready(**fields)
        for _ in range(30):
            if world.service.connections and world.service.connections[0].open:
                await client.send(told())
                await trio.testing.wait_all_tasks_blocked()
        if not fields:
            assert (await client.closed()).reason == "Request contains an invalid argument."
            return
        assert world.service.connections[0]._session.cost.total < 131_072


@pytest.mark.parametrize("fields", [{}, COMPRESSED])
async def test_text_that_piles_up_behind_a_speaking_user_is_bounded(
    build: Any, autojump_clock: Any, fields: Any
) -> None:
    async with build() as world:
        client = await world.ready(**MANUAL, **fields)
        await client.send({"realtimeInput": {"activityStart": {}}})
        with trio.move_on_after(5):
            while world.service.connections and world.service.connections[0].open:
                await client.text(BIG)
                await trio.testing.wait_all_tasks_blocked()
        closed = await client.closed()
        assert (closed.code, closed.reason) == (1007, "Request contains an invalid argument.")


async def test_answers_that_pile_up_are_bounded(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        tools = [{"functionDeclarations": [{"name": "f"}]}]
        client = await world.ready(tools=tools, **MANUAL, **COMPRESSED)
        await client.text("call f")
        call = (await client.until("toolCall"))[-1]["toolCall"]["functionCalls"][0]
        await client.send({"realtimeInput": {"activityStart": {}}})
        with trio.move_on_after(5):
            while world.service.connections and world.service.connections[0].open:
                await client.answer(call["id"], {"output": BIG}, willContinue=True)
                await trio.testing.wait_all_tasks_blocked()
        assert (await client.closed()).code == 1007


@pytest.mark.parametrize(
    "fields",
    [
        {"systemInstruction": {"parts": [{"text": BIG * 3}]}},
        {"tools": [{"functionDeclarations": [{"name": f"f{n}", "description": BIG} for n in range(3)]}]},
        {"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"enum": [BIG] * 3}}]}]},
    ],
)
async def test_a_setup_fits_into_the_window(build: Any, autojump_clock: Any, fields: Any) -> None:
    async with build() as world:
        client = await world.client()
        await client.send({"setup": {"model": "models/gemini-3.8-live"} | fields})
        assert (await client.closed()).code == 1007
        assert world.service.handles._lives == {}


async def test_an_update_fits_into_the_window(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready()
        await client.send({"contextUpdate": {"systemInstruction": {"parts": [{"text": BIG * 3}]}}})
        assert (await client.closed()).code == 1007


def test_speech_that_waits_to_be_understood_is_bounded() -> None:
    prompt = Prompt()
    for second in range(300):
        prompt = prompt.then(Prompt(sounds=(Utterance(bytes([second % 256]) * 96_000),)))
    assert sum(len(sound.pcm) for sound in prompt.sounds) == 120 * 32_000
    assert prompt.sounds[-1].pcm[-1] == 299 % 256
    for _ in range(300):
        prompt = prompt.then(Prompt(sounds=(Utterance(b""),)))
    assert len(prompt.sounds) == 50


@attrs.define(slots=False)
class Tap(Through):
    """A stream whose far end takes bytes only while it is open, and nothing else."""

    open: trio.Event = attrs.field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self.open.set()

    async def send_all(self, data: Any) -> None:
        await self.open.wait()
        await self.stream.send_all(data)


async def tapped(world: Any, **fields: Any) -> tuple[Any, Tap]:
    here, there = trio.testing.memory_stream_pair()
    tap = Tap(there)
    world.nursery.start_soon(world.service.serve_stream, tap)
    return await world.ready(stream=here, **fields), tap


async def test_a_model_stops_talking_to_who_does_not_read(build: Any, autojump_clock: Any, audio: Any) -> None:
    async with build(burst=float("inf")) as world:
        client, tap = await tapped(world)
        tap.open = trio.Event()
        await client.text("x" * 5000)  # a reply of 200 s: 9.6 MB, 13 MB on the wire
        await trio.sleep(60)
        link = world.service.connections[0].link
        assert link.open
        assert link._queued < 3 << 20
        tap.open.set()
        client.patience = 600.0
        seen = await client.until("turnComplete")
        assert len(audio(seen)) / 48_000 == pytest.approx(200, abs=1)


async def test_who_does_not_read_can_still_interrupt(build: Any, autojump_clock: Any) -> None:
    async with build(burst=float("inf")) as world:
        client, tap = await tapped(world, **MANUAL)
        tap.open = trio.Event()
        await client.text("x" * 5000)
        await trio.sleep(5)
        await client.send({"realtimeInput": {"activityStart": {}}})
        await trio.sleep(1)
        assert "interrupted" in world.states()


async def test_who_asks_for_more_than_it_reads_is_dropped(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client, tap = await tapped(world)
        tap.open = trio.Event()
        for _ in range(20):
            for connection in world.service.connections:
                connection.inject(bytes(1 << 20))
            await trio.sleep(0.1)
        assert world.service.connections == ()
        assert world.states()[-1] == "closed 1006"
        assert client is not None


def test_handles_are_kept_up_to_a_size() -> None:
    handles = Handles(heaviest=10_000)
    entry = Entry(Exchange("user", "x" * 500), Cost())
    kept = [handles.issue(Snapshot(str(number), "m", (entry,))) for number in range(10)]
    found = [handles.find(handle, 0.0) is not None for handle in kept]
    assert found == [False] * 6 + [True] * 4
    handles.ended("9", 0.0, 1.0)
    handles.ended("9", 1e6, 1.0)
    assert handles._weight == sum(snapshot.weight for snapshot in handles._kept.values())


async def test_a_handle_that_alone_is_too_big_is_no_handle(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        world.service.handles.heaviest = 100
        client = await world.ready(sessionResumption={})
        await client.text("x" * 200)
        await client.until("turnComplete")
        assert (await client.receive())["sessionResumptionUpdate"]["resumable"] is True
        assert len(world.service.handles._kept) == 0


async def test_messages_of_a_setup_have_a_size(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.client()
        setup = {"setup": {"model": "models/gemini-3.8-live", "labels": {"x": "y" * (5 << 20)}}}
        with trio.move_on_after(10):
            await client.send(setup)
        assert (await client.closed()).code == 1009
        assert json.dumps(setup)


async def test_connections_that_never_ask_for_anything_are_bounded(build: Any, autojump_clock: Any) -> None:
    async with build(connections=2) as world:
        streams = []
        for _ in range(10):
            streams.append(await world.stream())
            await trio.testing.wait_all_tasks_blocked()
        assert len(world.service._lobby) == 4
        with trio.fail_after(5):
            assert await streams[-1].receive_some() == b""
        await trio.sleep(11)
        assert len(world.service._lobby) == 0
        await world.ready()


async def test_a_message_has_a_number_of_pieces(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready()
        piece = client.ws.send(BytesMessage(data=b"", message_finished=False)) + client.ws.send(
            BytesMessage(data=b"", message_finished=False)
        )
        with trio.move_on_after(10):
            await client.stream.send_all(piece[:6] + piece[6:] * 30_000)
        assert (await client.closed()).code == 1009


async def test_connections_that_are_refused_are_bounded(build: Any, autojump_clock: Any) -> None:
    async with build(connections=2) as world:
        for _ in range(4):
            await world.client("/ws/nowhere")
            await trio.testing.wait_all_tasks_blocked()
        assert len(world.service._lobby) == 4
        with trio.fail_after(1):
            assert await (await world.stream()).receive_some() == b""
        await trio.sleep(5)
        await world.ready()


async def test_open_calls_are_bounded(build: Any, autojump_clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MOST_CALLS", 3)
    async with build() as world:
        client = await world.ready(tools=[{"functionDeclarations": [{"name": "f"}]}])
        await client.text("call f f")
        first = (await client.until("toolCall"))[-1]["toolCall"]["functionCalls"]
        await client.text("call f f")
        seen = await client.until("toolCallCancellation")
        assert seen[-1]["toolCallCancellation"]["ids"] == [first[0]["id"]]
        assert len(world.service.connections[0]._session._calls) == 3


HELD = """
shows = "everything is kept back"
[[step]]
on = "{moment}"
times = 0
do = "{action}"
{more}
"""


@pytest.mark.parametrize(
    ("moment", "action", "more"),
    [("setupComplete", "delay", "seconds = 3600"), ("audio", "say", 'text = "x"\nafter = 3600')],
)
async def test_what_a_scenario_keeps_back_is_bounded(
    build: Any, autojump_clock: Any, monkeypatch: pytest.MonkeyPatch, moment: str, action: str, more: str
) -> None:
    monkeypatch.setattr(stage, "MOST_HELD", 20)
    script = parse(HELD.format(moment=moment, action=action, more=more))
    async with build(scenario=script) as world:
        client = await world.client()
        await client.send({"setup": {"model": "models/gemini-3.8-live"}})
        await trio.sleep(1)
        sound = {"realtimeInput": {"audio": {"mimeType": "audio/pcm", "data": "AAAAAAAA"}}}
        for message in [{"realtimeInput": {"text": "x" * 200}}, *[sound] * 30]:
            with suppress(trio.BrokenResourceError):
                await client.send(message)
            await trio.sleep(0.2)
        assert world.service.connections == ()
        assert world.states()[-1] == "closed 1006"


async def test_what_a_scenario_keeps_back_has_a_weight(
    build: Any, autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "HEAVIEST_HELD", 1 << 20)
    async with build(scenario=parse(HELD.format(moment="response", action="silent", more=""))) as world:
        client = await world.ready()
        with suppress(trio.BrokenResourceError):
            for _ in range(20):
                await client.answer("x", {"output": BIG})
                await trio.testing.wait_all_tasks_blocked()
        assert world.service.connections == ()
        assert world.states()[-1] == "closed 1006"


@attrs.define
class Chatterbox:
    """Speaks 40 ms a character, and counts the characters."""

    spoken: int = 0

    def speak(self, text: str, *, voice: str = "Kore") -> bytes:
        self.spoken += len(text)
        return bytes(1920 * len(text)) if voice else b""


@pytest.mark.parametrize(
    ("model", "said"),
    [("models/gemini-3.8-live", "repeat that"), ("models/gemini-3.5-live-translate-preview", "All of this. " * 9000)],
)
async def test_speech_is_made_as_it_is_taken(build: Any, autojump_clock: Any, model: str, said: str) -> None:
    async with build(mind=mind, burst=float("inf")) as world:
        voice = world.service.faculties.voice = Chatterbox()
        client, tap = await tapped(world, model=model, historyConfig={"initialHistoryInClientContent": True})
        told = {"role": "model", "parts": [{"text": "This is a sentence of some length. " * 3000}]}
        await client.send({"clientContent": {"turns": [told], "turnComplete": True}})
        tap.open = trio.Event()
        await client.text(said)
        await trio.sleep(60)
        assert 0 < voice.spoken < 1500  # a megabyte of messages is waiting
        tap.open.set()
        client.patience = 1000.0
        await client.until("turnComplete")
        assert voice.spoken <= 8000


async def test_no_more_is_spoken_than_the_tokens_allow(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        voice = world.service.faculties.voice = Chatterbox()
        client = await world.ready(generationConfig={"maxOutputTokens": 20})
        await client.text("One two three four five six. " * 100)
        await client.until("turnComplete")
        assert voice.spoken < 100


def test_tokens_are_weighed_by_what_they_become() -> None:
    body = json.dumps({"bidiGenerateContentSetup": {"tools": [{}] * 4000}}).encode()
    assert len(body) < 20_000
    tokens = Tokens()
    for _ in range(20):
        tokens.make(body, 0.0, datetime.now(UTC))
    assert len(tokens._kept) == (16 << 20) // (4003 * 500 + len(body))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('{"realtimeInput":{"mediaChunks":[' + "{}," * 1_300_000 + "{}]}}", "more than 100000 values"),
        ('{"realtimeInput":{"mediaChunks":[' + "{}," * 50_000 + "{}]}}", "50001 items are more than 5000"),
        (
            '{"toolResponse":{"functionResponses":[{"response":{"a":[' + "[]," * 1_300_000 + "[]]}}]}}",
            "more than 100000",
        ),
    ],
)
async def test_a_message_has_a_number_of_values(build: Any, autojump_clock: Any, message: str, reason: str) -> None:
    """The longest took three seconds, in which nobody else was served: twenty times what reading it takes."""
    begun = time.process_time()
    json.loads(message)
    reading = time.process_time() - begun
    async with build() as world:
        client = await world.ready()
        begun = time.process_time()
        world.nursery.start_soon(client.send_text, message)
        closed = await client.closed()
        assert (closed.code, reason in closed.reason) == (1007, True)
        assert time.process_time() - begun < 8 * max(reading, 0.05)


def test_a_long_request_is_not_pondered_for_long() -> None:
    """Both took most of a minute when all of it counted."""
    declared = [Declared("get_weather", "The weather in a city.", {"properties": {"city": {"type": "string"}}})]
    begun = time.process_time()
    assert len(respond("weather in paris and in london " * 2000, [], declared, search=True)) < 100
    assert respond("time in the weather " * 2000, [Exchange("user", "in the weather " * 9999)], [], search=True)
    assert respond("x" * 4_000_000, [Exchange("user", "y" * 400_000)] * 50, declared, search=True)
    assert time.process_time() - begun < 5
