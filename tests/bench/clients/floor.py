"""The floor: a bare trio-websocket loop with JSON made by hand. No supervision, no resumption, no gate."""

import argparse
import base64
import json
import ssl

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from tests.bench.near import Near

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


async def converse(near: Near, url: str, lag: float) -> None:
    """Holds one conversation until the far end closes it."""
    context = ssl.create_default_context() if url.startswith("wss") else None
    async with open_websocket_url(url + PATH, ssl_context=context) as socket, trio.open_nursery() as nursery:
        await socket.send_message(json.dumps({"setup": {"model": "models/bench"}}))
        await socket.get_message()

        async def say(pcm: bytes) -> None:
            blob = {"mimeType": "audio/pcm;rate=16000", "data": base64.b64encode(pcm).decode()}
            await socket.send_message(json.dumps({"realtimeInput": {"audio": blob}}))

        nursery.start_soon(near.talk, say, trio.sleep, lag)
        await listen(near, socket)


async def listen(near: Near, socket: WebSocketConnection) -> None:
    """Takes what comes into our hands."""
    while True:
        try:
            content = json.loads(await socket.get_message()).get("serverContent", {})
        except ConnectionClosed:
            return
        if "modelTurn" in content:
            near.heard(base64.b64decode(content["modelTurn"]["parts"][0]["inlineData"]["data"]))
        elif content.get("interrupted"):
            near.silent()


async def main(url: str, sessions: int) -> None:
    """Holds so many conversations."""
    near = Near()
    near.obey()
    async with trio.open_nursery() as nursery:
        for number in range(sessions):
            nursery.start_soon(converse, near, url, 0.02 * number / sessions)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--sessions", type=int, default=1)
    given = parser.parse_args()
    trio.run(main, given.url, given.sessions)
