"""The user speaks over a reply: silence within a block and the fade, and what was heard is known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import trio

from actors.audio.recording import read_mono

FIXTURES = Path(__file__).parent.parent / "fixtures"
Talking = Callable[..., Any]


async def test_interrupted_on_the_wire_is_silence_within_thirty_ms(
    autojump_clock: object, talking: Talking, tmp_path: Path
) -> None:
    recording = joined(tmp_path, ("long-story.flac", 4.0), ("stop.wav", 6.0))
    async with talking(recording) as (near, far):
        await near.until(lambda: near.named("turn.interrupted"))
        origin = near.conversation.house.state["timeline"].origin
        await near.until(lambda: len(near.named("turn.end")) == 2)
    interrupted = near.named("turn.interrupted")[0]
    assert interrupted.silent_after_ms <= 30
    assert 500 < interrupted.heard_ms < 10_000
    sound, _ = soundfile.read(tmp_path / "out.wav", dtype="int16")
    word = round((interrupted.at - origin) * 24000)
    silent = word + round(0.030 * 24000)
    assert not sound[silent : silent + 2400].any()
    reply = np.frombuffer(far.spoken(), "<i2")
    begin = int(np.flatnonzero(sound)[0] - np.flatnonzero(reply)[0])
    heard, fade = round(interrupted.heard_ms * 24), 120
    assert np.array_equal(sound[begin : begin + heard - fade], reply[: heard - fade])
    assert not sound[begin + heard : begin + heard + 2400].any()
    jumps = np.abs(np.diff(sound[begin + heard - 240 : begin + heard + 1].astype(int)))
    assert jumps.max() <= np.abs(np.diff(reply[: heard + 240].astype(int))).max()
    assert near.finals("user") == ["tell me a long story", "stop"]
    assert near.outcomes() == ["interrupted", "completed"]


async def test_a_program_interrupts_at_once(autojump_clock: object, talking: Talking) -> None:
    async with talking(FIXTURES / "long-story.flac") as (near, _far):
        await near.until(lambda: near.named("turn.first_audio"))
        await trio.sleep(1)
        await near.conversation.interrupt()
        await near.until(lambda: near.named("turn.end"), 2)
        assert near.outcomes() == ["interrupted"]
        await near.conversation.say("what time is it")
        await near.until(lambda: len(near.named("turn.end")) == 2)
    assert near.outcomes() == ["interrupted", "completed"]


async def test_speech_over_a_reply_ducks_it_with_headphones_and_restores_it_unconfirmed(
    autojump_clock: object, talking: Talking, tmp_path: Path
) -> None:
    recording = joined(tmp_path, ("long-story.flac", 5.0), ("stop.wav", 8.0))
    live = {"realtime_input_config": {"activity_handling": "NO_INTERRUPTION"}}
    async with talking(recording, room__headphones=True, live__realtime_input_config=live["realtime_input_config"]) as (
        near,
        _far,
    ):
        await near.until(lambda: len(near.named("turn.ducked")) == 2)
    assert [event.level for event in near.named("turn.ducked")] == ["down", "up"]
    assert near.named("turn.interrupted") == []
    down, up = near.named("turn.ducked")
    assert 0.7 < up.at - down.at < 0.9


async def test_half_duplex_does_not_hear_itself(autojump_clock: object, talking: Talking, tmp_path: Path) -> None:
    recording = joined(tmp_path, ("long-story.flac", 5.0), ("stop.wav", 2.0))
    async with talking(recording, room__duplex="half") as (near, _far):
        await near.until(lambda: near.named("microphone.ended"))
        await near.until(lambda: near.named("turn.end"), 200)
    assert near.outcomes() == ["completed"]
    assert near.finals("user") == ["tell me a long story"]


@pytest.mark.parametrize("typed", [False, True])
async def test_a_reply_of_a_link_that_is_gone_is_interrupted_by_what_is_said_over_it(
    autojump_clock: object, talking: Talking, tmp_path: Path, *, typed: bool
) -> None:
    """The service of the new link does not know that anything is heard, so it tells of no interruption."""
    spoken = ("stop.wav" if typed else "what-did-i-ask.flac", 30.0)
    async with talking(joined(tmp_path, ("long-story.flac", 12.0), spoken), {"burst": 50.0}) as (near, far):
        await near.until(lambda: near.named("turn.first_audio"))
        await trio.sleep(3)
        for connection in list(far.service.connections):
            connection.cut()
        if typed:
            await trio.sleep(2)
            await near.conversation.say("what did i ask")
        await near.until(lambda: len(near.named("turn.first_audio")) == 2, 30)
        assert near.outcomes() == ["interrupted"]
        (interrupted,) = near.named("turn.interrupted")
        assert interrupted.at <= near.named("turn.first_audio")[1].at
        assert interrupted.heard_ms < 20_000  # of a story of a minute
        await near.until(lambda: len(near.named("turn.end")) == 2)
    assert near.outcomes()[1] in ("completed", "interrupted")
    assert "story" in near.finals("model")[-1]


def joined(folder: Path, *pieces: tuple[str, float]) -> Path:
    """Puts recordings one after the other at 16 kHz, each followed by that many seconds of silence."""
    parts = []
    for name, pause in pieces:
        sound = np.frombuffer(read_mono(FIXTURES / name, 16000), np.int16)
        parts += [sound, np.zeros(round(pause * 16000), np.int16)]
    path = folder / "joined.wav"
    soundfile.write(path, np.concatenate(parts), 16000)
    return path
