"""The model matrix: what each model's setup may ask for."""

import json
from typing import Any

import pytest

from actors.emulator import wire
from actors.emulator.protojson import Breach
from actors.emulator.terms import Compression, Terms, agree

LIVE = "models/gemini-3.8-live"
THINKS = "models/gemini-3.8-live-extended-thinking"
FLASH = "models/gemini-3.1-flash-live-preview"
NATIVE = "models/gemini-2.5-flash-native-audio-preview-12-2025"


def terms(model: str = LIVE, **fields: Any) -> Terms:
    setup = wire.parse(json.dumps({"setup": {"model": model} | fields})).setup
    assert setup is not None
    return agree(setup, "v1beta")


def thinking(**config: Any) -> dict[str, Any]:
    return {"generationConfig": {"thinkingConfig": config}}


def function(**fields: Any) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{"name": "f"} | fields]}]}


def generation(**fields: Any) -> dict[str, Any]:
    return {"generationConfig": fields}


def voice(name: str) -> dict[str, Any]:
    return generation(speechConfig={"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name}}})


LEGAL = [
    (LIVE, {}),
    (LIVE, generation(responseModalities=["AUDIO"], temperature=0.7, topP=0.9, topK=40, maxOutputTokens=500, seed=3)),
    (LIVE, function(behavior="BLOCKING")),
    (LIVE, function(behavior="NON_BLOCKING")),
    (LIVE, {"proactivity": {"proactiveAudio": True}}),
    (LIVE, {"tools": [{"googleSearch": {}}, {"functionDeclarations": [{"name": "a.b:c-d_1"}]}]}),
    (LIVE, voice("Sulafat")),
    (THINKS, thinking(thinkingLevel="LOW")),
    (THINKS, thinking(thinkingBudget=100)),
    (FLASH, thinking(thinkingLevel="MINIMAL")),
    (FLASH, function(behavior="BLOCKING")),
    (NATIVE, thinking(thinkingBudget=0)),
    (NATIVE, function(behavior="NON_BLOCKING")),
    (NATIVE, generation(enableAffectiveDialog=True) | {"proactivity": {"proactiveAudio": False}}),
]

ILLEGAL = [
    (LIVE, thinking(thinkingLevel="LOW"), "thinking_config is not supported by models/gemini-3.8-live"),
    (THINKS, {}, "needs thinking_config"),
    (THINKS, thinking(), "exactly one"),
    (THINKS, thinking(thinkingLevel="LOW", thinkingBudget=1), "exactly one"),
    (THINKS, thinking(thinkingLevel="MINIMAL"), "MINIMAL"),
    (THINKS, thinking(thinkingLevel="LOW") | function(behavior="BLOCKING"), "behavior BLOCKING of function f"),
    (FLASH, thinking(thinkingBudget=1), "thinking_budget"),
    (FLASH, function(behavior="NON_BLOCKING"), "behavior NON_BLOCKING of function f"),
    (FLASH, {"proactivity": {"proactiveAudio": True}}, "proactive_audio"),
    (FLASH, generation(enableAffectiveDialog=True), "enable_affective_dialog"),
    (NATIVE, thinking(thinkingLevel="LOW"), "thinking_level"),
    (LIVE, {"proactivity": {"proactiveAudio": False}}, "proactive_audio cannot be turned off"),
    (LIVE, generation(enableAffectiveDialog=False), "enable_affective_dialog"),
    (LIVE, generation(translationConfig={"targetLanguageCode": "es"}), "translation_config"),
    (LIVE, generation(responseModalities=["TEXT"]), "response_modalities TEXT"),
    (LIVE, generation(responseModalities=["TEXT", "AUDIO"]), "TEXT and AUDIO"),
    (LIVE, generation(temperature=2.1), "temperature must be from 0 to 2, found 2.1"),
    (LIVE, generation(topP=-1), "top_p"),
    (LIVE, generation(maxOutputTokens=0), "max_output_tokens"),
    (LIVE, voice("kore"), "voice_name 'kore'"),
    (LIVE, {"tools": [{"codeExecution": {}}]}, "code_execution"),
    (LIVE, {"tools": [{"urlContext": {}}]}, "url_context"),
    (LIVE, function(name="1f"), "function name '1f'"),
    (LIVE, function(name="f" * 129), "function name"),
    (LIVE, {"tools": [{"functionDeclarations": [{"name": "f"}, {"name": "f"}]}]}, "declared twice"),
    (LIVE, function(parameters={}, parametersJsonSchema={}), "both parameters"),
    (LIVE, function(parametersJsonSchema=[]), "must be an object"),
    (LIVE, {"sessionResumption": {"transparent": True}}, "transparent"),
    (LIVE, {"contextWindowCompression": {"triggerTokens": 10, "slidingWindow": {"targetTokens": 10}}}, "target_tokens"),
    (LIVE, {"contextWindowCompression": {"triggerTokens": 0}}, "trigger_tokens"),
    (LIVE, {"realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": -1}}}, "silence_duration_ms"),
]


@pytest.mark.parametrize(("model", "fields"), LEGAL)
def test_what_a_model_allows(model: str, fields: dict[str, Any]) -> None:
    assert terms(model, **fields).model.name == model


@pytest.mark.parametrize(("model", "fields", "complaint"), ILLEGAL)
def test_what_a_model_refuses(model: str, fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Breach) as caught:
        terms(model, **fields)
    assert caught.value.code == 1007
    assert complaint in caught.value.reason


@pytest.mark.parametrize("model", ["models/gemini-9-live", "gemini-3.8-live", ""])
def test_an_unknown_model_is_named_with_the_version(model: str) -> None:
    with pytest.raises(Breach) as caught:
        terms(model)
    assert caught.value.code == 1008
    assert caught.value.reason.startswith(f"{model or 'models/'} is not found for API version v1beta")


@pytest.mark.parametrize(("model", "fields", "blocks"), [(LIVE, {}, False), (FLASH, {}, True), (NATIVE, {}, True)])
def test_whether_functions_block_by_default(model: str, fields: dict[str, Any], blocks: bool) -> None:
    (declared,) = terms(model, **function(**fields)).offer.declared
    assert declared.blocking is blocks


def test_compression_has_defaults() -> None:
    assert terms().compression is None
    assert terms(contextWindowCompression={}).compression == Compression(104_857, 52_428)
    assert terms(contextWindowCompression={"triggerTokens": "1000"}).compression == Compression(1000, 500)


def test_activity_may_be_the_clients_business() -> None:
    assert terms(realtimeInputConfig={"automaticActivityDetection": {"disabled": True}}).detection is None
    heard = terms(realtimeInputConfig={"automaticActivityDetection": {"silenceDurationMs": 300}}).detection
    assert heard is not None
    assert heard.silence_ms == 300
