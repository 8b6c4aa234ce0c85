"""What telemetry costs: CPU of a conversation with everything that listens on, against the same with nothing.

    PYTHONPATH=. .venv/bin/python tests/load/telemetry_cost.py [--rounds N]

Each round is a recorded conversation of a minute in real time, once without and once with all sinks: event log, trace,
Laminar to a collector on loopback, JSON log, metrics with measurements, and the lines of the screen. The embedded
service and the collector run in processes of their own. What is counted is the CPU time of the conversation's process.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
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
    return made


async def talk(url: str, folder: Path, collector: str | None) -> tuple[float, int]:
    """One conversation; gives its CPU seconds, and how many turns it had."""
    arranged, environment = plan(url), Environment()
    options: dict[str, Any] = {"quiet": True}
    if collector is not None:
        environment = Environment(laminar_key="a-key-of-the-test", laminar_url=collector)
        names = {"events": "events", "trace": "trace", "metrics": "metrics"}
        options = {"plain": True, **{option: str(folder / name) for option, name in names.items()}}
        arranged.set("telemetry", {"log": "json", "log_file": str(folder / "log"), "content": "full"})
    bus = Bus(environment.secrets())
    turns = 0
    began = time.process_time()
    async with (
        listening(Occasion.of(bus, arranged, environment, options)) as listeners,
        converse(arranged, bus=bus, environment=environment) as conversation,
    ):
        listeners.meet(conversation)
        events = conversation.events()
        with trio.move_on_after(SECONDS):
            async for event in events:
                turns += event.name == "turn.end"
    return time.process_time() - began, turns


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with started("-m", "bin", "emulator", "--port", "0") as ready, started("-c", COLLECTOR) as collector:
        url = json.loads(ready)["url"]
        began = time.process_time()
        Exporter(Collector.of(collector), "a-key-of-the-test").take(None)
        imported = time.process_time() - began
        silence, stdout = os.open(os.devnull, os.O_WRONLY), os.dup(1)
        off: list[float] = []
        on: list[float] = []
        turns: set[int] = set()
        for number in range(rounds):
            for costs, where in ((off, None), (on, collector)):
                with tempfile.TemporaryDirectory() as folder:
                    os.dup2(silence, 1)
                    spent, ended = trio.run(talk, url, Path(folder), where)
                    os.dup2(stdout, 1)
                costs.append(100 * spent / SECONDS)
                turns.add(ended)
            sys.stdout.write(f"round {number + 1}: off {off[-1]:.2f} %, on {on[-1]:.2f} % of a core\n")
    more = [b - a for a, b in zip(off, on, strict=True)]
    sys.stdout.write(
        f"telemetry costs {statistics.mean(more):.2f} % of a core (by round {', '.join(f'{m:.2f}' for m in more)})\n"
    )
    sys.stdout.write(
        f"and once {imported:.2f} s of CPU for Laminar's import; turns in each conversation: {sorted(turns)}\n"
    )


if __name__ == "__main__":
    main()
