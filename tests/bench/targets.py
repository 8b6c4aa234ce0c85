"""What this project wants to reach, what it did reach, and why not where it did not."""

from collections.abc import Callable

import attrs

from tests.bench import reasons
from tests.bench.columns import Results, column, delay, growth_an_hour, sampled, samples
from tests.bench.figures import Spread, ratio
from tests.bench.growth import limit
from tests.bench.machine import busy

NOISE_MIB = 2.0  # an hour; allocators move by as much without any growth


@attrs.frozen
class Target:
    """One target: `found` gives its value, to be at most, or at least, `goal`; `why` tells why it is missed.

    `part` is the part of the bench that measures it. `timed`: others who use the machine spoil it.
    """

    name: str
    unit: str
    goal: float
    found: Callable[[Results], Spread]
    why: reasons.Reason
    part: str = "side"
    at_least: bool = False
    timed: bool = False

    def met(self, value: Spread) -> bool | None:
        """Whether the goal is reached; None where nothing was measured."""
        if not value.known:
            return None
        return value.median >= self.goal if self.at_least else value.median <= self.goal

    def judged(self, results: Results) -> bool:
        """Whether the machine was quiet enough to say so; ratios of the same run may always be judged."""
        return not (self.timed and busy(results["parts"][self.part]))

    def missed_by(self, value: Spread) -> str:
        """Says by how much the goal is missed."""
        return f"{100 * abs(value.median / self.goal - 1):.0f} %"

    def verdict(self, results: Results) -> str:
        """Says in few words what came of it."""
        value = self.found(results)
        met = self.met(value)
        if met is None:
            return "not measured"
        if not self.judged(results):
            return "not judged: busy machine"
        return "reached" if met else f"missed by {self.missed_by(value)}"


def _ratio(wire: str, figure: str, peer: str) -> Callable[[Results], Spread]:
    return lambda results: ratio(column(results, wire, "ours", figure), column(results, wire, peer, figure))


def _own(figure: str, wire: str = "plain") -> Callable[[Results], Spread]:
    return lambda results: Spread.of(column(results, wire, "ours", figure))


def _worse_way(wire: str, figure: str) -> Callable[[Results], Spread]:
    def found(results: Results) -> Spread:
        ways = [delay(results, wire, "ours", f"{way}_{figure}_ms") for way in ("up", "down")]
        return max(ways, key=lambda way: way.median)

    return found


def _silence(wire: str, share: float) -> Callable[[Results], Spread]:
    return lambda results: sampled(results, wire, "ours", "silences_ms", share)


def _burst(results: Results) -> Spread:
    ours, theirs = (samples(results, "tls", key, "bursts_ms", 0.5) for key in ("ours", "genai"))
    return ratio(ours, theirs)


def _held(results: Results) -> Spread:
    steps = results.get("growth", {}).get("ours", [])
    return Spread.of([limit(steps)[0]] if steps else [])


def _slope(results: Results) -> Spread:
    points = results.get("hour", {}).get("ours", [])
    return Spread.of([growth_an_hour(points)] if points else [])


def _wired(wire: str, over: str) -> tuple[Target, ...]:
    """Gives the targets that hold on either wire."""
    return (
        Target(f"processor share in real time, against google-genai's bare loop{over}", "x", 1.0,
               _ratio(wire, "cpu", "genai"), reasons.cpu(wire, "genai", 1.0)),
        Target(f"processor share in real time, against Pipecat{over}", "x", 0.5, _ratio(wire, "cpu", "pipecat"),
               reasons.cpu(wire, "pipecat", 0.5)),
        Target(f"socket to ring, processor time a message, against google-genai{over}", "x", 0.6,
               _ratio(wire, "down_us", "genai"), reasons.message(wire)),
        Target(f"added latency either way, p50{over}", "ms", 1.0, _worse_way(wire, "p50"),
               reasons.latency(wire, "p50", 1.0), timed=True),
        Target(f"added latency either way, p99{over}", "ms", 2.5, _worse_way(wire, "p99"),
               reasons.latency(wire, "p99", 2.5), timed=True),
        Target(f"`interrupted` to an empty ring, p50{over}", "ms", 1.0, _silence(wire, 0.5),
               reasons.silence(wire, 0.5, 1.0), timed=True),
        Target(f"`interrupted` to an empty ring, p99{over}", "ms", 5.0, _silence(wire, 0.99),
               reasons.silence(wire, 0.99, 5.0), timed=True),
    )  # fmt: skip


TARGETS = (
    *_wired("plain", ""),
    *_wired("tls", ", over TLS"),
    Target("`interrupted` behind 5 s of speech to an empty ring, against google-genai, over TLS", "x", 0.5, _burst,
           reasons.burst),
    Target("conversations in one process on one core, in real time", "", 40, _held, reasons.many, part="growth",
           at_least=True, timed=True),
    Target("memory at rest", "MiB", 80, _own("rest_mib"), reasons.rest),
    Target("growth of memory in an hour of speech", "MiB", NOISE_MIB, _slope, reasons.slope, part="hour"),
    Target("reconnect gap", "ms", 100, _own("gap_ms"), reasons.gap, timed=True),
    Target("start to first sound on the wire", "ms", 1500, _own("start_ms"), reasons.start, timed=True),
)  # fmt: skip
