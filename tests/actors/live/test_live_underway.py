"""The service's sound at one rate."""

import numpy as np

from actors.live.session import Session
from actors.live.signals import Calls, FunctionCall, Speech
from actors.live.underway import AtOutputRate
from pipeline.events import Bus
from pipeline.messages import ReplyAudio, ToolCalled


def tone(rate: int) -> bytes:
    return np.rint(8000 * np.sin(2 * np.pi * 500 * np.arange(rate) / rate)).astype("<i2").tobytes()


def test_the_usual_rate_passes_untouched() -> None:
    assert AtOutputRate()(b"\1\2", 24000) == b"\1\2"


def test_another_rate_keeps_its_pitch() -> None:
    convert = AtOutputRate()
    sound = tone(16000)
    out = b"".join(convert(sound[begin : begin + 640], 16000) for begin in range(0, len(sound), 640))
    samples = np.frombuffer(out, "<i2")
    assert abs(len(samples) - 24000) < 1200
    spectrum = np.abs(np.fft.rfft(samples[:19200]))
    assert int(np.argmax(spectrum)) == 400


def test_the_session_converts_what_it_hands_on() -> None:
    session = Session(Bus(clock=lambda: 0.0))
    session.dialling("test")
    session.link(resumed=False)
    (audio,) = [e for e in session.receive(Speech(tone(48000), 48000), 0.0) if isinstance(e, ReplyAudio)]
    assert len(audio.pcm) < len(tone(48000)) * 0.51


def test_calls_without_ids_are_told_apart() -> None:
    session = Session(Bus(clock=lambda: 0.0))
    session.dialling("test")
    session.link(resumed=False)
    call = Calls((FunctionCall("", "f", {}),))
    ids = [e.id for _ in range(2) for e in session.receive(call, 0.0) if isinstance(e, ToolCalled)]
    assert len(set(ids)) == 2
