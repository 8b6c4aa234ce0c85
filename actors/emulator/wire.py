"""The frames themselves: client messages in, server messages out.

Replies leave as the service sends them: pretty-printed JSON with a newline, in binary frames, bytes in standard base64.
"""

import base64
from collections.abc import Mapping, Sequence

import attrs
import msgspec

from actors.emulator import protojson
from actors.emulator.protojson import Breach
from actors.emulator.requests import ClientMessage

OUTPUT_RATE = 24_000
"""Samples a second of all reply audio."""

LONGEST_REASON = 123
"""Bytes of a WebSocket close reason (RFC 6455, 5.5: a control frame holds 125, the code takes two)."""

Json = Mapping[str, object]


def parse(raw: str | bytes | bytearray) -> ClientMessage:
    """Reads one client message, from a text or a binary frame; Breach (1007) if it is none or not exactly one."""
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Breach("Invalid JSON payload received. The message is not one JSON object.") from None
    try:
        message = protojson.read(ClientMessage, found)
    except RecursionError:
        raise Breach("Invalid JSON payload received. The message is nested too deeply.") from None
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


def setup_complete() -> Json:
    """Tells that the conversation may begin."""
    return {"setupComplete": {}}


def content(**fields: object) -> Json:
    """Gives a serverContent with these fields, named in camelCase."""
    return {"serverContent": fields}


def audio(pcm: bytes) -> Json:
    """Gives a piece of reply audio, 24 kHz s16le mono."""
    blob = {"mimeType": f"audio/pcm;rate={OUTPUT_RATE}", "data": base64.b64encode(pcm).decode()}
    return content(modelTurn={"role": "model", "parts": [{"inlineData": blob}]})


def thought(text: str) -> Json:
    """Gives a summary of what the model thinks, not to be spoken."""
    return content(modelTurn={"role": "model", "parts": [{"text": text, "thought": True}]})


def heard(text: str) -> Json:
    """Gives a fragment of what the user was understood to say."""
    return content(inputTranscription={"text": text})


def spoken(text: str) -> Json:
    """Gives a fragment of what the model says."""
    return content(outputTranscription={"text": text})


def tool_call(calls: Sequence[Json]) -> Json:
    """Asks the client to run functions; each call has id, name and args."""
    return {"toolCall": {"functionCalls": list(calls)}}


def cancellation(ids: Sequence[str]) -> Json:
    """Tells that answers to these calls are not wanted any more."""
    return {"toolCallCancellation": {"ids": list(ids)}}


def resumption(handle: str | None) -> Json:
    """Gives the handle from which the session can go on; None while there is none."""
    if handle is None:
        return {"sessionResumptionUpdate": {"resumable": False}}
    return {"sessionResumptionUpdate": {"newHandle": handle, "resumable": True}}


def go_away(seconds: float) -> Json:
    """Announces the end of the connection, as a protobuf duration."""
    return {"goAway": {"timeLeft": f"{round(max(seconds, 0.0), 3):g}s"}}


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
