"""Every demo, as it runs for a newcomer: nothing set, nothing installed but Python."""

import functools
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

LONG = True
BUSY = 3.0  # times slower than an idle machine
LATE_MS = 3500.0  # an idle machine answers within 2600 ms
NAMES = ("conversation", "tools", "interruption", "resumption")
SHOWN = {
    "conversation": ("you are speaking", "tool   get_weather", "interrupted: ", "resumed after"),
    "tools": ("tool   get_weather", "tool   get_time"),
    "interruption": ("interrupted: ", "you: count to twenty"),
    "resumption": ("tool   get_weather", "you: what did i ask", "resumed after", "sent again, nothing lost"),
}


def missing(name: str, outcome: Any) -> list[str]:
    return [words for words in SHOWN[name] if words not in outcome.out]


async def shown(name: str, user: Any) -> Any:
    """Once more where something is missing: a machine that has no time for a conversation leaves words unanswered."""
    outcome = await user.run("demo", name, "--events", "events.jsonl", nice=False)
    if outcome.code == 0 and missing(name, outcome):
        outcome = await user.run("demo", name, "--events", "events.jsonl", nice=False)
    return outcome


SCENARIOS = {name: functools.partial(shown, name) for name in NAMES}


@pytest.fixture
def demo(played: Any) -> Any:
    """Gives the outcome of a demo, which is a conversation in real time, so a machine that has none is let off."""

    def outcome(name: str) -> Any:
        ended = played(name)
        late = [event for event in ended.events("turn.first_audio") if (event["latency_ms"] or 0) > LATE_MS]
        busy = (late or ended.slowness > BUSY) and os.environ.get("REAL_PARTS") != "required"
        if ended.code == 0 and busy and missing(name, ended):
            pytest.skip(
                f"other programs leave none of this machine for a conversation: {ended.slowness:.0f} times slower"
            )
        return ended

    return outcome


@pytest.mark.parametrize("name", NAMES)
def test_a_demo_runs_by_itself_and_shows_what_it_is_about(name: str, demo: Any) -> None:
    outcome = demo(name)
    assert (outcome.code, outcome.err) == (0, ""), outcome.out
    assert missing(name, outcome) == [], outcome.out
    assert "turn  latency ms" in outcome.out


@pytest.mark.parametrize("name", NAMES)
def test_both_sides_are_transcribed_and_no_word_is_lost(name: str, demo: Any) -> None:
    outcome = demo(name)
    lines = [line.strip() for line in outcome.out.splitlines()]
    assert len([line for line in lines if line.startswith("you: ")]) >= 3
    assert len([line for line in lines if line.startswith("assistant: ")]) >= 4
    assert [event["lost_ms"] for event in outcome.events("session.resumed") if event["lost_ms"]] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_reply_has_its_line_in_the_table(name: str, demo: Any) -> None:
    outcome = demo(name)
    table = outcome.out.partition("turn  latency ms")[2]
    rows = re.findall(r"^ +(\d+) +(\d+|-) +([\d.]+)  (\w+)", table, re.MULTILINE)
    ends = {event["turn"]: event for event in outcome.events("turn.end")}
    firsts = {event["turn"]: event for event in outcome.events("turn.first_audio")}
    assert [int(turn) for turn, *_ in rows] == sorted(ends)
    for turn, latency, heard, result in rows:
        assert float(heard) == pytest.approx(ends[int(turn)]["heard_ms"] / 1000, abs=0.051)
        assert result == ends[int(turn)]["outcome"]
        assert latency == "-" or float(latency) == pytest.approx(firsts[int(turn)]["latency_ms"], abs=1)


@pytest.mark.parametrize("name", NAMES)
def test_the_conversation_is_kept_as_a_stereo_recording(name: str, demo: Any, root: Path) -> None:
    """The user on the left, as recorded; the assistant on the right, where the event log has its replies; one clock."""
    outcome = demo(name)
    path = re.search(r"^(/.+\.wav)$", outcome.out, re.MULTILINE)
    assert path is not None
    sound, rate = soundfile.read(path[1], always_2d=True)
    assert (rate, sound.shape[1]) == (24000, 2)
    spoken, native = soundfile.read(next((root / "bin" / "demos").glob(f"{name}.flac")))
    assert native in (16000, 24000, 48000)
    left, whole = loudness(sound[:, 0], rate), loudness(spoken, native)
    assert np.corrcoef(left[: len(whole)], whole[: len(left)])[0, 1] > 0.95
    right = loudness(sound[:, 1], rate)
    answers = [event for event in outcome.events("turn.first_audio") if event["latency_ms"] is not None]
    begins = [int((event["asked_ms"] + event["latency_ms"]) / 50) for event in answers]
    assert len(begins) >= 3
    for first in begins:
        assert right[first : first + 12].max() > 0.02, answers
    assert right[: begins[0] - 1].max() == 0, answers


def loudness(samples: np.ndarray[Any, Any], rate: int) -> np.ndarray[Any, Any]:
    """The level of every 50 ms."""
    block = rate // 20
    whole = samples[: len(samples) // block * block].reshape(-1, block)
    return np.asarray(np.sqrt((whole**2).mean(axis=1)))


def test_the_resumption_knows_what_was_asked_before(demo: Any) -> None:
    out = demo("resumption").out
    asked = out.index("you: what did i ask")
    assert "weather" in out[asked:].partition("assistant: ")[2].partition("mic")[0]
