"""`assistant talk`: microphone to model to speaker, until Ctrl-C or the far end closes for good."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
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
    async with (
        listening(arrangement, options) as bus,
        obeying() as obeyed,
        conversing(arrangement, bus) as conversation,
    ):
        await until_over(conversation, ending)
    return obeyed.code


@asynccontextmanager
async def listening(arrangement: Arrangement, options: argparse.Namespace) -> AsyncIterator[Bus]:
    """Gives a bus with the event log and the lines of the screen on it; they hear its last event before this ends."""
    bus = Bus(arrangement.environment.secrets())
    log = EventLog.open(Path(options.events), bus) if options.events else None
    async with trio.open_nursery() as listeners:
        if log is not None:
            listeners.start_soon(log.run, bus.subscribe(65536))
        if not options.quiet:
            with suppress(OSError):  # where nothing can be printed, the lines that follow find out
                print(f"assistant: {arrangement.who}. Ctrl-C ends.", flush=True)
            listeners.start_soon(Lines(bus.secrets).run, bus.subscribe())
        try:
            yield bus
        finally:
            bus.close()


@attrs.define
class Obeyed:
    """The exit code that a signal asks for; 0 while none has come."""

    code: int = 0


@asynccontextmanager
async def obeying() -> AsyncIterator[Obeyed]:
    """Cancels the block at Ctrl-C or SIGTERM, and ends the process soon after if the block does not end."""
    obeyed = Obeyed()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def obey() -> None:
                async for number in signals:
                    obeyed.code = INTERRUPTED if number == signal.SIGINT else 0
                    _end_at_last(obeyed.code)
                    nursery.cancel_scope.cancel("a signal came")

            nursery.start_soon(obey)
            yield obeyed
            nursery.cancel_scope.cancel("the block is over")


@asynccontextmanager
async def conversing(
    arrangement: Arrangement, bus: Bus, service: "Service | None" = None
) -> AsyncIterator[Conversation]:
    """Runs the arranged conversation; `service` is the embedded one to use where it is to answer, else one is made."""
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


async def until_over(conversation: Conversation, ending: Ending) -> None:
    """Waits for the end of the conversation."""
    events = conversation.events()
    while True:
        with trio.move_on_at(ending.due()) as deadline:
            ending.feed(await anext(events))
        if deadline.cancelled_caught:
            return


def _end_at_last(code: int) -> None:
    """Ends the process when an orderly close hangs in a device or a disk: Ctrl-C is obeyed within two seconds."""

    def leave() -> None:
        sys.stdout.flush()
        os._exit(code)

    timer = threading.Timer(LAST_RESORT, leave)
    timer.daemon = True
    timer.start()
