"""Plots as SVG, written by hand: no library, no script, nothing from elsewhere."""

import html
from collections.abc import Sequence

import attrs

WIDTH, HEIGHT = 860, 200
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 26, 30
COLOURS = ("#2563a8", "#c2571a", "#2d8653", "#7b4ba0", "#a83246", "#5b6470", "#9a7d0a", "#1d8a99")
MOST_POINTS = 1200


@attrs.frozen
class Line:
    """One series: points of (hours, value)."""

    name: str
    points: Sequence[tuple[float, float]]


def plot(title: str, unit: str, lines: Sequence[Line], *, dots: bool = False) -> str:
    """Draws series over time as one SVG element; `dots` draws points in place of lines."""
    points = [point for line in lines for point in line.points]
    if not points:
        return ""
    across = max(1e-9, *(x for x, _ in points))
    low, high = min(0.0, *(y for _, y in points)), max(y for _, y in points)
    high = high if high > low else low + 1
    step = _step((high - low) / 4)

    def place(x: float, y: float) -> tuple[float, float]:
        down = HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return round(LEFT + x / across * (WIDTH - LEFT - RIGHT), 1), round(down, 1)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">']
    parts.append(f'<text class="title" x="{LEFT}" y="15">{html.escape(title)} ({html.escape(unit)})</text>')
    level = step * int(low / step)
    while level <= high + 1e-9:
        _, y = place(0, level)
        parts.append(f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="tick" text-anchor="end" x="{LEFT - 6}" y="{y + 4}">{level:g}</text>')
        level = round(level + step, 9)
    for share in (0, 0.25, 0.5, 0.75, 1):
        x, _ = place(share * across, low)
        parts.append(f'<text class="tick" text-anchor="middle" x="{x}" y="{HEIGHT - 10}">{share * across:.3g} h</text>')
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        placed = [place(x, y) for x, y in _thinned(line.points)]
        if dots:
            parts += [f'<circle cx="{x}" cy="{y}" r="1.6" fill="{colour}"/>' for x, y in placed]
        else:
            path = " ".join(f"{x},{y}" for x, y in placed)
            parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.4" points="{path}"/>')
    if len(lines) > 1:
        parts += _legend([line.name for line in lines])
    return "".join([*parts, "</svg>"])


def _legend(names: Sequence[str]) -> list[str]:
    parts, x = [], WIDTH - RIGHT
    for number, name in reversed(list(enumerate(names))):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<text class="tick" text-anchor="end" x="{x}" y="15" fill="{colour}">{html.escape(name)}</text>')
        x -= 8 + 6 * len(name)
    return parts


def _thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    return points[:: max(1, -(-len(points) // MOST_POINTS))]


def _step(rough: float) -> float:
    """Gives the next round number: 1, 2 or 5 times a power of ten."""
    power = 1.0
    while power > rough:
        power /= 10
    while power * 10 <= rough:
        power *= 10
    return next((power * factor for factor in (1, 2, 5) if power * factor >= rough), power * 10)
