"""What a soak came to: plain values that go from process to process, into JSON and into the report."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import attrs

from bin.soaking.faults import Fault
from bin.soaking.findings import PROMISES, Findings
from bin.soaking.vitals import Sample

EVERY = 45.0  # seconds between two faults, on average


@attrs.frozen
class Order:
    """What is to be soaked: a fault `every` seconds on average; `configs` and `sets` are as on the command line."""

    hours: float
    seed: int
    faults: Literal["none", "network", "all"]
    clock: Literal["virtual", "real"]
    fixtures: Path
    configs: Sequence[str] = ()
    sets: Sequence[str] = ()
    every: float = EVERY
    devices: str = ""  # the output device into which the recordings are spoken, for the plan's own microphone

    @property
    def repeats(self) -> bool:
        """Whether the same order is the same run."""
        return self.clock == "virtual"

    def command(self) -> str:
        """Gives the command that repeats this, on a machine where the fixtures have the same place."""
        words = ["bin/assistant", "soak", "--hours", repr(self.hours), "--seed", str(self.seed)]
        words += ["--faults", self.faults, "--every", repr(self.every), "--clock", self.clock, "--processes", "1"]
        words += ["--fixtures", str(self.fixtures.absolute())]
        words += [f"--devices={self.devices}"] if self.devices else []
        words += [f"--config={name}" for name in self.configs] + [f"--set={setting}" for setting in self.sets]
        return shlex.join(words)

    def again(self) -> str:
        """Says how to see the same again."""
        if self.repeats:
            return f"to repeat it exactly: {self.command()}"
        return f"to ask for the same again, in a time that never comes again: {self.command()}"


@attrs.frozen
class Outcome:
    """One process's soak: `seconds` of its own time, in `wall` seconds of ours and `processor` of a core.

    `latencies` are (seconds into the run, ms from the last word to the first sound).

    `complete` is False where it was broken off. `digest` is the same for the same order under a virtual clock.
    """

    order: Order
    findings: Findings
    samples: Sequence[Sample]
    faults: Sequence[Fault]
    latencies: Sequence[tuple[float, float]]
    turns: Mapping[str, int]
    misbehaved: Mapping[str, int]
    seconds: float
    wall: float
    processor: float
    complete: bool
    digest: str

    @property
    def delays(self) -> list[float]:
        """The milliseconds from the last word to the first sound."""
        return [ms for _, ms in self.latencies]

    @property
    def passed(self) -> bool:
        """Whether it came to its end and every promise was kept."""
        return self.complete and self.findings.passed


def percentile(values: Sequence[float], part: float) -> float:
    """Gives the value below which that part of the values lies; 0 where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def summary(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Gives everything as one JSON document: the verdict first."""
    return {
        "passed": all(one.passed for one in outcomes),
        "hours": round(sum(one.seconds for one in outcomes) / 3600, 3),
        "wall_seconds": round(max(one.wall for one in outcomes), 1),
        "verdicts": {
            name: {
                "promise": PROMISES[name],
                "checks": sum(one.findings.checks[name] for one in outcomes),
                "failures": sum(one.findings.failures[name] for one in outcomes),
            }
            for name in PROMISES
        },
        "runs": [_run(one) for one in outcomes],
    }


def _run(one: Outcome) -> dict[str, object]:
    counts: dict[str, int] = {}
    for fault in one.faults:
        counts[fault.name] = counts.get(fault.name, 0) + 1
    return {
        "command": one.order.command(),
        "passed": one.passed,
        "complete": one.complete,
        "digest": one.digest,
        "hours": round(one.seconds / 3600, 3),
        "wall_seconds": round(one.wall, 1),
        "processor_seconds": round(one.processor, 1),
        "figures": {name: round(value, 3) for name, value in sorted(one.findings.figures.items())},
        "latency_ms": {f"p{part}": percentile(one.delays, part / 100) for part in (50, 90, 99)},
        "turns": dict(one.turns),
        "faults": counts,
        "tools_misbehaved": dict(one.misbehaved),
        "failures": [attrs.asdict(found) for found in one.findings.kept],
        "vitals": {"first": attrs.asdict(one.samples[0]), "last": attrs.asdict(one.samples[-1])} if one.samples else {},
    }
