"""Every demo, as it runs for a newcomer: nothing set, nothing installed but Python."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

Demos = Callable[[], dict[str, Any]]
NAMES = ("conversation", "tools", "interruption", "resumption")
SHOWN = {
    "conversation": ("you are speaking", "tool   get_weather", "interrupted: ", "resumed after", "turn  latency ms"),
    "tools": ("tool   get_weather", "tool   get_time", "source   ["),
    "interruption": ("interrupted: ",),
    "resumption": ("resumed after", "sent again, nothing lost"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_demo_runs_by_itself_and_shows_what_it_is_about(name: str, demos: Demos) -> None:
    outcome = demos()[name]
    assert (outcome.code, outcome.err) == (0, ""), outcome.out
    assert [words for words in SHOWN[name] if words not in outcome.out] == [], outcome.out


@pytest.mark.parametrize("name", NAMES)
def test_both_sides_are_transcribed(name: str, demos: Demos) -> None:
    lines = [line.strip() for line in demos()[name].out.splitlines()]
    assert len([line for line in lines if line.startswith("you: ")]) >= 4
    assert len([line for line in lines if line.startswith("assistant: ")]) >= 4


@pytest.mark.parametrize("name", NAMES)
def test_the_conversation_is_kept_as_a_stereo_recording(name: str, demos: Demos) -> None:
    """The user on the left, the assistant on the right, on one clock."""
    shown = re.search(r"on the right: (.+\.wav)", demos()[name].out)
    assert shown is not None
    sound, rate = soundfile.read(Path(shown[1]), always_2d=True)
    assert (rate, sound.shape[1]) == (24000, 2)
    assert len(sound) / rate > 20
    assert (np.abs(sound).max(axis=0) > 0.1).all()


def test_the_resumption_knows_what_was_asked_before(demos: Demos) -> None:
    out = demos()["resumption"].out
    asked = out.index("you: what did i ask")
    assert "weather" in out[asked:].partition("assistant: ")[2].splitlines()[0]
