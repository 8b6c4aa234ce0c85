"""One recording through everything: what is said arrives, what is answered is heard."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from actors.audio.recording import read_mono

FIXTURES = Path(__file__).parent.parent / "fixtures"
Talking = Callable[..., Any]


async def test_a_question_is_answered_and_the_answer_heard(
    autojump_clock: object, talking: Talking, tmp_path: Path
) -> None:
    async with talking(FIXTURES / "time-tokyo.flac", tools__use=["tools.clock"]) as (near, far):
        await near.until(lambda: near.named("turn.end"))
    assert near.finals("user") == ["what time is it in tokyo"]
    assert "Tokyo" in near.finals("model")[0]
    assert [event.outcome for event in near.named("tool.result")] == ["ok"]
    first, end = near.named("turn.first_audio")[0], near.named("turn.end")[0]
    assert 500 < first.latency_ms < 2500
    assert end.outcome == "completed"
    heard, rate = soundfile.read(tmp_path / "out.wav", dtype="int16")
    assert rate == 24000
    reply = np.frombuffer(far.spoken(), "<i2")
    start = int(np.flatnonzero(heard)[0])
    lead = int(np.flatnonzero(reply)[0])
    assert np.array_equal(heard[start - lead : start - lead + len(reply)], reply)
    assert end.heard_ms == round(len(reply) / 24, 1)


async def test_every_sample_reaches_the_wire_in_order(autojump_clock: object, talking: Talking) -> None:
    recording = FIXTURES / "long-pause.flac"
    async with talking(recording, actors__vad__use="actors.vad:Open") as (near, far):
        await near.until(lambda: near.named("microphone.ended"))
        await near.until(lambda: len(far.audio()) > 16000 * 8)
    sound, rate = soundfile.read(recording, dtype="int16")
    assert rate == 16000
    assert far.audio().startswith(sound.tobytes())


async def test_what_is_said_before_the_link_stands_is_sent_once_it_does(
    autojump_clock: object, talking: Talking
) -> None:
    async with talking(FIXTURES / "time-tokyo.flac") as (near, far):
        far.refuse = 5
        await near.until(lambda: near.named("turn.end"))
    assert far.dialled == 6
    assert near.finals("user") == ["what time is it in tokyo"]
    assert not near.named("session.resumed")


async def test_a_minute_of_reply_in_one_burst_plays_without_a_gap(
    autojump_clock: object, talking: Talking, tmp_path: Path
) -> None:
    settings = {"burst": math.inf}
    async with talking(FIXTURES / "long-story.flac", settings) as (near, far):
        await near.until(lambda: near.named("turn.end"), 200)
    reply = np.frombuffer(far.spoken(), "<i2")
    assert len(reply) > 45 * 24000
    heard, _ = soundfile.read(tmp_path / "out.wav", dtype="int16")
    start = int(np.flatnonzero(heard)[0]) - int(np.flatnonzero(reply)[0])
    assert np.array_equal(heard[start : start + len(reply)], reply)
    assert near.named("channel.drop") == []


async def test_local_turns_are_marked_by_us(autojump_clock: object, talking: Talking) -> None:
    async with talking(FIXTURES / "time-tokyo.flac", room__turns="local") as (near, far):
        await near.until(lambda: near.named("turn.end"))
    setup = next(one for one in far.seen if one.kind == "message")
    assert "disabled" in str(setup.message)
    assert near.finals("user") == ["what time is it in tokyo"]


async def test_text_is_answered_too(autojump_clock: object, talking: Talking) -> None:
    async with talking() as (near, _far):
        await near.until(lambda: near.named("session.state")[-1:] and near.named("session.state")[-1].to == "CONNECTED")
        await near.conversation.say("what time is it in tokyo")
        await near.until(lambda: near.named("turn.end"))
    assert near.finals("user") == ["what time is it in tokyo"]
    assert len(near.finals("model")) == 1


@pytest.mark.parametrize("engine", ["Silero", "WebRTC", "Energy", "Open"])
async def test_every_engine_lets_a_question_through(autojump_clock: object, talking: Talking, engine: str) -> None:
    async with talking(FIXTURES / "time-tokyo.flac", actors__vad__use=f"actors.vad:{engine}") as (near, _far):
        await near.until(lambda: near.named("turn.end"))
    assert near.finals("user") == ["what time is it in tokyo"]
    assert len(near.named("turn.user_end")) == (0 if engine == "Open" else 1)


@pytest.mark.parametrize("name", ["weather-paris-phone.wav", "time-tokyo-stereo.flac", "search-eiffel-tower.flac"])
async def test_recordings_of_any_rate_and_width_arrive_resampled_exactly(
    autojump_clock: object, talking: Talking, name: str
) -> None:
    expected = read_mono(FIXTURES / name, 16000)
    async with talking(FIXTURES / name, actors__vad__use="actors.vad:Open") as (near, far):
        await near.until(lambda: near.named("microphone.ended"))
        await near.until(lambda: len(far.audio()) > len(expected))
    assert far.audio().startswith(expected)


async def test_made_up_microphones_are_what_they_say(autojump_clock: object, talking: Talking) -> None:
    tone = {"use": "actors.microphone:Tone", "frequency": 1000.0, "level": -6.0}
    async with talking(actors__microphone=tone, actors__vad__use="actors.vad:Open") as (near, far):
        await near.until(lambda: len(far.audio()) >= 32000)
    sound = np.frombuffer(far.audio()[:32000], "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(sound))
    assert int(np.argmax(spectrum)) == 1000
    assert abs(20 * np.log10(sound.max() / 32767) + 6) < 0.1
    async with talking(actors__vad__use="actors.vad:Open") as (near, far):
        await near.until(lambda: len(far.audio()) >= 32000)
    assert not np.frombuffer(far.audio()[:32000], "<i2").any()
