"""The report's drawings as SVG: pure functions from numbers to markup. Text in them is escaped."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

from telemetry.report_sound import Sound
from telemetry.report_story import Story, Turn, quantile

Scale = Callable[[float], float]
WIDE = 1000  # the units that stand for the whole width
LANES = {"user": 40, "assistant": 120}  # where the two voices' middle lines are, of 160
HIGH = 34
LEAST = 4.0  # units that a part of unknown length takes at least, so that it is seen
ROUNDING = 1.0  # ms by which parts that are rounded may miss the whole


def timeline(story: Story, seconds: float, sound: Sound | None, sound_at: float) -> str:
    """Draws both voices along the time, with turns, interruptions, tools, gaps in the link and faults."""
    span = max(seconds, 0.001)

    def x(t: float) -> float:
        return round(WIDE * min(max(t, 0.0), span) / span, 3)

    parts = [*_turn_bands(story, x), *_gap_bands(story, x)]
    if sound is not None:
        for who, heights in zip(LANES, sound.outlines, strict=True):
            parts.append(_voice(who, heights, x(sound_at), x(sound_at + sound.seconds)))
    parts += [
        _span("tool", x(tool.begin), x(tool.end or tool.begin), 76, 8, f"{tool.name}: {tool.outcome}")
        for tool in story.tools
    ]
    parts += [
        _tick("interruption", x(float(one["t"])), f"reply {one.get('turn')} interrupted") for one in story.interruptions
    ]
    parts += [_tick("fault", x(float(one["t"])), str(one.get("what", ""))) for one in story.faults]
    return (
        f'<svg class="timeline" viewBox="0 0 {WIDE} 160" preserveAspectRatio="none" data-seconds="{span:.3f}">'
        f'{"".join(parts)}<line id="head" class="head" x1="0" x2="0" y1="0" y2="160"/></svg>'
    )


def waterfall(turn: Turn, longest: float) -> str:
    """Draws where a turn's time went, on the scale of the longest one.

    What the known parts leave of it belongs to the unknown ones together, and stands where the first of them is.
    """
    known = sum(part or 0.0 for part in turn.parts.values())
    rest = max(0.0, (turn.latency_ms or 0.0) - known)
    unknown = [name for name, part in turn.parts.items() if part is None]
    pieces: list[tuple[str, float, str]] = []
    for name, part in turn.parts.items():
        if part is not None:
            pieces.append((name, WIDE * part / (longest or 1.0), f"{name}: {part:.1f} ms"))
        elif name == unknown[0]:
            title = f"{', '.join(unknown)}: unknown, {rest:.1f} ms in all"
            pieces.append(("unknown", max(LEAST, WIDE * rest / (longest or 1.0)), title))
    if not unknown and rest > ROUNDING:
        pieces.append(("unknown", max(LEAST, WIDE * rest / (longest or 1.0)), f"not explained: {rest:.1f} ms"))
    begin, drawn = 0.0, []
    for name, width, title in pieces:
        drawn.append(_span(f"part {name}", begin, begin + width, 0, 20, title))
        begin += width
    return f'<svg class="waterfall" viewBox="0 0 {WIDE} 20" preserveAspectRatio="none">{"".join(drawn)}</svg>'


def strip(values: Sequence[float]) -> str:
    """Draws a distribution: each value a stroke, the middle half as a bar, the median as a line."""
    high = max(values) or 1.0
    drawn = [
        _span("half", WIDE * quantile(values, 0.25) / high, WIDE * quantile(values, 0.75) / high, 4, 16, "middle half"),
        *(_stroke("value", WIDE * value / high, 4, 20, f"{value:.0f} ms") for value in values),
        _stroke("median", WIDE * quantile(values, 0.5) / high, 0, 24, "median"),
    ]
    return f'<svg class="strip" viewBox="-4 0 {WIDE + 8} 24" preserveAspectRatio="none">{"".join(drawn)}</svg>'


def depth(points: Sequence[tuple[float, float]], seconds: float) -> str:
    """Draws how many messages waited over time, as steps."""
    high = max(value for _, value in points) or 1.0
    path, before = ["M0 40"], 0.0
    for t, value in points:
        across, up = WIDE * t / max(seconds, 0.001), 40 - 38 * value / high
        path.append(f"L{across:.1f} {40 - 38 * before / high:.1f}L{across:.1f} {up:.1f}")
        before = value
    return (
        f'<svg class="depth" viewBox="0 0 {WIDE} 40" preserveAspectRatio="none">'
        f'<path d="{"".join(path)}L{WIDE} {40 - 38 * before / high:.1f}L{WIDE} 40Z"/></svg>'
    )


def table(label: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Makes a table of cells that are markup already."""
    top = "".join(f'<th scope="col">{escape(one)}</th>' for one in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    inner = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">{inner}</div>'


def distributions(found: Mapping[str, Sequence[float]]) -> str:
    """Gives each series of milliseconds as a strip with its numbers beside it."""
    rows = []
    for name, values in found.items():
        if values:
            numbers = [f"{quantile(values, share):.0f}" for share in (0.5, 0.95)]
            rows.append([escape(name), str(len(values)), *numbers, f"{max(values):.0f}", strip(values)])
    return table("latencies", ["what", "count", "median ms", "p95 ms", "longest ms", "spread"], rows)


def _turn_bands(story: Story, x: Scale) -> Iterable[str]:
    for number, turn in enumerate(story.turns.values()):
        if turn.begin is not None:
            end = turn.end if turn.end is not None else turn.begin
            yield _span(f"turn {'odd' if number % 2 else 'even'}", x(turn.begin), x(end), 0, 160, f"turn {turn.number}")


def _gap_bands(story: Story, x: Scale) -> Iterable[str]:
    for gap in story.gaps:
        yield _span("gap", x(gap.begin), x(gap.end), 0, 160, f"no connection: {gap.why}")


def _voice(who: str, heights: Sequence[float], begin: float, end: float) -> str:
    step = (end - begin) / max(1, len(heights))
    middle = LANES[who]
    upper = [f"{begin + step * (i + 0.5):.2f} {middle - HIGH * height:.1f}" for i, height in enumerate(heights)]
    lower = [f"{begin + step * (i + 0.5):.2f} {middle + HIGH * height:.1f}" for i, height in enumerate(heights)]
    return f'<path class="voice {who}" d="M{"L".join([*upper, *reversed(lower)])}Z"/>'


def _span(kind: str, begin: float, end: float, top: float, height: float, title: str) -> str:
    width = max(end - begin, 0.5)
    return (
        f'<rect class="{escape(kind)}" x="{begin:.2f}" width="{width:.2f}" y="{top}" height="{height}">'
        f"<title>{escape(title)}</title></rect>"
    )


def _tick(kind: str, at: float, title: str) -> str:
    return _stroke(kind, at, 0, 160, title)


def _stroke(kind: str, at: float, top: float, bottom: float, title: str) -> str:
    place = f'x1="{at:.2f}" x2="{at:.2f}" y1="{top}" y2="{bottom}"'
    return f'<line class="{kind}" {place}><title>{escape(title)}</title></line>'
