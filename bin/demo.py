"""`assistant demo`: a recorded conversation through the whole pipeline, against the embedded service."""

import argparse
import sys
import tempfile
import tomllib
from pathlib import Path

import attrs
import trio

from actors.audio.recording import read_mono
from actors.audio.stereo import write_stereo
from actors.emulator.service import Service
from bin.arrange import Arrangement, arrange
from bin.ending import Ending
from bin.folding import folded
from bin.obeying import obeying
from bin.talk import conversing, listened, until_over
from pipeline.errors import AssistantError, PlanError
from pipeline.events import Event, Subscription, UserStarted
from pipeline.messages import OUTPUT_RATE
from telemetry.table import LatencyTable

DEMOS = Path(__file__).parent / "demos"
LINGER = 5.0


@attrs.frozen
class Cut:
    """The network fails `after` seconds into the utterance of that number, counted from 1."""

    utterance: int
    after: float


def main(options: argparse.Namespace) -> int:
    """Lists the demos, or plays one and gives the exit code."""
    scripts = tomllib.loads((DEMOS / "demos.toml").read_text("utf-8"))
    demos = {name: script for name, script in scripts.items() if isinstance(script, dict)}
    if options.list:
        for name, script in demos.items():
            print(folded(f"{name:<14}", f"{script['shows']} ({script['seconds']:.0f} s)"))
        return 0
    if options.name not in demos:
        raise PlanError(f"there is no demo {options.name!r}; there are {', '.join(demos)}")
    script = demos[options.name]
    recording = DEMOS / script["file"]
    folder = _folder()
    output = Path(options.output) if options.output else folder / "assistant.wav"
    arranged = vars(options) | {
        "input": str(recording),
        "output": str(output),
        "backend": "local",
        "set": [*options.set, 'actors.connection.handle_file=""'],
    }
    options = argparse.Namespace(**arranged)
    if not options.quiet:
        print(folded("", f"{script['title']}. {script['shows']}"))
        print("Recorded questions; voice, ears and weather are the embedded service's.", flush=True)
    cuts = [Cut(cut["utterance"], cut["after"]) for cut in script.get("cuts", [])]
    code = trio.run(_main, arrange(options), options, cuts, restrict_keyboard_interrupt_to_checkpoints=True)
    if not options.quiet and code == 0:
        both = folder / "conversation.wav"
        write_stereo(both, OUTPUT_RATE, read_mono(recording, OUTPUT_RATE), read_mono(output, OUTPUT_RATE))
        print(f"\nThe conversation, you on the left and the assistant on the right:\n{both}")
    return code


def _folder() -> Path:
    """Makes a folder for the recordings, which stay."""
    try:
        return Path(tempfile.mkdtemp(prefix="assistant-demo-"))
    except OSError as error:
        found = f"cannot make a folder for the recording: {error.strerror}"
        raise AssistantError(f"{found}; set TMPDIR to a folder that may be written") from None


async def _main(arrangement: Arrangement, options: argparse.Namespace, cuts: list[Cut]) -> int:
    service = Service()
    table, ending = LatencyTable(), Ending(LINGER)
    async with (
        listened(arrangement, options) as listeners,
        obeying(listeners.release) as obeyed,
        conversing(arrangement, listeners.bus, service) as conversation,
        trio.open_nursery() as nursery,
    ):
        listeners.meet(conversation)
        nursery.start_soon(_measure, conversation.events(), table)
        if cuts:
            nursery.start_soon(_cut, conversation.events(), service, cuts)
        await until_over(conversation, ending)
        nursery.cancel_scope.cancel("the demo is over")
    if ending.farewell:
        print(f"assistant: {ending.farewell}", file=sys.stderr)
    if not options.quiet:
        print("\n".join(["", *table.lines(), "", "where the latency went, in ms", *table.waterfall()]))
    return obeyed.code


async def _measure(events: Subscription, table: LatencyTable) -> None:
    async for event in events:
        table.feed(event)


async def _cut(events: Subscription, service: Service, cuts: list[Cut]) -> None:
    """Breaks every connection in the middle of the utterances that the script names, as a network would."""
    utterance = 0
    async for event in events:
        utterance += _begins(event)
        for cut in cuts:
            if cut.utterance == utterance and _begins(event):
                await trio.sleep(cut.after)
                for connection in list(service.connections):
                    connection.cut()


def _begins(event: Event) -> bool:
    return isinstance(event, UserStarted)
