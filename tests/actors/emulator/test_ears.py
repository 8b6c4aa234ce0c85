"""Realtime sound of any make becomes 16 kHz and turns."""

from collections.abc import Callable

import pytest

from actors.emulator.detector import Ended, Sensitivity, Started
from actors.emulator.ears import Ears, Sound
from actors.emulator.protojson import Breach
from actors.emulator.requests import Blob

Pcm = Callable[..., bytes]


@pytest.mark.parametrize(
    ("mime", "rate"),
    [
        ("audio/pcm", 16_000),
        ("audio/pcm;rate=24000", 24_000),
        ("audio/pcm; rate=8000", 8_000),
        ("audio/pcm;channels=1;rate=48000", 48_000),
        ("AUDIO/PCM;RATE=44100;x=y", 44_100),
        ("audio/l16;rate=16000", 16_000),
    ],
)
def test_the_type_tells_the_rate(mime: str, rate: int) -> None:
    assert Sound.of(Blob(mime, b"ab")) == Sound(b"ab", rate)


@pytest.mark.parametrize(
    "mime", ["", "audio/mp3", "audio/pcmx", "image/png", "audio/pcm;rate=0", "audio/pcm;rate=" + "9" * 50]
)
def test_other_types_are_refused(mime: str) -> None:
    with pytest.raises(Breach):
        Sound.of(Blob(mime, b"ab"))


def test_detection_at_another_rate(speech: Pcm, silence: Pcm) -> None:
    ears = Ears(Sensitivity.of())
    pcm = silence(0.5, 48_000) + speech(1.0, 48_000) + silence(1.2, 48_000)
    events = [event for at in range(0, len(pcm), 1920) for event in ears.hear(Sound(pcm[at : at + 1920], 48_000))]
    assert [type(event) for event in events] == [Started, Ended]
    assert ears.seconds == pytest.approx(2.7)


def test_marks(speech: Pcm) -> None:
    ears = Ears(None)
    assert ears.mark_end() is None
    assert ears.hear(Sound(speech(0.3), 16_000)) == []
    ears.mark_start()
    ears.mark_start()
    assert ears.active
    ears.hear(Sound(speech(0.3), 16_000))
    ended = ears.mark_end()
    assert ended is not None
    assert ended.pcm == speech(0.3)
    assert not ears.active
    with pytest.raises(Breach):
        ears.pause()


def test_marks_at_another_rate_lose_nothing(speech: Pcm) -> None:
    ears = Ears(None)
    ears.mark_start()
    ears.hear(Sound(speech(0.5, 24_000), 24_000))
    ended = ears.mark_end()
    assert ended is not None
    assert len(ended.pcm) == 2 * 8000


def test_marks_are_not_for_the_detector() -> None:
    ears = Ears(Sensitivity.of())
    for mark in (ears.mark_start, ears.mark_end):
        with pytest.raises(Breach):
            mark()


def test_a_pause_ends_speech_and_is_nothing_without(speech: Pcm) -> None:
    ears = Ears(Sensitivity.of())
    assert ears.pause() == []
    assert [type(event) for event in ears.hear(Sound(speech(0.5), 16_000))] == [Started]
    assert [type(event) for event in ears.pause()] == [Ended]


def test_a_marked_turn_without_end_keeps_its_last_minutes() -> None:
    ears = Ears(None)
    ears.mark_start()
    for _ in range(400):
        ears.hear(Sound(bytes(32_000), 16_000))
    ended = ears.mark_end()
    assert ended is not None
    assert len(ended.pcm) == 120 * 32_000
