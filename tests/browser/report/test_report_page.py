"""Chromium opens a report from disk, without a network: it sounds, obeys, fits and complains of nothing."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.audio.recording import FlacWriter
from pipeline.events import PARTS
from telemetry.report import page
from telemetry.tape_reading import Taped

HERE = Path(__file__).parent
SECONDS, OFFSET, LASTED = 40.0, 0.5, 41.0
TURNS = (2.0, 14.0, 27.0)
RATE = 24_000


def events() -> list[dict[str, Any]]:
    """Three turns: one with a tool, one cut short, one across a lost connection."""
    told: list[dict[str, Any]] = [
        {"t": 0.0, "event": "session.state", "from": "CONNECTING", "to": "CONNECTED", "reason": "set up"}
    ]
    for number, begin in enumerate(TURNS, 1):
        parts = dict(zip(PARTS, [20.0, 300.0, 1.0, 2.0, 600.0 + 200 * number, 0.0, 1.0, 12.0, None], strict=True))
        said = {"event": "transcript", "final": True, "turn": number}
        told += [
            {"t": begin, "event": "turn.user_start", "at_ms": 1000 * begin},
            {"t": begin + 2, "event": "turn.user_end", "at_ms": 1000 * begin + 2000},
            {"t": begin + 2.1, **said, "who": "user", "text": f"this is question {number}"},
            {"t": begin + 3.2, "event": "turn.first_audio", "turn": number, "latency_ms": 1000.0 + 250 * number},
            {"t": begin + 3.2, "event": "turn.timed", "turn": number, "latency_ms": 1000.0, "parts": parts},
            {"t": begin + 4, **said, "who": "model", "text": f"this is the answer to question {number} " * 6},
            {"t": begin + 9, "event": "turn.end", "turn": number, "heard_ms": 5800.0, "outcome": "completed"},
            {"t": begin + 5, "event": "gauges", "edges": {"reply": {"waiting": 50 * number, "dropped": 0}}},
            {"t": begin + 9, "event": "gauges", "edges": {}},
        ]
    told += [
        {"t": 4.3, "event": "tool.call", "id": "1", "name": "get_weather", "args": {"city": "Paris"}, "turn": 1},
        {"t": 5.1, "event": "tool.result", "id": "1", "name": "get_weather", "ms": 800.0, "outcome": "ok"},
        {"t": 22.5, "event": "turn.interrupted", "turn": 2, "heard_ms": 5300.0, "silent_after_ms": 11.0},
        {"t": 24.0, "event": "session.state", "from": "CONNECTED", "to": "DISCONNECTED", "reason": "1006"},
        {"t": 24.0, "event": "error", "what": "connection lost", "code": 1006, "action": "resume at once"},
        {"t": 25.5, "event": "session.state", "from": "CONNECTING", "to": "CONNECTED", "reason": "resumed"},
        {"t": 25.5, "event": "session.resumed", "attempt": 1, "gap_ms": 1500.0, "replayed_ms": 800.0, "lost_ms": 0.0},
    ]
    return sorted(told, key=lambda event: float(event["t"]))


def recorded(folder: Path) -> Taped:
    """Writes a recording whose sound is two tones that come and go with the turns."""
    time = np.arange(round(SECONDS * RATE)) / RATE + OFFSET
    sides = []
    for lead, pitch in ((0.0, 200.0), (3.2, 320.0)):
        speaks = sum(((time > begin + lead) & (time < begin + lead + 2 + lead)).astype(float) for begin in TURNS)
        sides.append(speaks * np.sin(2 * np.pi * pitch * time) * (0.3 + 0.2 * np.sin(2 * np.pi * 3 * time)))
    with FlacWriter(folder / "conversation.flac", RATE, 2) as writer:
        writer.write((np.column_stack(sides) * 32000).astype("<i2").tobytes())
    versions = {"format": 1, "content": "full", "product": "0.1.0", "began": "2026-11-23T19:26:41+00:00"}
    (folder / "versions.json").write_text(json.dumps(versions))
    (folder / "plan.toml").write_text('[live]\nmodel = "gemini-3.8-live"\n' * 20)
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events()))
    (folder / "frames.jsonl").write_text(f'{{"t": {OFFSET}, "way": "sound"}}\n{{"t": {LASTED}, "way": "end"}}\n')
    return Taped.read(folder)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_a_report_opens_from_disk_sounds_and_obeys(
    real_part: Callable[[str], str], tmp_path: Path, root: Path, mode: str
) -> None:
    chromium, node = real_part("chromium"), real_part("node")
    if not (HERE.parent / "node_modules" / "playwright-core").is_dir():
        text = "the browser's driver is missing: npm ci --prefix tests/browser"
        pytest.fail(text) if os.environ.get("REAL_PARTS") == "required" else pytest.skip(text)
    (tmp_path / "tape").mkdir()
    report = tmp_path / "report.html"
    report.write_text(page(recorded(tmp_path / "tape")), "utf-8")
    shots = tmp_path / "shots"
    given = {
        "url": report.as_uri(), "shots": str(shots), "mode": mode, "seconds": SECONDS, "offset": OFFSET,
        "lasted": LASTED, "turns": TURNS,
    }  # fmt: skip
    done = subprocess.run(
        [node, "report.mjs", json.dumps(given)],
        cwd=HERE,
        env={**os.environ, "CHROMIUM": chromium},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if kept := os.environ.get("ARTEFACTS"):
        shutil.copytree(shots, Path(kept) / "report", dirs_exist_ok=True)
    assert done.returncode == 0, done.stderr
    assert len(list(shots.glob("*.png"))) >= 4
