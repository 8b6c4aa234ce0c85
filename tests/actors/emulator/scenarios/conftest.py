"""The far end under a shipped scenario, and what the checks ask of it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from actors.emulator.scenario import load

LONG = "a reply that is so long that something else can happen in the middle of it before it has been heard"
RESUMABLE: dict[str, Any] = {"inputAudioTranscription": {}, "outputAudioTranscription": {}, "sessionResumption": {}}


@attrs.define
class Far:
    """The far end under a scenario, with what a test asks of it."""

    world: Any
    names: Callable[[Any], list[str]]
    audio: Callable[[Any], bytes]
    spoken: Callable[..., str]
    speech: Callable[[float], bytes]
    silence: Callable[[float], bytes]

    async def ready(self, handle: str = "", **fields: Any) -> Any:
        """A client behind its setup; Closed if the setup is refused."""
        client = await self.world.client()
        resumption = {"handle": handle} if handle else {}
        await client.setup(**{**RESUMABLE, "sessionResumption": resumption, **fields})
        return client

    async def asked(self, client: Any, text: str = LONG) -> list[Any]:
        """What the client is sent until the turn that answers is complete."""
        await client.text(text)
        seen: list[Any] = await client.until("turnComplete")
        return seen

    async def called(self, client: Any) -> list[str]:
        """The ids of the calls that one request leads to."""
        await client.text("call f")
        message = (await client.until("toolCall"))[-1]
        return [call["id"] for call in message["toolCall"]["functionCalls"]]

    async def fine(self, client: Any) -> None:
        """The conversation goes on."""
        assert self.spoken(await self.asked(client, "two")).endswith("You said two.")

    async def refused(self, code: int, reason: str, handle: str = "", **fields: Any) -> None:
        """No session is to be had."""
        client = await self.world.client()
        resumption = {"handle": handle} if handle else {}
        await client.send({"setup": {"model": "models/gemini-3.8-live", "sessionResumption": resumption, **fields}})
        await self.ends(client, code, reason)

    async def ends(self, client: Any, code: int, reason: str = "") -> list[Any]:
        """What comes before the connection ends like this."""
        seen: list[Any] = []

        async def listen() -> None:
            while True:
                seen.append(await client.receive())

        with pytest.raises(Exception, match=f"{code} {reason}"):
            await listen()
        await trio.sleep(0.01)
        return seen

    async def broken(self) -> str:
        """A first turn, and the break after it; gives the handle."""
        client = await self.ready()
        await self.asked(client, "one")
        await self.ends(client, 1006)
        return str(client.handle)


@pytest.fixture
def staged(build: Any, names: Any, audio: Any, spoken: Any, speech: Any, silence: Any) -> Callable[..., Any]:
    """Gives `async with staged(name) as far`."""

    @asynccontextmanager
    async def opened(name: str) -> AsyncIterator[Far]:
        async with build("one", "two", scenario=load(name)) as world:
            yield Far(world, names, audio, spoken, speech, silence)

    return opened
