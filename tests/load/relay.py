"""How many relayed conversations stay in real time at once: the gateway, the far end and the callers on one machine.

    .venv/bin/python tests/load/relay.py 10 20 30
    .venv/bin/python tests/load/relay.py --document docs/WEBCLIENT.md   # the same, and the table goes there

Starts `bin/assistant serve --mode relay` and, as its far end, `bin/assistant emulator`. For each number given, so many
light clients talk at once: each speaks a recorded question in real time, is as quiet after it as a browser's noise
suppression makes a room, asks again, and plays the replies by its own clock. Prints for each number what a caller would
notice: how late the first sound comes, how often a reply ran dry, and how far the gateway's acknowledgement of the
microphone lags behind; and what of the processor the gateway, the far end with the processes that hear for it, and the
callers took.
"""

import argparse
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Any

import attrs
import msgspec
import numpy as np
import trio

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from actors.audio.recording import open_recording  # noqa: E402 - found by the line above
from actors.audio.resample import Resampler  # noqa: E402
from actors.gateway.relay_wire import HEADER  # noqa: E402
from tests.fixtures.sounds import NOISES  # noqa: E402
from tests.load.caller import Metronome, frame, framed, messages, upgraded  # noqa: E402
from tests.load.conversations import service  # noqa: E402
from tests.load.figures import Meter  # noqa: E402
from tests.load.limits import Round, body, written  # noqa: E402

COLUMNS = ("turns", "first sound p50 / p90 / p99, ms", "ran dry", "microphone behind, s", "faults",
           "MB, gateway + far end")  # fmt: skip
BLOCK, STEP = 640, 0.04
PLAYED = 960  # samples played in the time of a block of the microphone
TELLS_EVERY = 3  # blocks between two words on what was heard
LEAD, LONGEST_LEAD = 1440, 11_520  # samples that wait before sound begins, as in the page (static/audio/ring.js)
BINARY, CLOSE, PING, PONG = 2, 8, 9, 10  # RFC 6455, 5.2
ROOM = -50.0  # dB below full scale: the noise of an office, which no suppression has taken away
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


def question(room: float, noise: str) -> bytes:
    """Gives what every caller says: a question, then the pause in which it is answered, in a room with noise."""
    with open_recording(QUESTION) as recording:
        resampler = Resampler(recording.rate, 16_000)
        said = b"".join([*map(resampler.push, recording.blocks(4096)), resampler.flush()])
    clean = np.frombuffer(said, "<i2").astype(float)
    whole = np.pad(clean, (0, -(-round(PAUSE * 16_000) // BLOCK) * BLOCK - len(clean) % BLOCK))
    around = NOISES[noise](len(whole), 16_000, 1) * 32767 * 10 ** (room / 20)
    return bytes((whole + around).round().clip(-32768, 32767).astype("<i2").tobytes())


@attrs.define
class Caller:
    """One light client: a socket, a voice, a speaker that plays by the clock."""

    number: int
    said: bytes
    offset: float
    found: Found
    received: int = 0
    played: int = 0
    whole: int = 0  # the position up to which nothing more is to be waited for
    playing: bool = False
    lead: int = LEAD
    waited: int = 0
    acknowledged: int = 0
    told: int = 0
    _beats: int = 0

    async def talk(self, port: int, metronome: Metronome) -> None:
        """Talks until cancelled; a socket that is lost is a fault, and ends the talk."""
        await trio.sleep(self.offset)
        try:
            with socket.create_connection(("localhost", port)) as line:
                origin = f"Origin: http://localhost:{port}\r\n"
                data = await upgraded(line, "/api/relay", f"localhost:{port}", origin)
                line.send(frame({"type": "hello"}))
                with metronome.beating(self.number, partial(self._beat, line)):
                    await self._listen(line, data)
            self.found.faults.append("lost: the gateway closed the connection")
        except OSError as error:
            self.found.faults.append(f"lost: {error!r}")

    async def _listen(self, line: socket.socket, data: bytearray) -> None:
        try:
            async for kind, payload in messages(line, data):
                if kind == PING:
                    line.send(framed(PONG, payload))
                elif kind == CLOSE:
                    return
                else:
                    self._take(line, kind, payload)
        finally:
            with suppress(OSError):
                line.send(frame({"type": "end"}))

    def _beat(self, line: socket.socket, _slip: float) -> None:
        number, self._beats = self._beats, self._beats + 1
        at = 2 * BLOCK * number % len(self.said)
        block = HEADER.pack(BLOCK * number) + self.said[at : at + 2 * BLOCK]
        self._play()
        heard = b""
        if number % TELLS_EVERY == 0 and self.told != self.played:
            self.told = self.played
            heard = frame({"type": "heard", "position": self.played})
        if line.send(framed(BINARY, block) + heard) < len(block):
            raise BlockingIOError("the gateway leaves more unread than the system keeps")
        if number % 25 == 0 and number * STEP > SETTLED:
            self.found.lags.append((BLOCK * number - self.acknowledged) / 16_000)

    def _play(self) -> None:
        """Plays the time of a block as the page does: with a lead, which a reply that runs dry makes longer."""
        ready = self.received - self.played
        if ready and not self.playing:
            self.waited += PLAYED
            self.playing = ready >= self.lead or self.whole >= self.received or self.waited >= 2 * self.lead
        if self.playing:
            self.played += min(ready, PLAYED)
            if ready < PLAYED:
                self._ran_dry()

    def _ran_dry(self) -> None:
        self.playing, self.waited = False, 0
        if self.whole < self.received:
            self.found.dry += 1
            self.lead = min(2 * self.lead, LONGEST_LEAD)

    def _take(self, line: socket.socket, sort: int, payload: bytes) -> None:
        if sort == BINARY:
            (position,) = HEADER.unpack_from(payload)
            self.received = position + (len(payload) - HEADER.size) // 2
            return
        message: dict[str, Any] = msgspec.json.decode(payload)
        kind, event = message["type"], message.get("event")
        if kind == "whole":
            self.whole = message["position"]
        elif kind == "flush":
            at, self.played = self.played, message["until"]
            self.received = max(self.received, message["until"])
            self.whole, self.playing, self.waited, self.lead = self.received, False, 0, LEAD
            line.send(frame({"type": "flushed", "id": message["id"], "position": at}))
        elif kind == "mic":
            self.acknowledged = message["received"]
        elif event == "turn.first_audio":
            if message["fields"]["latency_ms"] is not None:
                self.found.latencies.append(message["fields"]["latency_ms"])
        elif event == "turn.end":
            self.found.turns += 1
        elif event == "error":
            self.found.faults.append(message["fields"]["what"])


async def round_of(callers: int, port: int, said: bytes, pids: tuple[int, int], seconds: float) -> tuple[Found, Meter]:
    """Runs so many callers at once; gives what they noticed, and the meter that ran meanwhile."""
    found, meter, metronome = Found(), Meter(*pids), Metronome(STEP)
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(metronome.run)
            for number in range(callers):
                # Spread over a whole question and its pause, as callers are who know nothing of each other.
                offset = number * len(said) / 32_000 / callers
                nursery.start_soon(Caller(number, said, offset, found).talk, port, metronome)
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
    processor = dict(zip(("the gateway", "the far end", "the callers"), shares, strict=True))
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
def gateway(far: str) -> Iterator[tuple[int, int]]:
    """Starts a gateway whose conversations are with this far end; gives its process and port."""
    limits = {"sessions": "1000", "sessions_per_user": "1000"}
    paces = ("requests_per_address", "tokens_per_address", "tokens_per_user")
    limits |= dict.fromkeys(paces, '"100000/minute"')
    weather = {"geocoding_url": "search", "forecast_url": "forecast"}  # the far end has that, too
    sets = [word for key, value in limits.items() for word in ("--set", f"gateway.limits.{key}={value}")]
    sets += [word for key, path in weather.items() for word in ("--set", f"tools.weather.{key}=http://{far}/v1/{path}")]
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", "0", "--endpoint", f"ws://{far}", "--mode", "relay", *sets]
        command = [sys.executable, "-m", "bin", "serve", *options]
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


async def measure(numbers: list[int], seconds: float, said: bytes, *, as_json: bool) -> list[Round]:
    """Starts the gateway, has so many callers say this over and over, and prints a line for each round."""
    rounds = []
    command = [sys.executable, "-P", "-m", "bin", "emulator", "--port", "0"]
    with service(command) as (helper, host, far), gateway(f"{host}:{far}") as (pid, port):
        for number in numbers:
            found, meter = await round_of(number, port, said, (pid, helper), seconds)
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
    parser.add_argument("callers", type=int, nargs="*", default=[10, 20, 30])
    parser.add_argument("-s", "--seconds", type=float, default=45.0)
    parser.add_argument("--room", type=float, default=ROOM, metavar="DB", help="the loudness of every caller's room")
    parser.add_argument("--noise", choices=NOISES, default="pink", help="what is heard in it")
    parser.add_argument("--json", action="store_true", help="a JSON object per line")
    parser.add_argument("--document", type=Path, help="puts a table between the marks of this document")
    options = parser.parse_args()
    said = question(options.room, options.noise)
    rounds = trio.run(lambda: measure(options.callers, options.seconds, said, as_json=options.json))
    if options.document:
        written(options.document, body(COLUMNS, rounds, options.seconds))


if __name__ == "__main__":
    main()
