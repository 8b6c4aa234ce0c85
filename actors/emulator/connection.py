"""One client's connection: from its setup to its last frame, with the clocks that end it."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol

import attrs
import trio

from actors.emulator import tokens, wire
from actors.emulator.admission import Caller
from actors.emulator.conversation import Conversation
from actors.emulator.ears import Sound
from actors.emulator.faculties import Faculties
from actors.emulator.handles import Handles
from actors.emulator.intake import Intake
from actors.emulator.link import Link
from actors.emulator.protojson import INVALID_ARGUMENT, Breach
from actors.emulator.requests import ClientMessage, Setup
from actors.emulator.script import Script
from actors.emulator.session import Session
from actors.emulator.settings import Settings
from actors.emulator.stage import Stage
from actors.emulator.terms import Terms, agree
from actors.emulator.wire import Json

NOT_FOUND = 1008
UNAVAILABLE = 1011
INTERNAL = "Internal error encountered."
DEADLINE = "Deadline expired before operation could complete."

Kind = Literal["audio", "message", "sent", "state"]


@attrs.frozen
class Observed:
    """Something that happened on a connection, for tests and screens.

    `audio` has the sound the client sent, s16le mono at its own rate; `message` has a message as it was understood;
    `sent` has one of the service's own; `state` says in `detail` what changed. `session` is "" before the setup.
    """

    connection: int
    kind: Kind
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
    script: Script
    observe: Callable[[Observed], None] | None

    def is_live(self, session: str) -> bool:
        """Tells whether an open connection has this session."""

    def failed(self, error: Exception) -> None:
        """Tells of a fault of the service's own."""


@attrs.define(eq=False)
class Connection:
    """One client. What is public and synchronous may be called from any task, to see how the client takes it."""

    number: int
    link: Link
    house: House
    caller: Caller
    _session: Session | None = attrs.field(default=None, init=False)
    _conversation: Conversation | None = attrs.field(default=None, init=False)
    _intake: Intake | None = attrs.field(default=None, init=False)
    _ready: trio.Event = attrs.field(factory=trio.Event, init=False)
    _began: float = attrs.field(default=0.0, init=False)
    _before: float = attrs.field(default=0.0, init=False)
    _ends: float = attrs.field(default=0.0, init=False)
    _announced: bool = attrs.field(default=True, init=False)
    _alarm: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _stage: Stage = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        part = self.house.script.enter(self.number, trio.current_time())
        self._stage = Stage(part, self.link, self._transmit, self._take_late, self.go_away)

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
        """Serves the client until the connection is over. Cancelling drops it.

        A fault of the service's own closes this connection with 1011, as the real service does, and raises nothing.
        """
        self._began = trio.current_time()
        self._ends = self._began + self.house.settings.patience
        try:
            async with trio.open_nursery() as nursery:
                for task in (self._keep_time, self._converse, self._stage.run):
                    nursery.start_soon(self._guarded, task)
                self._stage.connected()
                await self.link.run(self._hear)
                nursery.cancel_scope.cancel("the connection is over")
        finally:
            if self._session is not None:
                now = trio.current_time()
                connected = (now - self._began) * self.house.settings.time_scale
                self.house.handles.ended(self._session.id, now, connected)
            if self.link.farewell is not None:
                self._stage.part.leave()
                self._note(f"closed {self.link.farewell.code} {self.link.farewell.reason}".rstrip())

    async def _guarded(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except* Exception as group:  # noqa: BLE001 - whatever it is, it ends this connection only
            self._fail(group)

    def _fail(self, error: Exception) -> None:
        self.house.failed(error)
        self.close(UNAVAILABLE, INTERNAL)
        self._note("failed")

    async def _converse(self) -> None:
        await self._ready.wait()
        if self._conversation is not None:
            await self._conversation.run()

    async def _keep_time(self) -> None:
        lead = self.house.settings.go_away_lead / self.house.settings.time_scale
        while True:
            now = trio.current_time()
            if now >= self._ends:
                token = self.caller.token
                expired = token is not None and now >= token.expires
                self.close(UNAVAILABLE, tokens.EXPIRED_IN_SESSION if expired else DEADLINE)
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
        try:
            message = wire.parse(raw)
            self._observe("message", message=message)
            if self._stage.heard(message, len(raw)):
                self._take(message)
        except Breach:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this connection only
            self._fail(error)

    def _take(self, message: ClientMessage) -> None:
        if self._intake is not None:
            self._intake.take(message)
        elif message.setup is not None:
            self._set_up(message.setup)
        else:
            raise Breach("The first message must be setup.", INVALID_ARGUMENT)

    def _take_late(self, message: ClientMessage) -> None:
        """Takes a message that was held back: no reader is there to see what is wrong with it."""
        try:
            self._take(message)
        except Breach as breach:
            self.close(breach.code, breach.reason)

    def _set_up(self, setup: Setup) -> None:
        caller, settings, handles = self.caller, self.house.settings, self.house.handles
        if caller.token is not None:
            setup = caller.token.effective(setup)
        terms = self._stage.agreed(agree(setup, caller.version, vertex=caller.vertex))
        terms = attrs.evolve(terms, signals=terms.signals or settings.voice_activity)
        session = self._restored(terms) if terms.handle else Session.new(terms.model.name)
        session.instruction = terms.instruction
        session.compression = terms.compression
        conversation = Conversation(
            terms,
            session,
            self.house.faculties,
            self._stage.paced(settings.pace),
            send=self._send,
            keep=lambda: handles.issue(session.snapshot()),
            close=self.close,
            note=self._note,
            direct=self._stage.directed,
            drained=self.link.drained,
        )
        conversation.weigh()
        if caller.token is not None:
            caller.token.begin(trio.current_time(), resuming=bool(terms.handle))
        self._session = session
        self._before = handles.connected(session.id)
        self._intake = Intake(conversation, on_sound=self._on_sound, on_picture=self._on_picture)
        self._conversation = self._stage.conversation = conversation
        self._ready.set()
        self._note("set up")
        self._send(wire.setup_complete(session.id if caller.vertex else ""))
        self._start_clock(terms)
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

    def _start_clock(self, terms: Terms) -> None:
        settings = self.house.settings
        life = settings.connection_life
        if terms.compression is None:
            life = min(life, settings.session_limit - self._before)
        self._ends, self._announced = self._began + life / settings.time_scale, False
        token = self.caller.token
        if token is not None and token.expires < self._ends:
            self._ends, self._announced = token.expires, True  # of this end the client knows
        self._alarm.cancel("the setup is done")

    def _on_sound(self, sound: Sound) -> None:
        self._observe("audio", pcm=sound.pcm, rate=sound.rate)

    def _on_picture(self) -> None:
        if self._conversation is not None and self._conversation.terms.compression is None:
            settings = self.house.settings
            left = max(0.0, settings.video_limit - self._before)
            self._end_by(self._began + left / settings.time_scale)

    def _send(self, message: Json) -> None:
        self._stage.send(message)

    def _transmit(self, message: Json) -> None:
        self._observe("sent", sent=message)
        self.link.send(wire.encode(message))

    def _note(self, detail: str) -> None:
        self._observe("state", detail=detail)
        self._stage.noted(detail)

    def _observe(self, kind: Kind, **what: Any) -> None:  # noqa: ANN401 - Observed names their types
        if self.house.observe is not None:
            self.house.observe(Observed(self.number, kind, self.session, **what))
