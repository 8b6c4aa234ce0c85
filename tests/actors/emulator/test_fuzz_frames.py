"""Ten thousand mangled messages, three thousand mangled frames: each is taken, or ends its connection as documented.

Hypothesis draws seeds; what a seed stands for is made by plain dice, which is a hundred times as quick as drawing every
part of it, so that all of it fits into a test run. Where real parts are required all are tried, elsewhere a tenth.
"""

import base64
import copy
import json
import os
import random
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.emulator.wire import LONGEST_REASON

EACH = 100
ENDLESS = {"connection_life": 1e6, "session_limit": 1e6, "video_limit": 1e6}
REFUSED = {1007, 1008}  # live-protocol 7: what the service says to messages it does not take
MALFORMED = {1002, 1003, 1007, 1009}  # RFC 6455, 7.4.1: what a WebSocket says to frames that are none
SOUND = base64.b64encode(bytes(640)).decode()

GOOD: list[Any] = [
    {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": SOUND}}},
    {"realtime_input": {"media_chunks": [{"mime_type": "audio/pcm;rate=24000", "data": SOUND}]}},
    {"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "_9g="}}},
    {"realtimeInput": {"text": "say one then call f"}},
    {"realtimeInput": {"audioStreamEnd": True}},
    {"realtimeInput": {"activityStart": {}}},
    {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "hi"}, {"text": "you"}]}], "turnComplete": False}},
    {"client_content": {"turns": [{"role": "model", "parts": [{"text": "yo"}]}], "turnComplete": True}},
    {"toolResponse": {"functionResponses": [{"id": "x", "name": "f", "response": {"output": [1, {"a": None}]}}]}},
    {"tool_response": {"functionResponses": [{"id": "x", "name": "f", "response": {}, "scheduling": "SILENT"}]}},
    {"contextUpdate": {"systemInstruction": {"parts": [{"text": "x"}]}, "tools": {"tools": []}}},
    {
        "contextUpdate": {
            "tools": {"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}]}
        }
    },
    {"setup": {"model": "models/gemini-3.8-live", "generationConfig": {"responseModalities": ["AUDIO"]}}},
]
JUNK: list[Any] = [None, True, 0, -1, 2**63, 1e308, "", "x", "AUDIO", "\0", "\ud7ff", "é" * 70, [], {}, [[]], {"": {}}]
NAMES = [
    "text",
    "audio",
    "setup",
    "turns",
    "parts",
    "id",
    "data",
    "mime_type",
    "mimeType",
    "role",
    "",
    "x",
    "__class__",
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a JSON value, with a key of it."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


def mangled(dice: random.Random) -> str | bytes:
    """A message of the protocol with a few things wrong with it, or none."""
    message = copy.deepcopy(dice.choice(GOOD))
    for _ in range(dice.choice([0, 0, 0, 1, 1, 2])):
        container, key = dice.choice(list(places(message)) or [({}, None)])
        if key is None:
            continue
        change = dice.randrange(5)
        if change == 0:
            container[key] = copy.deepcopy(dice.choice(JUNK))
        elif change == 1 and isinstance(container, dict):
            container[dice.choice(NAMES)] = container.pop(key)
        elif change == 2 and isinstance(container, dict):
            container[dice.choice(NAMES)] = copy.deepcopy(dice.choice(JUNK))
        elif change == 3:
            container[key] = [container[key]] * dice.randrange(3)
        else:
            container[key] = copy.deepcopy(dice.choice(GOOD))
    text = json.dumps(message, ensure_ascii=dice.random() < 0.5)
    if dice.random() < 0.1:
        at = dice.randrange(len(text))
        text = text[:at] + dice.choice(["", "{", '"', "\\", "]", "1e999", text]) + text[at + dice.randrange(3) :]
    raw = text.encode("utf-8", "surrogatepass")
    if dice.random() < 0.05:
        at = dice.randrange(len(raw))
        return raw[:at] + dice.randbytes(3) + raw[at:]
    return raw if dice.random() < 0.3 else raw.decode("utf-8", "surrogatepass")


def framed(dice: random.Random) -> bytes:
    """A frame with any head, and as much payload as it says, or less, or more."""
    payload = dice.randbytes(dice.choice([0, 1, 2, 20, 125, 126, 300]))
    if dice.random() < 0.4:
        payload = json.dumps(dice.choice(GOOD)).encode()
    first = dice.choice([0x81, 0x82, dice.randrange(256)])
    said = dice.choice([len(payload)] * 6 + [0, 1, 2**16, 2**31, 2**63 - 1, 2**63])
    masked = dice.choice([0x80, 0x80, 0x80, 0])
    if said < 126 and dice.random() < 0.9:
        head = bytes([first, masked | said])
    elif said < 2**16:
        head = bytes([first, masked | 126]) + struct.pack(">H", said)
    else:
        head = bytes([first, masked | 127]) + struct.pack(">Q", said)
    key = dice.randbytes(4) if masked else b""
    hidden = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload)) if key else payload
    return head + key + hidden


def seeds(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def drawn(function: Callable[..., None]) -> Callable[..., None]:
        return settings(max_examples=examples // SHARE)(given(st.integers(0, 2**32 - 1))(function))

    return drawn


def run(main: Callable[[], Any]) -> None:
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


SHARE = 1 if os.environ.get("REAL_PARTS") == "required" else 10  # of so many seeds one is tried


async def closed(client: Any) -> Any:
    with trio.fail_after(30):
        return await client.closed()


async def is_unharmed(world: Any, bystander: Any, audio: Callable[[list[Any]], bytes]) -> bool:
    """Says whether somebody else's conversation goes on as ever, and nothing has gone wrong elsewhere."""
    await bystander.text("still there")
    return (
        world.faults == []
        and len(audio(await bystander.until("turnComplete"))) == len("You said still there.") * 0.04 * 48_000
    )


@seeds(100)
def test_mangled_messages(build: Any, audio: Any, seed: int) -> None:
    async def main() -> None:
        dice = random.Random(seed)
        async with build(**ENDLESS) as world:
            bystander, client = await world.ready(), await world.ready()
            for _ in range(EACH):
                message = mangled(dice)
                await (client.send_text(message) if isinstance(message, str) else client.send_bytes(message))
                await trio.testing.wait_all_tasks_blocked()
                if len(world.service.connections) < 2 or not world.service.connections[-1].open:
                    ended = await closed(client)
                    assert ended.code in REFUSED, message
                    assert 0 < len(ended.reason.encode()) <= LONGEST_REASON
                    client = await world.ready()
            await client.text("hush")
            assert await is_unharmed(world, bystander, audio)
            assert len(world.service.connections) == 2

    run(main)


@seeds(30)
def test_mangled_frames(build: Any, audio: Any, seed: int) -> None:
    async def main() -> None:
        dice = random.Random(seed)
        async with build(**ENDLESS) as world:
            bystander = await world.ready()
            for _ in range(EACH // 5):
                client = await world.ready()
                with suppress(trio.BrokenResourceError):
                    for _ in range(5):
                        await client.stream.send_all(framed(dice))
                        await trio.testing.wait_all_tasks_blocked()
                if len(world.service.connections) == 2 and world.service.connections[-1].open:
                    await trio.aclose_forcefully(client.stream)  # it still waits for the rest of a frame
                else:
                    code = (await closed(client)).code
                    assert code in MALFORMED | REFUSED | {1000, 1005}, code
                await trio.sleep(10)
                assert len(world.service.connections) == 1
            assert await is_unharmed(world, bystander, audio)

    run(main)


async def test_a_bad_frame_is_told_as_the_standard_says(build: Any, autojump_clock: Any) -> None:
    frames = {
        b"\x83\x80\0\0\0\0": 1002,  # an opcode that is none
        b"\xc1\x80\0\0\0\0": 1002,  # a bit of an extension nobody agreed on
        b"\x81\x00": 1002,  # no mask
        b"\x80\x80\0\0\0\0": 1002,  # the rest of no message
        b"\x09\x80\0\0\0\0": 1002,  # half a ping
        b"\x81\x82\0\0\0\0\xc3\x28": 1007,  # a text that is no UTF-8
        b"\x82\xff" + struct.pack(">Q", 2**63): 1002,  # longer than there are bytes
    }
    async with build() as world:
        for frame, code in frames.items():
            client = await world.ready()
            await client.stream.send_all(frame)
            assert (await closed(client)).code == code, frame
