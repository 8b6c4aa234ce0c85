"""How many conversations the embedded service keeps up in real time, and what they cost.

    .venv/bin/python tests/load/conversations.py                       # 10, 25, 50 and 75 of them, half a minute each
    .venv/bin/python tests/load/conversations.py --document docs/EMULATOR.md  # the same, and the table goes there
    .venv/bin/python tests/load/conversations.py -n 50 --same          # all say the same, so caches help

Each conversation speaks in real time over a socket of its own, without a pause in its sound: a question, then silence
until the answer has been heard out and for two to four seconds more, then the next. Questions, voices and moments
differ unless `--same` is given. All clients share one process beside the service's, and never decode what they need
not: see `caller.py`.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from actors.audio.resample import Resampler  # noqa: E402 - the tree is run from where it stands
from actors.emulator.cities import plain  # noqa: E402
from actors.emulator.voice import PREBUILT, Voice  # noqa: E402
from tests.load.caller import Caller, Metronome, Question  # noqa: E402
from tests.load.figures import COLUMNS, HEAD, Figures, Meter  # noqa: E402
from tests.load.limits import body, written  # noqa: E402

QUESTIONS = (
    "What is the weather in London?",
    "What time is it in Tokyo?",
    "Count to twenty.",
    "Who invented the telephone?",
    "What is the weather in Berlin and what time is it in Madrid?",
    "Tell me a joke.",
    "What did I ask?",
    "Thank you very much.",
)
_APART = 0.25  # seconds between two that begin: about as far as their questions lie apart later


def questions(number: int, *, same: bool) -> list[Question]:
    """Gives what one conversation asks, in its own voice and order."""
    voice = Voice()
    name = list(PREBUILT)[0 if same else number % len(PREBUILT)]
    first = 0 if same else number % len(QUESTIONS)
    found = []
    for text in (QUESTIONS[first:] + QUESTIONS[:first])[: 1 if same else None]:
        resampler = Resampler(24_000, 16_000)
        pcm = resampler.push(voice.speak(text, voice=name)) + resampler.flush()
        found.append(Question.of(pcm, plain(text)))
    return found


@contextmanager
def service(command: list[str]) -> Iterator[tuple[int, str, int]]:
    """Starts `assistant emulator`, and gives its process, host and port."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline())
            host, _, port = ready["url"].rpartition("//")[2].rpartition(":")
            yield process.pid, host, int(port)
        finally:
            process.terminate()


async def measure(count: int, seconds: float, where: tuple[int, str, int], *, same: bool) -> Figures:
    """Lets so many conversations go on for so long, after a few seconds in which they begin."""
    process, host, port = where
    callers = [Caller(number, questions(number, same=same)) for number in range(count)]
    metronome = Metronome()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(metronome.run)
        for caller in callers:
            nursery.start_soon(caller.run, host, port, metronome)
            await trio.sleep(_APART)
        await trio.sleep(3.0)
        for caller in callers:
            caller.forget()
        meter = Meter(process)
        await trio.sleep(seconds)
        found = Figures.of(callers, meter, seconds)
        nursery.cancel_scope.cancel("measured")
    return found


def main() -> None:
    """Measures as the options say, and prints a line for each number of conversations."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-n", "--conversations", type=int, nargs="+", default=[10, 25, 50, 75])
    parser.add_argument("-s", "--seconds", type=float, default=30.0)
    parser.add_argument("--same", action="store_true", help="all ask the same in the same voice")
    parser.add_argument("--json", action="store_true", help="a JSON object per line")
    parser.add_argument("--document", type=Path, help="puts a table between the marks of this document")
    parser.add_argument("--service", help="the command that starts the service, if not this tree's")
    options = parser.parse_args()
    command = [sys.executable, "-P", "-m", "bin", "emulator", "--port", "0"]
    rounds = []
    with service(options.service.split() if options.service else command) as where:
        if not options.json:
            print(HEAD, flush=True)  # noqa: T201
        for count in options.conversations:
            found = trio.run(lambda count=count: measure(count, options.seconds, where, same=options.same))  # type: ignore[misc]
            print(json.dumps(found.as_json()) if options.json else found.line(), flush=True)  # noqa: T201
            rounds.append(found.round())
    if options.document:
        written(options.document, body(COLUMNS, rounds, options.seconds))


if __name__ == "__main__":
    main()
