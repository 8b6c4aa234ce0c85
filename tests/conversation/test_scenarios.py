"""Our own pipeline under every shipped scenario: the conversation goes on, or ends with one sentence.

The user asks, waits, and asks again; whatever became of the first question, the next one is answered aloud.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import soundfile
import trio

from actors.audio.recording import read_mono
from actors.emulator.hearing import Hearing
from actors.emulator.scenario import load, shipped
from pipeline.errors import Refused

FIXTURES = Path(__file__).parent.parent / "fixtures"
Talking = Callable[..., Any]
PAUSE = 16.0  # seconds after which a user who was not answered asks again
PATIENCE = 120.0  # seconds of virtual time for an answer to the second question, most of them for a frozen far end
SENTENCES = {
    "wrong-model": "1008: models/any is not found",
    "no-compression": "1007: Request contains an invalid argument",
    "no-transcription": "1007: Request contains an invalid argument",
    "setup-unanswered": "did not answer",
    "spent-token": "1011: The service is currently unavailable",
    "expired-token": "1011: Token has expired",
}
"""The scenarios under which no conversation is to be had, or to be had again, and a part of what is said then."""


@attrs.define
class Remembering:
    """Understands as the real hearing does, and what it has heard before at once."""

    hearing: Hearing
    heard: dict[bytes, str] = attrs.field(factory=dict)

    def understand(self, pcm: bytes) -> str:
        if pcm not in self.heard:
            self.heard[pcm] = self.hearing.understand(pcm)
        return self.heard[pcm]


@pytest.fixture(scope="module", name="hearing")
def _hearing() -> Remembering:
    return Remembering(Hearing())


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One question, a pause, and another."""
    first, second = (read_mono(FIXTURES / name, 16_000) for name in ("time-tokyo.flac", "what-did-i-ask.flac"))
    sound = np.frombuffer(first + bytes(2 * int(PAUSE * 16_000)) + second, "<i2")
    path = tmp_path_factory.mktemp("questions") / "questions.wav"
    soundfile.write(path, sound, 16_000)
    return path


def answered(near: Any, asked_at: float) -> bool:
    """Whether a reply to what was said at that time was heard to its end."""
    heard = {event.turn for event in near.named("turn.first_audio") if event.at > asked_at}
    return any(event.turn in heard and event.outcome == "completed" for event in near.named("turn.end"))


@pytest.mark.parametrize("name", sorted(set(shipped()) - {*SENTENCES, "closed-normally"}))
async def test_the_next_question_is_answered(
    autojump_clock: object, talking: Talking, questions: Path, name: str
) -> None:
    settings = {"time_scale": 348.0 if name == "deadline-58-minutes" else 1.0}  # 58 minutes in ten seconds
    async with talking(questions, settings, load(name), tools__use=["tools.clock"]) as (near, _far):
        await near.until(lambda: near.named("microphone.ended"), PAUSE + 30)
        asked_at = near.named("turn.user_start")[-1].at
        await near.until(lambda: answered(near, asked_at), PATIENCE)


@pytest.mark.parametrize(("name", "words"), SENTENCES.items())
async def test_it_ends_with_one_sentence(
    autojump_clock: object, talking: Talking, questions: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.setattr("actors.live.recovery.PATIENCE", 30.0)
    with pytest.RaisesGroup(pytest.RaisesExc(Refused, match=words), flatten_subgroups=True):
        async with talking(questions, scenario=load(name), tools__use=["tools.clock"]):
            await trio.sleep(PATIENCE)


async def test_a_normal_close_is_the_end(autojump_clock: object, talking: Talking, questions: Path) -> None:
    async with talking(questions, scenario=load("closed-normally")) as (near, _far):
        await near.until(lambda: near.named("session.state") and near.named("session.state")[-1].to == "CLOSED")
    assert near.outcomes() == ["completed"]
