"""What each frame of the service means, what each of our commands is in JSON, and that no frame is ever fatal."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.live import commands as c
from actors.live import signals as s
from actors.live.wire import _read, decode, encode, from_base64, seconds

PCM = b"\xff\xfe\xfb\xef\x00\x01"
STANDARD = base64.b64encode(PCM).decode()
URL_SAFE = base64.urlsafe_b64encode(PCM).decode()


def content(**fields: Any) -> dict[str, Any]:
    return {"serverContent": fields}


def audio(data: str = STANDARD, mime: str | None = "audio/pcm;rate=24000") -> dict[str, Any]:
    return {"inlineData": {"data": data} | ({} if mime is None else {"mimeType": mime})}


NO_RATE = "a malformed part (ValueError)"
USAGE = {"promptTokenCount": 882, "responseTokenCount": 46, "responseTokensDetails": [{"modality": "AUDIO"}]}
GROUNDING = {"webSearchQueries": ["q"], "groundingChunks": [{"web": {"uri": "https://x", "title": "x"}}]}

MEANT: list[tuple[dict[str, Any], list[s.Signal]]] = [
    ({"setupComplete": {}}, [s.SetupComplete("")]),
    ({"setupComplete": {"sessionId": "abc"}}, [s.SetupComplete("abc")]),
    (content(modelTurn={"role": "model", "parts": [audio()]}), [s.Speech(PCM, 24_000)]),
    (content(modelTurn={"parts": [audio(mime="audio/pcm")]}), [s.Speech(PCM, 24_000)]),
    (content(modelTurn={"parts": [audio(mime=None)]}), [s.Speech(PCM, 24_000)]),
    (content(modelTurn={"parts": [audio(mime="audio/pcm;rate=16000;x=1")]}), [s.Speech(PCM, 16_000)]),
    (content(modelTurn={"parts": [audio(URL_SAFE.rstrip("="))]}), [s.Speech(PCM, 24_000)]),
    (content(modelTurn={"parts": [audio(base64.b64encode(PCM + b"\1").decode())]}), [s.Speech(PCM, 24_000)]),
    (
        content(modelTurn={"parts": [{"text": "plan", "thought": True, "thoughtSignature": "QUJD"}, {"text": "Hi"}]}),
        [s.Text("plan", thought=True), s.Text("Hi", thought=False)],
    ),
    (content(modelTurn={"parts": [{"executableCode": {"code": "1"}}, {"codeExecutionResult": {}}]}), []),
    (content(modelTurn={"parts": [{"thoughtSignature": "QUJD"}]}), []),
    (content(inputTranscription={"text": " hello", "languageCode": "en-US"}), [s.InputText(" hello")]),
    (content(inputTranscription={"finished": True}), []),
    (content(interimInputTranscription={"text": " hel"}), [s.InterimText(" hel")]),
    (content(outputTranscription={"text": "Hi"}), [s.OutputText("Hi")]),
    (content(interrupted=True), [s.Interruption()]),
    (content(interrupted=False), []),
    (content(generationComplete=True), [s.GenerationComplete()]),
    (content(waitingForInput=True), [s.WaitingForInput()]),
    (content(turnComplete=True), [s.TurnComplete()]),
    (content(turnComplete=True, interactionStatus="IN_PROGRESS"), [s.TurnComplete("IN_PROGRESS")]),
    (content(turnComplete=True, turnCompleteReason="BLOCKLIST"), [s.TurnComplete("", "BLOCKLIST")]),
    (
        {**content(turnComplete=True, interactionStatus="IDLE"), "usageMetadata": USAGE},
        [s.TurnComplete("IDLE"), s.UsageReport(USAGE)],
    ),
    (content(groundingMetadata=GROUNDING), [s.Grounding(GROUNDING)]),
    (content(urlContextMetadata={"urlMetadata": []}), []),
    (
        {"toolCall": {"functionCalls": [{"id": "1", "name": "f", "args": {"q": 1}}, {"id": "2", "name": "g"}]}},
        [s.Calls((s.FunctionCall("1", "f", {"q": 1}), s.FunctionCall("2", "g", {})))],
    ),
    ({"toolCallCancellation": {"ids": ["1", "2"]}}, [s.CallsVoided(("1", "2"))]),
    ({"goAway": {"timeLeft": "50s"}}, [s.GoAway(50.0)]),
    ({"goAway": {"timeLeft": "1.5s"}}, [s.GoAway(1.5)]),
    ({"goAway": {"timeLeft": {"seconds": "2", "nanos": 500_000_000}}}, [s.GoAway(2.5)]),
    ({"goAway": {}}, [s.GoAway(0.0)]),
    ({"sessionResumptionUpdate": {"newHandle": "H", "resumable": True}}, [s.Handle("H", resumable=True)]),
    ({"sessionResumptionUpdate": {"resumable": False}}, [s.Handle("", resumable=False)]),
    ({"sessionResumptionUpdate": {"newHandle": None, "resumable": None}}, [s.Handle("", resumable=False)]),
    (
        {
            "sessionResumptionUpdate": {
                "newHandle": "H",
                "resumable": True,
                "lastConsumedClientMessageIndex": "42",
            }
        },
        [s.Handle("H", resumable=True)],
    ),
    ({"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "1.5s"}}, []),
    ({"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_SOS"}}, []),
    ({"serverContent": None, "goAway": None}, []),
]


@pytest.mark.parametrize(("message", "signals"), MEANT)
@pytest.mark.parametrize("as_bytes", [False, True], ids=["text", "binary"])
def test_a_server_message_means(message: dict[str, Any], signals: list[s.Signal], as_bytes: bool) -> None:
    text = json.dumps(message, indent=2) + "\n"
    assert list(decode(text.encode() if as_bytes else text)) == signals


def test_many_parts_and_fields_in_one_frame_come_in_the_order_to_act_in() -> None:
    frame = content(
        turnComplete=True,
        generationComplete=True,
        modelTurn={"parts": [audio(), {"text": "Hi"}, audio(URL_SAFE)]},
        outputTranscription={"text": "out"},
        interrupted=True,
        inputTranscription={"text": "in"},
    )
    assert [type(signal) for signal in decode(json.dumps(frame))] == [
        s.InputText,
        s.Interruption,
        s.OutputText,
        s.Speech,
        s.Text,
        s.Speech,
        s.GenerationComplete,
        s.TurnComplete,
    ]


@pytest.mark.parametrize(
    ("frame", "names"),
    [
        (b"", ["a frame that is not JSON"]),
        (b"\xff\xfe", ["a frame that is not JSON"]),
        (b'"\xff"', ["a frame that is not JSON"]),
        ("\ud800", ["a frame that is not JSON"]),
        (b"[" * 100_000, ["a frame that is not JSON"]),
        (b"[]", ["a frame that is no JSON object"]),
        (b"{}", ["an empty object"]),
        (b'{"error": {"code": 400}}', ["error"]),
        (b'{"serverContent": {"newThing": 1, "turnComplete": false}}', ["serverContent.newThing"]),
        (b'{"serverContent": {"modelTurn": {"parts": [{"hologram": 1}]}}}', ["part.hologram"]),
        (b'{"serverContent": {"modelTurn": {"parts": [{}]}}}', ["an empty part"]),
        (b'{"serverContent": {"modelTurn": {"parts": [5]}}}', ["a malformed part (AttributeError)"]),
        (b'{"serverContent": []}', ["a malformed serverContent (AttributeError)"]),
        (b'{"goAway": {"timeLeft": "soon"}}', ["a malformed goAway (ValueError)"]),
        (b'{"goAway": {"timeLeft": "inf"}}', ["a malformed goAway (ValueError)"]),
        (b'{"goAway": {"timeLeft": {"seconds": "nan"}}}', ["a malformed goAway (ValueError)"]),
        (b'{"toolCall": {"functionCalls": [{"id": "1"}]}}', ["a malformed toolCall (KeyError)"]),
        (
            b'{"toolCall": {"functionCalls": [3, {"name": "f", "args": 7}]}}',
            ["a malformed toolCall (AttributeError)", "a malformed toolCall (TypeError)"],
        ),
        (b'{"usageMetadata": 5}', ["a malformed usageMetadata (AttributeError)"]),
        (json.dumps(content(modelTurn={"parts": [audio(mime="audio/pcm;rate=0")]})).encode(), [NO_RATE]),
        (json.dumps(content(modelTurn={"parts": [audio(mime="audio/pcm;rate=9000000")]})).encode(), [NO_RATE]),
        (
            b'{"serverContent": {"modelTurn": {"parts": [{"inlineData": {"mimeType": "image/png", "data": ""}}]}}}',
            ["part.inlineData of image/png"],
        ),
        (
            b'{"serverContent": {"modelTurn": {"parts": [{"inlineData": {"data": "%%%%"}}]}}}',
            ["a malformed part (Error)"],
        ),
    ],
)
def test_what_is_not_understood_is_named_and_not_fatal(frame: bytes | str, names: list[str]) -> None:
    found = decode(frame)
    assert [name for signal in found for name in getattr(signal, "names", ())] == names
    assert all(isinstance(signal, s.Unrecognised) for signal in found)


def test_a_malformed_field_costs_that_field_alone() -> None:
    frame = content(modelTurn={"parts": [audio("%"), audio()]}, inputTranscription=7, turnComplete=True)
    kinds = [type(signal) for signal in decode(json.dumps({**frame, "goAway": [], "usageMetadata": {"a": 1}}))]
    assert kinds == [s.Unrecognised, s.Unrecognised, s.Speech, s.TurnComplete, s.Unrecognised, s.UsageReport]


KNOWN_KEYS = """
    setupComplete serverContent toolCall toolCallCancellation goAway sessionResumptionUpdate usageMetadata
    voiceActivity modelTurn parts inlineData data mimeType text thought interrupted turnComplete interactionStatus
    functionCalls id name args ids timeLeft newHandle resumable inputTranscription outputTranscription
    groundingMetadata seconds nanos sessionId unknown
"""
KEYS = st.sampled_from(KNOWN_KEYS.split())
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["inf", "1e999s", "audio/pcm;rate=x", STANDARD])
)
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


@given(st.binary(max_size=200))
def test_no_bytes_are_fatal(frame: bytes) -> None:
    assert all(isinstance(signal, s.Signal) for signal in decode(frame))


@given(st.text(max_size=100))
def test_no_text_is_fatal(frame: str) -> None:
    assert all(isinstance(signal, s.Signal) for signal in decode(frame))


@given(st.dictionaries(KEYS, ANYTHING, max_size=4) | ANYTHING)
def test_no_json_is_fatal(message: object) -> None:
    assert all(isinstance(signal, s.Signal) for signal in decode(json.dumps(message)))


@given(st.binary(max_size=100))
def test_both_alphabets_with_and_without_padding(data: bytes) -> None:
    for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
        text = alphabet(data).decode()
        assert from_base64(text) == from_base64(text.rstrip("=")) == data


SOUND = st.fixed_dictionaries(
    {"data": st.sampled_from((STANDARD, URL_SAFE, STANDARD.rstrip("="), "", "AA==", "A", "?", None))},
    optional={
        "mimeType": st.sampled_from(("audio/pcm;rate=24000", "audio/pcm", "audio/pcm;rate=1", "image/png", "", None)),
        "displayName": st.just("x"),
    },
)
PART = st.fixed_dictionaries({"inlineData": st.none() | SOUND}, optional={"thought": st.booleans(), "new": st.just(1)})


@given(st.lists(PART, max_size=3), st.booleans(), st.booleans())
def test_the_quick_way_to_read_sound_says_what_the_long_one_says(parts: list[Any], more: bool, beside: bool) -> None:
    fields: dict[str, Any] = {"modelTurn": {"parts": parts, "role": "model"}} | ({"interrupted": True} if more else {})
    frame = json.dumps({"serverContent": fields} | ({"usageMetadata": USAGE} if beside else {}))
    assert decode(frame) == _read(frame)


@pytest.mark.parametrize("text", ["a", "ab!d", "ab d", "äbcd", "a=bc"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any, as long as it is that
        from_base64(text)


def test_a_frame_of_900_kb_is_read_whole() -> None:
    pcm = bytes(range(256)) * 2640
    frame = json.dumps(content(modelTurn={"parts": [audio(base64.b64encode(pcm).decode())]})).encode()
    assert len(frame) > 900_000
    assert decode(frame) == (s.Speech(pcm, 24_000),)


def test_a_length_of_time() -> None:
    assert [seconds("50s"), seconds(" 1.5s "), seconds(3), seconds("")] == [50.0, 1.5, 3.0, 0.0]


SENT: list[tuple[c.Command, dict[str, Any]]] = [
    (c.Setup({"model": "models/m", "generationConfig": {}}), {"setup": {"model": "models/m", "generationConfig": {}}}),
    (c.Audio(PCM), {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": STANDARD}}}),
    (c.Text("hello"), {"realtimeInput": {"text": "hello"}}),
    (c.Text("caf\udce9"), {"realtimeInput": {"text": "caf?"}}),
    (c.AudioStreamEnd(), {"realtimeInput": {"audioStreamEnd": True}}),
    (c.ActivityStart(), {"realtimeInput": {"activityStart": {}}}),
    (c.ActivityEnd(), {"realtimeInput": {"activityEnd": {}}}),
    (
        c.History((c.Line("user", "hi"), c.Line("model", "yo"))),
        {
            "clientContent": {
                "turns": [{"role": "user", "parts": [{"text": "hi"}]}, {"role": "model", "parts": [{"text": "yo"}]}],
                "turnComplete": False,
            }
        },
    ),
    (c.StopGenerating(), {"clientContent": {"turnComplete": False}}),
    (
        c.ToolResponse("fc1", "f", {"output": "ok", "snake_key": None}),
        {
            "toolResponse": {
                "functionResponses": [{"id": "fc1", "name": "f", "response": {"output": "ok", "snake_key": None}}]
            }
        },
    ),
    (
        c.ToolResponse("fc1", "f", {}, scheduling="INTERRUPT", will_continue=False),
        {
            "toolResponse": {
                "functionResponses": [
                    {"id": "fc1", "name": "f", "response": {}, "scheduling": "INTERRUPT", "willContinue": False}
                ]
            }
        },
    ),
]


@pytest.mark.parametrize(("command", "message"), SENT)
def test_a_command_in_json(command: c.Command, message: dict[str, Any]) -> None:
    assert json.loads(encode(command)) == message


def test_every_command_has_its_json() -> None:
    assert {type(command) for command, _ in SENT} == set(c.Command.__subclasses__())


@given(st.binary(max_size=700))
def test_audio_survives_the_wire(pcm: bytes) -> None:
    sent = json.loads(encode(c.Audio(pcm)))["realtimeInput"]["audio"]["data"]
    assert from_base64(sent) == pcm


def test_a_malformed_call_costs_the_others_nothing() -> None:
    calls = [{"id": "1", "name": "f"}, {"id": "2"}, {"id": "3", "name": "g", "args": [1]}, {"id": "4", "name": "h"}]
    found = decode(json.dumps({"toolCall": {"functionCalls": calls}}))
    asked, wrong = found
    assert isinstance(asked, s.Calls)
    assert [call.id for call in asked.calls] == ["1", "4"]
    assert isinstance(wrong, s.Unrecognised)
    assert len(wrong.names) == 2
