"""Writes docs/benchmarks.md between its markers, and the plots beside it, from results alone."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.columns import Results, column, delay, growth_an_hour, number, sampled, samples
from tests.bench.contenders import ALL
from tests.bench.figures import Spread, ratio
from tests.bench.growth import BUSIEST, COMPLETE, LATEST_MS, limit
from tests.bench.machine import busy
from tests.bench.plots import bars, lines
from tests.bench.reasons import ended
from tests.bench.targets import TARGETS

BEGIN, END = "<!-- written by bin/bench: begin -->", "<!-- written by bin/bench: end -->"
SHOWN = {contender.key: contender.shown for contender in ALL}
PARTS = {"side": "side by side", "growth": "many conversations", "hour": "an hour of speech", "vad": "speech detectors"}
FIGURES = (
    ("cpu", "processor share in real time, %", "{:.1f}"),
    ("down_us", "processor time for a message down, us", "{:.0f}"),
    ("up_us", "processor time for 20 ms up, us", "{:.0f}"),
    ("up_p50_ms", "microphone to far end, p50, ms", "{:.2f}"),
    ("up_p99_ms", "p99, ms", "{:.2f}"),
    ("down_p50_ms", "far end to ring, p50, ms", "{:.2f}"),
    ("down_p99_ms", "p99, ms", "{:.2f}"),
    ("rest_mib", "memory at rest, MiB", "{:.0f}"),
    ("gap_ms", "reconnect gap, ms", "{:.0f}"),
    ("start_ms", "start to first sound, ms", "{:.0f}"),
)


def written(document: Path, results: Results) -> None:
    """Rewrites what stands between the markers, and the plots beside it; ValueError where there are none."""
    put(document, BEGIN, END, body(results).rstrip())
    for name, drawn in plots(results):
        (document.parent / name).write_text(drawn, "utf-8")


def put(document: Path, begin: str, end: str, text: str) -> None:
    """Puts text between two markers of a document; ValueError where it lacks them."""
    before, found, rest = document.read_text("utf-8").partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise ValueError(f"{document} lacks the markers {begin} and {end}; put them where the results belong")
    document.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", "utf-8")


def body(results: Results) -> str:
    """Gives everything that the results say, as Markdown."""
    parts = [_conditions(results), _targets(results)]
    for wire, title in (("plain", "Side by side, plain WebSocket"), ("tls", "Side by side, over TLS")):
        if results.get("side", {}).get(wire):
            parts += [f"## {title}", _side(results, wire), _ratios(results, wire)]
            parts += [f"![processor share of one conversation in real time](benchmarks-cpu-{wire}.svg)"]
    if results.get("growth"):
        parts += ["## Many conversations in one process, on one core", *_growth(results)]
    if results.get("hour"):
        parts += ["## An hour of speech", _hour(results)]
    if results.get("vad"):
        parts += ["## Speech detectors", _vad(results["vad"])]
    if failed := dict.fromkeys(why for part in results["parts"].values() for why in part["failed"]):
        parts += ["## What did not run", "\n".join(f"- {why}" for why in failed)]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Gives a Markdown table."""
    lines_ = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines_)


def shown(value: Spread, form: str) -> str:
    """Shows a median with its spread; a dash where nothing was measured."""
    if not value.known:
        return "-"
    middle = form.format(value.median)
    return middle if value.runs == 1 else f"{middle} [{form.format(value.lowest)} to {form.format(value.highest)}]"


def _conditions(results: Results) -> str:
    """Tells on what, when, and beside what else all this was measured."""
    machine = results["machine"]
    versions = ", ".join(dict.fromkeys(machine["versions"].values()))
    told = (
        f"Measured on {machine['cores']} cores of {machine['processor']}, {machine['system']}, Python "
        f"{machine['python']}, trio {machine['trio']}; {versions}."
    )
    rows = [
        [PARTS[name], part["date"], f"{number(part.get('seconds')) / 60:.1f}" if part.get("seconds") else "-",
         f"{part['load_of_others']:.2f}" + (", busy" if busy(part) else ""),
         "quick, not to be quoted" if part.get("quick") else "whole"]
        for name, part in results["parts"].items()
    ]  # fmt: skip
    told += "\n\n" + table(["part", "begun", "minutes", "cores used by others", "run"], rows)
    if any(busy(part) for part in results["parts"].values()):
        told += (
            "\n\n**The machine was busy with other things.** Processor times are dearer than on a quiet one, and "
            "delays hold the waiting for others: they are not judged. Ratios, taken run by run, are the figures to "
            "read, and memory does not depend on it."
        )
    return told


def _targets(results: Results) -> str:
    rows = []
    reasons: dict[str, list[str]] = {}
    for target in TARGETS:
        value = target.found(results)
        unit = target.unit
        form = "{:.2f}" if unit in ("x", "ms") else "{:.1f}" if unit == "MiB" else "{:.0f}"
        goal = f"{'at least' if target.at_least else 'at most'} {target.goal:g} {unit}".strip()
        found = f"{shown(value, form)} {unit}".strip() if value.known else "-"
        rows.append([target.name, goal, found, target.verdict(results)])
        if target.met(value) is False and target.judged(results):
            reasons.setdefault(target.why(results), []).append(f"*{target.name}* ({target.missed_by(value)})")
    parts = ["## Targets", table(["target", "goal", "found", ""], rows)]
    if reasons:
        parts += ["Where a target is missed, by how much, and why:"]
        parts += ["\n".join(f"- {', '.join(names)}: {why}" for why, names in reasons.items())]
    return "\n\n".join([*parts, *_makeup(results)])


def _makeup(results: Results) -> Iterator[str]:
    """Tells what the processor share is made of, and what the very first start on a machine costs."""
    ours, light, floor = (column(results, "plain", key, "cpu") for key in ("ours", "light", "floor"))
    if Spread.of(light).known:
        peers = (ratio(light, column(results, "plain", peer, "cpu")) for peer in ("genai", "pipecat"))
        genai, pipecat = (shown(value, "{:.2f}") for value in peers)
        yield (
            f"Of this project's {Spread.of(ours).median:.1f} % of a core in real time the floor's loop takes "
            f"{Spread.of(floor).median:.1f} on trio-websocket. With the energy detector in place of the network it "
            f"is {Spread.of(light).median:.1f} %, which is {genai} times google-genai's and {pipecat} times Pipecat's."
        )
    first = results.get("first")
    if first:
        yield (
            f"The first start on a machine ever builds the setup with google-genai's types and keeps it: it took "
            f"{number(first['start_ms']):.0f} ms, and {number(first['rest_mib']):.0f} MiB at rest. All other figures "
            "are of later starts."
        )


def _present(results: Results, section: str, wire: str | None = None) -> Iterator[str]:
    given = results.get(section, {})
    yield from (contender.key for contender in ALL if (given.get(wire, {}) if wire else given).get(contender.key))


def _side(results: Results, wire: str) -> str:
    keys = list(_present(results, "side", wire))
    rows = [
        [title, *(shown(delay(results, wire, key, figure), form) for key in keys)] for figure, title, form in FIGURES
    ]
    for title, figure, share in (
        ("silent after `interrupted`, p50, ms", "silences_ms", 0.5),
        ("p99, ms", "silences_ms", 0.99),
        ("the same behind 5 s of speech, p50, ms", "bursts_ms", 0.5),
    ):
        rows.append([title, *(shown(sampled(results, wire, key, figure, share), "{:.2f}") for key in keys)])
    return f"{_samples(results, wire)}\n\n{table(['', *(SHOWN[key] for key in keys)], rows)}"


def _samples(results: Results, wire: str) -> str:
    """Tells on how much the quantiles rest."""
    runs = results["side"][wire].get("ours", [])
    silences = sum(len(run.get("silences_ms", [])) for run in runs)
    pieces = results.get("pool", {}).get(wire, {}).get("ours", {}).get("pieces")
    if pieces is None:
        return f"Alternating runs of each: {len(runs)}. Quantiles of delays are the median of the runs' own."
    return (
        f"Alternating runs of each: {len(runs)}. Quantiles are over all runs together, {pieces} pieces each way and "
        f"{silences} interruptions; the brackets hold the lowest and the highest of a run by itself."
    )


def _ratios(results: Results, wire: str) -> str:
    figures = (("cpu", "CPU in real time"), ("down_us", "CPU a message down"), ("up_us", "CPU for 20 ms up"))
    peers = [key for key in _present(results, "side", wire) if key != "ours"]
    rows = []
    for figure, title in figures:
        ours = column(results, wire, "ours", figure)
        rows.append([title, *(shown(ratio(ours, column(results, wire, peer, figure)), "{:.2f}") for peer in peers)])
    ours = samples(results, wire, "ours", "bursts_ms", 0.5)
    rows.append(
        ["behind 5 s", *(shown(ratio(ours, samples(results, wire, p, "bursts_ms", 0.5)), "{:.2f}") for p in peers)]
    )
    head = ["this project's, in times of", *(SHOWN[peer] for peer in peers)]
    return table(head, rows)


def _growth(results: Results) -> Iterator[str]:
    keys = list(_present(results, "growth"))
    yield (
        f"Held are as many as of whose pieces {100 * COMPLETE:.0f} % come in time, each way's p99 within "
        f"{LATEST_MS:.0f} ms beyond what the client gathers, with less than {BUSIEST:.0f} % of the core."
    )
    held = [[SHOWN[key], *_limits(results["growth"][key])] for key in keys]
    yield table(["", "held", "not held", "because", "MiB more for each"], held)
    rows = [[SHOWN[key], *_grown(step)] for key in keys for step in results["growth"][key]]
    yield table(
        ["", "conversations", "CPU, %", "of it each", "up p50 / p99, ms", "down p50 / p99, ms", "a message down, us",
         "silent, ms", "all started, ms", "all back, ms", "MiB", "far end's CPU, %", "held"], rows
    )  # fmt: skip
    yield "![processor share by conversations](benchmarks-growth.svg)"
    yield "![p99 by conversations](benchmarks-delays.svg)"


def _limits(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    held, failed = limit(steps)
    yield str(held)
    yield "none tried" if failed is None else str(failed["sessions"])
    yield "-" if failed is None else ended(failed)
    known = [step for step in steps if step.get("resident_mib")]
    first, last = known[0], known[-1]
    more = last["sessions"] - first["sessions"]
    yield f"{(last['resident_mib'] - first['resident_mib']) / more:.2f}" if more else "-"


def _grown(step: Mapping[str, Any]) -> Iterator[str]:
    yield str(step["sessions"])
    if step.get("fault"):
        yield from ["-"] * 10
        yield f"no: {step['fault']}"
        return
    yield f"{number(step['cpu']):.0f}"
    yield f"{number(step['cpu']) / step['sessions']:.2f}"
    for way in ("up", "down"):
        yield f"{number(step[f'{way}_p50_ms']):.1f} / {number(step[f'{way}_p99_ms']):.1f}"
    for name, form in (("down_us", "{:.0f}"), ("silent_ms", "{:.2f}"), ("all_ready_ms", "{:.0f}"),
                       ("all_back_ms", "{:.0f}"), ("resident_mib", "{:.0f}"), ("far_cpu", "{:.0f}")):  # fmt: skip
        yield "-" if step.get(name) is None else form.format(number(step[name]))
    yield "yes" if step["held"] else "no"


def _hour(results: Results) -> str:
    rows = []
    for key in _present(results, "hour"):
        points = results["hour"][key]
        rows.append(
            [SHOWN[key], f"{points[-1][0] / 60:.0f}", f"{points[0][1]:.0f}", f"{points[-1][1]:.0f}",
             f"{growth_an_hour(points):+.1f}"]
        )  # fmt: skip
    head = ["", "minutes of speech each way", "MiB after the first step", "MiB at the end", "MiB an hour"]
    return table(head, rows) + "\n\n![memory by minutes of speech](benchmarks-memory.svg)"


def _vad(engines: Mapping[str, Any]) -> str:
    some = next(iter(engines.values()))
    told = (
        f"{some['recordings']} recordings of {some['seconds'] / 60:.1f} minutes with {some['spoken']} utterances, "
        "through the default gate. The delay is from the first sample of speech to the gate's opening, of which the "
        "60 ms that it asks for are a part. A false alarm is an opening where nobody had begun to speak: in babble "
        "that is others' speech, and rightly so."
    )
    rows = [
        [name, f"{number(of['delay_p50_ms']):.0f} / {number(of['delay_p95_ms']):.0f}", str(len(of["missed"])),
         str(len(of["alarms"])), f"{of['cpu_per_hour']:.1f}"]
        for name, of in engines.items()
    ]  # fmt: skip
    head = ["detector", "delay p50 / p95, ms", "utterances missed", "false alarms", "CPU seconds an hour of sound"]
    return "\n\n".join(
        [told, table(head, rows), _named("False alarms", "alarms", engines), _named("Missed", "missed", engines)]
    )


def _named(title: str, what: str, engines: Mapping[str, Any]) -> str:
    """Lists the recordings in which something happened."""
    lines_ = [f"- {name}: {', '.join(dict.fromkeys(of[what]))}" for name, of in engines.items() if of[what]]
    return f"{title} in:\n\n" + ("\n".join(lines_) or "- none")


def plots(results: Results) -> Iterator[tuple[str, str]]:
    """Yields each plot's file name and its SVG."""
    for wire in results.get("side", {}):
        cost = {SHOWN[key]: Spread.of(column(results, wire, key, "cpu")) for key in _present(results, "side", wire)}
        yield f"benchmarks-cpu-{wire}.svg", bars(f"percent of a core for one conversation in real time, {wire}", cost)
    if results.get("growth"):
        grown = {
            SHOWN[key]: [(step["sessions"], number(step["cpu"])) for step in results["growth"][key] if "cpu" in step]
            for key in _present(results, "growth")
        }
        yield "benchmarks-growth.svg", lines("percent of a core", "conversations in one process", grown)
        late = {
            SHOWN[key]: [
                (step["sessions"], number(step["down_p99_ms"])) for step in results["growth"][key] if step["held"]
            ]
            for key in _present(results, "growth")
        }
        yield "benchmarks-delays.svg", lines("p99 down in ms, as long as held", "conversations in one process", late)
    if results.get("hour"):
        kept = {SHOWN[key]: [(s / 60, m) for s, m in results["hour"][key]] for key in _present(results, "hour")}
        yield "benchmarks-memory.svg", lines("resident MiB", "minutes of speech each way", kept)


def plain(reason: str) -> str:
    """Takes addresses and places of this machine out of a reason, which is going to be published."""
    return re.sub(r"\w+://\S+|(?<!\w)/\S+", "(...)", reason)


def clean(value: Any) -> Any:
    """Makes results fit for JSON: what is not a number becomes null."""
    if isinstance(value, Mapping):
        return {key: clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [clean(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
