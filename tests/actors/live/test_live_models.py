"""What the models refuse is refused here first: every setting is put to our rules and to the embedded service's."""

from collections.abc import Mapping
from typing import Any

import pytest

from actors.emulator.protojson import Breach
from actors.emulator.terms import agree
from actors.emulator.voice import PREBUILT
from actors.emulator.wire import parse
from actors.live import commands as c
from actors.live.blame import advice
from actors.live.models import PROFILES, VOICES
from actors.live.setup import build
from actors.live.wire import encode
from pipeline.errors import PlanError

LIVE, THINKING, FLASH, NATIVE = PROFILES
LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH")

SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    *({"thinking_config": {"thinking_level": level}} for level in LEVELS),
    *({"thinking_config": {"thinking_budget": budget}} for budget in (-2, -1, 0, 512)),
    {"thinking_config": {}},
    {"thinking_config": {"include_thoughts": True}},
    {"thinking_config": {"thinking_level": "LOW", "thinking_budget": 0}},
    *({"enable_affective_dialog": asked} for asked in (True, False)),
    *({"proactivity": {"proactive_audio": asked}} for asked in (True, False)),
    *({"proactivity": {"proactive_video": asked}} for asked in (True, False)),
    *(
        {"speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": v}}}}
        for v in ("Puck", "puck", "Me")
    ),
    *({"speech_config": {"language_code": code}} for code in ("en-US", "de", "English (US)")),
    {"speech_config": {"multi_speaker_voice_config": {"speaker_voice_configs": []}}},
    {"translation_config": {"target_language_code": "es"}},
    *({"session_resumption": {"transparent": asked}} for asked in (True, False)),
    *({"explicit_vad_signal": asked} for asked in (True, False)),
    *({"response_modalities": asked} for asked in (["TEXT"], ["AUDIO", "TEXT"])),
    *({"temperature": asked} for asked in (-0.1, 0.0, 2.0, 2.1)),
    *({"top_p": asked} for asked in (-0.1, 0.5, 1.1)),
    *({"top_k": asked} for asked in (0.0, 1.0)),
    *({"max_output_tokens": asked} for asked in (0, 1, 65536, 65537)),
    {"generation_config": {"candidate_count": 2}},
    {"generation_config": {"presence_penalty": 3.0}},
    *({"realtime_input_config": {"automatic_activity_detection": {"silence_duration_ms": ms}}} for ms in (-1, 0, 1500)),
    {"realtime_input_config": {"automatic_activity_detection": {"prefix_padding_ms": -1}}},
    {"context_window_compression": {"trigger_tokens": 1000, "sliding_window": {"target_tokens": 2000}}},
    {"context_window_compression": {"trigger_tokens": 1000, "sliding_window": {"target_tokens": 0}}},
    {"context_window_compression": {"trigger_tokens": 200_000, "sliding_window": {}}},
    {"context_window_compression": {"trigger_tokens": 131_072, "sliding_window": {}}},
    {"context_window_compression": {}},
    *({"tools": [{name: {}}]} for name in ("google_search", "code_execution", "url_context", "google_maps")),
    {"history_config": {"initial_history_in_client_content": True}},
    {"safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]},
)


def ours(live: Mapping[str, Any]) -> str:
    """Gives the sentence with which we refuse, empty where we do not."""
    try:
        build(live, [], local_turns=False)
    except PlanError as refused:
        return str(refused)
    return ""


def theirs(live: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """Gives the sentence with which the embedded service refuses what would be sent without our rules."""
    with monkeypatch.context() as unchecked:
        unchecked.setattr("actors.live.setup.check", lambda _setup: None)
        setup = build(live, [], local_turns=False).setup
    try:
        sent = parse(encode(c.Setup(setup))).setup
        assert sent is not None
        agree(sent, "v1beta")
    except Breach as breach:
        return str(breach)
    return ""


@pytest.mark.parametrize("model", PROFILES)
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_both_refuse_the_same(model: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    live = {"model": model, **settings}
    if model == THINKING and "thinking_config" not in settings:
        live["thinking_config"] = {"thinking_level": "LOW"}
    refused, refuses = ours(live), theirs(live, monkeypatch)
    assert bool(refused) == bool(refuses), (refused, refuses)
    assert not refused or refused.startswith(model)


@pytest.mark.parametrize(("model", "settings"), [(FLASH, {}), (NATIVE, {}), (LIVE, {})])
def test_a_plain_setup_is_taken(model: str, settings: dict[str, Any]) -> None:
    assert ours({"model": model, **settings}) == ""


def test_the_voices_are_those_of_the_service() -> None:
    assert set(VOICES) == set(PREBUILT)


SETUP = {
    "model": "models/x",
    "generationConfig": {
        "temperature": 1,
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
        "candidateCount": 2,
    },
    "sessionResumption": {"transparent": True},
    "explicitVadSignal": True,
    "labels": {"invalid": "1"},
    "tools": [{"functionDeclarations": [{"name": "argument"}]}],
}


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (
            "Request contains an invalid argument: voice_name 'Me' is not one of them.",
            "prebuilt_voice_config.voice_name",
        ),
        ("temperature must be from 0 to 2", "remove live.temperature in [live]"),
        ("candidate_count must be 1", "remove live.generation_config.candidate_count in [live]"),
        ("session_resumption.transparent is not supported", "remove live.session_resumption"),
        ('Unknown name "explicitVadSignal" at setup', "remove live.explicit_vad_signal in [live]"),
        ("Request contains an invalid argument.", "a setting of [live]"),
        ("API key not valid. Please pass a valid API key.", "check the API key"),
        ("", "a setting of [live]"),
    ],
)
def test_a_refusal_is_blamed_on_what_it_names(reason: str, said: str) -> None:
    told = advice(SETUP, reason)
    assert said in told
    assert ("API key" in told) == ("API key" in reason)
