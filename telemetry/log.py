"""The event log: one JSON object a line, flushed by line, without any secret."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import attrs
import msgspec

from pipeline.errors import BadRecording
from pipeline.events import Bus, Event, Subscription, Trouble
from telemetry.writer import writing


@attrs.define
class EventLog:
    """Writes events to a file; `t` counts seconds since the first. Closed by `run` when the bus closes."""

    path: Path
    bus: Bus
    _file: BinaryIO
    threads: bool = True
    _first: float | None = attrs.field(default=None, init=False)

    @property
    def name(self) -> str:
        """What is said of it when it loses events."""
        return f"the event log {self.path}"

    @classmethod
    def open(cls, path: Path, bus: Bus, *, threads: bool = True) -> "EventLog":
        """Creates the file; BadRecording when it cannot be made."""
        try:
            return cls(path, bus, path.open("wb", buffering=0), threads)
        except OSError as error:
            raise BadRecording(f"cannot write the event log {path}: {error.strerror}; name another file") from None

    async def run(self, events: Subscription) -> None:
        """Writes until the bus closes. A full disk ends the log and not the conversation."""
        with self._file:
            try:
                async with writing(self._file.write, events, threads=self.threads) as writer:
                    async for event in events:
                        writer.put(self._line(event))
            except OSError as error:
                trouble = Trouble(f"{self.name} ends: {error.strerror}", "disk", "the conversation goes on")
                self.bus.publish(trouble)

    def _line(self, event: Event) -> bytes:
        if self._first is None:
            self._first = event.at
        line = {"t": round(event.at - self._first, 4), "event": event.name, **event.fields()}
        return self.bus.secrets.redact(encoded(line)).encode() + b"\n"


def encoded(line: Mapping[str, object]) -> str:
    """Gives JSON of anything that an event may hold."""
    try:
        return msgspec.json.encode(line, enc_hook=str).decode()
    except (UnicodeEncodeError, TypeError):  # half a character, or keys that are no text
        told = json.dumps(line, default=str, skipkeys=True, ensure_ascii=False)
        return told.encode(errors="replace").decode()  # half a character is no JSON that others read
