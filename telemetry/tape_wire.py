"""What went over the wire in a recording, link by link, ready to be sent again."""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from pipeline.errors import BadRecording
from telemetry.tape_frames import unpacked
from telemetry.tape_reading import Line, Taped


@attrs.define
class TapedLink:
    """One attempt at a link: `opened` is None where it never stood; `ended` with a code is how it was lost.

    A link without `ended` was left by us, or was up when the recording ended.
    """

    dialled: float
    opened: float | None = None
    heard: list[tuple[float, bytes]] = attrs.field(factory=list)
    sent: list[tuple[float, Line]] = attrs.field(factory=list)
    ended: float | None = None
    code: int = 0
    reason: str = ""


@attrs.frozen
class Block:
    """A block of the microphone, and when it was handed over."""

    t: float
    at: float
    position: int
    acoustic: bool
    pcm: bytes


@attrs.frozen
class Store:
    """The sound files of a recording, read as they are asked for."""

    folder: Path
    _files: dict[str, bytes] = attrs.field(factory=dict, init=False)

    def fetch(self, place: Mapping[str, Any]) -> bytes:
        """Gives the bytes at a place; BadRecording where they are not there."""
        if "file" not in place:
            raise BadRecording(f"{self.folder} was recorded without its sound, so it cannot be played back")
        name = Path(str(place["file"])).name
        if name not in self._files:
            try:
                self._files[name] = (self.folder / name).read_bytes()
            except OSError as error:
                raise BadRecording(f"cannot read {self.folder / name}: {error.strerror}") from None
        begin, length = int(place["at"]), int(place["bytes"])
        found = self._files[name][begin : begin + length]
        if len(found) < length:
            raise BadRecording(f"{self.folder / name} is cut short: it has no byte {begin + length}")
        return found


def links(taped: Taped, store: Store) -> list[TapedLink]:
    """Gives every attempt at a link in order."""
    found: list[TapedLink] = []
    for step in taped.steps:
        way, t = step.get("way"), float(step["t"])
        if way == "dial":
            found.append(TapedLink(t))
        elif not found:
            continue
        elif way == "open":
            found[-1].opened = t
        elif way == "in":
            found[-1].heard.append((t, unpacked(step.get("frame"), store.fetch)))
        elif way == "out":
            found[-1].sent.append((t, step.get("frame") or {}))
        elif way == "lost":
            found[-1].ended, found[-1].code = t, int(step.get("code") or 0)
            found[-1].reason = str(step.get("reason", ""))
    return found


def blocks(taped: Taped, store: Store) -> Iterator[Block]:
    """Gives the microphone's blocks in order."""
    for step in taped.steps:
        if step.get("way") == "mic":
            pcm = store.fetch(step.get("audio") or {})
            yield Block(float(step["t"]), float(step["at"]), int(step["position"]), bool(step.get("acoustic")), pcm)


def sound_bytes(frame: object) -> int:
    """Counts the bytes of sound in a frame that is packed, or as it was on the wire."""
    if isinstance(frame, Mapping):
        data = frame.get("data")
        if "mimeType" in frame:
            if isinstance(data, Mapping):
                return int(data.get("bytes") or data.get("omitted") or 0)
            return len(base64.b64decode(data)) if isinstance(data, str) else 0
        return sum(map(sound_bytes, frame.values()))
    return sum(map(sound_bytes, frame)) if isinstance(frame, list) else 0
