"""The event log: one JSON object a line, flushed by line, without any secret."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import attrs
import msgspec

from pipeline.errors import BadRecording
from pipeline.events import Bus, Subscription, Trouble


@attrs.define
class EventLog:
    """Writes events to a file; `t` counts seconds since the first. Closed by `run` when the bus closes."""

    path: Path
    bus: Bus
    _file: BinaryIO
    _first: float | None = attrs.field(default=None, init=False)

    @classmethod
    def open(cls, path: Path, bus: Bus) -> "EventLog":
        """Creates the file; BadRecording when it cannot be made."""
        try:
            return cls(path, bus, path.open("wb", buffering=0))
        except OSError as error:
            raise BadRecording(f"cannot write the event log {path}: {error.strerror}; name another file") from None

    async def run(self, events: Subscription) -> None:
        """Writes until the bus closes. A full disk ends the log and not the conversation."""
        with self._file:
            async for event in events:
                if self._first is None:
                    self._first = event.at
                line = {"t": round(event.at - self._first, 4), "event": event.name, **event.fields()}
                text = self.bus.secrets.redact(_encoded(line))
                try:
                    self._file.write(text.encode() + b"\n")
                except OSError as error:
                    self.bus.publish(
                        Trouble(f"the event log {self.path} ends: {error.strerror}", "disk", "the conversation goes on")
                    )
                    return


def _encoded(line: Mapping[str, object]) -> str:
    try:
        return msgspec.json.encode(line, enc_hook=str).decode()
    except (UnicodeEncodeError, TypeError):  # half a character, or keys that are no text
        return json.dumps(line, default=str, skipkeys=True)
