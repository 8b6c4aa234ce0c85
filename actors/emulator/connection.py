"""One client's connection: from its setup to its last frame, with the clocks that end it."""

from collections.abc import Callable
from typing import Literal, Protocol

import attrs
import trio

from actors.emulator import wire
from actors.emulator.conversation import Conversation
from actors.emulator.ears import Sound
from actors.emulator.faculties import Faculties
from actors.emulator.handles import Handles
from actors.emulator.intake import Intake
from actors.emulator.link import Link
from actors.emulator.protojson import INVALID_ARGUMENT, Breach
from actors.emulator.requests import ClientMessage, Setup
from actors.emulator.session import Session
from actors.emulator.settings import Settings
from actors.emulator.terms import Terms, agree
from actors.emulator.wire import Json

NOT_FOUND = 1008
UNAVAILABLE = 1011
DEADLINE = "Deadline expired before operation could complete."


@attrs.frozen
class Observed:
    """Something that happened on a connection, for tests and screens.

    `audio` has the sound the client sent, s16le mono at its own rate; `message` has a message as it was understood;
    `sent` has one of the service's own; `state` says in `detail` what changed. `session` is "" before the setup.
    """

    connection: int
    kind: Literal["audio", "message", "sent", "state"]
    session: str = ""
    pcm: bytes = attrs.field(default=b"", repr=False)
    rate: int = 0
    message: ClientMessage | None = attrs.field(default=None, repr=False)
    sent: Json | None = attrs.field(default=None, repr=False)
    detail: str = ""


class House(Protocol):
    """What connections share: the service."""

    settings: Settings
    handles: Handles
    faculties: Faculties
    observe: Callable[[Observed], None] | None

    def is_live(self, session: str) -> bool:
        """Tells whether an open connection has this session."""


@attrs.define(eq=False)
class Connection:
    """One client. What is public and synchronous may be called from any task, to see how the client takes it."""

    number: int
    link: Link
    house: House
    version: str
    _session: Session | None = attrs.field(default=None, init=False)
    _conversation: Conversation | None = attrs.field(default=None, init=False)
    _intake: Intake | None = attrs.field(default=None, init=False)
    _ready: trio.Event = attrs.field(factory=trio.Event, init=False)
    _began: float = attrs.field(default=0.0, init=False)
    _ends: float = attrs.field(default=0.0, init=False)
    _announced: bool = attrs.field(default=True, init=False)
    _alarm: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    @property
    def session(self) -> str:
        """The session's name, the same for all connections that resume it; "" before the setup."""
        return self._session.id if self._session else ""

    @property
    def open(self) -> bool:
        """Whether the client can still be talked to."""
        return self.link.open

    def cut(self) -> None:
        """Drops the connection as a broken network does, without a close frame."""
        self.link.cut()

    def close(self, code: int, reason: str = "") -> None:
        """Ends the connection by a close frame, behind what was sent before."""
        self.link.close(code, reason)

    def go_away(self, seconds: float) -> None:
        """Announces that the connection ends in so many seconds, and ends it then."""
        self._ends = min(self._ends, trio.current_time() + seconds)
        self._announce()

    def inject(self, raw: bytes) -> None:
        """Sends one binary frame with this payload, whatever it is."""
        self.link.send(raw)

    async def run(self) -> None:
        """Serves the client until the connection is over. Cancelling drops it."""
        self._began = trio.current_time()
        self._ends = self._began + self.house.settings.setup_patience
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_time)
                nursery.start_soon(self._converse)
                await self.link.run(self._hear)
                nursery.cancel_scope.cancel("the connection is over")
        finally:
            if self._session is not None:
                now = trio.current_time()
                connected = (now - self._began) * self.house.settings.time_scale
                self.house.handles.ended(self._session.id, now, connected)
            if self.link.farewell is not None:
                self._note(f"closed {self.link.farewell.code} {self.link.farewell.reason}".rstrip())

    async def _converse(self) -> None:
        await self._ready.wait()
        if self._conversation is not None:
            await self._conversation.run()

    async def _keep_time(self) -> None:
        lead = self.house.settings.go_away_lead / self.house.settings.time_scale
        while True:
            now = trio.current_time()
            if now >= self._ends:
                self.close(UNAVAILABLE, DEADLINE)
                return
            if not self._announced and now >= self._ends - lead:
                self._announce()
            with trio.CancelScope(deadline=self._ends - (0.0 if self._announced else lead)) as self._alarm:
                await trio.sleep_forever()

    def _announce(self) -> None:
        self._announced = True
        self._send(wire.go_away(self._ends - trio.current_time()))
        self._alarm.deadline = self._ends

    def _end_by(self, deadline: float) -> None:
        """Lets the connection end no later than at this time; the clock looks again."""
        self._ends = min(self._ends, deadline)
        self._alarm.cancel("the end has moved")

    def _hear(self, raw: str | bytes) -> None:
        message = wire.parse(raw)
        self._observe(Observed(self.number, "message", self.session, message=message))
        if self._intake is not None:
            self._intake.take(message)
        elif message.setup is not None:
            self._set_up(message.setup)
        else:
            raise Breach("The first message must be setup.", INVALID_ARGUMENT)

    def _set_up(self, setup: Setup) -> None:
        terms = agree(setup, self.version)
        session = self._restored(terms) if terms.handle else Session.new(terms.model.name)
        session.instruction = terms.instruction
        session.compression = terms.compression
        self._session = session
        settings, handles = self.house.settings, self.house.handles
        before = handles.connected(session.id)
        conversation = Conversation(
            terms,
            session,
            self.house.faculties,
            settings.pace,
            send=self._send,
            keep=lambda: handles.issue(session.snapshot()),
            close=self.close,
            note=self._note,
        )
        self._intake = Intake(conversation, on_sound=self._on_sound, on_picture=self._on_picture)
        self._conversation = conversation
        self._ready.set()
        self._note("set up")
        self._send(wire.setup_complete())
        self._start_clock(terms, before)
        conversation.offer_handle()

    def _restored(self, terms: Terms) -> Session:
        snapshot = self.house.handles.find(terms.handle, trio.current_time())
        if snapshot is None:
            raise Breach("BidiGenerateContent session not found", NOT_FOUND)
        if snapshot.model != terms.model.name:
            raise Breach(f"Request contains an invalid argument: the session belongs to {snapshot.model}.")
        if self.house.is_live(snapshot.session):
            raise Breach("The service is currently unavailable.", UNAVAILABLE)
        return Session.restored(snapshot)

    def _start_clock(self, terms: Terms, before: float) -> None:
        settings = self.house.settings
        life = settings.connection_life
        if terms.compression is None:
            life = min(life, settings.session_limit - before)
        self._ends, self._announced = self._began + life / settings.time_scale, False
        self._alarm.cancel("the setup is done")

    def _on_sound(self, sound: Sound) -> None:
        self._observe(Observed(self.number, "audio", self.session, pcm=sound.pcm, rate=sound.rate))

    def _on_picture(self) -> None:
        if self._conversation is not None and self._conversation.terms.compression is None:
            settings = self.house.settings
            self._end_by(self._began + settings.video_limit / settings.time_scale)

    def _send(self, message: Json) -> None:
        self._observe(Observed(self.number, "sent", self.session, sent=message))
        self.link.send(wire.encode(message))

    def _note(self, detail: str) -> None:
        self._observe(Observed(self.number, "state", self.session, detail=detail))

    def _observe(self, observed: Observed) -> None:
        if self.house.observe is not None:
            self.house.observe(observed)
