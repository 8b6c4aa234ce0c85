"""Plots as SVG, without a library: bars with their spread, and lines."""

from collections.abc import Mapping, Sequence
from html import escape

from tests.bench.figures import Spread

WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 60, 190, 40, 45
COLOURS = ("#1f6feb", "#d29922", "#8250df", "#1a7f37", "#6e7781")
STYLE = "font-family: sans-serif; font-size: 13px; fill: #57606a"


def _frame(title: str, drawn: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" style="{STYLE}">'
    ground = '<rect width="100%" height="100%" fill="#ffffff"/>'
    shown = f'<text x="{LEFT}" y="22" font-weight="bold">{escape(title)}</text>'
    return "\n".join([head, ground, shown, *drawn, "</svg>", ""])


def _step(highest: float) -> float:
    """Gives a round distance between lines of a scale, so that there are four to ten."""
    step = 1.0
    while highest / step > 8:
        step *= 2 if str(step)[0] in "15" else 2.5
    while highest / step < 4:
        step /= 2
    return step


def bars(title: str, values: Mapping[str, Spread]) -> str:
    """Draws a bar for each median, with a line from the lowest to the highest."""
    known = {name: value for name, value in values.items() if value.known}
    highest = max((value.highest for value in known.values()), default=1.0)
    room = (HEIGHT - TOP - BOTTOM) / max(1, len(known))
    drawn = []
    for number, (name, value) in enumerate(known.items()):
        y, scale = TOP + number * room, (WIDTH - 2 * RIGHT) / highest
        drawn += [
            f'<text x="{RIGHT - 8}" y="{y + room / 2 + 4:.0f}" text-anchor="end">{escape(name)}</text>',
            (
                f'<rect x="{RIGHT}" y="{y + room * 0.2:.0f}" width="{value.median * scale:.0f}" '
                f'height="{room * 0.6:.0f}" fill="{COLOURS[number % len(COLOURS)]}"/>'
            ),
            (
                f'<line x1="{RIGHT + value.lowest * scale:.0f}" x2="{RIGHT + value.highest * scale:.0f}" '
                f'y1="{y + room / 2:.0f}" y2="{y + room / 2:.0f}" stroke="#24292f"/>'
            ),
            f'<text x="{RIGHT + value.highest * scale + 8:.0f}" y="{y + room / 2 + 4:.0f}">{value.median:.2f}</text>',
        ]
    return _frame(title, drawn)


def lines(title: str, across: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Draws a line for each series of (place, value)."""
    points = [point for given in series.values() for point in given]
    furthest, highest = (max((point[i] for point in points), default=1.0) * 1.05 for i in (0, 1))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def at(place: float, value: float) -> str:
        x = LEFT + (right - LEFT) * place / furthest
        return f"{x:.1f},{bottom - (bottom - TOP) * value / highest:.1f}"

    drawn = [f'<text x="{(LEFT + right) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>']
    for of, upright in ((highest, True), (furthest, False)):
        step = _step(of)
        for number in range(int(of / step) + 1):
            mark = number * step
            x, y = at(0 if upright else mark, mark if upright else 0).split(",")
            if upright:
                drawn.append(f'<line x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}" stroke="#d0d7de"/>')
                drawn.append(f'<text x="{LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{mark:g}</text>')
            else:
                drawn.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{mark:g}</text>')
    for number, (name, given) in enumerate(each for each in series.items() if each[1]):
        colour, path = COLOURS[number % len(COLOURS)], " ".join(at(*point) for point in given)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn.append(f'<text x="{right + 12}" y="{TOP + 18 * number + 10}" fill="{colour}">{escape(name)}</text>')
    return _frame(title, drawn)
