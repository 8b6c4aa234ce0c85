"""The service as a part of other people's tests: what starts it, and what it lets one see and do."""

import ssl
from collections.abc import Callable
from typing import Any

import pytest
import trio

from actors.emulator import testing
from actors.emulator.scenario import parse
from actors.emulator.service import Service
from actors.emulator.settings import Settings
from actors.emulator.testing import LiveService, in_memory, serve, serve_in_thread
from pipeline.errors import PlanError

# The plugin's fixtures; docs/EMULATOR.md shows how others come by them, and its test does as they would.
start_live_service, live_service = testing.start_live_service, testing.live_service


async def test_it_listens_while_the_context_lasts(client_of: Any) -> None:
    async with serve() as live:
        async with await trio.open_tcp_stream(live.address.host, live.address.port) as stream:
            client = await client_of(stream)
            assert "setupComplete" in await client.setup()
            assert live.states == ["set up"]
            assert [found.kind for found in live.observed] == ["message", "state", "sent"]
        assert live.ca_file is None
    with pytest.raises(OSError, match="all attempts"):
        await trio.open_tcp_stream(live.address.host, live.address.port)


async def test_settings_scenario_and_tls_are_taken(client_of: Any) -> None:
    hasty = parse('shows = "an early end"\n[[step]]\non = "setup"\ndo = "close"\ncode = 1011\nreason = "x"\n')
    async with serve(Settings(key="test"), hasty, tls=True) as live:
        authority = live.ca_file
        assert authority is not None
        assert live.live_url.startswith("wss://")
        context = ssl.create_default_context(cafile=authority)
        stream = await trio.open_ssl_over_tcp_stream(live.address.host, live.address.port, ssl_context=context)
        async with stream:
            client = await client_of(stream)
            await client.send({"setup": {"model": "models/gemini-3.8-live"}})
            assert (await client.closed()).reason == "x"
    assert not authority.exists()


def test_a_scenario_that_is_none_is_told_where_the_service_is_started() -> None:
    with pytest.raises(PlanError, match="there is no scenario 'nonsense'"), serve_in_thread(scenario="nonsense"):
        pass


def test_hands_can_be_laid_on_a_service_in_a_thread(live_service: LiveService, client_of: Any) -> None:
    async def main() -> None:
        async with await trio.open_tcp_stream(live_service.address.host, live_service.address.port) as stream:
            client = await client_of(stream)
            await client.setup()
            await trio.to_thread.run_sync(live_service.do, lambda service: service.connections[0].close(4000, "enough"))
            closed = await client.closed()
            assert (closed.code, closed.reason) == (4000, "enough")

    trio.run(main)
    assert live_service.states[0] == "set up"


def test_several_services_in_one_test(start_live_service: Callable[..., LiveService]) -> None:
    first, second = start_live_service(), start_live_service(Settings(key="y"), "go-away")
    assert first.url != second.url
    assert second.do(lambda service: service.settings.key) == "y"


async def test_connections_in_memory_end_with_the_context(autojump_clock: Any, client_of: Any) -> None:
    service = Service(Settings(threads=False))
    async with in_memory(service) as dial:
        client = await client_of(await dial())
        assert "setupComplete" in await client.setup()
        (connection,) = service.connections
        assert connection.open
    assert service.connections == ()
