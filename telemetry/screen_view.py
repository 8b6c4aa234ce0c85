"""The live screen as lines of styled text: a pure function of the model, a time and a size.

A line is a tuple of spans, each a text and a style of rich's, so that it can be compared and cached. The talk is on the
left; to its right stand where the last reply's time went, the actors, and the edges that hold or have lost something.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from rich.cells import cell_len, set_cell_size

from pipeline import events as e
from telemetry.screen_model import CHOICES, Call, Entry, Model, Words

Span = tuple[str, str]
Line = tuple[Span, ...]
SIDE = 32  # columns of the right side, its margin included
NARROW = 64  # columns below which there is no right side
QUIETEST = -60.0  # dBFS at which a meter is empty
DIM, USER, MODEL, WARN, BAD = "bright_black", "green", "cyan", "yellow", "red"
STATES = {
    "STARTING": ("◌", DIM, "starting"),
    "CONNECTED": ("●", "green", "connected"),
    "INTERRUPTED": ("●", "yellow", "interrupted"),
    "CONNECTING": ("◌", "yellow", "connecting"),
    "DISCONNECTED": ("○", "red", "no connection"),
    "CLOSING": ("◌", DIM, "closing"),
    "CLOSED": ("○", DIM, "closed"),
}
DOTS = {"running": ("●", "green"), "done": ("·", DIM), "ended": ("○", "red"), "failed": ("○", "red")}
OUTCOMES = {"ok": ("✓", "green"), "cancelled": ("-", DIM), "void": ("-", DIM)}
# Every actor's time has a colour of its own along the waterfall; what the service takes stands out.
PARTS = {"service": MODEL, "tools": "magenta", "gate": USER, "microphone": USER}


def view(model: Model, now: float, width: int, height: int) -> list[Line]:
    """Gives exactly `height` lines of at most `width` cells."""
    body = max(0, height - 4)
    side = list(_side(model, body)) if width >= NARROW else []
    left = width - (SIDE if side else 0)
    talk = _talk(model, now, left - 2, body)
    rows = [_header(model, now, width), _meters(model, width), ((" " + "─" * (width - 2), DIM),)]
    for number in range(body):
        spans: Line = (("  ", ""), *talk[number]) if number < len(talk) else ()
        if side:
            spans = (*fit(spans, left), *(side[number] if number < len(side) else ()))
        rows.append(spans)
    rows.append(_keys(model))
    return [fit(row, width) for row in rows[:height]]


@lru_cache(maxsize=1024)
def fit(line: Line, width: int) -> Line:
    """Cuts or fills a line to exactly so many cells, without what would steer the terminal.

    Most lines of a picture are those of the one before, so each is worked out once.
    """
    out: list[Span] = []
    for raw, style in line:
        text = _plain(raw)
        room = width - sum(cell_len(span[0]) for span in out)
        if room <= 0:
            break
        out.append((set_cell_size(text, room) if cell_len(text) > room else text, style))
    missing = width - sum(cell_len(span[0]) for span in out)
    return (*out, (" " * missing, "")) if missing else tuple(out)


def _header(model: Model, now: float, width: int) -> Line:
    dot, colour, word = STATES.get(model.state, ("?", DIM, model.state.lower()))
    elapsed = max(0, int(now - (now if model.began is None else model.began)))
    clock = f"{elapsed // 3600}:{elapsed // 60 % 60:02}:{elapsed % 60:02}" if elapsed >= 3600 else _minutes(elapsed)  # noqa: PLR2004
    right = [f"{model.turns} turn{'' if model.turns == 1 else 's'}"]
    right += [f"{model.used.total:,} tokens".replace(",", " ")] if model.used.total else []
    right += [model.cost] if model.cost else []
    facts = "   ".join([*right, clock]) + " "
    left: Line = ((f" {dot} ", colour), (word, f"bold {colour}"), (f"   {model.who.partition(';')[0]}", DIM))
    return (*fit(left, width - cell_len(facts) - 1), (" ", ""), (facts, ""))


def _minutes(elapsed: int) -> str:
    return f"{elapsed // 60}:{elapsed % 60:02}"


def _meters(model: Model, width: int) -> Line:
    gauges = model.gauges
    bar = max(6, (width - 2 - 2 * 18) // 2)
    user = None if gauges is None or model.muted else gauges.microphone
    line: list[Span] = [("   you ", USER), *_meter(user, bar, USER)]
    line += [(" muted  ", f"bold {WARN}")] if model.muted else [(_level(user), DIM)]
    speaker = None if gauges is None else gauges.speaker
    return (*line, ("  assistant ", MODEL), *_meter(speaker, bar, MODEL), (_level(speaker), DIM))


def _level(level: e.Level | None) -> str:
    return f" {level.rms:4.0f} dB" if level is not None and level.rms > QUIETEST else "        "


def _meter(level: e.Level | None, width: int, colour: str) -> Line:
    loud = 0.0 if level is None else min(1.0, max(0.0, 1 - level.rms / QUIETEST))
    filled = round(loud * width)
    return (("━" * filled, colour), ("─" * (width - filled), DIM))


def _keys(model: Model) -> Line:
    if model.choosing:
        return ((" restart which? ", f"bold {WARN}"), ("press its number, any other key for none", DIM))
    keys = [("m", "unmute" if model.muted else "mute"), ("space", "interrupt"), ("r", "restart"), ("q", "quit")]
    return tuple(span for key, what in keys for span in ((f" {key}", "bold"), (f" {what}  ", DIM)))


# -- the talk ------------------------------------------------------------------------------------------------


def _talk(model: Model, now: float, width: int, height: int) -> list[Line]:
    """Gives the newest lines of the talk, as many as there is room for."""
    lines: list[Line] = []
    for entry in reversed(model.talk):
        lines[:0] = _entry(entry, now, width)
        if len(lines) >= height:
            break
    return lines[-height:] if height else []


def _entry(entry: Entry, now: float, width: int) -> list[Line]:
    if isinstance(entry, Words):
        colour = USER if entry.who == "user" else MODEL
        name = "you" if entry.who == "user" else "assistant"
        tail = " …" if entry.open else ""
        return _hanging(
            f"{name:>9}  ", colour, _plain(entry.text).strip() + tail, "italic" if entry.open else "", width
        )
    if isinstance(entry, Call):
        return _call(entry, now, width)
    mark, style = {"trouble": ("!", BAD), "link": ("~", WARN)}.get(entry.kind, ("·", DIM))
    return _hanging(f"{mark:>9}  ", style, _plain(entry.text), DIM if entry.kind != "trouble" else style, width)


def _call(call: Call, now: float, width: int) -> list[Line]:
    if call.outcome is None:
        mark, colour, after = "→", WARN, f"  {max(0.0, now - call.began):.1f} s"
    else:
        mark, colour = OUTCOMES.get(call.outcome, ("✗", BAD))
        after = f"  {call.ms:.0f} ms" + ("" if call.outcome == "ok" else f" {call.outcome}")
    room = width - 11 - cell_len(after)
    what = _plain(call.what)
    if cell_len(what) > room:
        what = set_cell_size(what, max(1, room - 1)) + "…"
    return [((f"{mark:>9}  ", colour), (what, DIM), (after, colour))]


def _hanging(label: str, colour: str, text: str, style: str, width: int) -> list[Line]:
    """Gives a label and the text beside it, wrapped within its own column."""
    indent = cell_len(label)
    wrapped = _wrapped(text, max(8, width - indent)) or ("",)
    return [((label if not number else " " * indent, colour), (part, style)) for number, part in enumerate(wrapped)]


@lru_cache(maxsize=512)
def _wrapped(text: str, width: int) -> tuple[str, ...]:
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and cell_len(line) + 1 + cell_len(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        while cell_len(line) > width:
            head = set_cell_size(line, width)
            lines.append(head)
            line = line[len(head.rstrip()) or 1 :]
    return (*lines, line) if line else tuple(lines)


_STEERING = dict.fromkeys([*range(32), *range(127, 160)], " ")


def _plain(text: str) -> str:
    """Takes out what would steer the terminal."""
    return text if text.isascii() and text.isprintable() else text.translate(_STEERING)


# -- the right side ------------------------------------------------------------------------------------------


def _side(model: Model, height: int) -> Iterator[Line]:
    lines = [*_waterfall(model), *_actors(model)]
    edges = list(_edges(model))
    yield from lines[:height]
    if height > len(lines) + 1:
        yield from edges[: height - len(lines)]


def _title(name: str, fact: str = "") -> Line:
    rule = "─" * (SIDE - 4 - cell_len(name) - cell_len(fact))
    return ((f" {name} ", "bold"), (rule, DIM), (f" {fact}", "bold") if fact else ("─", DIM))


def _waterfall(model: Model) -> Iterator[Line]:
    timed = model.timed
    whole = None if timed is None else timed.latency_ms
    yield _title("last reply", "-" if whole is None else f"{whole:.0f} ms")
    parts = dict.fromkeys(e.PARTS, None) if timed is None else timed.parts
    total = sum(part or 0.0 for part in parts.values()) or 1.0
    room, before = SIDE - 19, 0.0
    for name, part in parts.items():
        begin, end = round(room * before / total), round(room * (before + (part or 0.0)) / total)
        before += part or 0.0
        bar = "█" * (end - begin) or ("▏" if part else "")
        value = "?" if part is None else f"{part:.0f}"
        if timed is None:
            value = ""
        space = " " * (room - begin - len(bar))
        yield ((f" {name:<11}", DIM), (" " * begin, ""), (bar[: room - begin], PARTS.get(name, "blue")), (space, ""),
               (f"{value:>6}", "" if part else DIM))  # fmt: skip


def _actors(model: Model) -> Iterator[Line]:
    actors = {} if model.gauges is None else model.gauges.actors
    yield _title("actors")
    cells = [_actor(number, name, actors[name], choosing=model.choosing) for number, name in enumerate(actors)]
    half = (len(cells) + 1) // 2
    for row in range(half):
        second = cells[row + half] if row + half < len(cells) else ()
        yield (*fit(cells[row], SIDE // 2), *second)


def _actor(number: int, name: str, actor: e.ActorGauge, *, choosing: bool) -> Line:
    dot, colour = DOTS.get(actor.state, ("◌", WARN))
    if choosing:
        dot, colour = CHOICES[number : number + 1] or " ", f"bold {WARN}"
    again: Iterable[Span] = ((f" ↻{actor.restarts}", WARN),) if actor.restarts else ()
    return ((f" {dot} ", colour), (name, "" if actor.state == "running" else DIM), *again)


def _edges(model: Model) -> Iterator[Line]:
    edges = {} if model.gauges is None else model.gauges.edges
    yield _title("edges")
    busy = {name: edge for name, edge in edges.items() if edge.waiting or edge.dropped}
    for name, edge in sorted(busy.items(), key=lambda one: (-one[1].dropped, -one[1].age)):
        yield _edge(name, edge)
    idle = len(edges) - len(busy)
    if idle:
        yield ((f" {idle} empty, nothing lost" if busy else f" all {idle} empty, nothing lost", DIM),)


def _edge(name: str, edge: e.EdgeGauge) -> Line:
    held = edge.waiting if edge.unit == "items" else edge.held
    depth = f"{held / 1e6:.1f} MB" if edge.unit == "bytes" else f"{held:.3g}{' s' if edge.unit == 's' else ''}"
    lost = f" ↓{edge.dropped}" if edge.dropped else ""
    return ((f" {name:<14}", ""), (f"{depth:>8}", "" if edge.waiting else DIM), (lost, BAD))
