"""What a client may spell in how many ways, and what it is told when it cannot spell."""

import json
from typing import Any

import pytest

from actors.emulator import wire
from actors.emulator.protojson import Breach
from actors.emulator.vocabulary import Behavior, Scheduling, StartSensitivity, ThinkingLevel

WHOLE_SETUP: dict[str, Any] = {
    "model": "models/gemini-3.8-live",
    "generationConfig": {
        "responseModalities": ["AUDIO"],
        "temperature": 0.7,
        "topP": 0.9,
        "topK": 40,
        "maxOutputTokens": 500,
        "seed": 3,
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}, "languageCode": "en-US"},
        "thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 0, "includeThoughts": True},
        "enableAffectiveDialog": True,
        "translationConfig": {"targetLanguageCode": "es", "echoTargetLanguage": True},
    },
    "systemInstruction": {"role": "user", "parts": [{"text": "be brief"}]},
    "tools": [
        {"googleSearch": {}},
        {"codeExecution": {}},
        {"urlContext": {}},
        {
            "functionDeclarations": [
                {
                    "name": "f",
                    "description": "d",
                    "behavior": "NON_BLOCKING",
                    "parameters": {
                        "type": "OBJECT",
                        "properties": {"snake_name": {"type": "ARRAY", "items": {"type": "STRING"}, "min_items": "1"}},
                        "required": ["snake_name"],
                    },
                },
                {"name": "g", "parametersJsonSchema": {"type": "object", "any_key": {"other_key": None}}},
            ]
        },
    ],
    "sessionResumption": {"handle": "HANDLE"},
    "contextWindowCompression": {"triggerTokens": "25600", "slidingWindow": {"targetTokens": 12800}},
    "inputAudioTranscription": {"languageCodes": ["en-US"], "customVocabulary": ["Zed"]},
    "outputAudioTranscription": {},
    "realtimeInputConfig": {
        "automaticActivityDetection": {
            "disabled": False,
            "startOfSpeechSensitivity": "START_SENSITIVITY_LOW",
            "endOfSpeechSensitivity": "END_SENSITIVITY_LOW",
            "prefixPaddingMs": 20,
            "silenceDurationMs": 500,
        },
        "activityHandling": "NO_INTERRUPTION",
        "turnCoverage": "TURN_INCLUDES_ALL_INPUT",
        "interimTranscriptTimestampEnabled": True,
    },
    "proactivity": {"proactiveAudio": True},
    "historyConfig": {"initialHistoryInClientContent": True},
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    "labels": {"a": "b"},
}


def snake(value: Any) -> Any:
    """The same message in the spelling of the Python client."""
    if isinstance(value, dict):
        return {
            "".join("_" + c.lower() if c.isupper() else c for c in key): snake(inner) for key, inner in value.items()
        }
    return [snake(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("spelling", [lambda setup: setup, snake], ids=["camelCase", "snake_case"])
def test_every_field_of_a_setup_is_understood(spelling: Any) -> None:
    found = wire.parse(json.dumps(spelling({"setup": WHOLE_SETUP}))).setup
    assert found is not None
    assert found.model == "models/gemini-3.8-live"
    generation = found.generation_config
    assert (generation.top_k, generation.max_output_tokens, generation.seed) == (40.0, 500, 3)
    assert generation.speech_config is not None
    assert generation.speech_config.voice_config is not None
    assert generation.speech_config.voice_config.prebuilt_voice_config is not None
    assert generation.speech_config.voice_config.prebuilt_voice_config.voice_name == "Puck"
    assert generation.thinking_config is not None
    assert generation.thinking_config.thinking_level is ThinkingLevel.LOW
    assert generation.thinking_config.thinking_budget == 0
    assert found.system_instruction is not None
    assert found.system_instruction.text == "be brief"
    detection = found.realtime_input_config.automatic_activity_detection
    assert detection.start_of_speech_sensitivity is StartSensitivity.START_SENSITIVITY_LOW
    assert detection.silence_duration_ms == 500
    assert found.context_window_compression is not None
    assert found.context_window_compression.trigger_tokens == 25600
    assert found.session_resumption is not None
    assert found.session_resumption.handle == "HANDLE"
    assert found.history_config.initial_history_in_client_content
    f, g = found.tools[3].function_declarations
    assert f.behavior is Behavior.NON_BLOCKING
    assert f.parameters is not None
    assert f.parameters["properties"] == {"snake_name": {"type": "ARRAY", "items": {"type": "STRING"}, "minItems": "1"}}
    assert g.parameters_json_schema == {"type": "object", "any_key": {"other_key": None}}


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("data", ["__777w==", "//777w==", "__777w", "//777w"])
def test_bytes_come_in_both_alphabets_with_or_without_padding(data: str, binary: bool) -> None:
    raw = json.dumps({"realtimeInput": {"audio": {"data": data, "mimeType": "audio/pcm;rate=16000"}}})
    found = wire.parse(raw.encode() if binary else raw).realtime_input
    assert found is not None
    assert found.audio is not None
    assert found.audio.data == b"\xff\xfe\xfb\xef"


def test_answers_of_functions_pass_verbatim() -> None:
    response = {"snake_key": {"camelKey": [1, None, {"will_continue": True}]}}
    raw = {
        "tool_response": {"functionResponses": [{"id": "a", "name": "f", "response": response, "will_continue": True}]}
    }
    found = wire.parse(json.dumps(raw)).tool_response
    assert found is not None
    (answer,) = found.function_responses
    assert answer.response == response
    assert answer.will_continue
    assert answer.scheduling is Scheduling.SCHEDULING_UNSPECIFIED


def test_null_means_absent() -> None:
    found = wire.parse('{"setup": {"model": "m", "tools": null}, "clientContent": null}')
    assert found.setup is not None
    assert found.setup.tools == ()


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ('{"setup": {"x": 1}}', "Invalid JSON payload received. Unknown name \"x\" at 'setup': Cannot find field."),
        ('{"x": 1}', 'Invalid JSON payload received. Unknown name "x": Cannot find field.'),
        (
            '{"setup": {"generationConfig": {"temperature": "warm"}}}',
            "Invalid value at 'setup.generation_config.temperature' (TYPE_FLOAT), \"warm\"",
        ),
        ('{"setup": {"tools": {}}}', "Invalid value at 'setup.tools' (TYPE_LIST), {}"),
        ('{"setup": {"model": 3}}', "Invalid value at 'setup.model' (TYPE_STRING), 3"),
        ('{"clientContent": {"turnComplete": 1}}', "Invalid value at 'client_content.turn_complete' (TYPE_BOOL), 1"),
        (
            '{"realtimeInput": {"audio": {"data": "a!"}}}',
            "Invalid value at 'realtime_input.audio.data' (TYPE_BYTES), Base64 decoding failed for \"a!\"",
        ),
        (
            '{"setup": {"realtimeInputConfig": {"activityHandling": "MAYBE"}}}',
            "Invalid value at 'setup.realtime_input_config.activity_handling' (TYPE_ENUM), \"MAYBE\"",
        ),
        (
            '{"setup": {"tools": [{"functionDeclarations": [{"name": "f", "parameters": {"items": {"$ref": ""}}}]}]}}',
            "Unknown name \"$ref\" at 'setup.tools[0].function_declarations[0].parameters.items'",
        ),
        ('{"setup": {}, "toolResponse": {}}', "found setup and tool_response"),
        ("{}", "One message type must be set, found none."),
        ('{"clientContent": {}, "client_content": {}}', "Field 'client_content' is given twice."),
        ('{"setup": {"contextWindowCompression": {"triggerTokens": 1.5}}}', "TYPE_INT64"),
        ('{"setup": {"contextWindowCompression": {"triggerTokens": 99999999999999999999}}}', "TYPE_INT64"),
        ("[]", "TYPE_MESSAGE"),
        ("not json", "not one JSON object"),
        ("", "not one JSON object"),
        ("[" * 100_000, "not one JSON object"),
    ],
)
def test_what_is_wrong_is_named(raw: str, reason: str) -> None:
    with pytest.raises(Breach) as caught:
        wire.parse(raw)
    assert caught.value.code == 1007
    assert reason in caught.value.reason


def test_reasons_fit_a_close_frame_and_end_between_characters() -> None:
    assert wire.reason("short") == "short"
    cut = wire.reason("é" * 100)
    assert cut == "é" * 61
    assert len(cut.encode()) <= 123


def test_messages_are_pretty_printed_and_end_in_a_newline() -> None:
    sent = wire.encode(wire.spoken("Grüß Gott"))
    assert (
        sent
        == '{\n  "serverContent": {\n    "outputTranscription": {\n      "text": "Grüß Gott"\n    }\n  }\n}\n'.encode()
    )


@pytest.mark.parametrize(("seconds", "shown"), [(50, "50s"), (1.5, "1.5s"), (0.0004, "0s"), (-3, "0s"), (600, "600s")])
def test_durations_are_protobuf_strings(seconds: float, shown: str) -> None:
    assert wire.go_away(seconds) == {"goAway": {"timeLeft": shown}}


@pytest.mark.parametrize("spelt", ["LOW", "low", "Low", 2])
def test_an_enum_may_be_spelt_in_lower_case_or_by_number(spelt: Any) -> None:
    config = {"thinkingConfig": {"thinkingLevel": spelt}}
    setup = wire.parse(json.dumps({"setup": {"generationConfig": config}})).setup
    assert setup is not None
    thinking = setup.generation_config.thinking_config
    assert thinking is not None
    assert thinking.thinking_level is ThinkingLevel.LOW


@pytest.mark.parametrize("category", ["HARM_CATEGORY_IMAGE_HATE", "HARM_CATEGORY_JAILBREAK", 10])
def test_every_harm_that_the_official_client_names_is_known(category: Any) -> None:
    setting = {"category": category, "threshold": "BLOCK_NONE"}
    assert wire.parse(json.dumps({"setup": {"safetySettings": [setting]}})).setup is not None


@pytest.mark.parametrize(
    "schema",
    [
        {"type": 30},
        {"type": "FOO"},
        {"required": 5},
        {"required": [5]},
        {"enum": "x"},
        {"nullable": "yes"},
        {"minItems": 1.5},
        {"minimum": "x"},
        {"description": {}},
        {"properties": {"a": {"type": True}}},
        {"items": {"pattern": 1}},
        {"anyOf": [{"title": []}]},
    ],
)
def test_every_field_of_a_schema_has_its_type(schema: Any) -> None:
    function = {"name": "f", "parameters": schema}
    with pytest.raises(Breach, match=r"Invalid value at 'setup\.tools"):
        wire.parse(json.dumps({"setup": {"tools": [{"functionDeclarations": [function]}]}}))


def test_a_schema_is_read_in_either_case() -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": 1, "min_length": "3", "example": [5]}}}
    setup = wire.parse(json.dumps({"setup": {"tools": [{"functionDeclarations": [{"parameters": schema}]}]}})).setup
    assert setup is not None
    assert setup.tools[0].function_declarations[0].parameters == {
        "type": "OBJECT",
        "required": ["a"],
        "properties": {"a": {"type": "STRING", "minLength": "3", "example": [5]}},
    }
