"""`bin/bench`: measures this project beside others against one scripted far end, and writes docs/benchmarks.md.

Runs alternate between the contenders, in another order each time, so that what slows the machine slows them all.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from tests.bench import machine, vad
from tests.bench.contenders import ALL, OURS, Contender, Unavailable, python_of
from tests.bench.document import clean, plain, written
from tests.bench.measure import QUICK, WIRES, Lengths, Stage, first_start, growth, hour, one_run, pool
from tests.bench.processes import ROOT, Unanswered

PARTS = ("side", "growth", "hour", "vad")


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    names = ", ".join(contender.key for contender in ALL)
    parser = argparse.ArgumentParser(
        prog="bin/bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two short runs: to see that it works, not to quote")
    parser.add_argument("--runs", type=int, metavar="N", help="alternating runs side by side (default 5)")
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="one part; the others keep what is known of them"
    )
    parser.add_argument(
        "--clients", nargs="+", metavar="KEY", choices=[one.key for one in ALL], help=f"only these: {names}"
    )
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where benchmarks.md and .json are")
    parser.add_argument("--prepare", action="store_true", help="makes the others' environments, and starts each once")
    parser.add_argument("--write-only", action="store_true", help="measures nothing, writes the document anew")
    return parser.parse_args(arguments)


@attrs.define
class Bench:
    """One call of the bench: what it measures with, and what it has found."""

    stage: Stage
    lengths: Lengths
    runs: int
    contenders: tuple[Contender, ...]
    results: dict[str, Any] = attrs.field(factory=dict)
    failed: list[str] = attrs.field(factory=list)

    def prepare(self) -> None:
        """Makes the environments and starts everyone once; who cannot be had is left out, and said so."""
        for contender in list(self.contenders):
            say(f"environment of {contender.shown}")
            try:
                python_of(contender)
                first = first_start(self.stage, contender, self.lengths)
                say(f"  {first['start_ms']:.0f} ms until its first sound, {first['rest_mib']:.0f} MiB")
                if contender is OURS:
                    self.results["first"] = first
            except (Unavailable, Unanswered) as error:
                self._note(str(error))
                self.contenders = tuple(one for one in self.contenders if one is not contender)

    def side(self) -> None:
        """Measures side by side."""
        self.results["side"] = {wire: {one.key: [] for one in self.contenders} for wire in WIRES}
        for run in range(self.runs):
            turned = self.contenders[run % len(self.contenders) :] + self.contenders[: run % len(self.contenders)]
            for wire in WIRES:
                for contender in turned:
                    say(f"run {run + 1} of {self.runs}, {wire}: {contender.shown}")
                    found = self._try(contender, lambda one: one_run(self.stage, one, wire, self.lengths))  # noqa: B023
                    self.results["side"][wire][contender.key].append(found or {})
        runs = self.results["side"]
        self.results["pool"] = {wire: {key: pool(of) for key, of in runs[wire].items()} for wire in WIRES}

    def growth(self) -> None:
        """Measures many conversations in a process."""
        self.results["growth"] = {}
        for contender in self.contenders:
            say(f"many conversations: {contender.shown}")
            found = self._try(contender, lambda one: growth(self.stage, one, self.lengths))
            self.results["growth"][contender.key] = found or []

    def hour(self) -> None:
        """Measures memory over an hour of speech."""
        self.results["hour"] = {}
        for contender in (one for one in self.contenders if not one.variant):
            say(f"an hour of speech: {contender.shown}")
            found = self._try(contender, lambda one: hour(self.stage, one, self.lengths))
            self.results["hour"][contender.key] = found or []

    def vad(self) -> None:
        """Measures the speech detectors."""
        say("speech detectors")
        self.results["vad"] = vad.measured(ROOT / "tests" / "fixtures")

    def _note(self, why: str) -> None:
        say(f"  failed: {why}")
        self.failed.append(plain(why))

    def _try(self, contender: Contender, measure: Callable[[Contender], Any]) -> Any:
        try:
            return measure(contender)
        except (Unanswered, OSError) as error:
            self._note(f"{contender.shown}: {error}")
            return None


def say(line: str) -> None:
    """Tells how far it is."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)  # noqa: T201 - a command's output


def main(given: argparse.Namespace) -> int:
    """Measures, writes after each part, and gives the exit code."""
    document, kept = given.docs / "benchmarks.md", given.docs / "benchmarks.json"
    results: dict[str, Any] = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    if given.write_only:
        written(document, results)
        return 0
    contenders = tuple(one for one in ALL if not given.clients or one.key in given.clients)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        stage = Stage.make(Path(folder), sorted(os.sched_getaffinity(0)))
        runs = given.runs or (2 if given.quick else 5)
        bench = Bench(stage, QUICK if given.quick else Lengths(), runs, contenders)
        parts = given.only or PARTS
        if given.prepare or set(parts) != {"vad"}:
            bench.prepare()
        if given.prepare:
            return int(bool(bench.failed))
        unprepared = bench.failed
        for part in parts:
            bench.failed = list(unprepared)
            with machine.watched() as conditions:
                getattr(bench, part)()
            conditions |= {"quick": given.quick, "failed": bench.failed}
            results["parts"] = {**results.get("parts", {}), part: conditions}
            results = {**results, **clean(bench.results), "machine": machine.described()}
            kept.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
            written(document, results)
            say(f"written: {document}")
    return 0


if __name__ == "__main__":
    sys.exit(main(options()))
