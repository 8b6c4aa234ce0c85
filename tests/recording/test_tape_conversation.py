"""A recorded conversation is whole: sound on one clock, events, frames byte for byte, and no secret."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from actors.audio.recording import read_mono
from telemetry.report import page
from telemetry.tape_reading import Taped

Recording = Callable[..., Any]
FIXTURES = Path(__file__).parents[1] / "fixtures"


async def test_a_recording_holds_both_sides_on_one_clock(autojump_clock: object, recording: Recording) -> None:
    async with recording("time-tokyo.flac") as recorded:
        await recorded.turns(1)
    sound, rate = soundfile.read(recorded.folder / "conversation.flac", dtype="int16")
    assert (rate, sound.shape[1]) == (24000, 2)
    said = np.frombuffer(read_mono(FIXTURES / "time-tokyo.flac", 24000), "<i2").astype(float)
    heard = sound[: len(said), 0].astype(float)
    assert np.corrcoef(said[: len(heard)], heard)[0, 1] > 0.99
    taped = Taped.read(recorded.folder)
    began = taped.sound_at
    first = recorded.named("turn.first_audio")[0].at - recorded.named("session.state")[0].at
    begins = np.flatnonzero(np.abs(sound[:, 1]) > 50)[0] / 24000
    assert abs(begins + began - first) < 0.15
    assert (recorded.folder / "plan.toml").read_text().count("Energy") == 1
    assert taped.whole
    markup = page(taped)
    assert "what time is it in tokyo" in markup
    assert "data:audio/flac;base64," in markup
