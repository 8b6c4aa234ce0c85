"""google-genai's own Live client in the loop that its documentation shows: one task sends, one fills a queue."""

import argparse
import asyncio
from typing import Any

from google import genai
from google.genai import types

from tests.bench.near import Near


def client_for(url: str, client: Any = None) -> Any:
    """Points a client at the far end; with an API key the library dials wss alone, so plain ws needs its insides."""
    secure = url.startswith("wss")
    if client is None:
        options = types.HttpOptions(base_url=url.replace("ws", "http", 1))
        client = genai.Client(api_key="bench", http_options=options)
    if not secure:
        client._api_client._websocket_base_url = lambda *_given, **_named: url
        client._api_client._websocket_ssl_ctx = {}
    return client


async def converse(near: Near, url: str, lag: float) -> None:
    """Holds one conversation until it is cancelled."""
    played: asyncio.Queue[bytes] = asyncio.Queue()
    config = {"response_modalities": ["AUDIO"]}
    async with client_for(url).aio.live.connect(model="gemini-3.8-live", config=config) as session:

        async def say(pcm: bytes) -> None:
            await session.send_realtime_input(audio=types.Blob(data=pcm, mime_type="audio/pcm;rate=16000"))

        talking = asyncio.create_task(near.talk(say, asyncio.sleep, lag))
        try:
            while True:
                async for message in session.receive():
                    take(near, message.server_content, played)
        finally:
            talking.cancel()


def take(near: Near, content: Any, played: "asyncio.Queue[bytes]") -> None:
    """Does with a message what the documented loop does: sound into a queue, and an empty queue at an interruption."""
    if content is None:
        return
    if content.model_turn:
        for part in content.model_turn.parts:
            if part.inline_data:
                played.put_nowait(part.inline_data.data)
                near.heard(played.get_nowait())
    if content.interrupted:
        while not played.empty():
            played.get_nowait()
        near.silent()


async def main(url: str, sessions: int) -> None:
    """Holds so many conversations."""
    near = Near()
    near.obey()
    await asyncio.gather(*(converse(near, url, 0.02 * number / sessions) for number in range(sessions)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--sessions", type=int, default=1)
    given = parser.parse_args()
    asyncio.run(main(given.url, given.sessions))
