"""What is told of relayed conversations: to the audit log, to the counters, to the sinks of the plan's [telemetry]."""

from datetime import UTC, datetime
from typing import ClassVar

import attrs

from actors.gateway.desk import Desk, Visit
from actors.gateway.relay_talk import Opener, Talk
from pipeline.bus import Subscription
from pipeline.events import ToolEnded
from telemetry.sinks import SINKS


@attrs.frozen
class Record:
    """Tells of a gateway's conversations at its desk."""

    desk: Desk

    def note(self, what: str, talk: Talk, visit: Visit | None = None, **more: object) -> None:
        """Appends a line to the audit log: whose, from where, which model, until when."""
        address = {} if visit is None else {"address": visit.address}
        until = datetime.fromtimestamp(talk.since + self.desk.settings.session_life, UTC).isoformat()
        told = {"user": talk.user, **address, "model": talk.model, "session": talk.id, "kind": "relay"}
        self.desk.audit.note(what, **told, expires=until, **more)

    def openers(self, talk: Talk) -> tuple[Opener, ...]:
        """Gives what opens everything that listens to a conversation."""
        counted = self.desk.counts.conversations
        return (
            *SINKS,
            lambda occasion: counted.sink(occasion.model, occasion.settings.prices),
            lambda _: Calls(self, talk),
        )


@attrs.define(eq=False)
class Calls:
    """A sink: each tool call of a conversation is a line of the audit log, and is counted."""

    record: Record
    talk: Talk
    name: ClassVar[str] = "the audit log"

    async def run(self, events: Subscription) -> None:
        """Listens until the bus closes."""
        async for event in events:
            if isinstance(event, ToolEnded):
                self.record.desk.counts.call(event.outcome)
                self.record.note("tool", self.talk, tool=event.name_, ms=event.ms, outcome=event.outcome)
