"""The embedded service over TLS on loopback, in a thread with a loop of its own, for clients that are not Trio's."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs
import pytest
import trio
import trustme

from actors.emulator.service import Address, Service, running
from actors.emulator.settings import Settings


@attrs.frozen
class Served:
    """Where the service is, the authority its certificate comes from, and a client's TLS context that trusts it."""

    address: Address
    authority: trustme.CA
    context: ssl.SSLContext


@pytest.fixture(scope="session")
def serve() -> Callable[..., object]:
    """Opens a service: `with serve(Settings(...)) as served`."""

    @contextmanager
    def opened(settings: Settings | None = None) -> Iterator[Served]:
        authority = trustme.CA()
        own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(own)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        ready, addresses = threading.Event(), []
        finished = trio.Event()

        async def main() -> None:
            token.append(trio.lowlevel.current_trio_token())
            async with running(Service(settings), ssl_context=own) as address:
                addresses.append(address)
                ready.set()
                await finished.wait()

        token: list[trio.lowlevel.TrioToken] = []
        thread = threading.Thread(target=trio.run, args=(main,))
        thread.start()
        try:
            assert ready.wait(20)
            yield Served(addresses[0], authority, trusting)
        finally:
            token[0].run_sync_soon(finished.set)
            thread.join(20)

    return opened
