"""How many relayed conversations stay in real time at once: the gateway, the far end and the callers on one machine.

    .venv/bin/python tests/load/relay.py 5 10 20 40
    .venv/bin/python tests/load/relay.py --document docs/WEBCLIENT.md   # the same, and the table goes there

Starts `bin/assistant serve --mode relay` with the embedded service in it. For each number given, so many light
clients talk at once: each speaks a recorded question in real time, over and over, and plays the reply by its own clock.
Prints for each number what a caller would notice: how late the first sound comes, how often a reply ran dry, and how
far the gateway's acknowledgement of the microphone lags behind; and what of the processor the gateway, the processes
that hear for its service, and the callers took.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
from tests.load.figures import Meter  # noqa: E402
from tests.load.limits import Round, body, written  # noqa: E402

COLUMNS = ("turns", "first sound p50 / p90 / p99, ms", "ran dry", "microphone behind, s", "faults",
           "MB, gateway + hearing")  # fmt: skip
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


async def round_of(callers: int, port: int, said: bytes, pid: int, seconds: float) -> tuple[Found, Meter]:
    """Runs so many callers at once; gives what they noticed, and the meter that ran meanwhile."""
    found, meter = Found(), Meter(pid)
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for number in range(callers):
                # Spread over a whole question and its pause, as callers are who know nothing of each other.
                offset = number * len(said) / 32_000 / callers
                nursery.start_soon(Caller(said, offset, found).talk, port)
    return found, meter


def summed(callers: int, found: Found, meter: Meter) -> Round:
    """Sums up what a round's callers noticed."""
    shares, megabytes, others = meter.read()
    lag = max(found.lags, default=math.nan)
    late = []
    if found.dry:
        late.append(f"replies ran dry {found.dry} times")
    if lag >= 1 + IN_TIME:
        late.append(f"the microphone was {lag:.2f} s behind")
    if found.faults:
        late.append(f"there were {len(found.faults)} faults ({found.faults[0]})")
    shown = (
        str(found.turns), " / ".join(f"{value:.0f}" for value in _percentiles(found.latencies)), str(found.dry),
        f"{lag:.2f}", str(len(found.faults)), f"{megabytes[0]:.0f} + {megabytes[1]:.0f}",
    )  # fmt: skip
    processor = dict(zip(("the gateway", "hearing", "the callers"), shares, strict=True))
    return Round(callers, tuple(late), processor, others, shown)


def tell(line: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _percentiles(values: list[float]) -> tuple[float, float, float]:
    if len(values) < 2:
        return math.nan, math.nan, math.nan
    cuts = quantiles(values, n=100)
    return cuts[49], cuts[89], cuts[98]


@contextmanager
def gateway() -> Iterator[tuple[int, int]]:
    """Starts the gateway with the embedded service; gives its process and port."""
    limits = {"sessions": 1000, "sessions_per_user": 1000, "requests_per_address": '"100000/minute"'}
    sets = [word for key, value in limits.items() for word in ("--set", f"gateway.limits.{key}={value}")]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bin", "serve", "--port", "0", "--backend", "local", "--mode", "relay", *sets]
        environment = {**os.environ, "XDG_STATE_HOME": folder}
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            if not ready:
                raise SystemExit("the gateway did not start; what it says stands above")
            yield process.pid, int(json.loads(ready)["url"].rpartition(":")[2])
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def measure(numbers: list[int], seconds: float, *, as_json: bool) -> list[Round]:
    """Starts the gateway, runs the rounds, and prints a line for each."""
    rounds = []
    with gateway() as (pid, port):
        for number in numbers:
            found, meter = await round_of(number, port, question(), pid, seconds)
            rounds.append(one := summed(number, found, meter))
            if as_json:
                tell(json.dumps(attrs.asdict(one)))
            else:
                told = ", ".join(f"{name} {value}" for name, value in zip(COLUMNS, one.shown, strict=True))
                shares = ", ".join(f"{name} {share:.0f} %" for name, share in one.processor.items())
                tell(f"{number:4d} callers: {told}; {shares}, others {one.others:.0f} % of a core: {one.verdict}")
            await trio.sleep(3)
    return rounds


def main() -> None:
    """Measures as the options say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("callers", type=int, nargs="*", default=[5, 10, 20, 40])
    parser.add_argument("-s", "--seconds", type=float, default=45.0)
    parser.add_argument("--json", action="store_true", help="a JSON object per line")
    parser.add_argument("--document", type=Path, help="puts a table between the marks of this document")
    options = parser.parse_args()
    rounds = trio.run(lambda: measure(options.callers, options.seconds, as_json=options.json))
    if options.document:
        written(options.document, body(COLUMNS, rounds, options.seconds))


if __name__ == "__main__":
    main()
