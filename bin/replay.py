"""`assistant replay`: a recorded conversation through the pipeline again, and what comes out differently."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import trio
import trio.testing

from pipeline.errors import BadRecording

DIFFERS = 1
MOST = 40  # differences that are printed


def main(options: argparse.Namespace) -> int:
    """Replays, prints every difference, and gives 0 where there is none."""
    from bin.rerun import messages, rerun
    from telemetry.tape_outcome import ASPECTS, Difference, compare
    from telemetry.tape_reading import Taped
    from telemetry.tape_wire import Store, links

    taped = Taped.read(Path(options.folder))
    if taped.content != "full":
        raise BadRecording(
            f"{taped.path} was recorded with [telemetry] content = {taped.content!r}, so it lacks what a replay needs"
        )
    if not taped.whole:
        print("assistant: the recording has no end; it is replayed as far as it goes", file=sys.stderr)
    out = trio.run(rerun, taped, clock=trio.testing.MockClock(autojump_threshold=0))
    sent = [
        (t, number, frame) for number, link in enumerate(links(taped, Store(taped.path)), 1) for t, frame in link.sent
    ]
    recorded = [*taped.events, *messages(sent)]
    replayed = msgspec.json.decode(msgspec.json.encode([*out.events, *messages(out.sent)], enc_hook=str))
    if not taped.whole:  # where it breaks off, the replay is made to end, and the conversation did not
        recorded, replayed = ([line for line in run if line["t"] < taped.seconds] for run in (recorded, replayed))
    found = compare(recorded, replayed, options.tolerance)
    differences: Sequence[Difference] = [one for one in found if not one.slow]
    if late := [one for one in found if one.slow]:
        print(f"assistant: the machine that recorded was slow; {len(late)} events come sooner here, no difference")
    if out.failure:
        print(f"assistant: the replay ended by itself: {out.failure}")
    for difference in differences[:MOST]:
        print(difference)
    if differences or out.failure:
        more = f", the first {MOST} of them above" if len(differences) > MOST else ""
        print(f"assistant: the replay differs in {len(differences)} places{more}")
        return DIFFERS
    compared = sum(line["event"] in ASPECTS for line in recorded)
    print(f"assistant: the replay came out the same, in all {compared} events of {taped.seconds:.0f} s")
    return 0
