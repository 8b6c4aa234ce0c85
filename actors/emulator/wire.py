"""The frames themselves: client messages in, server messages out.

Replies leave as the service sends them: pretty-printed JSON with a newline, in binary frames, bytes in standard base64.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress

import attrs
import msgspec

from actors.emulator import protojson
from actors.emulator.protojson import Breach
from actors.emulator.requests import Blob, ClientMessage, RealtimeInput

OUTPUT_RATE = 24_000
"""Samples a second of all reply audio."""

LONGEST_REASON = 123
"""Bytes of a WebSocket close reason (RFC 6455, 5.5: a control frame holds 125, the code takes two)."""

Json = Mapping[str, object]


class _Sound(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    mime_type: str
    data: str


class _Input(msgspec.Struct, forbid_unknown_fields=True):
    audio: _Sound


class _Piece(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What nearly every message is, as the official clients spell it: one piece of sound and nothing else."""

    realtime_input: _Input


_PIECES = msgspec.json.Decoder(_Piece)


def parse(raw: str | bytes | bytearray) -> ClientMessage:
    """Reads one client message, from a text or a binary frame; Breach (1007) if it is none or not exactly one."""
    with suppress(msgspec.MsgspecError, UnicodeError):
        sound = _PIECES.decode(raw).realtime_input.audio
        data = protojson.octets(sound.data, "realtime_input.audio.data")
        return ClientMessage(realtime_input=RealtimeInput(audio=Blob(sound.mime_type, data)))
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Breach("Invalid JSON payload received. The message is not one JSON object.") from None
    protojson.weigh(found)
    message = protojson.read(ClientMessage, found)
    kinds = [field.name for field in attrs.fields(ClientMessage) if getattr(message, field.name) is not None]
    if len(kinds) != 1:
        told = " and ".join(kinds) if kinds else "none"
        raise Breach(f"Invalid JSON payload received. One message type must be set, found {told}.")
    return message


def encode(message: Json) -> bytes:
    """Gives the payload of the binary frame that carries the message."""
    return msgspec.json.format(msgspec.json.encode(message), indent=2) + b"\n"


def reason(text: str) -> str:
    """Cuts a close reason to what a close frame holds, between two characters."""
    return text.encode()[:LONGEST_REASON].decode(errors="ignore")


def setup_complete(session: str = "") -> Json:
    """Tells that the conversation may begin, and the session's name where the platform tells it."""
    return {"setupComplete": {"sessionId": session} if session else {}}


def content(**fields: object) -> Json:
    """Gives a serverContent with these fields, named in camelCase."""
    return {"serverContent": fields}


def audio(pcm: bytes) -> Json:
    """Gives a piece of reply audio, 24 kHz s16le mono."""
    blob = {"mimeType": f"audio/pcm;rate={OUTPUT_RATE}", "data": base64.b64encode(pcm).decode()}
    return content(modelTurn={"role": "model", "parts": [{"inlineData": blob}]})


def thought(text: str) -> Json:
    """Gives a summary of what the model thinks, not to be spoken; its signature means nothing here."""
    signature = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return content(
        modelTurn={"role": "model", "parts": [{"text": text, "thought": True, "thoughtSignature": signature}]}
    )


def heard(text: str, **fields: object) -> Json:
    """Gives a fragment of what the user was understood to say, with what else there is to tell about it."""
    return content(inputTranscription={"text": text} | fields)


def heard_so_far(text: str, start: float, end: float) -> Json:
    """Gives what the user, still speaking, was understood to have said between two seconds of the stream."""
    told = {"text": text, "startOffset": duration(start), "endOffset": duration(end)}
    return content(interimInputTranscription=told)


def voice_activity(*, active: bool, at: float) -> tuple[Json, Json]:
    """Tells that the user's speech began or ended at this second of the stream: the signal, and its older form."""
    kind, older = ("ACTIVITY_START", "SOS") if active else ("ACTIVITY_END", "EOS")
    return (
        {"voiceActivity": {"type": kind, "audioOffset": duration(at)}},
        {"voiceActivityDetectionSignal": {"vadSignalType": f"VAD_SIGNAL_TYPE_{older}"}},
    )


def spoken(text: str) -> Json:
    """Gives a fragment of what the model says."""
    return content(outputTranscription={"text": text})


def tool_call(calls: Sequence[Json]) -> Json:
    """Asks the client to run functions; each call has id, name and args."""
    return {"toolCall": {"functionCalls": list(calls)}}


def cancellation(ids: Sequence[str]) -> Json:
    """Tells that answers to these calls are not wanted any more."""
    return {"toolCallCancellation": {"ids": list(ids)}}


def resumption(handle: str | None, consumed: int | None = None) -> Json:
    """Gives the handle from which the session can go on; None while there is none.

    `consumed` numbers the last of the client's messages that the handle covers, where the client wants to know.
    """
    if handle is None:
        return {"sessionResumptionUpdate": {"resumable": False}}
    update: dict[str, object] = {"newHandle": handle, "resumable": True}
    if consumed is not None:
        update["lastConsumedClientMessageIndex"] = str(consumed)
    return {"sessionResumptionUpdate": update}


def go_away(seconds: float) -> Json:
    """Announces the end of the connection."""
    return {"goAway": {"timeLeft": duration(seconds)}}


def duration(seconds: float) -> str:
    """Gives a time, to the millisecond, as protobuf's JSON writes it."""
    whole = f"{max(seconds, 0.0):.3f}".rstrip("0").rstrip(".")
    return f"{whole}s"


def grounding(text: str, queries: Sequence[str], sources: Sequence[tuple[str, str]]) -> Json:
    """Gives the (title, uri) sources on which the whole of the text rests."""
    chunks = [{"web": {"uri": uri, "title": title}} for title, uri in sources]
    segment = {"startIndex": 0, "endIndex": len(text.encode()), "text": text}
    return content(
        groundingMetadata={
            "webSearchQueries": list(queries),
            "searchEntryPoint": {"renderedContent": "<div>" + ", ".join(queries) + "</div>"},
            "groundingChunks": chunks,
            "groundingSupports": [{"segment": segment, "groundingChunkIndices": list(range(len(chunks)))}],
        }
    )
