"""The report of a soak: one HTML page that needs nothing else, beside the same in JSON."""

import html
import json
from collections.abc import Sequence
from pathlib import Path

from bin.soaking.findings import PROMISES
from bin.soaking.outcome import Outcome, percentile, summary
from bin.soaking.plots import Line, plot

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2em auto; padding: 0 1em; color: #1d2329 }
table { border-collapse: collapse; width: 100%; margin: 1em 0 } td, th { text-align: left; padding: .3em .6em;
border-bottom: 1px solid #d8dde2; vertical-align: top } .kept { color: #2d6a3f }
.broken { color: #a8222f; font-weight: 600 }
svg { width: 100%; height: auto; margin: .6em 0 } .grid { stroke: #e2e6ea }
.tick { font: 11px system-ui; fill: #5b6470 }
.title { font: 600 13px system-ui } code { background: #f1f3f5; padding: .1em .3em; word-break: break-all }
"""


def write(folder: Path, outcomes: Sequence[Outcome]) -> Path:
    """Writes report.html and summary.json into the folder, made if need be; gives the page. OSError as it comes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(summary(outcomes), indent=1) + "\n", encoding="utf-8")
    page = folder / "report.html"
    page.write_text(_page(outcomes), encoding="utf-8")
    return page


def _page(outcomes: Sequence[Outcome]) -> str:
    passed = all(one.passed for one in outcomes)
    hours = sum(one.seconds for one in outcomes) / 3600
    verdict = f'<span class="{"kept" if passed else "broken"}">{"passed" if passed else "failed"}</span>'
    first = outcomes[0].order
    seeds = ", ".join(str(one.order.seed) for one in outcomes)
    about = f"{hours:.2f} hours of {first.clock} time, faults: {first.faults}, seed {seeds}"
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Soak</title>",
        f"<style>{STYLE}</style><h1>Soak: {verdict}</h1><p>{html.escape(about)}.</p>",
        _verdicts(outcomes),
        _failures(outcomes),
        _figures(outcomes),
        *_plots(outcomes),
        _faults(outcomes),
    ]
    return "\n".join(part for part in parts if part) + "</html>\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _verdicts(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for name, promise in PROMISES.items():
        checks = sum(one.findings.checks[name] for one in outcomes)
        failures = sum(one.findings.failures[name] for one in outcomes)
        word = "not judged" if not checks else f"broken {failures} times" if failures else "kept"
        colour = "broken" if failures else "kept" if checks else ""
        rows.append((html.escape(name), html.escape(promise), f"{checks:,}", f'<span class="{colour}">{word}</span>'))
    return "<h2>Promises</h2>" + _table(("", "promise", "checks", "verdict"), rows)


def _failures(outcomes: Sequence[Outcome]) -> str:
    broken = [one for one in outcomes if not one.passed]
    rows = [
        (f"{found.at:.2f} s", html.escape(found.promise), html.escape(found.what), str(one.order.seed))
        for one in broken
        for found in one.findings.kept
    ]
    again = "".join(f"<p><code>{html.escape(one.order.again())}</code></p>" for one in broken)
    return f"<h2>What went wrong</h2>{_table(('at', 'promise', 'what', 'seed'), rows)}{again}" if broken else ""


def _figures(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for one in outcomes:
        told = {name: f"{value:,.6g}" for name, value in sorted(one.findings.figures.items())}
        told |= {f"turns {name}": f"{count:,}" for name, count in sorted(one.turns.items())}
        told |= {f"tools that {name}": str(count) for name, count in sorted(one.misbehaved.items())}
        told |= {f"latency p{part} ms": f"{percentile(one.delays, part / 100):.0f}" for part in (50, 90, 99)}
        told |= {"faster than real time": f"{one.seconds / max(one.wall, 1e-9):.1f} times", "digest": one.digest}
        rows += [(html.escape(name), html.escape(value), str(one.order.seed)) for name, value in told.items()]
    return "<h2>Figures</h2>" + _table(("", "value", "seed"), rows)


def _plots(outcomes: Sequence[Outcome]) -> list[str]:
    plots = []
    for title, unit, field in (
        ("Memory", "MB", "memory_mb"),
        ("Tasks", "count", "tasks"),
        ("Threads", "count", "threads"),
        ("Open descriptors", "count", "descriptors"),
    ):
        lines = [
            Line(f"seed {one.order.seed}", [(s.at / 3600, float(getattr(s, field))) for s in one.samples])
            for one in outcomes
        ]
        plots.append(plot(title, unit, lines))
    for one in outcomes:
        names = list(one.samples[-1].edges) if one.samples else []
        fullest = {name: max(s.edges.get(name, 0.0) for s in one.samples) for name in names}
        busy = sorted(names, key=lambda name: -fullest[name])[:6]
        edges = [Line(name, [(s.at / 3600, 100 * s.edges.get(name, 0)) for s in one.samples]) for name in busy]
        plots.append(plot(f"How full the edges were at most between two looks, seed {one.order.seed}", "%", edges))
        points = [(at / 3600, ms) for at, ms in one.latencies]
        latency = plot(
            f"From the last word to the first sound, seed {one.order.seed}", "ms", [Line("", points)], dots=True
        )
        plots.append(latency)
        kinds = sorted({fault.name for fault in one.faults})
        marks = [Line("", [(f.at / 3600, float(kinds.index(f.name) + 1)) for f in one.faults])]
        named = ", ".join(f"{number} {name}" for number, name in enumerate(kinds, 1))
        plots.append(plot(f"Faults, seed {one.order.seed}", "kind", marks, dots=True) + f"<p>{html.escape(named)}</p>")
    return ["<h2>Over time</h2>", *plots]


def _faults(outcomes: Sequence[Outcome]) -> str:
    rows = [
        (f"{fault.at:.2f} s", html.escape(fault.name), html.escape(fault.detail), str(one.order.seed))
        for one in outcomes
        for fault in one.faults
    ]
    return f"<details><summary>{len(rows)} faults</summary>{_table(('at', 'fault', '', 'seed'), rows)}</details>"
