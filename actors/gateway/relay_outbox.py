"""The events a page is told, numbered and kept, so that one that was away, or reloaded, hears what it has missed."""

from collections import deque
from collections.abc import Iterator

import attrs

from pipeline import events as e

TOLD = (
    "session.state", "session.resumed", "session.going_away", "turn.user_start", "turn.user_end", "turn.first_audio",
    "turn.interrupted", "turn.end", "transcript", "sources", "tool.call", "tool.result", "tool.consent", "usage",
    "error", "notice",
)  # fmt: skip
MOST = 2000


@attrs.frozen
class Numbered:
    """An event as it is told, and its number; numbers begin with 1 and never stand still."""

    number: int
    name: str
    fields: dict[str, object]

    @property
    def passing(self) -> bool:
        """Whether it is a fragment, of which the whole is told later."""
        return self.name == "transcript" and not self.fields.get("final")


@attrs.define
class Outbox:
    """Keeps the newest `most` events; a fragment of a transcript is let go of when the whole is there."""

    most: int = MOST
    last: int = 0
    _kept: deque[Numbered] = attrs.field(factory=deque, init=False)

    def put(self, event: e.Event) -> None:
        """Takes an event, if it is one for a page."""
        if event.name not in TOLD:
            return
        fields = event.fields()
        if event.name == "transcript" and fields.get("final"):
            kept = (one for one in self._kept if not (one.passing and one.fields["who"] == fields["who"]))
            self._kept = deque(kept)
        self.last += 1
        self._kept.append(Numbered(self.last, event.name, fields))
        while len(self._kept) > self.most:
            self._kept.popleft()

    def after(self, number: int) -> Iterator[Numbered]:
        """Gives what is kept of the events after that number, in order."""
        return iter([one for one in self._kept if one.number > number])
