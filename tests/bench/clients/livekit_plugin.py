"""LiveKit's Gemini realtime plugin, its session alone: no room, no agent session, no device.

It gathers what it is given into messages of 50 ms, so twenty a second go up.
"""

# mypy: disable-error-code="import-not-found, misc"
import argparse
import asyncio
from typing import Any

from google.genai.types import HttpOptions
from livekit import rtc
from livekit.plugins.google.realtime import RealtimeModel

from tests.bench.clients.genai import client_for
from tests.bench.near import Near

QUEUED = 50  # messages that may wait in the plugin before we let it write


async def converse(near: Near, url: str, lag: float) -> None:
    """Holds one conversation, with a model of its own."""
    options = HttpOptions(base_url=url.replace("ws", "http", 1))
    session: Any = RealtimeModel(model="gemini-3.8-live", api_key="bench", http_options=options).session()
    client_for(url, session._client)
    replies = set()

    def interrupted(_event: object) -> None:
        near.silent()

    def begun(event: Any) -> None:
        if near.silent_at:  # the plugin says that speech has started also when a reply begins, in the same call
            near.silent_at.pop()
        reply = asyncio.create_task(follow(near, event))
        replies.add(reply)
        reply.add_done_callback(replies.discard)

    session.on("input_speech_started", interrupted)
    session.on("generation_created", begun)

    async def say(pcm: bytes) -> None:
        frame = rtc.AudioFrame(data=pcm, sample_rate=16000, num_channels=1, samples_per_channel=len(pcm) // 2)
        session.push_audio(frame)
        while session._msg_ch.qsize() > QUEUED:  # noqa: ASYNC110 - its queue tells nobody
            await asyncio.sleep(0)

    await near.talk(say, asyncio.sleep, lag)


async def main(url: str, sessions: int) -> None:
    """Holds so many conversations."""
    near = Near()
    near.obey()
    await asyncio.gather(*(converse(near, url, 0.02 * number / sessions) for number in range(sessions)))


async def follow(near: Near, reply: Any) -> None:
    """Takes one reply into our hands."""
    async for message in reply.message_stream:
        async for frame in message.audio_stream:
            near.heard(bytes(frame.data))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--sessions", type=int, default=1)
    given = parser.parse_args()
    asyncio.run(main(given.url, given.sessions))
