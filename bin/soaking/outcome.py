"""What a soak came to: plain values that go from process to process, into JSON and into the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import attrs

from bin.soaking.faults import Fault
from bin.soaking.findings import PROMISES, Findings
from bin.soaking.vitals import Sample


@attrs.frozen
class Order:
    """What is to be soaked; `configs` and `sets` are settings of the plan, as on the command line."""

    hours: float
    seed: int
    faults: Literal["none", "network", "all"]
    clock: Literal["virtual", "real"]
    fixtures: Path
    configs: Sequence[str] = ()
    sets: Sequence[str] = ()

    def command(self) -> str:
        """Gives the command that repeats this, on a machine where the fixtures have the same place."""
        parts = [f"bin/assistant soak --hours {self.hours:g} --seed {self.seed} --faults {self.faults}"]
        parts += [f"--clock {self.clock} --processes 1 --fixtures {self.fixtures}"]
        parts += [f"--config {name}" for name in self.configs] + [f"--set {setting}" for setting in self.sets]
        return " ".join(parts)


@attrs.frozen
class Outcome:
    """One process's soak: `seconds` of its own time, in `wall` seconds of ours and `processor` of a core.

    `complete` is False where it was broken off. `digest` is the same for the same order under a virtual clock.
    """

    order: Order
    findings: Findings
    samples: Sequence[Sample]
    faults: Sequence[Fault]
    latencies: Sequence[float]
    turns: Mapping[str, int]
    misbehaved: Mapping[str, int]
    seconds: float
    wall: float
    processor: float
    complete: bool
    digest: str

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
        "latency_ms": {f"p{part}": percentile(one.latencies, part / 100) for part in (50, 90, 99)},
        "turns": dict(one.turns),
        "faults": counts,
        "tools_misbehaved": dict(one.misbehaved),
        "failures": [attrs.asdict(found) for found in one.findings.kept],
        "vitals": {"first": attrs.asdict(one.samples[0]), "last": attrs.asdict(one.samples[-1])} if one.samples else {},
    }
