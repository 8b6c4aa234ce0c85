"""Everything comes to an end, and most ends are announced."""

from typing import Any

import pytest
import trio

COMPRESSED = {"contextWindowCompression": {"slidingWindow": {}}}
DEADLINE = "Deadline expired before operation could complete."


@pytest.mark.parametrize(("scale", "shown"), [(1.0, "60s"), (60.0, "1s"), (600.0, "0.1s")])
async def test_a_connection_lives_ten_minutes(build: Any, autojump_clock: Any, scale: float, shown: str) -> None:
    async with build(time_scale=scale) as world:
        begun = trio.current_time()
        client = await world.ready(**COMPRESSED)
        client.patience = 600.0
        assert (await client.receive())["goAway"]["timeLeft"] == shown
        assert trio.current_time() - begun == pytest.approx(540 / scale)
        closed = await client.closed()
        assert (closed.code, closed.reason) == (1011, DEADLINE)
        assert trio.current_time() - begun == pytest.approx(600 / scale)


async def test_a_session_without_compression_lives_a_quarter_of_an_hour(build: Any, autojump_clock: Any) -> None:
    async with build(time_scale=60.0) as world:
        client = await world.ready(sessionResumption={})
        assert (await client.closed()).code == 1011  # the connection's ten minutes
        begun = trio.current_time()
        client = await world.ready(sessionResumption={"handle": client.handle})
        assert (await client.closed()).code == 1011
        assert trio.current_time() - begun == pytest.approx(5, abs=0.1)


async def test_what_is_connected_counts_for_the_session(build: Any, autojump_clock: Any) -> None:
    async with build(time_scale=60.0) as world:
        client = await world.ready(sessionResumption={})
        await trio.sleep(8.0)
        await client.text("hush")
        await client.until("turnComplete")
        await client.receive()
        await client.close()
        await trio.sleep(100.0)
        begun = trio.current_time()
        client = await world.ready(sessionResumption={"handle": client.handle})
        assert (await client.closed()).code == 1011
        assert trio.current_time() - begun == pytest.approx(15 - 8, abs=0.5)


async def test_video_shortens_a_session(build: Any, autojump_clock: Any) -> None:
    async with build(time_scale=10.0) as world:
        begun = trio.current_time()
        client = await world.ready()
        await client.send({"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "AAAA"}}})
        assert (await client.closed()).code == 1011
        assert trio.current_time() - begun == pytest.approx(12)


async def test_a_client_must_set_up_in_time(build: Any, autojump_clock: Any) -> None:
    async with build(setup_patience=30.0) as world:
        begun = trio.current_time()
        client = await world.client()
        assert (await client.closed()).code == 1011
        assert trio.current_time() - begun == pytest.approx(30)


@pytest.mark.parametrize(("scale", "patience"), [(10.0, 3.0), (60.0, 1.0)])
async def test_that_time_is_scaled_as_far_as_a_client_can_keep_up(
    build: Any, autojump_clock: Any, scale: float, patience: float
) -> None:
    async with build(time_scale=scale) as world:
        begun = trio.current_time()
        client = await world.client()
        assert (await client.closed()).code == 1011
        assert trio.current_time() - begun == pytest.approx(patience)


@pytest.mark.parametrize(("life", "kept"), [(7200.0, 120.0), (1200.0, 20.0)])
async def test_a_handle_outlives_its_session_by_scaled_hours(
    build: Any, autojump_clock: Any, life: float, kept: float
) -> None:
    async with build(time_scale=60.0, handle_life=life) as world:
        client = await world.ready(sessionResumption={})
        await client.receive()
        await client.close()
        await trio.sleep(kept - 1)
        again = await world.ready(sessionResumption={"handle": client.handle})
        await again.close()
        await trio.sleep(kept + 1)
        late = await world.client()
        await late.send({"setup": {"model": "models/gemini-3.8-live", "sessionResumption": {"handle": client.handle}}})
        assert (await late.closed()).reason == "BidiGenerateContent session not found"


async def test_the_end_may_be_announced_from_outside(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready()
        world.service.connections[0].go_away(5.0)
        begun = trio.current_time()
        assert await client.receive() == {"goAway": {"timeLeft": "5s"}}
        assert (await client.closed()).code == 1011
        assert trio.current_time() - begun == pytest.approx(5)


async def test_a_connection_may_be_closed_cut_or_spoken_to_from_outside(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready()
        (connection,) = world.service.connections
        connection.inject(b'{"news": [1]}')
        assert await client.receive() == {"news": [1]}
        connection.close(1011, "Internal error encountered.")
        closed = await client.closed()
        assert (closed.code, closed.reason) == (1011, "Internal error encountered.")
        client = await world.ready()
        world.service.connections[-1].cut()
        assert (await client.closed()).code == 1006
        await trio.testing.wait_all_tasks_blocked()
        assert world.service.connections == ()


async def test_the_service_says_goodbye(build: Any, autojump_clock: Any) -> None:
    async with build() as world:
        client = await world.ready()
        world.service.close()
        assert (await client.closed()).code == 1001
