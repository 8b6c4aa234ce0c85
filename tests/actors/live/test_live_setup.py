"""The setup message from the plan: every field of LiveConnectConfig, misspellings by name, each model's rules."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from google.genai import types
from pydantic.alias_generators import to_camel

from actors.live.models import PROFILES, Profile, check, profile
from actors.live.setup import GENERATION, Built, build
from pipeline.errors import PlanError

FREE = "a-model-of-tomorrow"  # has no rules here
SEARCH = {"googleSearch": {}}


def made(live: Mapping[str, Any], tools: Any = (), *, local_turns: bool = False) -> Built:
    return build({"model": FREE, **live}, tools, local_turns=local_turns)


# Every field, as TOML gives it; the value on the wire where it is another.
FIELDS: dict[str, Any] = {
    "generation_config": {"candidate_count": 1},
    "response_modalities": ["AUDIO"],
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40.0,
    "max_output_tokens": 500,
    "media_resolution": "MEDIA_RESOLUTION_LOW",
    "seed": 3,
    "speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}}},
    "thinking_config": {"thinking_budget": 0, "include_thoughts": True},
    "enable_affective_dialog": True,
    "system_instruction": {"role": "user", "parts": [{"text": "be brief"}]},
    "tools": [{"google_search": {}}],
    "session_resumption": {"handle": "H"},
    "input_audio_transcription": {"language_codes": ["en-US"]},
    "output_audio_transcription": {},
    "realtime_input_config": {"automatic_activity_detection": {"silence_duration_ms": 500}},
    "context_window_compression": {"trigger_tokens": 25600, "sliding_window": {"target_tokens": 12800}},
    "proactivity": {"proactive_audio": True},
    "explicit_vad_signal": True,
    "history_config": {"initial_history_in_client_content": True},
    "avatar_config": {"avatar_name": "Someone"},
    "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "translation_config": {"target_language_code": "es", "echo_target_language": True},
    "labels": {"a": "b"},
}


def camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {to_camel(key): camel(item) for key, item in value.items()}
    return [camel(item) for item in value] if isinstance(value, list) else value


def test_every_field_of_google_genai_is_tried_here() -> None:
    assert set(FIELDS) | {"http_options"} == set(types.LiveConnectConfig.model_fields)


@pytest.mark.parametrize("spelt", [lambda value: value, camel], ids=["snake_case", "camelCase"])
@pytest.mark.parametrize("name", FIELDS)
def test_a_field_reaches_its_place(name: str, spelt: Any) -> None:
    setup = made(spelt({name: FIELDS[name]})).setup
    key, value = to_camel(name), camel(FIELDS[name])
    if key == "generationConfig":
        assert setup[key] == value
    else:
        assert (setup["generationConfig"] if key in GENERATION else setup)[key] == value
    assert setup["model"] == f"models/{FREE}"


def test_all_fields_go_together() -> None:
    setup = made(FIELDS).setup
    assert {to_camel(name) for name in FIELDS} == {*setup, *setup["generationConfig"]} - {"model", "candidateCount"}
    assert setup["generationConfig"]["candidateCount"] == 1


def test_http_options_are_for_the_connection() -> None:
    options = {"base_url": "http://h", "api_version": "v1", "headers": {"X-Mine": "secret"}}
    built = made({"http_options": options})
    assert (built.base_url, built.api_version, built.headers) == ("http://h", "v1", {"X-Mine": "secret"})
    assert set(built.setup) == {"model", "generationConfig"}
    assert "secret" not in repr(built)


@pytest.mark.parametrize(
    "instruction",
    ["be brief", ["be brief"], {"parts": [{"text": "be brief"}]}, {"text": "be brief"}, [{"text": "be brief"}]],
)
def test_a_system_instruction_in_any_shape(instruction: Any) -> None:
    setup = made({"system_instruction": instruction}).setup
    assert setup["systemInstruction"] == {"role": "user", "parts": [{"text": "be brief"}]}


@pytest.mark.parametrize(
    ("live", "named"),
    [
        ({"temprature": 1}, "'temprature'"),
        ({"speech_config": {"voice": {}}}, "speech_config.voice"),
        ({"speechConfig": {"voiceConfig": {"prebuilt": {}}}}, "prebuilt"),
        ({"realtime_input_config": {"automatic_activity_detection": {"silence_ms": 5}}}, "silence_ms"),
        ({"temperature": "warm"}, "temperature is 'warm'"),
        ({"tools": [{"google_serch": {}}]}, "google_serch"),
        ({"model": ""}, "model is ''"),
        ({"model": None}, "model is None"),
    ],
)
def test_a_mistake_is_named(live: dict[str, Any], named: str) -> None:
    with pytest.raises(PlanError) as refused:
        made(live)
    assert named in str(refused.value)
    assert "[live]" in str(refused.value)


@pytest.mark.parametrize(
    ("model", "sent"), [("x", "models/x"), ("models/x", "models/x"), ("tunedModels/x", "tunedModels/x")]
)
def test_a_models_name(model: str, sent: str) -> None:
    assert made({"model": model}).setup["model"] == sent


def test_tools_of_the_house_come_beside_those_of_the_plan() -> None:
    setup = made({"tools": [{"google_search": {}}]}, [{"functionDeclarations": [{"name": "f"}]}]).setup
    assert setup["tools"] == [SEARCH, {"functionDeclarations": [{"name": "f"}]}]
    assert "tools" not in made({}).setup


def test_local_turns_switch_the_services_detector_off() -> None:
    asked = {"realtime_input_config": {"activity_handling": "NO_INTERRUPTION"}}
    assert made(asked, local_turns=True).setup["realtimeInputConfig"] == {
        "activityHandling": "NO_INTERRUPTION",
        "automaticActivityDetection": {"disabled": True},
    }


def test_a_detector_that_is_off_without_local_turns_would_leave_nobody_to_end_a_turn() -> None:
    off = {"realtime_input_config": {"automatic_activity_detection": {"disabled": True}}}
    with pytest.raises(PlanError, match=r"\[room\]"):
        made(off)
    made(off, local_turns=True)


def test_the_plan_of_the_house(root: Path) -> None:
    live = tomllib.loads((root / "pipeline" / "default.toml").read_text())["live"]
    built = build(live, [], local_turns=False)
    assert built.setup == {
        "model": "models/gemini-3.8-live",
        "generationConfig": {"responseModalities": ["AUDIO"]},
        "sessionResumption": {},
        "contextWindowCompression": {"slidingWindow": {}},
        "inputAudioTranscription": {},
        "outputAudioTranscription": {},
    }
    assert built.takes_history


# -- the rules of the models ---------------------------------------------------------------------------------

LIVE, THINKING, FLASH, NATIVE = PROFILES


def rule(model: str, *, tools: Any = (), generation: Any = None, **fields: Any) -> str:
    """Gives the sentence with which a setup is refused, empty if it is not."""
    setup = {"model": f"models/{model}", "generationConfig": generation or {}, **fields}
    if model == THINKING and generation is None:
        setup["generationConfig"] = {"thinkingConfig": {"thinkingLevel": "LOW"}}
    if tools:
        setup["tools"] = tools
    try:
        check(setup)
    except PlanError as refused:
        return str(refused)
    return ""


def function(**fields: Any) -> list[dict[str, Any]]:
    return [{"functionDeclarations": [{"name": "f", **fields}]}]


def test_the_models_are_those_of_the_matrix() -> None:
    assert tuple(PROFILES) == (
        "gemini-3.8-live",
        "gemini-3.8-live-extended-thinking",
        "gemini-3.1-flash-live-preview",
        "gemini-2.5-flash-native-audio-preview-12-2025",
    )
    assert [PROFILES[model].history for model in PROFILES] == [True, False, False, True]
    assert profile("models/gemini-3.8-live") is PROFILES[LIVE]
    assert profile(FREE) == Profile()


@pytest.mark.parametrize("model", PROFILES)
def test_every_model_answers_in_audio_only(model: str) -> None:
    thinking = {"thinkingConfig": {"thinkingLevel": "LOW"}} if model == THINKING else {}
    assert rule(model, generation={"responseModalities": ["AUDIO"], **thinking}) == ""
    for asked in (["TEXT"], ["AUDIO", "TEXT"]):
        assert "AUDIO only" in rule(model, generation={"responseModalities": asked, **thinking})


@pytest.mark.parametrize(
    ("model", "thinking", "words"),
    [
        (LIVE, None, ""),
        (LIVE, {}, "takes no thinking_config"),
        (LIVE, {"thinkingLevel": "LOW"}, "takes no thinking_config"),
        (THINKING, None, "exactly one"),
        (THINKING, {"includeThoughts": True}, "exactly one"),
        (THINKING, {"thinkingLevel": "LOW", "thinkingBudget": 1}, "exactly one"),
        (THINKING, {"thinkingLevel": "LOW"}, ""),
        (THINKING, {"thinkingBudget": 0}, ""),
        (THINKING, {"thinkingLevel": "MINIMAL"}, "LOW, MEDIUM or HIGH"),
        (THINKING, {"thinkingBudget": -2}, "from -1 up"),
        (FLASH, {"thinkingLevel": "LOW"}, ""),
        (FLASH, {"thinkingBudget": 0}, "thinking_level instead"),
        (NATIVE, {"thinkingBudget": 0}, ""),
        (NATIVE, {"thinkingLevel": "LOW"}, "thinking_budget instead"),
    ],
)
def test_thinking(model: str, thinking: dict[str, Any] | None, words: str) -> None:
    found = rule(model, generation={"temperature": 1} if thinking is None else {"thinkingConfig": thinking})
    assert words in found
    assert bool(words) == bool(found)


@pytest.mark.parametrize(
    ("model", "true", "false"),
    [(LIVE, "", "always"), (THINKING, "", "always"), (FLASH, "knows no", ""), (NATIVE, "", "")],
)
def test_proactivity(model: str, true: str, false: str) -> None:
    for asked, words in ((True, true), (False, false)):
        found = rule(model, proactivity={"proactiveAudio": asked})
        assert words in found
        assert bool(words) == bool(found)


@pytest.mark.parametrize(
    ("model", "on", "off"), [(LIVE, False, False), (THINKING, False, False), (FLASH, False, True), (NATIVE, True, True)]
)
def test_affective_dialog(model: str, on: bool, off: bool) -> None:
    """Models that have lost it want it left out, be it on or off."""
    thinking = {"thinkingConfig": {"thinkingLevel": "LOW"}} if model == THINKING else {}
    assert (rule(model, generation={"enableAffectiveDialog": True, **thinking}) == "") == on
    assert (rule(model, generation={"enableAffectiveDialog": False, **thinking}) == "") == off


@pytest.mark.parametrize("model", PROFILES)
def test_tools_of_the_service(model: str) -> None:
    assert rule(model, tools=[SEARCH]) == ""
    assert "codeExecution" in rule(model, tools=[{"codeExecution": {}}])
    assert "urlContext" in rule(model, tools=[SEARCH, {"urlContext": {}}])


@pytest.mark.parametrize(
    ("model", "blocking", "non_blocking"),
    [(LIVE, True, True), (THINKING, False, True), (FLASH, True, False), (NATIVE, True, True)],
)
def test_behaviours(model: str, blocking: bool, non_blocking: bool) -> None:
    assert rule(model, tools=function()) == ""
    for asked, allowed in (("BLOCKING", blocking), ("NON_BLOCKING", non_blocking)):
        found = rule(model, tools=function(behavior=asked))
        assert (found == "") == allowed
        assert allowed or "the tool f" in found


def test_extended_thinking_wants_parameters_and_no_json_schema() -> None:
    assert "`parameters`" in rule(THINKING, tools=function(parametersJsonSchema={}))
    assert rule(LIVE, tools=function(parametersJsonSchema={})) == ""


def test_a_model_that_only_blocks_is_not_told_so() -> None:
    setup = made({"model": FLASH}, function(behavior="BLOCKING")).setup
    assert setup["tools"] == function()
    assert made({"model": LIVE}, function(behavior="BLOCKING")).setup["tools"] == function(behavior="BLOCKING")


def test_tools_that_a_model_cannot_call_as_they_want_are_left_out_by_name() -> None:
    both = [{"functionDeclarations": [{"name": "now"}, {"name": "later", "behavior": "NON_BLOCKING"}]}, SEARCH]
    built = made({"model": FLASH}, both)
    assert built.setup["tools"] == [{"functionDeclarations": [{"name": "now"}]}, SEARCH]
    assert built.left_out == ["later"]
    assert made({"model": FLASH}, function(behavior="NON_BLOCKING")).setup.get("tools") is None
    assert made({"model": NATIVE}, both).left_out == []


def test_a_model_of_tomorrow_has_no_rules() -> None:
    assert rule(FREE, generation={"responseModalities": ["TEXT"], "thinkingConfig": {}}) == ""
    assert rule(FREE, tools=[{"codeExecution": {}}]) == ""


def test_building_applies_the_rules() -> None:
    with pytest.raises(PlanError, match="thinking_config"):
        made({"model": LIVE, "thinking_config": {"thinking_level": "LOW"}})
