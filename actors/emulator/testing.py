"""The embedded Live service for your own tests: on a free port in a thread, on a free port under Trio, or over memory.

A pytest plugin too: `pytest_plugins = ["actors.emulator.testing"]` in the topmost conftest.py, or
`pytest -p actors.emulator.testing`, gives the fixtures `live_service` and `start_live_service`.
"""

import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar

import attrs
import pytest
import trio
import trio.testing

from actors.emulator import scenario as scenarios
from actors.emulator.certificate import self_signed
from actors.emulator.connection import Observed
from actors.emulator.faculties import Listener, Mind, Speaker
from actors.emulator.scenario import Scenario
from actors.emulator.service import Address, Service, running
from actors.emulator.settings import Settings

__all__ = ["LiveService", "in_memory", "live_service", "serve", "serve_in_thread", "start_live_service"]

T = TypeVar("T")

_PATIENCE = 20.0  # seconds for the service to listen, and to end
_REMEMBERED = 10_000


@attrs.frozen(eq=False)
class LiveService:
    """A service that listens.

    `url` is its base for clients that take http or https, `live_url` for those that take ws or wss; any key will do
    unless the settings name one. `ca_file` is the certificate to trust where it speaks TLS. `observed` has the latest
    ten thousand things that happened, oldest first: what came, what was sent, and what changed.
    """

    address: Address
    ca_file: Path | None
    observed: deque[Observed]
    service: Service
    _token: trio.lowlevel.TrioToken

    @property
    def url(self) -> str:
        """The base URL for clients that take http or https."""
        return self.address.url

    @property
    def live_url(self) -> str:
        """The base URL for clients that take ws or wss."""
        return self.address.live_url

    @property
    def states(self) -> list[str]:
        """What has changed so far, as "set up", "interrupted", "turn complete", "closed 1000"."""
        return [found.detail for found in tuple(self.observed) if found.kind == "state"]

    def do(self, work: Callable[[Service], T]) -> T:
        """Has the service's thread do something with the service, and gives what came of it; from other threads only.

        `live.do(lambda service: service.connections[0].cut())` breaks a connection, say.
        """
        return trio.from_thread.run_sync(work, self.service, trio_token=self._token)


@asynccontextmanager
async def serve(
    settings: Settings | None = None,
    scenario: Scenario | str | Path | None = None,
    *,
    tls: bool = False,
    voice: Speaker | None = None,
    hearing: Listener | None = None,
    mind: Mind | None = None,
) -> AsyncIterator[LiveService]:
    """Has a service listen on a free port of loopback while the context lasts, under Trio.

    `scenario` is the name of a shipped one, the path of a file, or what `load` or `parse` gave. Voice and hearing are
    loaded when they are first needed. PlanError for a scenario that is none.
    """
    observed: deque[Observed] = deque(maxlen=_REMEMBERED)
    script = scenarios.load(scenario) if isinstance(scenario, str | Path) else scenario
    service = Service(settings, voice, hearing, observed.append, mind=mind, scenario=script)
    context, ca_file = self_signed("127.0.0.1") if tls else (None, None)
    try:
        async with running(service, ssl_context=context, warm=False) as address:
            yield LiveService(address, ca_file, observed, service, trio.lowlevel.current_trio_token())
    finally:
        if ca_file is not None:
            ca_file.unlink(missing_ok=True)


@contextmanager
def serve_in_thread(
    settings: Settings | None = None, scenario: Scenario | str | Path | None = None, *, tls: bool = False
) -> Iterator[LiveService]:
    """Does the same in a thread of its own, for tests without Trio: of asyncio, of threads, of other processes."""
    started: list[LiveService] = []
    failed: list[Exception] = []
    ready, finished = threading.Event(), trio.Event()

    async def main() -> None:
        async with serve(settings, scenario, tls=tls) as live:
            started.append(live)
            ready.set()
            await finished.wait()

    def run() -> None:
        try:
            trio.run(main)
        except Exception as error:  # noqa: BLE001 - it is raised in the thread that waits
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="live service", daemon=True)
    thread.start()
    if not ready.wait(_PATIENCE) or failed:
        raise failed[0] if failed else TimeoutError(f"the live service did not listen within {_PATIENCE:g} s")
    try:
        yield started[0]
    finally:
        if thread.is_alive():
            started[0].do(lambda _service: finished.set())
        thread.join(_PATIENCE)
        if failed:
            raise failed[0]


@asynccontextmanager
async def in_memory(service: Service) -> AsyncIterator[Callable[[], Awaitable[trio.abc.Stream]]]:
    """Gives a function that opens a connection to the service: a stream in memory, on which HTTP is spoken first.

    With `Settings(threads=False)` everything goes by Trio's clock, so that a virtual one has hours pass in no time.
    Leaving drops all connections.
    """
    async with trio.open_nursery() as nursery:

        async def dial() -> trio.abc.Stream:
            here, there = trio.testing.memory_stream_pair()
            nursery.start_soon(service.serve_stream, there)
            await trio.lowlevel.checkpoint()
            return here

        try:
            yield dial
        finally:
            nursery.cancel_scope.cancel("the service is needed no more")
            service.faculties.close()


@pytest.fixture
def start_live_service() -> Iterator[Callable[..., LiveService]]:
    """`start_live_service(settings, scenario, tls=False)` starts a service that lasts as long as the test."""
    with ExitStack() as stack:

        def start(
            settings: Settings | None = None, scenario: Scenario | str | Path | None = None, *, tls: bool = False
        ) -> LiveService:
            return stack.enter_context(serve_in_thread(settings, scenario, tls=tls))

        yield start


@pytest.fixture
def live_service(start_live_service: Callable[..., LiveService]) -> LiveService:
    """A service that does what the real one does at its best, without TLS, for as long as the test lasts."""
    return start_live_service()
