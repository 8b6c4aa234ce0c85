"""`assistant talk`: microphone to model to speaker, until Ctrl-C or the far end closes for good."""

import argparse
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import trio

from bin.arrange import Arrangement, arrange, serve_locally
from bin.checking import check_whole
from bin.ending import Ending
from bin.obeying import obeying
from pipeline.conversation import Conversation, converse
from pipeline.events import Bus
from telemetry.sinks import Listening, Occasion, listening

if TYPE_CHECKING:
    from actors.emulator.service import Service


def main(options: argparse.Namespace) -> int:
    """Talks, and gives the exit code."""
    arrangement = arrange(options)
    return trio.run(_main, arrangement, options, restrict_keyboard_interrupt_to_checkpoints=True)


async def _main(arrangement: Arrangement, options: argparse.Namespace) -> int:
    ending = Ending(options.linger) if options.input else Ending(float("inf"))
    async with (
        listened(arrangement, options) as listeners,
        obeying(listeners.release) as obeyed,
        conversing(arrangement, listeners.bus) as conversation,
    ):
        listeners.meet(conversation)
        await until_over(conversation, ending)
    if ending.farewell:
        print(f"assistant: {ending.farewell}", file=sys.stderr)
    return obeyed.code


@asynccontextmanager
async def listened(arrangement: Arrangement, options: argparse.Namespace) -> AsyncIterator[Listening]:
    """Opens everything that listens to a conversation, and says at the end what any of it has missed.

    PlanError before anything is opened: what lies under the names of its files is kept, and a folder for a recording
    must be empty, also after a plan that was wrong.
    """
    check_whole(arrangement, vars(options))
    bus = Bus(arrangement.environment.secrets())
    occasion = Occasion.of(bus, arrangement.plan, arrangement.environment, vars(options) | {"who": arrangement.who})
    if not options.quiet:
        with suppress(OSError):  # where nothing can be printed, the lines that follow find out
            print("\n".join([f"{arrangement.who}. Ctrl-C ends.", *arrangement.hints()]), flush=True)
    async with listening(occasion) as listeners:
        yield listeners
    for name, count in listeners.lost.items():
        print(f"assistant: {name} missed {count} events: what it writes to was too slow, or full", file=sys.stderr)
    if options.record and not options.quiet:
        print(f"\nThe recording, for `assistant report` and `assistant replay`:\n{options.record}", flush=True)


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
