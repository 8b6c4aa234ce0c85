"""Our JSON against google-genai's own models, both ways: when the service's types drift, a test breaks and no call."""

import json
from typing import Any

import pytest
from google.genai import types

from actors.live import commands as c
from actors.live import signals as s
from actors.live.setup import build
from actors.live.wire import decode, encode

PCM = bytes(range(256))
FULL: dict[str, Any] = {
    "model": "gemini-2.5-flash-native-audio-preview-12-2025",
    "response_modalities": ["AUDIO"],
    "temperature": 0.7,
    "system_instruction": "be brief",
    "speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}}, "language_code": "en-US"},
    "thinking_config": {"thinking_budget": 0},
    "session_resumption": {},
    "context_window_compression": {"trigger_tokens": 25600, "sliding_window": {"target_tokens": 12800}},
    "input_audio_transcription": {},
    "output_audio_transcription": {},
    "realtime_input_config": {"activity_handling": "NO_INTERRUPTION"},
    "proactivity": {"proactive_audio": True},
    "history_config": {"initial_history_in_client_content": True},
    "labels": {"a": "b"},
}
TOOLS = [
    {"functionDeclarations": [{"name": "f", "description": "d", "parameters": {"type": "OBJECT", "properties": {}}}]},
    {"googleSearch": {}},
]


def client_message(command: c.Command) -> types.LiveClientMessage:
    return types.LiveClientMessage.model_validate_json(encode(command))


def test_audio() -> None:
    sent = client_message(c.Audio(PCM)).realtime_input
    assert sent is not None
    assert sent.audio == types.Blob(data=PCM, mime_type="audio/pcm;rate=16000")
    assert sent.model_fields_set == {"audio"}


@pytest.mark.parametrize(
    ("command", "field", "value"),
    [
        (c.Text("hello"), "text", "hello"),
        (c.AudioStreamEnd(), "audio_stream_end", True),
        (c.ActivityStart(), "activity_start", types.ActivityStart()),
        (c.ActivityEnd(), "activity_end", types.ActivityEnd()),
    ],
)
def test_other_input(command: c.Command, field: str, value: object) -> None:
    sent = client_message(command).realtime_input
    assert sent is not None
    assert sent.model_fields_set == {field}
    assert getattr(sent, field) == value


def test_history() -> None:
    sent = client_message(c.History((c.Line("user", "hi"), c.Line("model", "yo")))).client_content
    turns = [
        types.Content(role=role, parts=[types.Part(text=text)]) for role, text in (("user", "hi"), ("model", "yo"))
    ]
    assert sent == types.LiveClientContent(turns=turns, turn_complete=False)


def test_stop() -> None:
    assert client_message(c.StopGenerating()).client_content == types.LiveClientContent(turn_complete=False)


def test_tool_response() -> None:
    sent = client_message(c.ToolResponse("1", "f", {"output": {"snake_key": None}}, "WHEN_IDLE", will_continue=True))
    assert sent.tool_response is not None
    assert sent.tool_response.function_responses == [
        types.FunctionResponse(
            id="1",
            name="f",
            response={"output": {"snake_key": None}},
            scheduling=types.FunctionResponseScheduling.WHEN_IDLE,
            will_continue=True,
        )
    ]


def test_the_setup_is_one_that_google_genai_knows() -> None:
    built = build(FULL, TOOLS, local_turns=False)
    setup = json.loads(encode(c.Setup(built.setup)))["setup"]
    known = {field.alias for field in types.LiveClientSetup.model_fields.values()}
    apart = {"realtimeInputConfig": types.RealtimeInputConfig}  # on the wire, but not in the type (live-protocol 0)
    assert set(setup) - known == set(apart)
    for key, kind in apart.items():
        kind.model_validate(setup.pop(key))
    seen = types.LiveClientSetup.model_validate(setup)
    assert seen.model == f"models/{FULL['model']}"
    assert seen.generation_config is not None
    assert seen.generation_config.speech_config == types.SpeechConfig.model_validate(FULL["speech_config"])
    assert seen.generation_config.response_modalities == [types.Modality.AUDIO]
    assert seen.tools is not None
    assert len(seen.tools) == len(TOOLS)
    assert seen.context_window_compression is not None
    assert seen.context_window_compression.trigger_tokens == FULL["context_window_compression"]["trigger_tokens"]
    assert seen.history_config is not None


def dumped(whole: bool, **fields: Any) -> tuple[s.Signal, ...]:
    message = types.LiveServerMessage(**fields)
    return decode(message.model_dump_json(by_alias=True, exclude_none=not whole))


@pytest.fixture(params=[False, True], ids=["set fields", "nulls too"])
def whole(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_server_content(whole: bool) -> None:
    turn = types.Content(
        role="model",
        parts=[
            types.Part(inline_data=types.Blob(data=PCM, mime_type="audio/pcm;rate=24000")),
            types.Part(text="hm", thought=True, thought_signature=b"ABC"),
        ],
    )
    content = types.LiveServerContent(
        model_turn=turn,
        input_transcription=types.Transcription(text="in", finished=True),
        interim_input_transcription=types.Transcription(text="i"),
        output_transcription=types.Transcription(text="out"),
        interrupted=True,
        generation_complete=True,
        waiting_for_input=True,
        turn_complete=True,
        turn_complete_reason=types.TurnCompleteReason.BLOCKLIST,
        interaction_status=types.InteractionStatus.IDLE,
    )
    assert dumped(whole, server_content=content) == (
        s.InputText("in"),
        s.InterimText("i"),
        s.Interruption(),
        s.OutputText("out"),
        s.Speech(PCM, 24_000),
        s.Text("hm", thought=True),
        s.WaitingForInput(),
        s.GenerationComplete(),
        s.TurnComplete("IDLE", "BLOCKLIST"),
    )


def test_grounding_and_usage(whole: bool) -> None:
    web = types.GroundingChunkWeb(uri="https://x", title="x")
    grounding = types.GroundingMetadata(grounding_chunks=[types.GroundingChunk(web=web)], web_search_queries=["q"])
    usage = types.UsageMetadata(prompt_token_count=3, total_token_count=5)
    content = types.LiveServerContent(grounding_metadata=grounding)
    found = dumped(whole, server_content=content, usage_metadata=usage)
    assert [type(signal) for signal in found] == [s.Grounding, s.UsageReport]
    assert isinstance(found[0], s.Grounding)
    assert found[0].metadata["webSearchQueries"] == ["q"]
    assert found[1] == s.UsageReport({"promptTokenCount": 3, "totalTokenCount": 5})


def test_calls(whole: bool) -> None:
    call = types.FunctionCall(id="1", name="f", args={"snake_key": [1, None]})
    found = dumped(whole, tool_call=types.LiveServerToolCall(function_calls=[call]))
    assert found == (s.Calls((s.FunctionCall("1", "f", {"snake_key": [1, None]}),)),)


@pytest.mark.parametrize(
    ("fields", "signal"),
    [
        ({"setup_complete": types.LiveServerSetupComplete(session_id="S")}, s.SetupComplete("S")),
        ({"tool_call_cancellation": types.LiveServerToolCallCancellation(ids=["1"])}, s.CallsVoided(("1",))),
        ({"go_away": types.LiveServerGoAway(time_left="50s")}, s.GoAway(50.0)),
        (
            {
                "session_resumption_update": types.LiveServerSessionResumptionUpdate(
                    new_handle="H", resumable=True, last_consumed_client_message_index=4
                )
            },
            s.Handle("H", resumable=True),
        ),
    ],
)
def test_other_messages(fields: dict[str, Any], signal: s.Signal, whole: bool) -> None:
    assert dumped(whole, **fields) == (signal,)


def test_every_server_message_of_the_sdk_is_known() -> None:
    for alias in (field.alias for field in types.LiveServerMessage.model_fields.values()):
        assert s.Unrecognised((str(alias),)) not in decode(json.dumps({alias: {}}))
    for alias in (field.alias for field in types.LiveServerContent.model_fields.values()):
        assert not any(isinstance(x, s.Unrecognised) for x in decode(json.dumps({"serverContent": {alias: {}}})))
