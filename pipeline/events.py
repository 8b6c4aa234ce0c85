"""What the actors tell the world, and the bus that carries it without waiting for anyone.

Each event is a frozen value with the name and fields of the event log. A slow listener loses events, counted on
its subscription; a publisher never waits and never fails because of a listener.
"""

import math
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import ClassVar

import attrs
import trio

from pipeline.secrets import Secrets


@attrs.frozen
class Event:
    """Something that happened; `name` is its name in the event log, `at` is filled in by the bus."""

    name: ClassVar[str] = "event"
    at: float = attrs.field(default=math.nan, kw_only=True)

    def fields(self) -> dict[str, object]:
        """Gives the event's fields as the event log shows them, without its time and empty optional ones."""
        given = attrs.asdict(self, recurse=False, filter=lambda field, _: field.name != "at")
        return {key.rstrip("_"): value for key, value in given.items() if value is not None}


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
    """The microphone delivers; `what` names the device or recording."""

    name: ClassVar[str] = "microphone.started"
    what: str
    rate: int


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
    """The first sample of a reply left the speaker; `latency_ms` since the user's last speech sample."""

    name: ClassVar[str] = "turn.first_audio"
    turn: int
    latency_ms: float | None

    def fields(self) -> dict[str, object]:
        """Gives both fields always: an unknown latency is null and not left out."""
        return {"turn": self.turn, "latency_ms": self.latency_ms}


@attrs.frozen
class TurnInterrupted(Event):
    """A reply was cut short: what was heard of it, and how long silence took from the word on the wire."""

    name: ClassVar[str] = "turn.interrupted"
    turn: int
    heard_ms: float
    silent_after_ms: float


@attrs.frozen
class TurnEnded(Event):
    """A reply is over: played to its end (`completed`), `interrupted`, or `failed`."""

    name: ClassVar[str] = "turn.end"
    turn: int
    heard_ms: float
    outcome: str


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
    text: str
    final: bool
    turn: int | None = None


@attrs.frozen
class Sources(Event):
    """What a grounded reply rests on: numbered titles and links.

    `suggestions` is the service's own HTML with further searches, which its terms want shown as it is.
    """

    name: ClassVar[str] = "sources"
    turn: int
    sources: tuple[Mapping[str, object], ...]
    queries: tuple[str, ...] = ()
    suggestions: str | None = None


@attrs.frozen
class ToolStarted(Event):
    """The model called a tool."""

    name: ClassVar[str] = "tool.call"
    id: str
    name_: str
    args: Mapping[str, object]


@attrs.frozen
class ToolEnded(Event):
    """A tool call is settled."""

    name: ClassVar[str] = "tool.result"
    id: str
    name_: str
    ms: float
    outcome: str


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
    call: str
    state: str


@attrs.frozen
class Usage(Event):
    """Token counts as the service reported them."""

    name: ClassVar[str] = "usage"
    counts: Mapping[str, object]

    def fields(self) -> dict[str, object]:
        """Gives the counts themselves."""
        return dict(self.counts)


@attrs.frozen
class Dropped(Event):
    """An edge had no room and its policy let go of the oldest."""

    name: ClassVar[str] = "channel.drop"
    edge: str
    dropped: int
    ms: float


@attrs.frozen
class ActorRestarted(Event):
    """An actor crashed (or was asked to) and was started again."""

    name: ClassVar[str] = "actor.restart"
    actor: str
    crashes: int
    error: str | None = None


@attrs.frozen
class Trouble(Event):
    """Something went wrong and the conversation goes on; `action` says what is done about it."""

    name: ClassVar[str] = "error"
    what: str
    code: int | str
    action: str


@attrs.frozen
class Notice(Event):
    """Something a person may want to know."""

    name: ClassVar[str] = "notice"
    text: str


@attrs.define(eq=False)
class Subscription:
    """One listener's bounded view of the bus: an async iterable of events.

    Iteration ends when the bus closes. Events that find it full are lost and counted in `lost`. One that nobody holds
    any more, as after `break`, is forgotten.
    """

    capacity: int
    lost: int = 0
    _waiting: deque[Event] = attrs.field(factory=deque, init=False)
    _wake: trio.Event = attrs.field(factory=trio.Event, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    def put(self, event: Event) -> None:
        """Takes an event if there is room; called by the bus."""
        if self._closed:
            return
        if len(self._waiting) >= self.capacity:
            self.lost += 1
            return
        self._waiting.append(event)
        self._wake.set()

    def close(self) -> None:
        """Ends the iteration once what is waiting has been read."""
        self._closed = True
        self._wake.set()

    @property
    def closed(self) -> bool:
        """Whether no more events come."""
        return self._closed

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            if self._wake.is_set():
                self._wake = trio.Event()
            await self._wake.wait()
        return self._waiting.popleft()


@attrs.define
class Bus:
    """Carries events from actors to listeners; publishing is synchronous and free of surprises.

    Text anywhere in events passes `secrets`, so that what a far end echoes back cannot carry a key or handle outside.
    """

    secrets: Secrets = attrs.field(factory=Secrets)
    clock: Callable[[], float] = trio.current_time
    _listeners: weakref.WeakSet[Subscription] = attrs.field(factory=weakref.WeakSet, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    def publish(self, event: Event) -> None:
        """Hands the event to every listener that has room."""
        told = self._told(event)
        for listener in list(self._listeners):
            listener.put(told)

    def subscribe(self, capacity: int = 4096) -> Subscription:
        """Starts listening from now on; `capacity` events may wait. On a closed bus the iteration ends at once."""
        listener = Subscription(capacity)
        if self._closed:
            listener.close()
        self._listeners = weakref.WeakSet([*(other for other in self._listeners if not other.closed), listener])
        return listener

    def close(self) -> None:
        """Ends every listener's iteration; what is published after it goes nowhere."""
        self._closed = True
        for listener in list(self._listeners):
            listener.close()

    def _told(self, event: Event) -> Event:
        words = {
            field.alias: self.secrets.redacted(value)
            for field in attrs.fields(type(event))
            if isinstance(value := getattr(event, field.name), str | Mapping | list | tuple)
        }
        return attrs.evolve(event, at=self.clock(), **words)


def milliseconds(seconds: float) -> float:
    """Turns seconds into the event log's milliseconds, to a tenth; nan-free for unknown spans."""
    return 0.0 if math.isnan(seconds) else round(seconds * 1000, 1)
