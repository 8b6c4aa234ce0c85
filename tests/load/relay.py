"""How many relayed conversations stay in real time at once: the gateway, the far end and the callers on one machine.

    python tests/load/relay.py 5 10 20 40

Starts `bin/assistant serve --mode relay` with the embedded service behind it. For each number given, so many light
clients talk at once: each speaks a recorded question in real time, over and over, and plays the reply by its own clock.
Prints for each number what a caller would notice: how late the first sound comes, how often a reply ran dry, and how
far the gateway's acknowledgement of the microphone lags behind.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path
from statistics import quantiles
from typing import Any

import attrs
import msgspec
import trio
import trio_websocket as ws

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from actors.audio.recording import open_recording  # noqa: E402 - found by the line above
from actors.audio.resample import Resampler  # noqa: E402
from actors.gateway.relay_wire import HEADER  # noqa: E402

SECONDS = 60.0
BLOCK, STEP = 640, 0.04
PAUSE = 12.0  # seconds between two questions of one caller: the reply is heard out
QUESTION = ROOT / "tests" / "fixtures" / "weather-paris.flac"
SETTLED = 5.0  # seconds in which a conversation may still be setting itself up
IN_TIME = 0.25  # seconds behind real time that nobody notices


@attrs.define
class Found:
    """What all callers of one round noticed."""

    latencies: list[float] = attrs.field(factory=list)
    lags: list[float] = attrs.field(factory=list)
    turns: int = 0
    dry: int = 0
    faults: list[str] = attrs.field(factory=list)


def question() -> bytes:
    """Gives what every caller says: a question, then the pause in which it is answered."""
    with open_recording(QUESTION) as recording:
        resampler = Resampler(recording.rate, 16_000)
        said = b"".join([*map(resampler.push, recording.blocks(4096)), resampler.flush()])
    whole = said + bytes(2 * round(PAUSE * 16_000))
    return whole[: len(whole) - len(whole) % (2 * BLOCK)]


@attrs.define
class Caller:
    """One light client: a socket, a voice, a speaker that plays by the clock."""

    said: bytes
    offset: float
    found: Found
    received: int = 0
    played: float = 0.0
    whole: bool = True
    acknowledged: int = 0

    async def talk(self, port: int) -> None:
        """Talks until cancelled; a socket that is lost is a fault, and ends the talk."""
        await trio.sleep(self.offset)
        try:
            await self._talk(port)
        except* (ws.ConnectionClosed, ws.HandshakeError, OSError) as group:
            self.found.faults.append(f"lost: {group.exceptions[0]!r}")

    async def _talk(self, port: int) -> None:
        headers = [(b"Origin", f"http://localhost:{port}".encode())]
        async with ws.open_websocket("localhost", port, "/api/relay", use_ssl=False, extra_headers=headers) as socket:
            await socket.send_message('{"type":"hello"}')
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._speak, socket)
                nursery.start_soon(self._play, socket)
                try:
                    while True:
                        await self._take(socket, await socket.get_message())
                finally:
                    with trio.move_on_after(2, shield=True):
                        await socket.send_message('{"type":"end"}')

    async def _speak(self, socket: ws.WebSocketConnection) -> None:
        began = trio.current_time()
        for number in count():
            await trio.sleep_until(began + (number + 1) * STEP)
            at = 2 * BLOCK * number % len(self.said)
            await socket.send_message(HEADER.pack(BLOCK * number) + self.said[at : at + 2 * BLOCK])
            if number % 25 == 0 and number * STEP > SETTLED:
                self.found.lags.append((BLOCK * number - self.acknowledged) / 16_000)

    async def _play(self, socket: ws.WebSocketConnection) -> None:
        """Plays what there is, a tenth of a second at a time, and says so."""
        began = trio.current_time()
        for tick in count(1):
            await trio.sleep_until(began + tick / 10)
            ready = self.received - self.played
            if ready <= 0:
                continue
            self.found.dry += ready < 2400 and not self.whole
            self.played += min(ready, 2400)
            await socket.send_message(json.dumps({"type": "heard", "position": int(self.played)}))

    async def _take(self, socket: ws.WebSocketConnection, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            (position,) = HEADER.unpack_from(frame)
            self.received = position + (len(frame) - HEADER.size) // 2
            return
        message: dict[str, Any] = msgspec.json.decode(frame)
        kind, event = message["type"], message.get("event")
        if kind == "whole":
            self.whole = True
        elif kind == "flush":
            at, self.played, self.whole = int(self.played), message["until"], True
            self.received = max(self.received, message["until"])
            await socket.send_message(json.dumps({"type": "flushed", "id": message["id"], "position": at}))
        elif kind == "mic":
            self.acknowledged = message["received"]
        elif event == "turn.first_audio":
            self.whole = False
            if message["fields"]["latency_ms"] is not None:
                self.found.latencies.append(message["fields"]["latency_ms"])
        elif event == "turn.end":
            self.whole = True
            self.found.turns += 1
        elif event == "error":
            self.found.faults.append(message["fields"]["what"])


async def round_of(callers: int, port: int, said: bytes, pid: int) -> None:
    """Runs so many callers at once, and prints what they noticed."""
    found = Found()
    busy, own_busy = _cpu(pid), sum(os.times()[:2])
    began = trio.current_time()
    with trio.move_on_after(SECONDS):
        async with trio.open_nursery() as nursery:
            for number in range(callers):
                # Spread over a whole question and its pause, as callers are who know nothing of each other.
                offset = number * len(said) / 32_000 / callers
                nursery.start_soon(Caller(said, offset, found).talk, port)
    taken = trio.current_time() - began
    p50, p90, p99 = _percentiles(found.latencies)
    lag = max(found.lags, default=math.nan)
    share = 100 * (_cpu(pid) - busy) / taken
    own = 100 * (sum(os.times()[:2]) - own_busy) / taken
    verdict = "in real time" if found.dry == 0 and lag < 1 + IN_TIME and not found.faults else "too many"
    tell(
        f"{callers:4d} callers: {found.turns:4d} turns, first sound after {p50:.0f} / {p90:.0f} / {p99:.0f} ms "
        f"(p50/p90/p99), ran dry {found.dry} times, microphone behind by {lag:.2f} s at most, gateway {share:.0f} % of "
        f"a core, callers {own:.0f} %, {len(found.faults)} faults: {verdict}"
    )
    for fault in sorted(set(found.faults))[:3]:
        tell(f"     {fault}")


def tell(line: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _percentiles(values: list[float]) -> tuple[float, float, float]:
    if len(values) < 2:
        return math.nan, math.nan, math.nan
    cuts = quantiles(values, n=100)
    return cuts[49], cuts[89], cuts[98]


def _cpu(pid: int) -> float:
    """Gives the seconds of processor time a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def main(numbers: list[int]) -> None:
    """Starts the gateway and runs the rounds."""
    limits = {"sessions": 1000, "sessions_per_user": 1000, "requests_per_address": '"100000/minute"'}
    sets = [word for key, value in limits.items() for word in ("--set", f"gateway.limits.{key}={value}")]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bin", "serve", "--port", "0", "--backend", "local", "--mode", "relay", *sets]
        environment = {**os.environ, "XDG_STATE_HOME": folder}
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment)  # noqa: ASYNC220 - once, before anything runs
        try:
            assert process.stdout is not None
            port = int(json.loads(process.stdout.readline())["url"].rpartition(":")[2])
            for number in numbers:
                await round_of(number, port, question(), process.pid)
                await trio.sleep(3)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


if __name__ == "__main__":
    trio.run(main, [int(word) for word in sys.argv[1:]] or [5, 10, 20, 40])
