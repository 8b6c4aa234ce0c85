"""How long each turn took, as a table at the end."""

from collections.abc import Mapping

import attrs

from pipeline import events as e

COLUMNS = {
    "microphone": "mic",
    "gate": "gate",
    "uplink": "uplink",
    "socket": "socket",
    "service": "service",
    "tools": "tools",
    "downlink": "down",
    "playback": "play",
    "device": "device",
}  # at most 80 characters together


@attrs.define
class _Row:
    turn: int
    latency_ms: float | None = None
    heard_ms: float = 0.0
    silent_after_ms: float | None = None
    outcome: str = ""
    tools: int = 0
    parts: Mapping[str, float | None] = attrs.field(factory=dict)


@attrs.define
class LatencyTable:
    """Gathers turns from events; `lines` gives the table."""

    _rows: dict[int, _Row] = attrs.field(factory=dict, init=False)
    _tools: int = attrs.field(default=0, init=False)
    _unanswered: list[e.Unanswered] = attrs.field(factory=list, init=False)

    def feed(self, event: e.Event) -> None:
        """Takes the next event."""
        if isinstance(event, e.ToolStarted):
            self._tools += 1
        elif isinstance(event, e.Unanswered):
            self._unanswered.append(event)
        elif isinstance(event, e.FirstAudio):
            row = self._row(event.turn)
            row.latency_ms, row.tools, self._tools = event.latency_ms, self._tools, 0
        elif isinstance(event, e.TurnTimed):
            self._row(event.turn).parts = event.parts
        elif isinstance(event, e.TurnInterrupted):
            self._row(event.turn).silent_after_ms = event.silent_after_ms
        elif isinstance(event, e.TurnEnded):
            row = self._row(event.turn)
            row.heard_ms, row.outcome = event.heard_ms, event.outcome

    def _row(self, turn: int) -> _Row:
        return self._rows.setdefault(turn, _Row(turn))

    def lines(self) -> list[str]:
        """Gives a heading and a line a turn; latency is from the user's last word to the reply's first sample."""
        lines = ["turn  latency ms  heard s  outcome"]
        for row in self._rows.values():
            latency = "-" if row.latency_ms is None else f"{row.latency_ms:.0f}"
            notes = [f"with {row.tools} tool call{'s' if row.tools > 1 else ''}"] if row.tools else []
            if row.silent_after_ms is not None:
                notes.append(f"silent {row.silent_after_ms:.0f} ms after the word came")
            outcome = ", ".join([row.outcome or "unfinished", *notes])
            lines.append(f"{row.turn:>4}  {latency:>10}  {row.heard_ms / 1000:>7.1f}  {outcome}")
        return [
            *lines,
            *(
                f"{'-':>4}  {'-':>10}  {'-':>7}  no reply to what ended at {one.at_ms / 1000:.1f} s ({one.where})"
                for one in self._unanswered
            ),
        ]

    def waterfall(self) -> list[str]:
        """Gives a heading and a line a turn that says where its latency went, in milliseconds; - is unknown."""
        timed = [row for row in self._rows.values() if row.parts]
        heading = "".join(f"{name:>8}" for name in COLUMNS.values())
        lines = [f"turn{heading}"] if timed else []
        for row in timed:
            known = [row.parts.get(part) for part in COLUMNS]
            lines.append(f"{row.turn:>4}" + "".join(f"{'-' if ms is None else f'{ms:.0f}':>8}" for ms in known))
        return lines
