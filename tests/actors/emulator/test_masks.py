"""Field masks: how they are read, and what they put in place."""

from typing import Any

import pytest

from actors.emulator import protojson
from actors.emulator.masks import impose, paths
from actors.emulator.protojson import Breach
from actors.emulator.requests import Setup


def setup(**fields: Any) -> Setup:
    return protojson.read(Setup, fields)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("", ()),
        ("model", (("model",),)),
        (
            "generationConfig.topK, generation_config.top_p",
            (("generation_config", "top_k"), ("generation_config", "top_p")),
        ),
        ("temperature", (("generation_config", "temperature"),)),
        ("model,model", (("model",),)),
        (
            "systemInstruction.parts,systemInstruction.role",
            (("system_instruction", "parts"), ("system_instruction", "role")),
        ),
        ("output_audio_transcription", (("output_audio_transcription",),)),
        ("generationConfig.speechConfig.voiceConfig", (("generation_config", "speech_config", "voice_config"),)),
        ("tools.googleSearch", (("tools",),)),
        ("labels.name", (("labels",),)),
        ("tools", (("tools",),)),
    ],
)
def test_paths_are_read(mask: str, expected: Any) -> None:
    assert paths(mask) == expected


@pytest.mark.parametrize("mask", ["modle", "generationConfig.voice", "model,,x", "sessionResumption.handles"])
def test_paths_to_nowhere_are_refused(mask: str) -> None:
    with pytest.raises(Breach, match="names no field"):
        paths(mask)


def test_a_star_is_every_field() -> None:
    own = setup(model="models/a", labels={"x": "y"})
    assert impose(own, setup(model="models/b", systemInstruction={"parts": [{"text": "t"}]}), paths("*")) == own


def test_masked_fields_are_replaced_and_others_are_not() -> None:
    own = setup(model="models/a", generationConfig={"temperature": 0.5, "topP": 0.1})
    theirs = setup(model="models/b", generationConfig={"temperature": 1, "topK": 3}, labels={"x": "y"})
    found = impose(own, theirs, paths("model,temperature,generationConfig.topK"))
    assert found == setup(model="models/a", generationConfig={"temperature": 0.5}, labels={"x": "y"})


def test_a_masked_field_that_is_absent_stays_absent() -> None:
    theirs = setup(outputAudioTranscription={}, systemInstruction={"role": "user", "parts": [{"text": "t"}]})
    found = impose(
        Setup(), theirs, paths("outputAudioTranscription,systemInstruction.parts,proactivity.proactiveAudio")
    )
    assert found.output_audio_transcription is None
    assert found.system_instruction is not None
    assert found.system_instruction.parts == ()
    assert found.proactivity is None


def test_a_masked_field_comes_with_its_parents() -> None:
    own = setup(proactivity={"proactiveAudio": True})
    assert impose(own, Setup(), paths("proactivity.proactiveAudio")) == own
