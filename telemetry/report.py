"""A recorded conversation as one HTML page that opens from disk and needs nothing else.

Everything that can be said without a script is in the page itself; the script plays the sound. Whatever comes from the
recording is escaped, and a content security policy lets the page load nothing and run nothing but its own script.
"""

import base64
import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from html import escape
from pathlib import Path
from string import Template

from pipeline.errors import BadRecording, PlanError
from pipeline.events import PARTS
from pipeline.plan import Plan
from pipeline.sections import Telemetry, price_of, section_of
from telemetry.report_charts import depth, distributions, table, timeline, waterfall
from telemetry.report_sound import Sound, sound_of
from telemetry.report_story import Story, Turn, quantile
from telemetry.tape_folder import PLAN
from telemetry.tape_reading import Taped

CONTROLS = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")  # no page may hold these
STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL | re.IGNORECASE)
PAGE = Path(__file__).with_name("report_page")
SHOWN_VERSIONS = ("product", "python", "platform", "began", "content")


def page(taped: Taped) -> str:
    """Gives the page; BadRecording where the events are damaged."""
    story = Story.of(taped)
    sound, silent = _sound(taped)
    style, script = ((PAGE / name).read_text("utf-8") for name in ("page.css", "page.js"))
    template = Template((PAGE / "page.html").read_text("utf-8"))
    text = template.substitute(
        policy=escape(_policy(style, script, story)),
        style=style,
        script=script,
        title=escape(f"Conversation of {_day(taped.versions.get('began'))}"),
        summary=_summary(taped, story),
        player=_player(sound, silent),
        timeline=timeline(story, taped.seconds, sound, taped.sound_at),
        offset=f"{taped.sound_at:.6f}",
        turns=_turns(story),
        distributions=_distributions(story),
        depths=_depths(story, taped.seconds),
        faults=_faults(story),
        about=_about(taped),
    )
    return CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text).encode(errors="replace").decode()


def _policy(style: str, script: str, story: Story) -> str:
    """Allows what is ours, and in the frames of a search's suggestions, which inherit this, their own style sheets."""
    styles = [style, *(text for turn in story.turns.values() for text in STYLE.findall(turn.sources.rendered))]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, *styles)]
    allowed = " ".join(f"'sha256-{each}'" for each in dict.fromkeys(hashes[1:]))
    return (
        f"default-src 'none'; media-src data:; style-src {allowed}; script-src 'sha256-{hashes[0]}'; "
        f"base-uri 'none'; form-action 'none'"
    )


def _summary(taped: Taped, story: Story) -> str:
    latencies = story.latencies()
    facts = {
        "lasted": _clock(taped.seconds),
        "turns": str(len(story.turns)),
        "median latency": f"{quantile(latencies, 0.5):.0f} ms" if latencies else "unknown",
        "without a reply": str(len(story.unanswered)),
        "interruptions": str(len(story.interruptions)),
        "tool calls": str(len(story.tools)),
        "reconnects": str(len(story.resumed)),
        "faults": str(len(story.faults)),
        "tokens": f"{story.tokens:,}".replace(",", "\u202f") if story.tokens else "unknown",
        "cost": _cost(taped, story),
    }
    cut = "" if taped.whole else '<p class="warning">This recording has no end: the program was stopped hard.</p>'
    if taped.lost:
        cut += f'<p class="warning">It is not whole: the disk was too slow for {taped.lost} pieces of it.</p>'
    return cut + "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(fact)}</dd></div>" for name, fact in facts.items())


def _cost(taped: Taped, story: Story) -> str:
    """Says what the tokens cost by the recorded plan's prices: unknown where one of them is missing."""
    try:
        plan = Plan({}, folder=taped.path)
        plan.merge(tomllib.loads(taped.plan), PLAN)
        price = price_of(str(plan.table("live").get("model", "")), section_of(plan, "telemetry", Telemetry).prices)
    except (tomllib.TOMLDecodeError, PlanError):
        price = None
    cost = story.used.cost(price) if story.used.total else None
    return "unknown" if cost is None or price is None else f"{cost:.4f} {price.unit}"


def _sound(taped: Taped) -> tuple[Sound | None, str]:
    """Gives the sound, or why there is none: a recording that a crash has damaged has all else to show."""
    if taped.sound is None:
        return None, "it was recorded without sound" if taped.content != "full" else "there is none in the folder"
    try:
        return sound_of(taped.sound), ""
    except BadRecording as error:
        return None, str(error)


def _player(sound: Sound | None, silent: str) -> str:
    if sound is None:
        return f'<p class="warning">No sound: {escape(silent)}.</p>'
    return f'<audio id="sound" controls preload="metadata" src="{sound.uri}"></audio>'


def _turns(story: Story) -> str:
    if not story.turns:
        return "<p>There was no turn.</p>"
    longest = max((turn.latency_ms or 0.0 for turn in story.turns.values()), default=0.0)
    legend = "".join(f'<li><span class="part {name}"></span>{name}</li>' for name in PARTS)
    rows = "".join(_turn(turn, longest) for turn in story.turns.values())
    return f'<ul class="legend" aria-label="colours">{legend}</ul><ol class="turns">{rows}</ol>'


def _turn(turn: Turn, longest: float) -> str:
    latency = "latency unknown" if turn.latency_ms is None else f"{turn.latency_ms:.0f} ms"
    silent = "" if turn.silent_after_ms is None else f", silent {turn.silent_after_ms:.0f} ms after the word came"
    silent += f", ran dry at the speaker {turn.underruns} times" if turn.underruns else ""
    said = "".join(f'<p class="{who}">{escape(turn.said[who])}</p>' for who in ("user", "model") if turn.said.get(who))
    tools = "".join(
        f'<p class="call">{_seek(tool.begin)} <code>{escape(tool.name)}({escape(_arguments(tool.args))})</code> '
        f"{escape(tool.outcome)}{'' if tool.ms is None else f' after {tool.ms:.0f} ms'}</p>"
        for tool in turn.tools
    )
    parts = table(
        f"where the time of turn {turn.number} went",
        turn.parts,
        [["unknown" if part is None else f"{part:.1f}" for part in turn.parts.values()]],
    )
    return (
        f'<li id="turn-{turn.number}" data-begin="{turn.begin or 0.0:.3f}"><h3>Turn {turn.number} {_seek(turn.begin)} '
        f'<span class="{escape(turn.outcome)}">{escape(turn.outcome)}{escape(silent)}</span></h3>'
        f'<div class="timing">{waterfall(turn, longest)}<b>{latency}</b></div>{said}{_sources(turn)}{tools}'
        f"<details><summary>{turn.heard_ms / 1000:.1f} s heard; all parts in ms</summary>{parts}</details></li>"
    )


def _sources(turn: Turn) -> str:
    """Gives numbered sources, and the service's own suggestions as they are, where they can do nothing to the page."""
    searches = f'<base target="_blank">{turn.sources.rendered}'
    sandboxed = 'class="searches" title="Google Search suggestions" sandbox="allow-popups"'
    frame = f'<iframe {sandboxed} srcdoc="{escape(searches)}"></iframe>'
    return turn.sources.html() + (frame if turn.sources.rendered else "")


def _arguments(args: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in args.items())


def _distributions(story: Story) -> str:
    parts: dict[str, list[float]] = {name: [] for name in PARTS}
    for turn in story.turns.values():
        for name, part in turn.parts.items():
            if part is not None:
                parts.setdefault(name, []).append(part)
    found = {
        "last word to first sample": story.latencies(),
        "interruption to silence": [float(one.get("silent_after_ms") or 0.0) for one in story.interruptions],
        "tool calls": [tool.ms for tool in story.tools if tool.ms is not None],
        "reconnect gaps": [float(one.get("gap_ms") or 0.0) for one in story.resumed],
        "loop stalls": story.stalls,
        **{f"part: {name}": values for name, values in parts.items()},
    }
    return distributions(found) if any(found.values()) else "<p>Nothing was measured.</p>"


def _depths(story: Story, seconds: float) -> str:
    busy = {name: points for name, points in story.depths.items() if any(value for _, value in points)}
    lost = {name: story.depths[name] for name, count in story.dropped.items() if count}
    if not busy | lost:
        return "<p>Whenever it was looked, every edge was empty and none had dropped anything.</p>"
    figures = (
        f"<figure><figcaption><b>{escape(name)}</b> up to {max(value for _, value in points):.0f} messages waited"
        f"{f', {story.dropped[name]} dropped' if story.dropped.get(name) else ''}</figcaption>"
        f"{depth(points, seconds)}</figure>"
        for name, points in (busy | lost).items()
    )
    return "".join(figures)


def _faults(story: Story) -> str:
    if not story.faults:
        return "<p>None.</p>"
    rows = (
        [_seek(float(one["t"])), *(escape(str(one.get(key, ""))) for key in ("what", "code", "action"))]
        for one in story.faults
    )
    return table("faults", ["at", "what", "code", "what was done"], rows)


def _about(taped: Taped) -> str:
    packages = taped.versions.get("packages")
    found: Iterator[tuple[str, object]] = ((name, taped.versions.get(name, "unknown")) for name in SHOWN_VERSIONS)
    facts = "".join(f"<div><dt>{name}</dt><dd>{escape(str(value))}</dd></div>" for name, value in found)
    listed = " ".join(f"{name} {version}" for name, version in packages.items()) if isinstance(packages, dict) else ""
    return (
        f'<dl class="facts">{facts}</dl><details><summary>Plan</summary><pre tabindex="0">{escape(taped.plan)}</pre>'
        f"</details><details><summary>Packages</summary><p>{escape(listed)}</p></details>"
    )


def _seek(at: float | None) -> str:
    """Gives a button that plays from there."""
    if at is None:
        return ""
    return f'<button type="button" class="seek" data-at="{at:.3f}">{_clock(at)}</button>'


def _day(began: object) -> str:
    try:
        day = datetime.fromisoformat(str(began))
    except ValueError:
        return str(began or "an unknown day")
    return f"{day.day} {day:%B %Y, %H:%M %Z}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:04.1f}"
