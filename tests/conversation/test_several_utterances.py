"""Who says two things while nobody can answer is understood in both, and answered."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import trio

from actors.audio.recording import read_mono
from actors.emulator.faculties import Faculties
from actors.emulator.service import Service

FIXTURES = Path(__file__).parent.parent / "fixtures"
SAID = ["what time is it in tokyo", "good morning"]
PAUSE = 1.2  # seconds between the two
Talking = Callable[..., Any]


@pytest.fixture(scope="module", name="questions")
def _questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    first, second = (read_mono(FIXTURES / name, 16_000) for name in ("time-tokyo.flac", "good-morning.flac"))
    path = tmp_path_factory.mktemp("questions") / "questions.wav"
    soundfile.write(path, np.frombuffer(first + bytes(2 * int(PAUSE * 16_000)) + second, "<i2"), 16_000)
    return path


@pytest.fixture(autouse=True)
def _pondering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Understanding takes the time it takes on a busy machine."""
    understand = Faculties.understand

    async def slowly(self: Faculties, pcm: bytes, *more: Any) -> str:
        await trio.sleep(0.8)
        return await understand(self, pcm, *more)

    monkeypatch.setattr(Faculties, "understand", slowly)


async def both_are_answered(near: Any, far: Any) -> None:
    await near.until(lambda: near.named("microphone.ended"), 60)
    await near.until(lambda: len(" ".join(near.finals("user")).split()) >= 8 and near.named("turn.end"), 60)
    await trio.sleep(15)
    assert " ".join(near.finals("user")) == " ".join(SAID)
    said = " ".join(near.finals("model"))
    assert "In Tokyo it is" in said
    assert "Hello!" in said
    understood = [one.detail for one in far.seen if one.detail.startswith("understood ")]
    assert set(understood) == {f"understood {words!r}" for words in SAID}


async def test_before_the_link_stands(
    autojump_clock: object, talking: Talking, questions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = Service.serve_stream

    async def late(self: Service, stream: trio.abc.Stream) -> None:
        await trio.sleep_until(6)
        await serve(self, stream)

    monkeypatch.setattr(Service, "serve_stream", late)
    async with talking(questions, tools__use=["tools.clock"]) as (near, far):
        await near.until(lambda: len(near.named("turn.user_end")) == 2)
        assert not far.seen
        await both_are_answered(near, far)


async def test_in_one_outage(autojump_clock: object, talking: Talking, questions: Path) -> None:
    async with talking(questions, tools__use=["tools.clock"]) as (near, far):
        await near.until(lambda: near.named("session.state"))
        await trio.sleep(0.3)
        far.refuse = 5
        for connection in list(far.service.connections):
            connection.cut()
        await both_are_answered(near, far)
        assert far.dialled > 5
