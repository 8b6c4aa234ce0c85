"""A real conversation with everything listening: what was said is only where the level of content allows it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.bus import FULL, NONE, TRANSCRIPTS
from pipeline.environment import Environment

FIXTURES = Path(__file__).parent.parent / "fixtures"
TOLD = "ocelot"  # what the tool answers, and the model says
TOOL = f"""
from tools import tool

@tool(idempotent=True)
async def get_time(place: str) -> dict[str, object]:
    "Tells the time in a place."
    return {{"summary": "It is noon exactly", "source": "{TOLD}"}}
"""


@pytest.mark.parametrize(
    ("level", "kept"), [(NONE, set()), (TRANSCRIPTS, {"tokyo", "noon"}), (FULL, {"tokyo", "noon", TOLD})]
)
async def test_what_was_said_is_kept_only_where_it_may_be(
    level: str,
    kept: set[str],
    autojump_clock: object,
    watched: Callable[..., Any],
    collector: Callable[..., Any],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    canary: str,
) -> None:
    receiver = collector()
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "clock.py").write_text(TOOL)
    question = tmp_path / "house" / "question.flac"
    shutil.copy(FIXTURES / "time-tokyo.flac", question)
    out = tmp_path / "out"
    out.mkdir()
    names = {"events": "events.jsonl", "trace": "trace.jsonl", "metrics": "metrics.txt", "record": "tape"}
    options = {"quiet": False, "plain": True, **{option: str(out / name) for option, name in names.items()}}
    keys = {
        "tools__use": [str(tmp_path / "house" / "clock.py")],
        "telemetry": {"content": level, "log": "json", "log_file": str(out / "log.jsonl")},
    }
    environment = Environment(laminar_key=canary, laminar_url=receiver.url)
    async with watched(str(question), options, environment, **keys) as near:
        await near.until(lambda: near.named("turn.end"))
    assert near.finals_of("user") == ["what time is it in tokyo"]
    places = {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    places["laminar"] = b"".join(body for _, _, body in receiver.requests)
    places["screen"] = capfd.readouterr().out.encode()
    found = {
        word: sorted(name for name, held in places.items() if word.encode() in held.lower())
        for word in ("tokyo", "noon", TOLD)
    }
    assert {word for word, where in found.items() if where} == kept, found
    if level != NONE:
        assert {"events.jsonl", "trace.jsonl", "log.jsonl", "laminar", "screen"} <= set(found["tokyo"])
