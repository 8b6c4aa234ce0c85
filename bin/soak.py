"""`assistant soak`: recorded conversations for hours of virtual or real time, with faults, and a verdict."""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bin.soaking import figures
from bin.soaking.findings import PROMISES
from bin.soaking.outcome import Order, Outcome
from bin.soaking.processes import parts, soak
from bin.soaking.recordings import load
from bin.soaking.report import write
from pipeline.errors import AssistantError, PlanError

FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures"
INTERRUPTED = 130
LONG = 2.0  # hours from which a second core is worth a second process
BAR = 30
LINE_EVERY = 10.0  # seconds between two lines where there is no terminal


def main(options: argparse.Namespace) -> int:
    """Soaks, prints the verdict, writes the report; gives 0 where every promise was kept, else 1, and 130 at Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    load(_fixtures(options))  # what is wrong with it is said before anything starts
    outcomes, interrupted = soak(orders(options), _progress(options.hours))
    if not outcomes:
        raise AssistantError(
            "the soak was broken off before there was anything to tell; let it run for a second or more"
        )
    print("\n".join(_lines(outcomes)))
    folder = Path(options.report) if options.report else Path(tempfile.mkdtemp(prefix="assistant-soak-"))
    try:
        print(f"report: {write(folder, outcomes)}", flush=True)
        if options.figures:
            figures.write(Path(options.figures), outcomes)
    except OSError as error:
        raise AssistantError(f"cannot write {error.filename}: {error.strerror}; name another place") from error
    if interrupted:
        return INTERRUPTED
    return 0 if all(one.passed for one in outcomes) else 1


def orders(options: argparse.Namespace) -> list[Order]:
    """Gives what each process is to soak."""
    whole = Order(
        options.hours,
        options.seed,
        options.faults,
        options.clock,
        _fixtures(options),
        tuple(options.config),
        tuple(options.set),
        options.every,
        options.devices,
    )
    if whole.devices and whole.clock != "real":
        raise PlanError("--devices is of the real clock; add --clock real")
    return parts(whole, _processes(options))


def _fixtures(options: argparse.Namespace) -> Path:
    return Path(options.fixtures) if options.fixtures else FIXTURES


def _processes(options: argparse.Namespace) -> int:
    if options.processes:
        return int(options.processes)
    worthwhile = options.clock == "virtual" and options.hours >= LONG
    return min(2, os.cpu_count() or 1) if worthwhile else 1


def _progress(hours: float) -> Callable[[float, int, int], None]:
    """Gives what shows the progress: a bar on a terminal, a line now and then elsewhere."""
    began = last = time.monotonic()
    terminal = sys.stderr.isatty()

    def told(share: float, faults: int, failures: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < (0.2 if terminal else LINE_EVERY) and share < 1:
            return
        last = now
        left = (now - began) * (1 - share) / share if share else 0.0
        words = f"{share * hours:.2f} of {hours:g} h, {faults} faults, {failures} failures, {left / 60:.0f} min left"
        if terminal:
            bar = "#" * round(BAR * share)
            print(f"\r[{bar:<{BAR}}] {words}  ", end="" if share < 1 else "\n", file=sys.stderr, flush=True)
        else:
            print(f"soak: {words}", file=sys.stderr, flush=True)

    return told


def _lines(outcomes: Sequence[Outcome]) -> list[str]:
    """Gives the verdict in words: a line for each promise, what broke it, and how to see that again."""
    lines = []
    for name in PROMISES:
        checks = sum(one.findings.checks[name] for one in outcomes)
        failures = sum(one.findings.failures[name] for one in outcomes)
        word = "not judged" if not checks else f"BROKEN {failures} times" if failures else "kept"
        lines.append(f"{name:<20}{word:<20}{checks:>12,} checks")
    for one in outcomes:
        if one.passed:
            continue
        lines += [f"  {found.at:.2f} s: {found.promise}: {found.what}" for found in one.findings.kept[:10]]
        lines.append(one.order.again())
    hours, wall = sum(one.seconds for one in outcomes) / 3600, max(one.wall for one in outcomes) / 60
    spent = sum(one.processor for one in outcomes) / 60
    verdict = "passed" if all(one.passed for one in outcomes) else "failed"
    if not all(one.complete for one in outcomes):
        verdict = "broken off"
    digests = ", ".join(f"seed {one.order.seed} digest {one.digest}" for one in outcomes)
    lines.append(f"soak {verdict}: {hours:.2f} h in {wall:.1f} min, {spent:.1f} min of a core; {digests}")
    return lines
