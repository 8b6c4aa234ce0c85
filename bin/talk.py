"""`assistant talk`: microphone to model to speaker, until Ctrl-C or the far end closes for good."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from bin.arrange import Arrangement, arrange, serve_locally
from bin.ending import Ending
from pipeline.conversation import Conversation, converse
from pipeline.events import Bus
from telemetry.lines import Lines
from telemetry.log import EventLog

if TYPE_CHECKING:
    from actors.emulator.service import Service

INTERRUPTED = 130
LAST_RESORT = 1.8  # seconds after Ctrl-C at which the process ends whatever a device or disk is doing


def main(options: argparse.Namespace) -> int:
    """Talks, and gives the exit code."""
    arrangement = arrange(options)
    return trio.run(_main, arrangement, options, restrict_keyboard_interrupt_to_checkpoints=True)


async def _main(arrangement: Arrangement, options: argparse.Namespace) -> int:
    ending = Ending(options.linger) if options.input else Ending(float("inf"))
    async with conversing(arrangement, options) as conversation:
        return await until_over(conversation, ending)


@asynccontextmanager
async def conversing(
    arrangement: Arrangement, options: argparse.Namespace, service: "Service | None" = None
) -> AsyncIterator[Conversation]:
    """Runs the arranged conversation with its listeners; they hear its last event before this ends.

    `service` is the embedded service to use where it is to answer; without one, one is made.
    """
    bus = Bus(arrangement.environment.secrets())
    log = EventLog.open(Path(options.events), bus) if options.events else None
    async with trio.open_nursery() as listeners:
        if log is not None:
            listeners.start_soon(log.run, bus.subscribe(65536))
        if not options.quiet:
            print(f"assistant: {arrangement.who}. Ctrl-C ends.", flush=True)
            listeners.start_soon(Lines(bus.secrets).run, bus.subscribe())
        async with (
            _answering(arrangement, service),
            converse(arrangement.plan, bus=bus, environment=arrangement.environment) as conversation,
        ):
            yield conversation


@asynccontextmanager
async def _answering(arrangement: Arrangement, service: "Service | None") -> AsyncIterator[None]:
    """Runs the embedded service where it is to answer."""
    if not arrangement.local:
        yield
        return
    from actors.emulator.service import Service, running

    async with running(service or Service()) as address:
        serve_locally(arrangement.plan, address.url)
        yield


async def until_over(conversation: Conversation, ending: Ending) -> int:
    """Waits for Ctrl-C, SIGTERM or the end of the conversation, and gives the exit code."""
    code = 0
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def obey() -> None:
                nonlocal code
                async for number in signals:
                    code = INTERRUPTED if number == signal.SIGINT else 0
                    _end_at_last(code)
                    nursery.cancel_scope.cancel("a signal came")

            nursery.start_soon(obey)
            events = conversation.events()
            while True:
                with trio.move_on_at(ending.due()) as deadline:
                    ending.feed(await anext(events))
                if deadline.cancelled_caught:
                    break
            nursery.cancel_scope.cancel("the conversation is over")
    return code


def _end_at_last(code: int) -> None:
    """Ends the process when an orderly close hangs in a device or a disk: Ctrl-C is obeyed within two seconds."""

    def leave() -> None:
        sys.stdout.flush()
        os._exit(code)

    timer = threading.Timer(LAST_RESORT, leave)
    timer.daemon = True
    timer.start()
