"""What this project wants to reach, what it did reach, and why not where it did not."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from tests.bench.figures import Spread, quantile, ratio, settled, slope

Results = Mapping[str, Any]
HOUR = 3600.0
NOISE_MIB = 2.0  # an hour; allocators move by as much without any growth


@attrs.frozen
class Target:
    """One target: `found` gives its value, to be at most, or at least, `goal`; `why` is said where it is missed."""

    name: str
    unit: str
    goal: float
    found: Callable[[Results], Spread]
    why: str
    at_least: bool = False

    def met(self, value: Spread) -> bool | None:
        """Whether the goal is reached; None where nothing was measured."""
        if not value.known:
            return None
        return value.median >= self.goal if self.at_least else value.median <= self.goal

    def missed_by(self, value: Spread) -> str:
        """Says by how much the goal is missed."""
        return f"{100 * abs(value.median / self.goal - 1):.0f} %"


def column(results: Results, wire: str, key: str, figure: str) -> Sequence[float]:
    """Gives one figure of a contender, run by run; nan where a run lacks it."""
    return [number(run.get(figure)) for run in results.get("side", {}).get(wire, {}).get(key, [])]


def number(value: object) -> float:
    """Reads a figure from JSON, where nan is null."""
    return math.nan if value is None else float(str(value))


def pooled(results: Results, wire: str, key: str, figure: str, share: float) -> list[float]:
    """Gives a quantile of samples that each run has several of, run by run."""
    runs = results.get("side", {}).get(wire, {}).get(key, [])
    return [quantile([n for s in run.get(figure, []) if not math.isnan(n := number(s))], share) for run in runs]


def _ratio(wire: str, figure: str, peer: str) -> Callable[[Results], Spread]:
    return lambda results: ratio(column(results, wire, "ours", figure), column(results, wire, peer, figure))


def _own(figure: str, wire: str = "plain") -> Callable[[Results], Spread]:
    return lambda results: Spread.of(column(results, wire, "ours", figure))


def _worse_way(figure: str) -> Callable[[Results], Spread]:
    def found(results: Results) -> Spread:
        ways = [column(results, "plain", "ours", f"{way}_{figure}_ms") for way in ("up", "down")]
        return Spread.of(map(max, zip(*ways, strict=True)))

    return found


def _silence(share: float) -> Callable[[Results], Spread]:
    return lambda results: Spread.of(pooled(results, "plain", "ours", "silences_ms", share))


def _burst(results: Results) -> Spread:
    ours, theirs = (pooled(results, "tls", key, "bursts_ms", 0.5) for key in ("ours", "genai"))
    return ratio(ours, theirs)


def _held(results: Results) -> Spread:
    grown = [step["sessions"] for step in results.get("growth", {}).get("ours", []) if step["held"]]
    return Spread.of([max(grown, default=0)] if results.get("growth", {}).get("ours") else [])


def growth_an_hour(points: Sequence[Sequence[float]]) -> float:
    """Gives the slope of memory, in MiB an hour of speech, once the first third has filled what fills once."""
    late = settled(points)
    return slope([seconds / HOUR for seconds, _ in late], [mib for _, mib in late])


def _slope(results: Results) -> Spread:
    points = results.get("hour", {}).get("ours", [])
    return Spread.of([growth_an_hour(points)] if points else [])


CPU_WHY = (
    "The speech detector's network hears every block, which the others leave to whoever uses them; how much that is "
    "stands below. The rest is a task of its own for gate, session and speaker, each of which Trio wakes for every "
    "piece: some 500 steps of the loop a second against the floor's 300."
)
DETECTOR_WHY = (
    "The speech detector's network and the library that runs it take some 30 MiB of it, half of them pages of the "
    "library's file, which the system shares and may take back; the energy detector's column shows what is left."
)
WAKE_WHY = (
    "Each piece passes three or four tasks on its way, and upward the detector's network, which is part of a "
    "millisecond; on a busy machine each of these steps waits for others."
)
PARSE_WHY = "trio-websocket reads and unpacks every frame in Python; the floor's row tells what that costs alone."
MANY_WHY = "What one conversation costs sets the limit, of which the detector's network alone is most of a percent."

TARGETS = (
    Target("processor share in real time, against google-genai's bare loop", "x", 1.0, _ratio("plain", "cpu", "genai"),
           CPU_WHY),
    Target("the same over TLS", "x", 1.0, _ratio("tls", "cpu", "genai"), CPU_WHY),
    Target("processor share in real time, against Pipecat", "x", 0.5, _ratio("plain", "cpu", "pipecat"), CPU_WHY),
    Target("socket to ring, processor time a message, against google-genai", "x", 0.6,
           _ratio("plain", "down_us", "genai"), PARSE_WHY),
    Target("added latency either way, p50", "ms", 1.0, _worse_way("p50"), WAKE_WHY),
    Target("added latency either way, p99", "ms", 2.5, _worse_way("p99"), WAKE_WHY),
    Target("`interrupted` to an empty ring, p50", "ms", 1.0, _silence(0.5), WAKE_WHY),
    Target("`interrupted` to an empty ring, p99", "ms", 5.0, _silence(0.99), WAKE_WHY),
    Target("the same behind 5 s of speech over TLS, against google-genai", "x", 0.5, _burst, PARSE_WHY),
    Target("conversations in one process on one core, in real time", "", 40, _held, MANY_WHY,
           at_least=True),
    Target("memory at rest", "MiB", 80, _own("rest_mib"), DETECTOR_WHY),
    Target("growth of memory in an hour of speech", "MiB", NOISE_MIB, _slope, "Something grows: this is a fault."),
    Target("reconnect gap", "ms", 100, _own("gap_ms"), "The first wait before a new dial is part of it."),
    Target("start to first sound on the wire", "ms", 1500, _own("start_ms"),
           "The imports and the detector's network are loaded before anything is sent."),
)  # fmt: skip
