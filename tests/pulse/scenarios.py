"""What the device tests do in a process of their own; each scenario says what it finds as lines of JSON.

python scenarios.py NAME JSON-SETTINGS
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from actors.audio import device
from actors.audio.capture import Block, Microphone
from actors.audio.device import devices, find
from actors.audio.speaker import Speaker
from pipeline.errors import AssistantError, DeviceUnavailable

DEADLINE = 40.0


def say(**found: Any) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def spread(values: list[float]) -> dict[str, float]:
    """Gives a measurement in ms, rounded."""
    marks = np.percentile(values, [0, 50, 99, 100]) * 1000 if values else [0.0] * 4
    return dict(zip(("min", "p50", "p99", "max"), np.round(marks, 2).tolist(), strict=True))


async def names() -> None:
    say(
        devices=[one.name for one in devices()],
        mic=find("HOUSE_MIC", "input").name,
        default=find(None, "output").name,
    )
    for wanted in ("house", "nowhere"):
        try:
            find(wanted, "input")
        except AssistantError as error:
            say(kind=type(error).__name__, text=str(error))


async def murmur(*, silenced: bool) -> None:
    """Has the libraries complain about a lost device, then complains itself."""
    if not silenced:
        device._silence_libraries = lambda: None  # type: ignore[assignment]
    async with Microphone("house_mic") as microphone:
        await microphone.next()
        say(opened=True)
        with contextlib.suppress(DeviceUnavailable):
            while True:
                await microphone.next()
    with contextlib.suppress(DeviceUnavailable):
        await Speaker("house_speaker").open()
    sys.stderr.write("still here\n")
    os.write(2, b"and here\n")


async def listen(path: str, seconds: float, device: str = "house_mic", **settings: Any) -> None:
    """Writes what the microphone hears, and says how steadily its blocks come."""
    blocks: list[tuple[Block, float]] = []
    async with Microphone(device, **settings) as microphone:
        info = microphone.info
        await microphone.next()
        say(opened=True, rate=info.rate, latency=info.latency, block=info.block)
        with trio.move_on_after(seconds):
            while True:
                block = await microphone.next()
                blocks.append((block, trio.current_time()))
    await trio.Path(path).write_bytes(b"".join(block.pcm for block, _ in blocks))
    steady = blocks[25:]
    arrivals = [arrival for _, arrival in steady]
    times = [block.at + len(block.pcm) / 32000 for block, _ in steady]
    say(
        blocks=len(blocks),
        intervals=spread(np.diff(arrivals).tolist()),
        age=spread([arrival - end for (_, arrival), end in zip(steady, times, strict=True)]),
        drift=spread([abs(b.at - e) for (b, _), e in zip(steady[1:], times[:-1], strict=True)]),
        overflows=microphone.overflows,
        dropped_ms=microphone.dropped_ms,
    )


async def late(seconds: float) -> None:
    """A reader that comes late finds the newest sound, and the loss counted."""
    async with Microphone("house_mic", keep=0.2) as microphone:
        await trio.sleep(seconds)
        dropped, now = microphone.dropped_ms, trio.current_time()
        first = await microphone.next()
        say(dropped_ms=dropped, age=now - first.at)


async def speak(path: str, fade_after: float | None = None, **settings: Any) -> None:
    """Plays a file through the ring, perhaps fading it out on the way."""
    pcm = await trio.Path(path).read_bytes()
    async with Speaker("house_speaker", **settings) as speaker:
        say(opened=True, rate=speaker.info.rate, latency=speaker.info.latency)
        await trio.sleep(0.3)
        ring = speaker.ring
        ring.expecting = True
        ring.mark(1, start=True)
        asked = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(play_all, speaker, pcm)
            if fade_after is not None:
                await trio.sleep(fade_after)
                asked_fade = trio.current_time()
                nursery.cancel_scope.cancel("faded")
        if fade_after is not None:
            discarded = speaker.fade_out()
            ring.mark(2)
        while not any(crossing.tag == 2 for crossing in ring.crossings):
            await speaker.changed()
        await trio.sleep(0.3)
        start, end = (next(c for c in ring.crossings if c.tag == tag) for tag in (1, 2))
        say(
            heard=ring.heard,
            underruns=ring.underruns,
            underflows=speaker.underflows,
            first_ms=1000 * (start.at - asked),
            lasted=end.at - start.at,
            silent_ms=1000 * (end.at - asked_fade) if fade_after is not None else None,
            discarded=discarded if fade_after is not None else 0,
        )


async def play_all(speaker: Speaker, pcm: bytes) -> None:
    for start in range(0, len(pcm), 1920):
        await speaker.write(pcm[start : start + 1920])
    await speaker.finish()
    speaker.ring.expecting = False
    speaker.ring.mark(2)


async def echo(clicks: int, block_ms: float = 20.0) -> None:
    """Sends clicks to the speaker and waits for them at the microphone that hears it."""
    tones: list[dict[str, float]] = []
    async with Microphone("house_echo", block_ms=block_ms) as microphone, Speaker("house_speaker", block_ms) as speaker:
        with trio.move_on_after(1.0):
            while True:
                await microphone.next()
        for tag in range(clicks):
            await trio.sleep(0.003 * (tag % 7))
            speaker.ring.mark(tag, start=True)
            sent = trio.current_time()
            await speaker.write((12000 * np.sin(np.arange(480) / 2)).astype("<i2").tobytes())
            with trio.move_on_after(0.6):
                while True:
                    block = await microphone.next()
                    loud = np.flatnonzero(np.abs(np.frombuffer(block.pcm, "<i2")) > 2000)
                    if len(loud) and len(tones) == tag:
                        heard_at = block.at + int(loud[0]) / 16000
                        crossing = speaker.ring.crossings[-1]
                        tones.append(
                            {"round": trio.current_time() - sent, "clocks": heard_at - crossing.at,
                             "out": crossing.at - sent, "in": trio.current_time() - heard_at}
                        )  # fmt: skip
    say(
        found=len(tones),
        **{key: spread([tone[key] for tone in tones]) for key in ("round", "out", "in", "clocks")},
        output_latency=speaker.info.latency,
        input_latency=microphone.info.latency,
        underflows=speaker.underflows,
    )


async def lose(direction: str) -> None:
    """Waits for the loss of a device, then opens it again until it is back."""
    await (lose_microphone() if direction == "input" else lose_speaker())
    again = time.monotonic()
    while True:
        try:
            if direction == "input":
                async with Microphone("house_mic") as microphone:
                    await microphone.next()
            else:
                async with Speaker("house_speaker") as speaker:
                    speaker.ring.mark(1)
                    with trio.fail_after(2):
                        await speaker.changed()
        except DeviceUnavailable as error:
            say(refused=str(error), took=time.monotonic() - again)
            await trio.sleep(0.2)
            again = time.monotonic()
        else:
            say(back=True)
            return


async def lose_microphone() -> None:
    async with Microphone("house_mic") as microphone:
        await microphone.next()
        say(opened=True)
        try:
            while True:
                await microphone.next()
        except DeviceUnavailable as error:
            say(lost=str(error), at=time.monotonic())


async def lose_speaker() -> None:
    async with Speaker("house_speaker") as speaker:
        await trio.sleep(0.3)
        say(opened=True)
        error = await speaker.lost()
        say(lost=str(error), at=time.monotonic())
        wrote = "yes"
        try:
            with trio.fail_after(3):
                await speaker.write(bytes(96000))
        except DeviceUnavailable:
            wrote = "no"
        say(wrote=wrote)


async def leave() -> None:
    """Ends the program with both devices open and dead, which must not hang."""
    microphone, speaker = Microphone("house_mic"), Speaker("house_speaker")
    await microphone.open()
    await speaker.open()
    say(opened=True)
    with contextlib.suppress(DeviceUnavailable):
        while True:
            await microphone.next()
    say(leaving=time.monotonic())


def main() -> None:
    scenarios = {f.__name__: f for f in (names, murmur, listen, late, speak, echo, lose, leave)}
    trio.run(partial(within_deadline, partial(scenarios[sys.argv[1]], **json.loads(sys.argv[2]))))
    say(ended=time.monotonic())


async def within_deadline(scenario: Callable[[], Awaitable[None]]) -> None:
    with trio.fail_after(DEADLINE):
        await scenario()


if __name__ == "__main__":
    main()
