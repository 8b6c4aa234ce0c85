"""The wire: commands become JSON text, frames become events. No state, no clock, no socket.

Shapes are those of live-protocol sections 2 and 3. A key this module does not know is reported as `Unrecognised`
and never an error: one new field of the service must not end a call.
"""

import base64
import binascii
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from actors.live import commands as c
from actors.live import signals as s

AUDIO_FRAME = '{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"%s"}}}'
LOWEST_RATE, HIGHEST_RATE = 4_000, 192_000  # Hz; what could be played at all
URL_SAFE = bytes.maketrans(b"-_", b"+/")
Json = Mapping[str, Any]


def encode(command: c.Command) -> str:
    """Gives the text frame for a command."""
    if isinstance(command, c.Audio):  # fifty a second: a template costs a fifth of an encoder
        return AUDIO_FRAME % base64.b64encode(command.pcm).decode("ascii")
    return msgspec.json.encode(_ENCODERS[type(command)](command)).decode("utf-8")


class _Blob(msgspec.Struct, rename="camel"):
    data: bytes
    mime_type: str = "audio/pcm"


class _Part(msgspec.Struct, rename="camel"):
    inline_data: _Blob


class _Turn(msgspec.Struct):
    parts: list[_Part]


class _Content(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    model_turn: _Turn | None = None
    interrupted: bool = False


class _Quick(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A frame that holds sound and nothing else, which is nearly every one, or `interrupted` and nothing else."""

    server_content: _Content


_QUICK = msgspec.json.Decoder(_Quick)


def decode(frame: bytes | str) -> tuple[s.Signal, ...]:
    """Gives what a frame says, in the order a listener should act on it; never raises for the far end's sake."""
    try:  # fifty a second: read in one go, base64 and all, at a seventh of the cost
        content = _QUICK.decode(frame).server_content
        if content.model_turn is None and content.interrupted:
            return (s.Interruption(),)
        if content.model_turn is not None and not content.interrupted:
            return tuple(_speech(part.inline_data) for part in content.model_turn.parts)
    except (msgspec.DecodeError, ValueError, RecursionError):
        pass
    return _read(frame)


def _speech(blob: _Blob) -> s.Speech:
    if not blob.mime_type.startswith("audio/"):
        raise ValueError(f"{blob.mime_type} is no sound")
    return s.Speech(blob.data[: len(blob.data) & ~1], _rate(blob.mime_type))  # half a sample cannot be played


def _read(frame: bytes | str) -> tuple[s.Signal, ...]:
    try:
        message = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return (s.Unrecognised(("a frame that is not JSON",)),)
    if not isinstance(message, dict):
        return (s.Unrecognised(("a frame that is no JSON object",)),)
    if not message:
        return (s.Unrecognised(("an empty object",)),)
    return tuple(_signals(message))


def _signals(message: Json) -> Iterator[s.Signal]:
    for key, value in _given(message).items():
        read = _MESSAGES.get(key)
        if read is None:
            yield s.Unrecognised((key,))
        else:
            yield from _apart(key, read, value)


def _given(table: Json) -> Json:
    """Gives the fields that are set: in proto-JSON a null is a field that is not."""
    return {key: value for key, value in table.items() if value is not None}


def _apart(name: str, read: Callable[[Any], Iterator[s.Signal]], value: object) -> Iterator[s.Signal]:
    """Reads one field; what is malformed costs that field alone, not a turnComplete beside it."""
    try:
        yield from tuple(read(value))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        yield s.Unrecognised((f"a malformed {name} ({type(error).__name__})",))


def _content(content: Json) -> Iterator[s.Signal]:
    """Reads serverContent; the order of `_CONTENT` is the order to act in when several fields share a frame."""
    given = _given(content)
    for key, read in _CONTENT.items():
        if key in given:
            yield from _apart(f"serverContent.{key}", read, given[key])
    if given.get("turnComplete"):
        yield s.TurnComplete(str(given.get("interactionStatus", "")), str(given.get("turnCompleteReason", "")))
    unknown = tuple(f"serverContent.{key}" for key in given if key not in _CONTENT and key not in _TURN_KEYS)
    if unknown:
        yield s.Unrecognised(unknown)


def _model_turn(turn: Json) -> Iterator[s.Signal]:
    for part in turn.get("parts") or ():
        yield from _apart("part", _part, part)


def _part(part: Json) -> Iterator[s.Signal]:
    given = _given(part)
    if "inlineData" in given:
        blob = _given(given["inlineData"])
        kind = str(blob.get("mimeType", "audio/pcm"))
        if not kind.startswith("audio/"):
            yield s.Unrecognised((f"part.inlineData of {kind}",))
            return
        pcm = from_base64(blob["data"])
        yield s.Speech(pcm[: len(pcm) & ~1], _rate(kind))  # half a sample cannot be played
    elif "text" in given:
        yield s.Text(str(given["text"]), thought=bool(given.get("thought")))
    elif not {"executableCode", "codeExecutionResult", "thoughtSignature"} & set(given):
        yield s.Unrecognised(tuple(f"part.{key}" for key in given) or ("an empty part",))


def _rate(mime_type: str) -> int:
    """Reads `audio/pcm;rate=24000`; a missing rate is 24 kHz (live-protocol 5.2), ValueError for one of no sound."""
    _, _, given = mime_type.partition("rate=")
    rate = int(given.partition(";")[0]) if given else 24_000
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise ValueError(f"{rate} Hz is no rate of speech")
    return rate


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
    """Reads each call by itself: a malformed one must not cost the others their answers."""
    found, wrong = [], []
    for call in value.get("functionCalls") or ():
        try:
            found.append(s.FunctionCall(str(call.get("id") or ""), str(call["name"]), dict(call.get("args") or {})))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            wrong.append(f"a malformed toolCall ({type(error).__name__})")
    if found or not wrong:
        yield s.Calls(tuple(found))
    if wrong:
        yield s.Unrecognised(tuple(wrong))


def _resumption(value: Json) -> Iterator[s.Signal]:
    yield s.Handle(str(value.get("newHandle") or ""), resumable=bool(value.get("resumable")))


def seconds(duration: object) -> float:
    """Reads a protobuf duration: `"50s"`, `"1.5s"`, or {"seconds": ..., "nanos": ...}; ValueError on anything else."""
    if isinstance(duration, Mapping):
        length = float(duration.get("seconds", 0)) + float(duration.get("nanos", 0)) / 1e9
    else:
        length = float(str(duration).strip().removesuffix("s") or 0)
    if not math.isfinite(length):
        raise ValueError(f"{duration!r} is no length of time")
    return length


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
    "setupComplete": _one(lambda value: s.SetupComplete(str(value.get("sessionId") or ""))),
    "serverContent": _content,
    "toolCall": _calls,
    "toolCallCancellation": _one(lambda value: s.CallsVoided(tuple(map(str, value.get("ids") or ())))),
    "goAway": _one(lambda value: s.GoAway(seconds(value.get("timeLeft") or 0))),
    "sessionResumptionUpdate": _resumption,
    "usageMetadata": _one(lambda value: s.UsageReport(_given(value))),
    "voiceActivity": _nothing,
    "voiceActivityDetectionSignal": _nothing,
}


def _sendable(text: str) -> str:
    """Replaces what no UTF-8 text can hold: a terminal's stray bytes come in as lone surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _tool_response(command: c.ToolResponse) -> Json:
    response: dict[str, object] = {"id": command.id, "name": command.name, "response": command.response}
    if command.scheduling:
        response["scheduling"] = command.scheduling
    if command.will_continue is not None:
        response["willContinue"] = command.will_continue
    return {"toolResponse": {"functionResponses": [response]}}


def _history(command: c.History) -> Json:
    turns = [{"role": line.role, "parts": [{"text": _sendable(line.text)}]} for line in command.lines]
    return {"clientContent": {"turns": turns, "turnComplete": False}}


_ENCODERS: dict[type, Callable[[Any], Json]] = {
    c.Setup: lambda command: {"setup": command.setup},
    c.ActivityStart: lambda _: {"realtimeInput": {"activityStart": {}}},
    c.ActivityEnd: lambda _: {"realtimeInput": {"activityEnd": {}}},
    c.AudioStreamEnd: lambda _: {"realtimeInput": {"audioStreamEnd": True}},
    c.Text: lambda command: {"realtimeInput": {"text": _sendable(command.text)}},
    c.History: _history,
    c.StopGenerating: lambda _: {"clientContent": {"turnComplete": False}},
    c.ToolResponse: _tool_response,
}
