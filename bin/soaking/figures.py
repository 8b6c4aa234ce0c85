"""The figures of a soak in a document: what stands between two marks there is written anew."""

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bin.soaking.findings import PROMISES
from bin.soaking.outcome import Outcome, percentile
from pipeline.errors import PlanError

BEGIN, END = "<!-- soak:begin -->", "<!-- soak:end -->"


def write(document: Path, outcomes: Sequence[Outcome]) -> None:
    """Writes the figures between the document's marks; PlanError where there are none. OSError as it comes."""
    text = document.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise PlanError(f"{document} has no lines {BEGIN} and {END}; put them where the figures are to go")
    document.write_text(f"{before}{BEGIN}\n{_figures(outcomes)}\n{END}{after}", encoding="utf-8")


def _figures(outcomes: Sequence[Outcome]) -> str:
    first = outcomes[0].order
    hours = sum(one.seconds for one in outcomes) / 3600
    wall, spent = max(one.wall for one in outcomes) / 60, sum(one.processor for one in outcomes) / 60
    verdict = "passed" if all(one.passed for one in outcomes) else "failed"
    seeds = " and ".join(str(one.order.seed) for one in outcomes)
    latencies = [value for one in outcomes for value in one.delays]
    rows = [
        ("verdict", verdict),
        ("conditions", f"{hours:.1f} h, {first.clock} clock, faults: {first.faults}, seed {seeds}"),
        (
            "took",
            f"{wall:.0f} min, {spent:.0f} min of a core; Python {platform.python_version()}, {os.cpu_count()} cores",
        ),
        ("faults", f"{sum(len(one.faults) for one in outcomes):,}"),
        ("turns", ", ".join(f"{count:,} {name}" for name, count in _turns(outcomes).items())),
        (
            "last word to first sound",
            f"{percentile(latencies, 0.5):.0f} ms (p50), {percentile(latencies, 0.9):.0f} (p90)",
        ),
    ]
    for name, how in _FIGURES.items():
        values = [one.findings.figures[name] for one in outcomes if name in one.findings.figures]
        if values:
            rows.append((name, f"{how(values):,.6g}"))
    lines = [
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
        "| promise | checks | broken |",
    ]
    lines.append("|---|---|---|")
    for name in PROMISES:
        checks = sum(one.findings.checks[name] for one in outcomes)
        lines.append(f"| {name} | {checks:,} | {sum(one.findings.failures[name] for one in outcomes)} |")
    return "\n".join(lines)


def _turns(outcomes: Sequence[Outcome]) -> dict[str, int]:
    names = sorted({name for one in outcomes for name in one.turns})
    return {name: sum(one.turns.get(name, 0) for one in outcomes) for name in names}


_FIGURES: Mapping[str, Callable[[list[float]], float]] = {
    "utterances": sum,
    "seconds of speech": sum,
    "reconnects": sum,
    "tool calls": sum,
    "actor restarts": sum,
    "reported lost ms": sum,
    "longest gap ms": max,
    "longest to silence ms": max,
    "memory growth MB": max,
    "drift ms an hour": max,
}
