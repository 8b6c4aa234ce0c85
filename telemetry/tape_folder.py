"""The folder of a recorded conversation: its files, and the writing of them. No loop, no thread, no clock.

| file                | holds                                                                                   |
|---------------------|-----------------------------------------------------------------------------------------|
| conversation.flac   | both voices on one clock, the user on the left, the assistant on the right: 24 kHz       |
| events.jsonl        | the events, `t` in seconds since the recording began                                    |
| spans.jsonl         | the trace                                                                               |
| frames.jsonl        | what went over the wire and into the pipeline, in order, with the same `t`              |
| microphone.pcm      | the microphone's blocks, byte for byte: 16 kHz s16le mono                               |
| service.pcm         | sound that came over the wire, byte for byte: 24 kHz s16le mono                         |
| plan.toml           | the merged plan, without secrets                                                        |
| versions.json       | what it was made with, at which level of content, and when                              |
"""

import json
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

import attrs

from actors.audio.recording import FlacWriter
from pipeline.bus import FULL, Content
from pipeline.errors import BadRecording
from pipeline.messages import INPUT_RATE
from pipeline.secrets import Secrets
from telemetry.log import encoded
from telemetry.tape_frames import packed
from telemetry.tape_tracks import RATE, Tracks

FORMAT = 1
SOUND, EVENTS, SPANS, FRAMES = "conversation.flac", "events.jsonl", "spans.jsonl", "frames.jsonl"
MICROPHONE, SERVICE, PLAN, VERSIONS = "microphone.pcm", "service.pcm", "plan.toml", "versions.json"
REMEMBERED = 8000  # blocks whose place in microphone.pcm is known: 160 s, more than a reconnect says again
BUFFER = 1 << 18  # bytes of a file that may wait for `flush`
Place = dict[str, object]


def empty_folder(path: Path) -> Path:
    """Gives a folder that exists and holds nothing; BadRecording where there cannot be one."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        used = any(path.iterdir())
    except OSError as error:
        raise BadRecording(f"cannot record into {path}: {error.strerror}; name another folder") from None
    if used:
        raise BadRecording(f"cannot record into {path}: there is something in it; name a folder that is new or empty")
    return path


@attrs.define
class TapeFolder:
    """Writes one recording at a level of content; lines and sound are on disk once `flush` is called.

    OSError or DeviceUnavailable where the disk refuses. Whoever made it closes it.
    """

    path: Path
    level: Content
    secrets: Secrets
    _files: dict[str, IO[bytes]] = attrs.field(factory=dict, init=False)
    _lengths: dict[str, int] = attrs.field(factory=dict, init=False)
    _sound: FlacWriter | None = attrs.field(default=None, init=False)
    _tracks: Tracks = attrs.field(factory=Tracks, init=False)
    _known: OrderedDict[bytes, Place] = attrs.field(factory=OrderedDict, init=False)

    def describe(self, plan: str, versions: Mapping[str, object]) -> None:
        """Writes plan and versions."""
        (self.path / PLAN).write_text(self.secrets.redact(plan), "utf-8")
        told = {"format": FORMAT, "content": self.level, **versions}
        (self.path / VERSIONS).write_text(self.secrets.redact(json.dumps(told, indent=2)) + "\n", "utf-8")

    def event(self, t: float, name: str, fields: Mapping[str, object]) -> None:
        """Writes an event."""
        self._line(EVENTS, {"t": round(t, 4), "event": name, **fields})

    def span(self, fields: Mapping[str, object]) -> None:
        """Writes a finished span."""
        self._line(SPANS, fields)

    def step(self, t: float, way: str, **fields: object) -> None:
        """Writes a step of a link, or something that the user did."""
        self._line(FRAMES, {"t": round(t, 6), "way": way, **fields})

    def frame(self, t: float, way: str, frame: str | bytes) -> None:
        """Writes a frame of the wire."""
        self.step(t, way, frame=packed(frame, self._keep, self.level))

    def block(self, t: float, at: float, position: int, pcm: bytes, *, acoustic: bool) -> None:
        """Writes a block of the microphone; `at` is its first sample's time, `position` that sample's number."""
        if self.level == FULL:
            place = self._store(MICROPHONE, pcm)
            self.step(t, "mic", at=round(at, 6), position=position, acoustic=acoustic, audio=place)
            self._tracks.user.place(position / INPUT_RATE, pcm, INPUT_RATE)

    def played(self, at: float, pcm: bytes, rate: int) -> None:
        """Takes sound that left the speaker `at` seconds after the microphone's first sample."""
        if self.level == FULL:
            self._tracks.assistant.place(at, pcm, rate)

    def mix(self, *, last: bool = False) -> None:
        """Writes what is complete of the two voices."""
        frames = self._tracks.rest() if last else self._tracks.take()
        if frames:
            self._sound = self._sound or FlacWriter(self.path / SOUND, RATE, 2)
            self._sound.write(frames)

    def flush(self) -> None:
        """Hands all that was written to the system."""
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        """Ends every file; one that cannot be ended in order stays as it is."""
        for file in self._files.values():
            with suppress(OSError):
                file.close()
        if self._sound is not None:
            self._sound.close()

    def _line(self, name: str, line: Mapping[str, object]) -> None:
        self._file(name).write(self.secrets.redact(encoded(line)).encode() + b"\n")

    def _file(self, name: str) -> IO[bytes]:
        if name not in self._files:
            self._files[name] = (self.path / name).open("wb", buffering=BUFFER)
        return self._files[name]

    def _keep(self, sound: bytes, kind: str) -> Place:
        """Stores sound of the wire: what the microphone has just said by its place there, all else as it is."""
        name = MICROPHONE if kind.startswith("audio/pcm;rate=16000") else SERVICE
        return self._known.get(sound) or self._store(name, sound)

    def _store(self, name: str, sound: bytes) -> Place:
        file = self._file(name)
        place: Place = {"file": name, "at": self._lengths.get(name, 0), "bytes": len(sound)}
        file.write(sound)
        self._lengths[name] = self._lengths.get(name, 0) + len(sound)
        if name == MICROPHONE:
            self._known[sound] = place
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return place
