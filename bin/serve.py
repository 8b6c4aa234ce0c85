"""`assistant serve`: the token server and the web client."""

import argparse
import json
import os
import secrets
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path

import attrs
import platformdirs
import trio

from actors.gateway.gateway import Threshold
from bin.arrange import APP, Arrangement, arrange, serve_locally
from pipeline.events import Bus
from pipeline.plan import Plan
from pipeline.working import plan_of, working
from telemetry.lines import Lines
from telemetry.sinks import SINKS, Occasion, listening

INTERRUPTED = 130
END_WITHIN = 3.5  # seconds from the signal to the end of the gateway, whoever still talks
LAST_RESORT = 4.8  # seconds after which the process ends whatever holds it up


def main(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or Ctrl-C, and gives the exit code."""
    return trio.run(_main, _arranged(options), options, restrict_keyboard_interrupt_to_checkpoints=True)


def _arranged(options: argparse.Namespace) -> Arrangement:
    """Arranges as for a conversation, except that no conversation of a browser is kept on this machine's disk."""
    arrangement = arrange(options)
    plan = arrangement.plan
    plan.set("actors.connection.handle_file", "", "bin/assistant serve")
    plan.set("actors.connection.cache", "", "bin/assistant serve")
    if options.mode:
        plan.set("gateway.mode", options.mode, "--mode")
    if "audit" not in plan.table("gateway"):
        plan.set("gateway.audit", str(Path(platformdirs.user_state_path(APP)) / "audit.jsonl"), "bin/assistant serve")
    return arrangement


async def _main(arrangement: Arrangement, options: argparse.Namespace) -> int:
    async with _answering(arrangement, options.host) as (arranged, live_port):
        bus = Bus(arranged.environment.secrets())
        occasion = Occasion.of(bus, arranged.plan, arranged.environment, {"quiet": True})
        async with listening(occasion, (*SINKS, _lines)):
            return await _serve(arranged, bus, options, live_port)


def _lines(occasion: Occasion) -> Lines:
    """Opens what the operator reads: stdout is for the line that tells where the gateway is."""
    return Lines(occasion.bus.secrets, _complain)


async def _serve(arranged: Arrangement, bus: Bus, options: argparse.Namespace, live_port: int) -> int:
    plan = plan_of("serve", arranged.plan)
    endpoint = arranged.plan.table("actors", "connection").get("endpoint", "")
    settings = {"host": options.host, "port": options.port, "endpoint": endpoint, "live_port": live_port}
    for key, value in settings.items():
        plan.set(f"actors.gateway.{key}", value, "the command line")
    plan.set("actors.gateway.conversation", lambda: deepcopy(arranged.plan))
    number = signal.SIGTERM
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with working(plan, bus, arranged.environment) as house:
            threshold: Threshold = house.shared(Threshold)
            await threshold.ready.wait()
            print(json.dumps({"ready": True, "url": threshold.url, "live_url": threshold.live_url}), flush=True)
            number = signal.Signals(await anext(signals))
            _end_at_last(_code(number))
            threshold.closing.set()
            with trio.move_on_after(END_WITHIN):
                await threshold.ended.wait()
    return _code(number)


def _code(number: signal.Signals) -> int:
    return INTERRUPTED if number is signal.SIGINT else 0


def _end_at_last(code: int) -> None:
    """Ends the process when clients of the embedded service, or a thread, hold up an orderly end."""
    timer = threading.Timer(LAST_RESORT, os._exit, (code,))
    timer.daemon = True
    timer.start()


@asynccontextmanager
async def _answering(arrangement: Arrangement, host: str) -> AsyncIterator[tuple[Arrangement, int]]:
    """Runs the embedded service where it is to answer; it knows one key, so that tokens are needed as elsewhere."""
    if not arrangement.local:
        yield arrangement, 0
        return
    from actors.emulator.service import Service, running
    from actors.emulator.settings import Settings

    key = secrets.token_urlsafe(24)
    environment = attrs.evolve(arrangement.environment, google_key=key)
    async with running(Service(Settings(key=key)), host) as address:
        plan: Plan = arrangement.plan
        serve_locally(plan, attrs.evolve(address, host=_reachable(host)).url)
        yield attrs.evolve(arrangement, environment=environment), address.port


def _reachable(host: str) -> str:
    """Gives an address at which this machine finds what listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - nothing listens by this


def _complain(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
