"""Why a target was missed, told from the figures: what the transport, the detector and the rest have in it. Pure.

The floor's row, a bare loop on trio-websocket, stands for the transport, and the energy detector's column, taken from
the default's, for what the detector's network costs.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from tests.bench.columns import Results, column, delay, growth_an_hour, middle, number, sampled
from tests.bench.figures import ratio
from tests.bench.growth import BUSIEST, LATEST_MS, failings, limit

FULL = 80.0  # percent of a core from which on a process has no time left for what comes at once
ALONE = (
    "A message is a TLS record by itself here, and trio's TLS hands over one record at a time, so messages that came "
    "together share no work, as they do on the plain wire."
)
Reason = Callable[[Results], str]


def shares(results: Results, wire: str, figure: str, unit: str, digits: int) -> tuple[str, float, float, float]:
    """Tells what a figure is made of; gives the transport's, the detector's and the rest's part as well."""
    ours, light, floor = (middle(results, wire, key, figure) for key in ("ours", "light", "floor"))
    if math.isnan(light + floor):
        return f"It is {ours:.{digits}f} {unit}; what it is made of was not measured.", math.nan, math.nan, math.nan
    detector, rest = ours - light, light - floor
    told = (
        f"Of {ours:.{digits}f} {unit} the floor takes {floor:.{digits}f}, the detector's network "
        f"{_some(detector, digits)}, and all else in the pipeline {_some(rest, digits)}."
    )
    return told, floor, detector, rest


def _some(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if value >= 0.5 * 10**-digits else "nothing that shows"


def _largest(floor: float, detector: float, rest: float) -> str:
    """Names the largest part."""
    parts = {"the transport": floor, "the detector's network": detector, "the pipeline's own tasks": rest}
    return max(parts, key=lambda name: parts[name])


def cpu(wire: str, peer: str, goal: float) -> Reason:
    """Why the processor share in real time is too high."""

    def told(results: Results) -> str:
        made, _floor, detector, _rest = shares(results, wire, "cpu", "% of a core", 1)
        if math.isnan(detector):
            return made
        theirs = column(results, wire, peer, "cpu")
        light, floor = (ratio(column(results, wire, key, "cpu"), theirs).median for key in ("light", "floor"))
        if floor > goal:
            return f"{made} The floor alone, which does nothing but read and write, is {floor:.2f} times the peer's."
        if light <= goal:
            return f"{made} Without the network it is {light:.2f} times the peer's: the network makes the miss."
        return f"{made} Without the network it is still {light:.2f} times the peer's: the pipeline's own tasks do."

    return told


def message(wire: str) -> Reason:
    """Why a message down costs too much; the detector hears none of it."""

    def told(results: Results) -> str:
        ours, genai, floor = (middle(results, wire, key, "down_us") for key in ("ours", "genai", "floor"))
        made = (
            f"It is {ours:.0f} us, where the floor's loop, on another transport, takes {floor:.0f} and google-genai "
            f"{genai:.0f}."
        )
        return f"{made} {ALONE}" if wire == "tls" else made

    return told


def latency(wire: str, figure: str, goal: float) -> Reason:
    """Why a delay is too long, the longer of the two ways."""

    def told(results: Results) -> str:
        ways = {way: delay(results, wire, "ours", f"{way}_{figure}_ms").median for way in ("up", "down")}
        way = max(ways, key=lambda one: ways[one])
        light, floor = (delay(results, wire, key, f"{way}_{figure}_ms").median for key in ("light", "floor"))
        made = (
            f"The longer way is {way}, {ways[way]:.2f} ms; the floor's is {floor:.2f} ms, and with the energy detector "
            f"it is {light:.2f} ms."
        )
        if floor > goal:
            return f"{made} The transport and the waking of a process alone exceed the goal."
        if light <= goal:
            return f"{made} The detector's network makes the miss."
        return f"{made} The steps from task to task do: {_some(light - floor, 2)} ms."

    return told


def silence(wire: str, share: float, goal: float) -> Reason:
    """Why it takes too long until nothing is left to play."""

    def told(results: Results) -> str:
        ours, light, floor = (
            sampled(results, wire, key, "silences_ms", share).median for key in ("ours", "light", "floor")
        )
        made = (
            f"`interrupted` is in the floor's hands after {floor:.2f} ms, and this project's ring is empty after "
            f"{ours:.2f} ms, {light:.2f} with the energy detector."
        )
        if floor > goal:
            return f"{made} The transport and the waking of a process alone exceed the goal."
        return f"{made} The steps from the socket to the ring take {_some(ours - floor, 2)} ms."

    return told


def burst(results: Results) -> str:
    """Why an interruption behind speech that came at once takes too long."""
    ours, light, genai, floor = (
        sampled(results, "tls", key, "bursts_ms", 0.5).median for key in ("ours", "light", "genai", "floor")
    )
    part = "the transport" if floor > ours / 2 else "the way from the socket to the ring"
    return (
        f"{ours:.1f} ms here, {light:.1f} with the energy detector, {genai:.1f} for google-genai; the floor, which "
        f"reads the same frames, needs {floor:.1f}. Most of it is {part}."
    )


def many(results: Results) -> str:
    """What ended the growth of conversations."""
    held, step = limit(results.get("growth", {}).get("ours", []))
    if step is None:
        return f"{held} were the most that were tried, and they were held."
    light = limit(results["growth"].get("light", []))[0]
    without = f" With the energy detector {light} are held." if light else ""
    return f"With {step['sessions']}, {ended(step)}.{without}"


def ended(step: Mapping[str, Any]) -> str:
    """Tells what of a count was not in real time, and which process had used up its core."""
    failed = failings(step)
    if failed == {"fault"}:
        return f"they did not run: {step['fault']}"
    share, far = number(step["cpu"]), number(step.get("far_cpu"))
    told = {
        "cpu": f"the process took {share:.0f} % of its core, of which {BUSIEST:.0f} count as all",
        "pieces": f"{100 * number(step.get('came')):.0f} % of the pieces came in the time they had",
    }
    for way in ("up", "down"):
        allowed = LATEST_MS + (step.get("gathers_ms", 0) if way == "up" else 0)
        told[way] = f"the p99 {way} was {number(step[f'{way}_p99_ms']):.1f} ms, of {allowed:.0f} allowed"
    if share >= max(FULL, 0.0 if math.isnan(far) else far):
        cause = "the process had used up its core"
    elif far >= FULL:
        cause = "the far end had used up its core, so this is not the client's limit"
    else:
        cause = "neither had used up its core: it was waiting, not work"
    causes = " and ".join(told[what] for what in ("cpu", "pieces", "up", "down") if what in failed)
    return f"{causes}; the process used {share:.0f} % of a core, the far end {far:.0f} %, and {cause}"


def rest(results: Results) -> str:
    """What takes the memory."""
    made, _floor, detector, _rest = shares(results, "plain", "rest_mib", "MiB", 0)
    if math.isnan(detector):
        return made
    return f"{made} With the energy detector it is {middle(results, 'plain', 'light', 'rest_mib'):.0f} MiB."


def slope(results: Results) -> str:
    """Whether memory grows here or in everything."""
    points, floors = (results.get("hour", {}).get(key, []) for key in ("ours", "floor"))
    told = f"It went from {points[0][1]:.0f} to {points[-1][1]:.0f} MiB in {points[-1][0] / 60:.0f} minutes of speech."
    if not floors:
        return told
    floor = growth_an_hour(floors)
    cause = "most of it is the transport's" if floor > growth_an_hour(points) / 2 else "this project's own part grows"
    return f"{told} The floor's slope is {floor:+.1f} MiB an hour: {cause}."


def gap(results: Results) -> str:
    """How long others need to come back."""
    others = {"Pipecat": "pipecat", "LiveKit": "livekit", "the energy detector": "light"}
    told = ", ".join(f"{name} {middle(results, 'plain', key, 'gap_ms'):.0f} ms" for name, key in others.items())
    return f"For comparison: {told}."


def start(results: Results) -> str:
    """What a start is made of."""
    made, floor, detector, rest_ = shares(results, "plain", "start_ms", "ms", 0)
    return made if math.isnan(detector) else f"{made} The largest part is {_largest(floor, detector, rest_)}."
