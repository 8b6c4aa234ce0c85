"""A real conversation with everything listening: what was said is only where the level of content allows it."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from pipeline import Bus, Plan
from pipeline import events as e
from pipeline.bus import FULL, NONE, TRANSCRIPTS
from pipeline.environment import Environment
from telemetry.report import page
from telemetry.screen import Screen
from telemetry.sinks import Occasion, listening
from telemetry.tape_reading import Taped

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
    places["report"] = page(Taped.read(out / "tape")).encode()
    found = {
        word: sorted(name for name, held in places.items() if word.encode() in held.lower())
        for word in ("tokyo", "noon", TOLD)
    }
    assert {word for word, where in found.items() if where} == kept, found
    if level != NONE:
        assert {"events.jsonl", "trace.jsonl", "log.jsonl", "laminar", "screen", "report"} <= set(found["tokyo"])


@attrs.define
class Glass:
    """A terminal that keeps every picture."""

    shown: list[str] = attrs.field(factory=list)
    keyboard: None = None
    size: tuple[int, int] = (120, 60)

    def show(self, lines: Sequence[str], *, afresh: bool = False) -> None:  # noqa: ARG002 - the terminal's own
        self.shown += lines

    def close(self) -> None:
        """There is nothing to give back."""


SPOKEN: list[e.Event] = [
    e.Transcript("user", "the secret garden", final=False),
    e.Transcript("user", "the secret garden", final=True, turn=1),
    e.Transcript("model", "a secret answer", final=True, turn=1),
    e.ToolStarted("1", "search", {"for": "secret plans"}, 1),
    e.ToolEnded("1", "search", 12.0, "ok", {"found": TOLD}),
    e.ActorRestarted("vad", 1, "ValueError: secret crash", "vad.py:7"),
    e.Trouble("MCP server shop: it failed", "mcp", "again in 1.0 s", f"it said: {TOLD}"),
]


@pytest.mark.parametrize(("level", "kept"), [(NONE, set()), (TRANSCRIPTS, {"secret"}), (FULL, {"secret"})])
async def test_the_live_screen_shows_what_may_be_kept(
    level: str, kept: set[str], autojump_clock: object, tmp_path: Path
) -> None:
    plan, glass = Plan.load(folder=tmp_path), Glass()
    plan.set("telemetry.content", level)
    occasion = Occasion.of(Bus(), plan, Environment(), {}, threads=False)
    async with listening(occasion, (lambda _: Screen("somebody", open=lambda: glass),)) as listeners:  # type: ignore[arg-type,return-value]
        for event in SPOKEN:
            listeners.bus.publish(event)
        await trio.sleep(1)
    picture = "\n".join(glass.shown)
    assert {word for word in ("secret", TOLD) if word in picture} == kept
    for words in ("search(", "vad started again", "MCP server shop: it failed"):
        assert words in picture, "what happened is seen at every level"
