"""The embedded service over TLS on loopback, in a thread with a loop of its own, for clients that are not Trio's."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

import attrs
import pytest
import trio
import trustme
from google import genai
from google.genai import types

from actors.emulator.service import Address, Service, running
from actors.emulator.settings import Settings

MODEL = "gemini-3.8-live"


@attrs.frozen
class Served:
    """Where the service is, the authority its certificate comes from, and a client's TLS context that trusts it."""

    address: Address
    authority: trustme.CA
    context: ssl.SSLContext


@attrs.frozen
class Official:
    """The official client, as the checks use it."""

    served: Served

    def client(self, version: str = "v1beta", key: str = "any", **options: Any) -> genai.Client:
        asked = {
            "base_url": self.served.address.url,
            "api_version": version,
            "client_args": {"verify": self.served.context},
            "async_client_args": {"ssl": self.served.context},
        }
        return genai.Client(api_key=key, http_options=types.HttpOptions(**(asked | options)))

    def vertex(self) -> genai.Client:
        url = self.served.address.live_url + "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
        options = types.HttpOptions(base_url=url, async_client_args={"ssl": self.served.context})
        return genai.Client(vertexai=True, http_options=options)

    def connect(
        self, client: genai.Client | None = None, model: str = MODEL, **fields: Any
    ) -> AbstractAsyncContextManager[Any]:
        """Opens a session; transcripts are asked for."""
        found: AbstractAsyncContextManager[Any] = (client or self.client()).aio.live.connect(
            model=model, config=self.config(**fields)
        )
        return found

    @staticmethod
    def config(**fields: Any) -> types.LiveConnectConfig:
        asked = {
            "response_modalities": [types.Modality.AUDIO],
            "output_audio_transcription": types.AudioTranscriptionConfig(),
            "input_audio_transcription": types.AudioTranscriptionConfig(),
        }
        return types.LiveConnectConfig(**(asked | fields))

    @staticmethod
    async def turn(session: Any) -> list[types.LiveServerMessage]:
        """Everything up to the end of the interaction."""
        return [message async for message in session.receive()]

    @staticmethod
    def said(messages: list[types.LiveServerMessage]) -> str:
        contents = [message.server_content for message in messages if message.server_content]
        return "".join(c.output_transcription.text or "" for c in contents if c.output_transcription)

    @staticmethod
    def heard(messages: list[types.LiveServerMessage]) -> str:
        contents = [message.server_content for message in messages if message.server_content]
        return "".join(c.input_transcription.text or "" for c in contents if c.input_transcription)

    @staticmethod
    def sound(messages: list[types.LiveServerMessage]) -> bytes:
        return b"".join(message.data for message in messages if message.data)

    async def handle(self, session: Any) -> str:
        """The next handle from which the session can go on."""
        while True:
            async for message in session.receive():
                update = message.session_resumption_update
                if update and update.resumable and update.new_handle:
                    return str(update.new_handle)

    async def token(self, **config: Any) -> str:
        """A token made by the official client."""
        asked = types.CreateAuthTokenConfig(**config) if config else None
        with self.client("v1alpha") as client:
            made = await asyncio.to_thread(client.auth_tokens.create, config=asked)
        assert made.name
        return str(made.name)


Outcomes = dict[str, BaseException | None]


@pytest.fixture(scope="session")
def together() -> Callable[..., Outcomes]:
    """Runs checks of services all at once, and gives what each raised."""

    def run(checks: Mapping[str, Callable[..., Awaitable[None]]], *served: Served) -> Outcomes:
        async def main() -> list[BaseException | None]:
            clients = [Official(one) for one in served]
            found = [asyncio.wait_for(check(*clients), 60) for check in checks.values()]
            return await asyncio.gather(*found, return_exceptions=True)

        return dict(zip(checks, asyncio.run(main()), strict=True))

    return run


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
