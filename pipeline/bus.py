"""The bus that carries events to listeners without waiting for anyone, and what of an event a listener may have.

A slow listener loses events, counted on its subscription; a publisher never waits and never fails because of a
listener. A listener that keeps or shows what it hears asks at its plan's level of content, and what is above that
level is withheld here, before the listener: the one place where this is decided.
"""

import math
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, ClassVar, Literal

import attrs
import trio

from pipeline.secrets import Secrets

Content = Literal["none", "transcripts", "full"]
NONE: Content = "none"
TRANSCRIPTS: Content = "transcripts"
FULL: Content = "full"
_ORDER: tuple[Content, ...] = (NONE, TRANSCRIPTS, FULL)
WITHHELD = "[withheld]"
EARLY = 0.05  # seconds by which a measurement may come before its time: half of the shortest way between two


# The mark of an event's field that only listeners from that level of content on may have: what was said and asked for,
# and what tools and libraries answered.
WORDS = {"content": TRANSCRIPTS}
INSIDES = {"content": FULL}
_ABOVE: "dict[tuple[type, Content], tuple[attrs.Attribute[Any], ...]]" = {}


@attrs.frozen
class Event:
    """Something that happened; `name` is its name in the event log, `at` is filled in by the bus.

    A `passing` event is a measurement that only those get who have asked for it.
    """

    name: ClassVar[str] = "event"
    passing: ClassVar[bool] = False
    at: float = attrs.field(default=math.nan, kw_only=True)

    def fields(self) -> dict[str, object]:
        """Gives the event's fields as the event log shows them, without its time and empty optional ones."""
        given = attrs.asdict(self, recurse=False, filter=lambda field, _: field.name != "at")
        return {key.rstrip("_"): value for key, value in given.items() if value is not None}


def permitted(event: Event, level: Content) -> Event:
    """Gives the event with what is above that level withheld: left out if it can be, else emptied, text by a mark."""
    above = _above(type(event), level)
    if not above:
        return event
    return attrs.evolve(event, **{field.name: _withheld(field, getattr(event, field.name)) for field in above})


def _above(kind: type[Event], level: Content) -> "tuple[attrs.Attribute[Any], ...]":
    """Gives the fields above that level; worked out once, since every event passes here."""
    if (kind, level) not in _ABOVE:
        allowed = _ORDER.index(level)
        marked = [field for field in attrs.fields(kind) if "content" in field.metadata]
        _ABOVE[kind, level] = tuple(field for field in marked if _ORDER.index(field.metadata["content"]) > allowed)
    return _ABOVE[kind, level]


def _withheld(field: "attrs.Attribute[Any]", value: object) -> Any:  # noqa: ANN401 - fields have any type
    if field.default is not attrs.NOTHING:
        return field.default
    if isinstance(value, str):
        return WITHHELD
    if isinstance(value, Mapping):
        return {}
    return () if isinstance(value, list | tuple) else None


@attrs.define(eq=False)
class Subscription:
    """One listener's bounded view of the bus: an async iterable of events.

    Iteration ends when the bus closes. Events that find it full are lost and counted in `lost`. One that nobody holds
    any more, as after `break`, is forgotten. `content` is what it may have, `gauges` the seconds between two
    measurements that it asks for, None for no measurements.
    """

    capacity: int
    content: Content = FULL
    gauges: float | None = None
    lost: int = 0
    _waiting: deque[Event] = attrs.field(factory=deque, init=False)
    _measured: float = attrs.field(default=-math.inf, init=False)  # when the last measurement came
    _wake: trio.Event = attrs.field(factory=trio.Event, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    def put(self, event: Event) -> None:
        """Takes an event if there is room; called by the bus."""
        if self._closed or (event.passing and not self._wants(event.at)):
            return
        if len(self._waiting) >= self.capacity:
            self.lost += 1
            return
        self._waiting.append(permitted(event, self.content))
        self._wake.set()

    def _wants(self, at: float) -> bool:
        """Whether a measurement of that time is wanted: others may have asked for more of them."""
        if self.gauges is None or at - self._measured < self.gauges - EARLY:
            return False
        self._measured = at
        return True

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
    Measurements have none but the plan's own names.
    """

    secrets: Secrets = attrs.field(factory=Secrets)
    clock: Callable[[], float] = trio.current_time
    _listeners: weakref.WeakSet[Subscription] = attrs.field(factory=weakref.WeakSet, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _asked: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def period(self) -> float | None:
        """The shortest time between two measurements that a listener asks for; None while nobody asks."""
        asked = [one.gauges for one in self._listeners if one.gauges is not None and not one.closed]
        return min(asked, default=None)

    def publish(self, event: Event) -> None:
        """Hands the event to every listener that has room."""
        told = self._told(event)
        for listener in list(self._listeners):
            listener.put(told)

    def subscribe(self, capacity: int = 4096, *, content: Content = FULL, gauges: float | None = None) -> Subscription:
        """Starts listening from now on; `capacity` events may wait. On a closed bus the iteration ends at once.

        With `gauges` measurements come, too, about that many seconds apart.
        """
        listener = Subscription(capacity, content, gauges)
        if self._closed:
            listener.close()
        self._listeners = weakref.WeakSet([*(other for other in self._listeners if not other.closed), listener])
        if gauges is not None:
            self._asked.set()
        return listener

    async def gauged(self) -> None:
        """Waits until a listener asks for measurements."""
        while self.period is None:
            self._asked = trio.Event()
            await self._asked.wait()

    def close(self) -> None:
        """Ends every listener's iteration; what is published after it goes nowhere."""
        self._closed = True
        for listener in list(self._listeners):
            listener.close()

    def _told(self, event: Event) -> Event:
        words = {
            field.alias: self.secrets.redacted(value)
            for field in (() if event.passing else attrs.fields(type(event)))
            if isinstance(value := getattr(event, field.name), str | Mapping | list | tuple)
        }
        return attrs.evolve(event, at=self.clock(), **words)
