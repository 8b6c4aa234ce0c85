"""Wire frames on paper: JSON with each piece of sound replaced by where it lies in a sound file, and back.

What a content level forbids is taken out here, before anything is written: below `full` no sound and no tool's answer,
and at `none` no word either. A resumption handle shows as its fingerprint at every level, the same one wherever it
occurs, so that a recording can be played back.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from actors.live.wire import from_base64
from pipeline.bus import FULL, NONE, TRANSCRIPTS, Content
from pipeline.secrets import fingerprint

SHOWN_HANDLE = re.compile(r"handle [0-9a-f]{8}")  # as it is here, and so in a replay
HANDLES = ("newHandle", "handle")
# At `none`, these words stay: they name things of the protocol and say nothing of the talk.
PLAIN = frozenset(
    {
        "id",
        "name",
        "model",
        "mimeType",
        "timeLeft",
        "modality",
        "trafficType",
        "scheduling",
        "interactionStatus",
        "turnCompleteReason",
        "languageCode",
        "voiceName",
        "responseModalities",
        "newHandle",
        "handle",
    }
)
# What goes whole, shape and all: what tools answered below `full`, and at `none` what else holds words in any shape.
WHOLE = {
    FULL: (),
    TRANSCRIPTS: ("response",),
    NONE: ("response", "args", "systemInstruction", "tools", "groundingMetadata"),
}
Keep = Callable[[bytes, str], Mapping[str, object]]
Fetch = Callable[[Mapping[str, Any]], bytes]


def packed(frame: str | bytes, keep: Keep, level: Content) -> object:
    """Gives a frame as JSON values; `keep(sound, mime type)` stores a piece of sound and says where.

    What is no JSON is kept as `{"undecodable": text}` at `full`, and below it as a count of bytes.
    """
    try:
        return _packed(json.loads(frame), keep, level, "")
    except (ValueError, RecursionError):
        raw = frame.encode("utf-8", "replace") if isinstance(frame, str) else bytes(frame)
        return {"undecodable": raw.decode("utf-8", "backslashreplace") if level == FULL else len(raw)}


def unpacked(frame: object, fetch: Fetch) -> bytes:
    """Gives the frame's bytes again; `fetch` reads back what `keep` has stored."""
    if isinstance(frame, Mapping) and "undecodable" in frame:
        return str(frame["undecodable"]).encode()
    return json.dumps(_unpacked(frame, fetch)).encode()


def _packed(value: Any, keep: Keep, level: Content, key: str) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        if isinstance(value.get("data"), str) and "mimeType" in value:
            return value | {"data": _sound(value["data"], str(value["mimeType"]), keep, level)}
        return {
            name: {"omitted": True} if name in WHOLE[level] else _packed(item, keep, level, name)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_packed(item, keep, level, key) for item in value]
    if isinstance(value, str):
        if key in HANDLES and value and not SHOWN_HANDLE.fullmatch(value):
            return f"handle {fingerprint(value)}"
        return value if level != NONE or key in PLAIN else {"omitted": len(value)}
    return value


def _sound(data: str, kind: str, keep: Keep, level: Content) -> object:
    try:
        sound = from_base64(data)
    except (ValueError, UnicodeEncodeError):
        return {"omitted": len(data)}
    return dict(keep(sound, kind)) if level == FULL else {"omitted": len(sound)}


def _unpacked(value: Any, fetch: Fetch) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        found = value.get("data")
        if "mimeType" in value and isinstance(found, dict):
            return value | {"data": base64.b64encode(fetch(found)).decode()}
        return {name: _unpacked(item, fetch) for name, item in value.items()}
    if isinstance(value, list):
        return [_unpacked(item, fetch) for item in value]
    return value
