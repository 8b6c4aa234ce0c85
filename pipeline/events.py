"""What the actors tell the world: frozen values, each with its name and fields in the event log.

`pipeline.bus` carries them. What of an event is content, and not about the conversation, says from which level on a
listener may have it: see `pipeline.bus.WORDS`.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import attrs

from pipeline.bus import INSIDES, WORDS
from pipeline.bus import Bus as Bus  # noqa: PLC0414 - whoever speaks of events speaks of the bus
from pipeline.bus import Event as Event  # noqa: PLC0414
from pipeline.bus import Subscription as Subscription  # noqa: PLC0414
from pipeline.measures import ActorGauge as ActorGauge  # noqa: PLC0414
from pipeline.measures import EdgeGauge as EdgeGauge  # noqa: PLC0414
from pipeline.measures import Gauges as Gauges  # noqa: PLC0414
from pipeline.measures import Level as Level  # noqa: PLC0414


@attrs.frozen
class SessionStateChanged(Event):
    """The session went from one of the six states to another."""

    name: ClassVar[str] = "session.state"
    from_: str
    to: str
    reason: str


@attrs.frozen
class SessionResumed(Event):
    """The link is back; `fresh` when the old session could not be resumed and history was told anew."""

    name: ClassVar[str] = "session.resumed"
    attempt: int
    gap_ms: float
    replayed_ms: float
    lost_ms: float
    fresh: bool = False
    handle: str | None = None


@attrs.frozen
class GoingAway(Event):
    """The service will end this connection in `left_ms`."""

    name: ClassVar[str] = "session.going_away"
    left_ms: float


@attrs.frozen
class Capturing(Event):
    """The microphone delivers since `age_ms`; `what` names the device or recording."""

    name: ClassVar[str] = "microphone.started"
    what: str
    rate: int
    age_ms: float = 0.0


@attrs.frozen
class Muted(Event):
    """The microphone was muted, or is heard again: the service gets none of what it takes meanwhile."""

    name: ClassVar[str] = "microphone.muted"
    muted: bool


@attrs.frozen
class RecordingSent(Event):
    """The recording that stands in for the microphone has come to its end; silence follows."""

    name: ClassVar[str] = "microphone.ended"
    seconds: float


@attrs.frozen
class DeviceChanged(Event):
    """A sound device was `opened`, `lost` or is `back`."""

    name: ClassVar[str] = "device"
    which: str
    what: str
    device: str
    latency_ms: float | None = None


@attrs.frozen
class UserStarted(Event):
    """The gate heard speech begin."""

    name: ClassVar[str] = "turn.user_start"
    at_ms: float


@attrs.frozen
class UserEnded(Event):
    """The gate decided that speech had ended, `at_ms` after the microphone's first sample."""

    name: ClassVar[str] = "turn.user_end"
    at_ms: float


@attrs.frozen
class FirstAudio(Event):
    """The first sample of a reply left the speaker; `latency_ms` since the user's last speech sample.

    That sample is `asked_ms` after the microphone's first: the `at_ms` of the `turn.user_end` that the reply answers.
    """

    name: ClassVar[str] = "turn.first_audio"
    turn: int
    latency_ms: float | None
    asked_ms: float | None = None

    def fields(self) -> dict[str, object]:
        """Gives the latency always: an unknown one is null and not left out."""
        asked = {} if self.asked_ms is None else {"asked_ms": self.asked_ms}
        return {"turn": self.turn, "latency_ms": self.latency_ms, **asked}


# The way from the user's last speech sample to the reply's first sample at the speaker, in order.
PARTS = ("microphone", "gate", "uplink", "socket", "service", "tools", "downlink", "playback", "device")


@attrs.frozen
class TurnTimed(Event):
    """Where the time of a turn went, once a turn that sounds: milliseconds for each of `PARTS`, None where unknown.

    The known parts add up to `latency_ms`, and where some are unknown the rest belongs to them. microphone: until the
    block with the last speech sample was handed over; gate: until what ends the turn was let through, which is that
    block, or in local turns the decision; uplink: until its write began; socket: until it was written; service: until
    the first sound of the reply was read, without the time in which the service waited for tools, which is `tools`;
    downlink: until playback took it; playback: until the device took its first sample; device: until that is heard.
    """

    name: ClassVar[str] = "turn.timed"
    turn: int
    latency_ms: float | None
    parts: Mapping[str, float | None]

    def fields(self) -> dict[str, object]:
        """Gives all fields always: what is unknown is null and not left out."""
        return {"turn": self.turn, "latency_ms": self.latency_ms, "parts": dict(self.parts)}


@attrs.frozen
class TurnInterrupted(Event):
    """A reply was cut short: what was heard of it, and how long silence took from the word on the wire."""

    name: ClassVar[str] = "turn.interrupted"
    turn: int
    heard_ms: float
    silent_after_ms: float


@attrs.frozen
class TurnEnded(Event):
    """A reply is over: played to its end (`completed`), `interrupted`, or `failed`.

    `underruns` is how often its sound ran dry at the speaker and left a hole.
    """

    name: ClassVar[str] = "turn.end"
    turn: int
    heard_ms: float
    outcome: str
    underruns: int = 0


HELD = {
    "gate": "it has not come through the gate",
    "uplink": "it waits for a link",
    "service": "the service has it and says nothing",
}


@attrs.frozen
class Unanswered(Event):
    """What the user said up to `at_ms` has got no reply and no tool call for `ms`; `where` is how far it has come.

    gate: it has not reached the uplink; uplink: it is not on the wire, or on one that is lost; service: it is sent.
    """

    name: ClassVar[str] = "turn.unanswered"
    at_ms: float
    where: str
    ms: float

    @property
    def why(self) -> str:
        """The same in words."""
        return HELD.get(self.where, self.where)


@attrs.frozen
class Ducked(Event):
    """The gate heard speech over playing audio: the level went `down`, or came back `up` unconfirmed."""

    name: ClassVar[str] = "turn.ducked"
    level: str


@attrs.frozen
class Transcript(Event):
    """Words of either side, as the service understood or spoke them: fragments, then the whole as `final`."""

    name: ClassVar[str] = "transcript"
    who: str
    text: str = attrs.field(metadata=WORDS)
    final: bool
    turn: int | None = None


@attrs.frozen
class Sources(Event):
    """What a grounded reply rests on: numbered titles and links, and which pieces of it each of them supports.

    `suggestions` is the service's own HTML with further searches, which its terms want shown as it is.
    """

    name: ClassVar[str] = "sources"
    turn: int
    sources: tuple[Mapping[str, object], ...] = attrs.field(metadata=WORDS)
    queries: tuple[str, ...] = attrs.field(default=(), metadata=WORDS)
    suggestions: str | None = attrs.field(default=None, metadata=WORDS)
    supports: tuple[Mapping[str, object], ...] = attrs.field(default=(), metadata=WORDS)


@attrs.frozen
class ToolStarted(Event):
    """The model called a tool, in the reply of that number."""

    name: ClassVar[str] = "tool.call"
    id: str
    name_: str
    args: Mapping[str, object] = attrs.field(metadata=WORDS)
    turn: int | None = None


@attrs.frozen
class ToolEnded(Event):
    """A tool call is settled; `result` is what the model was told."""

    name: ClassVar[str] = "tool.result"
    id: str
    name_: str
    ms: float
    outcome: str
    result: Mapping[str, object] | None = attrs.field(default=None, metadata=INSIDES)


@attrs.frozen
class ToolDebt(Event):
    """What became of the answer to a call: `owed`, `written` to the wire, `delivered` for certain, or `void`."""

    name: ClassVar[str] = "tool.debt"
    id: str
    name_: str
    state: str
    reason: str | None = None


@attrs.frozen
class ToolConsent(Event):
    """A tool that needs the user's word: it was `asked` for, and then `agreed`, `refused` or `expired`."""

    name: ClassVar[str] = "tool.consent"
    call: str = attrs.field(metadata=WORDS)
    state: str


@attrs.frozen
class Usage(Event):
    """Token counts as the service reported them, during or right after the reply of that number."""

    name: ClassVar[str] = "usage"
    counts: Mapping[str, object]
    turn: int | None = None

    def fields(self) -> dict[str, object]:
        """Gives the counts themselves, and the turn where it is known."""
        return dict(self.counts) | ({} if self.turn is None else {"turn": self.turn})


@attrs.frozen
class Dropped(Event):
    """An edge had no room and its policy let go of the oldest."""

    name: ClassVar[str] = "channel.drop"
    edge: str
    dropped: int
    ms: float


@attrs.frozen
class ActorRestarted(Event):
    """An actor crashed (or was asked to) and was started again; `where` is the line that raised."""

    name: ClassVar[str] = "actor.restart"
    actor: str
    crashes: int
    error: str | None = attrs.field(default=None, metadata=WORDS)
    where: str | None = None

    @property
    def asked(self) -> bool:
        """Whether someone asked for it; what a crash said may be withheld, and its line never is."""
        return self.error is None and self.where is None


ENDS = "the conversation ends"  # the action of the one trouble after which there is nothing more


@attrs.frozen
class Trouble(Event):
    """Something went wrong and the conversation goes on; `action` says what is done about it.

    `detail` is what a tool or library said of it, which may hold anything.
    """

    name: ClassVar[str] = "error"
    what: str
    code: int | str
    action: str
    detail: str | None = attrs.field(default=None, metadata=INSIDES)


@attrs.frozen
class Farewell(Event):
    """The conversation should end now, in order, for this reason; whoever runs it ends it."""

    name: ClassVar[str] = "session.farewell"
    reason: str


@attrs.frozen
class Notice(Event):
    """Something a person may want to know."""

    name: ClassVar[str] = "notice"
    text: str


@attrs.frozen
class TokenRefreshed(Event):
    """The gateway has fetched a new ephemeral token, or tried to: `ok` or `failed`, after `ms`."""

    name: ClassVar[str] = "token.refresh"
    ms: float
    outcome: str
    expires_in: float | None = None


@attrs.frozen
class LoopStalled(Event):
    """One task kept the event loop from all others for `ms`."""

    name: ClassVar[str] = "loop.stall"
    ms: float
    task: str


@attrs.frozen
class ListenerLost(Event):
    """A listener was too slow, or what it writes to is: so many events are missing there."""

    name: ClassVar[str] = "telemetry.lost"
    listener: str
    lost: int


def milliseconds(seconds: float) -> float:
    """Turns seconds into the event log's milliseconds, to a tenth; nan-free for unknown spans."""
    return 0.0 if math.isnan(seconds) else round(seconds * 1000, 1)
