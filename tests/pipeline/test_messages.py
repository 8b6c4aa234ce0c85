"""The arithmetic of messages that last."""

import pytest

from pipeline.messages import Captured, ReplyAudio, Voiced, pcm_seconds


def test_audio_lasts_as_long_as_its_rate_says() -> None:
    pcm = bytes(48_000)
    assert pcm_seconds(pcm, 8_000) == 3.0
    assert Captured(pcm, 0.0, 0).seconds == 1.5
    assert Voiced(pcm, 0.0, 0).seconds == 1.5
    assert ReplyAudio(turn=1, pcm=pcm, at=0.0).seconds == 1.0


@pytest.mark.parametrize("made", [Captured(b"", 0.0, 0), Voiced(b"", 0.0, 0), ReplyAudio(1, b"", 0.0)])
def test_no_audio_takes_no_time(made: Captured | Voiced | ReplyAudio) -> None:
    assert made.seconds == 0
