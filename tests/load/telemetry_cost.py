"""What telemetry costs: CPU of a conversation with everything that listens on, against the same with nothing.

    PYTHONPATH=. .venv/bin/python tests/load/telemetry_cost.py [--rounds N] [--with record,screen]

Each round is a recorded conversation of a minute in real time, twice side by side, so that what else the machine does
weighs on both alike: once without, and once with all that can listen. That is event log, trace, Laminar to a collector
on loopback, JSON log, metrics with measurements, the recording, and the live screen on a terminal of 120 by 40. Each
conversation is a process of its own, whose user and system time count; so are the embedded service, the collector and
whoever reads the terminal. `--with` names what is to listen instead of everything.
"""

import argparse
import contextlib
import fcntl
import json
import os
import pty
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import trio

from pipeline import Bus, Plan, converse
from pipeline.environment import Environment
from telemetry.laminar import Collector, Exporter
from telemetry.sinks import Occasion, listening

ROOT = Path(__file__).parent.parent.parent
SOUND = ROOT / "bin" / "demos" / "conversation.flac"
SECONDS = 58.0
SINKS = ("events", "trace", "laminar", "log", "metrics", "record", "screen")
WINDOW = struct.pack("HHHH", 40, 120, 0, 0)
COLLECTOR = """
import http.server, sys
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
server.serve_forever()
"""


def plan(url: str) -> Plan:
    made = Plan.load()
    made.set("tools.use", ["tools.clock"])
    made.set("actors.connection.endpoint", url)
    made.set("actors.microphone", {"use": "actors.microphone:Recording", "path": str(SOUND)})
    made.set("actors.playback.use", "actors.playback:Discard")
    made.set("telemetry.content", "full")
    return made


async def talk(url: str, folder: Path, collector: str, sinks: Sequence[str]) -> int:
    """One conversation; gives how many turns it had."""
    arranged = plan(url)
    environment = Environment(laminar_key="a-key-of-the-test", laminar_url=collector)
    if "log" in sinks:
        arranged.set("telemetry", {"log": "json", "log_file": str(folder / "log"), "content": "full"})
    arranged.set("telemetry.laminar", value="laminar" in sinks)
    files = {name: str(folder / name) for name in ("events", "trace", "metrics", "record") if name in sinks}
    options: dict[str, Any] = {"quiet": "screen" not in sinks, "who": "the embedded service answers", **files}
    bus = Bus(environment.secrets())
    turns = 0
    async with (
        listening(Occasion.of(bus, arranged, environment, options)) as listeners,
        converse(arranged, bus=bus, environment=environment) as conversation,
    ):
        listeners.meet(conversation)
        events = conversation.events()
        with trio.move_on_after(SECONDS):
            async for event in events:
                turns += event.name == "turn.end"
    return turns


def spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def one(url: str, collector: str, sinks: Sequence[str]) -> None:
    """The process of one conversation: says on stderr what it took. What is slow to import is there before."""
    from telemetry import metrics, screen, story

    del metrics, screen, story
    began = spent()
    if "laminar" in sinks:
        Exporter(Collector.of(collector), "a-key-of-the-test").take(None)
    imported = spent() - began
    with tempfile.TemporaryDirectory() as folder:
        began = spent()
        turns = trio.run(talk, url, Path(folder), collector, sinks)
        took = spent() - began
    sys.stderr.write(json.dumps({"percent": 100 * took / SECONDS, "turns": turns, "imported": imported}) + "\n")


@contextlib.contextmanager
def started(*command: str) -> Iterator[str]:
    """Runs a process that says in its first line where it is."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def begun(url: str, collector: str, sinks: Sequence[str]) -> "tuple[subprocess.Popen[str], subprocess.Popen[bytes]]":
    """Begins a conversation on a terminal of its own, and someone who reads that."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, WINDOW)
    reader = subprocess.Popen(["cat"], stdin=ours, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    command = [sys.executable, __file__, "--one", url, collector, "--with", ",".join(sinks)]
    environment = os.environ | {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE, text=True, env=environment
    )
    os.close(ours)
    os.close(theirs)
    return process, reader


def figures(process: "subprocess.Popen[str]", reader: "subprocess.Popen[bytes]") -> dict[str, Any]:
    """Waits for a conversation's end and gives what it took."""
    said = process.communicate()[1]
    reader.kill()
    reader.wait()
    found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--with", dest="sinks", default=",".join(SINKS))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sinks = [name for name in options.sinks.split(",") if name]
    if options.one:
        one(*options.one, sinks)
        return
    more: list[float] = []
    with started("-m", "bin", "emulator", "--port", "0") as ready, started("-c", COLLECTOR) as collector:
        url = json.loads(ready)["url"]
        for number in range(options.rounds):
            ways = ((), sinks) if number % 2 else (sinks, ())
            both = [figures(*each) for each in [begun(url, collector, way) for way in ways]]
            off, on = both if number % 2 else both[::-1]
            more.append(on["percent"] - off["percent"])
            sys.stdout.write(
                f"round {number + 1}: off {off['percent']:.2f} %, on {on['percent']:.2f} % of a core; "
                f"turns {off['turns']} and {on['turns']}, Laminar's import {on['imported']:.2f} s\n"
            )
            sys.stdout.flush()
    rounds = ", ".join(f"{each:.2f}" for each in more)
    sys.stdout.write(f"{', '.join(sinks)} cost {statistics.mean(more):.2f} % of a core (by round {rounds})\n")


if __name__ == "__main__":
    main()
