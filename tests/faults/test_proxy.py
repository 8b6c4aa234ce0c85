"""The proxy over real sockets: what it does to a connection is what the network does, and our client survives it."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio

from actors.emulator.hearing import Hearing
from actors.emulator.service import Service, running
from actors.emulator.settings import Settings
from bin.soaking.cached import OnceHeard
from bin.soaking.network import Network
from bin.soaking.proxy import proxied
from pipeline import Conversation, Event, Plan, converse
from pipeline.environment import Environment

PATIENCE = 30.0
Opened = Callable[[int], Awaitable[trio.SocketStream]]


@pytest.fixture
def network() -> Network:
    return Network(random.Random(1))


@asynccontextmanager
async def echoing() -> AsyncIterator[int]:
    async def echo(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            async for data in stream:
                await stream.send_all(data)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, echo, listeners)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel("done")


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    """Gives `await opened(port)`: a stream that is closed after the test."""
    streams = []

    async def join(port: int) -> trio.SocketStream:
        streams.append(await trio.open_tcp_stream("127.0.0.1", port))
        return streams[-1]

    yield join
    for stream in streams:
        await stream.aclose()


async def test_bytes_go_both_ways_and_an_end_is_passed_on(network: Network, opened: Opened) -> None:
    with trio.fail_after(PATIENCE):
        async with echoing() as port, proxied(network, "127.0.0.1", port) as proxy:
            stream = await opened(proxy)
            for size in (1, 70_000, 3):
                await stream.send_all(b"x" * size)
                received = 0
                while received < size:
                    received += len(await stream.receive_some())
            await stream.aclose()
    assert network.dialled == 1


async def test_a_cut_is_a_reset(network: Network, opened: Opened) -> None:
    with trio.fail_after(PATIENCE):
        async with echoing() as port, proxied(network, "127.0.0.1", port) as proxy:
            stream = await opened(proxy)
            await stream.send_all(b"x")
            await stream.receive_some()
            network.cut()
            with pytest.raises(trio.BrokenResourceError):
                await stream.receive_some()


@pytest.mark.parametrize(("up", "down"), [(True, True), (True, False), (False, True)])
async def test_a_black_hole_says_nothing(network: Network, opened: Opened, *, up: bool, down: bool) -> None:
    with trio.fail_after(PATIENCE):
        async with echoing() as port, proxied(network, "127.0.0.1", port) as proxy:
            stream = await opened(proxy)
            await stream.send_all(b"x")
            await stream.receive_some()
            network.lines[0].swallow(up=up, down=down)
            await stream.send_all(b"y")
            with trio.move_on_after(0.3) as scope:
                await stream.receive_some()
            assert scope.cancelled_caught


async def test_a_service_that_is_away_resets_whoever_comes(network: Network, opened: Opened) -> None:
    with trio.fail_after(PATIENCE):
        async with echoing() as port, proxied(network, "127.0.0.1", port) as proxy:
            network.away = trio.current_time() + 1000
            stream = await opened(proxy)
            with pytest.raises(trio.BrokenResourceError):
                await stream.receive_some()


@asynccontextmanager
async def talking(
    network: Network, folder: Path, recording: Path | None = None, patience: float = 0.5
) -> AsyncIterator[tuple[Conversation, list[Event]]]:
    """Runs our client through the proxy against the embedded service, with little patience for dead links."""
    listener = Deaf() if recording is None else Hearing()
    service = Service(Settings(threads=False), hearing=OnceHeard(listener))
    async with running(service) as address, proxied(network, address.host, address.port) as port:
        plan = Plan.load(folder=folder)
        plan.set("tools.use", [])
        plan.set("actors.vad.use", "actors.vad:Energy")
        if recording is None:
            plan.set("actors.microphone.use", "actors.microphone:Silence")
        else:
            plan.set("actors.microphone", {"use": "actors.microphone:Recording", "path": str(recording)})
        plan.set("actors.playback.use", "actors.playback:Discard")
        plan.set("actors.connection", {"endpoint": f"http://127.0.0.1:{port}", "heartbeat": 0.2, "patience": patience})
        events: list[Event] = []
        async with converse(plan, environment=Environment()) as conversation, trio.open_nursery() as nursery:

            async def gather() -> None:
                async for event in conversation.events():
                    events.append(event)  # noqa: PERF401 - read while it grows

            nursery.start_soon(gather)
            yield conversation, events
            nursery.cancel_scope.cancel("done")


class Deaf:
    def understand(self, _pcm: bytes) -> str:
        return ""


async def linked(events: list[Event]) -> None:
    while ("session.state", "CONNECTED") not in [(event.name, event.fields().get("to")) for event in events]:  # noqa: ASYNC110 - real sockets, real time
        await trio.sleep(0.01)


async def ended(events: list[Event], count: int) -> None:
    while [event.name for event in events].count("turn.end") < count:  # noqa: ASYNC110 - real sockets, real time
        await trio.sleep(0.02)


FAULTS = {
    "socket reset": lambda network: network.cut(),
    "half-open": lambda network: network.lines[-1].swallow(),
    "black hole, upwards": lambda network: network.lines[-1].swallow(down=False),
    "black hole, downwards": lambda network: network.lines[-1].swallow(up=False),
    "latency with jitter": lambda network: vars_of(network, latency=0.2, jitter=0.1),
}
POOR = {
    "10 KB/s uplink": lambda network: setattr(network.up, "rate", 10_000.0),
    "5 s of latency with jitter": lambda network: vars_of(network, latency=2.5, jitter=0.3),
}


def vars_of(network: Network, **values: float) -> None:
    for name, value in values.items():
        setattr(network.up, name, value)
        setattr(network.down, name, value)


@pytest.mark.parametrize("name", FAULTS)
async def test_the_conversation_goes_on_over_real_sockets(network: Network, tmp_path: Path, name: str) -> None:
    with trio.fail_after(2 * PATIENCE):
        async with talking(network, tmp_path) as (conversation, events):
            await conversation.say("hello")
            await ended(events, 1)
            FAULTS[name](network)
            await conversation.say("what did i ask")
            await ended(events, 2)
    assert [event.fields()["outcome"] for event in events if event.name == "turn.end"] == ["completed"] * 2


@pytest.mark.parametrize("name", POOR)
async def test_what_is_spoken_arrives_whole_over_a_poor_line(
    network: Network, tmp_path: Path, recordings: Path, name: str
) -> None:
    with trio.fail_after(4 * PATIENCE):
        async with talking(network, tmp_path, recordings / "hello.wav", PATIENCE) as (_conversation, events):
            await linked(events)
            POOR[name](network)
            began = trio.current_time()
            await ended(events, 1)
            assert trio.current_time() - began > 5  # 60 KB take as long, and so does the way there and back
    finals = [event.fields() for event in events if event.name == "transcript" and event.fields()["final"]]
    assert next(one["text"] for one in finals if one["who"] == "user") == "hello"
    assert [event.fields()["outcome"] for event in events if event.name == "turn.end"] == ["completed"]
    assert not any(event.name in ("session.resumed", "channel.drop") for event in events)
    assert network.dialled == 1
