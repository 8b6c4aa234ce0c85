"""Models that are not there to talk: one translates, one writes down."""

from typing import Any

import pytest

from actors.emulator.models import MODELS
from actors.emulator.protojson import Breach
from actors.emulator.requests import GenerationConfig, Setup, TranslationConfig
from actors.emulator.terms import agree
from actors.emulator.vocabulary import Modality

TRANSLATES = "models/gemini-3.5-live-translate-preview"
TRANSCRIBES = "models/gemini-3.5-transcribe-live"


def translating(code: str, model: str = TRANSLATES) -> Setup:
    return Setup(model=model, generation_config=GenerationConfig(translation_config=TranslationConfig(code)))


def test_only_a_model_that_translates_takes_a_language() -> None:
    assert agree(translating("es"), "v1beta").model is MODELS[TRANSLATES]
    for setup in (translating(""), translating("to Spanish"), translating("es", TRANSCRIBES)):
        with pytest.raises(Breach, match=r"translation_config|target_language_code") as caught:
            agree(setup, "v1beta")
        assert caught.value.code == 1007


@pytest.mark.parametrize("modality", [Modality.AUDIO, Modality.TEXT])
def test_a_model_that_writes_down_may_be_asked_for_text(modality: Modality) -> None:
    asked = GenerationConfig(response_modalities=(modality,))
    assert agree(Setup(model=TRANSCRIBES, generation_config=asked), "v1beta")


@pytest.mark.parametrize(("model", "said"), [(TRANSLATES, "good morning"), (TRANSCRIBES, "")])
async def test_what_is_said_is_said_back_or_only_written_down(
    build: Any, autojump_clock: Any, speech: Any, silence: Any, audio: Any, spoken: Any, model: str, said: str
) -> None:
    async with build("good morning") as world:
        client = await world.ready(model=model)
        await client.say(speech(0.8) + silence(1.2))
        seen = await client.until("turnComplete")
        assert spoken(seen, "inputTranscription") == "good morning"
        assert spoken(seen) == said
        assert bool(audio(seen)) is bool(said)
        assert world.mind.asked == []
