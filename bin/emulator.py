"""`assistant emulator`: the embedded Live service on its own, for any client."""

import argparse
import json
import signal

import trio

from actors.emulator import scenario
from actors.emulator.service import Service, running
from actors.emulator.settings import Settings
from bin.folding import folded
from pipeline.errors import AssistantError


def main(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or Ctrl-C, and gives the exit code; or lists the scenarios there are."""
    if options.list_scenarios:
        for name in scenario.shipped():
            print(folded(f"{name:<24} ", scenario.load(name).shows))
        return 0
    return trio.run(_main, options, restrict_keyboard_interrupt_to_checkpoints=True)


async def _main(options: argparse.Namespace) -> int:
    script = scenario.load(options.scenario) if options.scenario else None
    service = Service(Settings(time_scale=options.time_scale, key=options.key), scenario=script)
    context, ca_file = None, None
    if options.tls:
        from actors.emulator.certificate import self_signed

        context, ca_file = self_signed(options.host)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        try:
            async with running(service, options.host, options.port, context) as address:
                ready = {"ready": True, "url": address.url, "live_url": address.live_url}
                print(json.dumps(ready | ({"ca_file": str(ca_file)} if ca_file else {})), flush=True)
                number = await anext(signals)
        except OSError as error:
            found = f"listen on {options.host}:{options.port}: {error.strerror or error}"
            raise AssistantError(f"cannot {found}; choose another --port, or 0 for any") from None
        finally:
            if ca_file:
                ca_file.unlink(missing_ok=True)
    return 130 if number == signal.SIGINT else 0
