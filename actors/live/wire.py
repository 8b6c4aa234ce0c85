"""The wire: commands become JSON text, frames become events. No state, no clock, no socket.

Shapes are those of live-protocol sections 2 and 3. A key this module does not know is reported as `Unrecognised`
and never an error: one new field of the service must not end a call.
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from actors.live import commands as c
from actors.live import signals as s

AUDIO_FRAME = '{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"%s"}}}'
URL_SAFE = bytes.maketrans(b"-_", b"+/")
Json = Mapping[str, Any]


def encode(command: c.Command) -> str:
    """Gives the text frame for a command."""
    if isinstance(command, c.Audio):  # fifty a second: a template costs a fifth of an encoder
        return AUDIO_FRAME % base64.b64encode(command.pcm).decode("ascii")
    return msgspec.json.encode(_ENCODERS[type(command)](command)).decode("utf-8")


def decode(frame: bytes | str) -> tuple[s.Signal, ...]:
    """Gives what a frame says, in the order a listener should act on it; never raises for the far end's sake."""
    try:
        message = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return (s.Unrecognised(("a frame that is not JSON",)),)
    if not isinstance(message, dict):
        return (s.Unrecognised(("a frame that is no JSON object",)),)
    try:
        return tuple(_signals(message))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        names = ", ".join(sorted(map(str, message))[:4])
        return (s.Unrecognised((f"a malformed {names} ({type(error).__name__})",)),)


def _signals(message: Json) -> Iterator[s.Signal]:
    if not message:
        yield s.Unrecognised(("an empty object",))
    for key, value in message.items():
        read = _MESSAGES.get(key)
        if read is None:
            yield s.Unrecognised((key,))
        else:
            yield from read(value)


def _content(content: Json) -> Iterator[s.Signal]:
    """Reads serverContent; the order of `_CONTENT` is the order to act in when several fields share a frame."""
    for key, read in _CONTENT.items():
        if key in content:
            yield from read(content[key])
    if content.get("turnComplete"):
        yield s.TurnComplete(str(content.get("interactionStatus", "")), str(content.get("turnCompleteReason", "")))
    unknown = tuple(f"serverContent.{key}" for key in content if key not in _CONTENT and key not in _TURN_KEYS)
    if unknown:
        yield s.Unrecognised(unknown)


def _model_turn(turn: Json) -> Iterator[s.Signal]:
    for part in turn.get("parts", ()):
        if "inlineData" in part:
            blob = part["inlineData"]
            yield s.Speech(from_base64(blob["data"]), _rate(str(blob.get("mimeType", ""))))
        elif "text" in part:
            yield s.Text(str(part["text"]), thought=bool(part.get("thought")))
        elif not {"executableCode", "codeExecutionResult", "thoughtSignature"} & set(part):
            yield s.Unrecognised(tuple(f"part.{key}" for key in part) or ("an empty part",))


def _rate(mime_type: str) -> int:
    """Reads `audio/pcm;rate=24000`; a missing rate is 24 kHz (live-protocol 5.2)."""
    _, _, rate = mime_type.partition("rate=")
    return int(rate.partition(";")[0]) if rate else 24_000


def _transcription(make: Callable[[str], s.Signal]) -> Callable[[Json], Iterator[s.Signal]]:
    def read(value: Json) -> Iterator[s.Signal]:
        if value.get("text"):
            yield make(str(value["text"]))

    return read


def _flag(signal: s.Signal) -> Callable[[object], Iterator[s.Signal]]:
    def read(value: object) -> Iterator[s.Signal]:
        if value:
            yield signal

    return read


def _calls(value: Json) -> Iterator[s.Signal]:
    yield s.Calls(
        tuple(
            s.FunctionCall(str(call.get("id") or ""), str(call["name"]), dict(call.get("args") or {}))
            for call in value.get("functionCalls", ())
        )
    )


def _resumption(value: Json) -> Iterator[s.Signal]:
    yield s.Handle(str(value.get("newHandle") or ""), resumable=bool(value.get("resumable")))


def seconds(duration: object) -> float:
    """Reads a protobuf duration: `"50s"`, `"1.5s"`, or {"seconds": ..., "nanos": ...}."""
    if isinstance(duration, Mapping):
        return float(duration.get("seconds", 0)) + float(duration.get("nanos", 0)) / 1e9
    return float(str(duration).strip().removesuffix("s") or 0)


def from_base64(text: str) -> bytes:
    """Decodes both base64 alphabets, with or without padding; ValueError on anything else."""
    data = text.encode("ascii")
    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except binascii.Error:
        padded = data.translate(URL_SAFE).rstrip(b"=")
        return binascii.a2b_base64(padded + b"=" * (-len(padded) % 4), strict_mode=True)


def _one(signal: Callable[[Any], s.Signal]) -> Callable[[Any], Iterator[s.Signal]]:
    def read(value: Any) -> Iterator[s.Signal]:  # noqa: ANN401 - JSON
        yield signal(value)

    return read


def _nothing(_value: object) -> Iterator[s.Signal]:
    yield from ()


_TURN_KEYS = frozenset({"turnComplete", "interactionStatus", "turnCompleteReason"})
_CONTENT: dict[str, Callable[[Any], Iterator[s.Signal]]] = {
    "inputTranscription": _transcription(s.InputText),
    "interimInputTranscription": _transcription(s.InterimText),
    "interrupted": _flag(s.Interruption()),
    "outputTranscription": _transcription(s.OutputText),
    "modelTurn": _model_turn,
    "groundingMetadata": _one(s.Grounding),
    "urlContextMetadata": _nothing,
    "waitingForInput": _flag(s.WaitingForInput()),
    "generationComplete": _flag(s.GenerationComplete()),
}
_MESSAGES: dict[str, Callable[[Any], Iterator[s.Signal]]] = {
    "setupComplete": _one(lambda value: s.SetupComplete(str((value or {}).get("sessionId") or ""))),
    "serverContent": _content,
    "toolCall": _calls,
    "toolCallCancellation": _one(lambda value: s.CallsVoided(tuple(map(str, value.get("ids", ()))))),
    "goAway": _one(lambda value: s.GoAway(seconds(value.get("timeLeft", 0)))),
    "sessionResumptionUpdate": _resumption,
    "usageMetadata": _one(s.UsageReport),
    "voiceActivity": _nothing,
    "voiceActivityDetectionSignal": _nothing,
}


def _tool_response(command: c.ToolResponse) -> Json:
    response: dict[str, object] = {"id": command.id, "name": command.name, "response": command.response}
    if command.scheduling:
        response["scheduling"] = command.scheduling
    if command.will_continue is not None:
        response["willContinue"] = command.will_continue
    return {"toolResponse": {"functionResponses": [response]}}


def _history(command: c.History) -> Json:
    turns = [{"role": line.role, "parts": [{"text": line.text}]} for line in command.lines]
    return {"clientContent": {"turns": turns, "turnComplete": False}}


_ENCODERS: dict[type, Callable[[Any], Json]] = {
    c.Setup: lambda command: {"setup": command.setup},
    c.ActivityStart: lambda _: {"realtimeInput": {"activityStart": {}}},
    c.ActivityEnd: lambda _: {"realtimeInput": {"activityEnd": {}}},
    c.AudioStreamEnd: lambda _: {"realtimeInput": {"audioStreamEnd": True}},
    c.Text: lambda command: {"realtimeInput": {"text": command.text}},
    c.History: _history,
    c.StopGenerating: lambda _: {"clientContent": {"turnComplete": False}},
    c.ToolResponse: _tool_response,
}
