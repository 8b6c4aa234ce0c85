"""Reads the folder of a recorded conversation back, and says in a sentence what is wrong with it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec

from pipeline.errors import BadRecording
from telemetry.tape_folder import EVENTS, FORMAT, FRAMES, PLAN, SOUND, VERSIONS

Line = Mapping[str, Any]


@attrs.frozen
class Taped:
    """A recording: `events` and `steps` in order, each with its `t` in seconds since the recording began.

    `whole` is False where its end is missing, as after a crash; what there is counts all the same.
    """

    path: Path
    versions: Line
    events: Sequence[Line]
    steps: Sequence[Line]
    plan: str
    whole: bool

    @classmethod
    def read(cls, path: Path) -> "Taped":
        """Reads a folder; BadRecording where it is missing, no recording, damaged, or of a newer version."""
        versions = _versions(path)
        steps = _lines(path / FRAMES)
        plan = path / PLAN
        return cls(
            path,
            versions,
            _lines(path / EVENTS),
            steps,
            plan.read_text("utf-8", "replace") if plan.is_file() else "",
            whole=bool(steps) and steps[-1].get("way") == "end",
        )

    @property
    def content(self) -> str:
        """The level of content at which it was recorded."""
        return str(self.versions.get("content", "full"))

    @property
    def sound(self) -> Path | None:
        """The file with both voices, if there is one."""
        path = self.path / SOUND
        return path if path.is_file() else None

    @property
    def sound_at(self) -> float:
        """When its first sample was, as a `t`."""
        return next((float(step["t"]) for step in self.steps if step.get("way") == "sound"), 0.0)

    @property
    def lost(self) -> int:
        """How much of it found the disk too slow, and is missing."""
        lost = self.steps[-1].get("lost", 0) if self.whole else 0
        return lost if isinstance(lost, int) else 0

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return max((float(lines[-1]["t"]) for lines in (self.events, self.steps) if lines), default=0.0)

    def named(self, *names: str) -> list[Line]:
        """Gives the events of these names."""
        return [event for event in self.events if event.get("event") in names]


def _versions(path: Path) -> Line:
    if not path.is_dir():
        raise BadRecording(f"cannot read {path}: there is no such folder; name one that --record has made")
    try:
        versions = json.loads((path / VERSIONS).read_text("utf-8"))
    except FileNotFoundError:
        raise BadRecording(
            f"{path} is no recording: {VERSIONS} is not in it; name a folder that --record has made"
        ) from None
    except (OSError, ValueError) as error:
        raise BadRecording(f"{path} is damaged: {VERSIONS} cannot be read ({error})") from None
    found = versions.get("format") if isinstance(versions, dict) else None
    if not isinstance(found, int):
        raise BadRecording(f"{path} is no recording: {VERSIONS} names no format")
    if found > FORMAT:
        raise BadRecording(
            f"{path} was recorded by a newer version: its format is {found}, and {FORMAT} is the newest known here; "
            f"update the assistant"
        )
    return versions  # type: ignore[no-any-return] # it was found to be a table


def _lines(path: Path) -> list[Line]:
    """Gives the objects of a JSONL file; a last line that was cut off by a crash is left out."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadRecording(f"cannot read {path}: {error.strerror}") from None
    found: list[Line] = []
    for number, line in enumerate(content.rpartition(b"\n")[0].split(b"\n"), 1):
        if not line:
            continue
        try:
            one = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRecording(f"{path} is damaged in line {number}: {error}") from None
        if not isinstance(one, dict) or not isinstance(one.get("t"), int | float):
            raise BadRecording(f"{path} is damaged in line {number}: it is no table with a time t")
        found.append(one)
    return found
