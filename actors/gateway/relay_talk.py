"""One relayed conversation: a pipeline whose microphone and speaker are at a web page, and the page's socket, if any.

The conversation outlives its sockets. Whatever happens while no page is there is kept, within bounds.
"""

import hashlib
import hmac
import math
from collections.abc import Callable
from typing import Protocol

import attrs
import trio

from actors.gateway import relay_wire as wire
from actors.gateway.pace import Pace
from actors.gateway.page_audio import Page
from actors.gateway.relay_outbox import Outbox
from actors.live.session import Session
from pipeline.conversation import Conversation, converse
from pipeline.environment import Environment
from pipeline.errors import AssistantError
from pipeline.events import Bus, Event, FirstAudio, SessionStateChanged, TurnEnded
from pipeline.messages import INPUT_RATE, SpeechStarted
from pipeline.plan import Plan
from telemetry.sinks import Occasion, Sink, listening

SILENT_FOR = 20.0  # seconds without a word from a page after which its socket is given up; pages ping every 5
SENT_WITHIN = 10.0  # seconds for a page to take a frame
TOLD_EVERY = 0.5  # seconds between two words on what of the microphone has come in
PRE_ROLL = 0.5  # seconds of microphone that a page keeps before what was answered for


class SocketGone(Exception):
    """The page's socket is closed or broken."""


class Socket(Protocol):
    """A WebSocket to a page, already let in."""

    async def receive(self) -> str | bytes:
        """Waits for the next frame; SocketGone when there will be none."""

    async def send(self, frame: str | bytes) -> None:
        """Sends a frame; SocketGone when nobody takes it."""

    async def close(self, code: int, reason: str = "") -> None:
        """Closes the socket; never raises."""


def digest(secret: str) -> str:
    """Gives what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


Note = Callable[[int, float | None], None]  # turns that are over, and the latency of one that begins to sound
Opener = Callable[[Occasion], Sink | None]
QUIET = {"quiet": True}  # what a command's options would say: nothing is shown here


@attrs.define(eq=False)
class Talk:
    """See the module. `secret` is a hash; `user` is whose it is; `handle` that of a session taken over elsewhere.

    `since` is when it began, in seconds of wall time, wherever that was. `openers` open what listens to it. A page may
    say `words`, to the model, and other `messages` at these paces.
    """

    id: str
    secret: str
    user: str
    plan: Plan = attrs.field(repr=False)
    environment: Environment = attrs.field(repr=False)
    page: Page = attrs.field(factory=Page)
    handle: str | None = attrs.field(default=None, repr=False)
    since: float = 0.0
    threads: bool = True
    words: Pace = attrs.field(factory=lambda: Pace.of("60/minute"))
    messages: Pace = attrs.field(factory=lambda: Pace.of("1200/minute"))
    openers: tuple[Opener, ...] = attrs.field(default=(), init=False)
    outbox: Outbox = attrs.field(factory=Outbox, init=False)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    away_since: float = attrs.field(factory=trio.current_time, init=False)
    over: str | None = attrs.field(default=None, init=False)
    finished: bool = attrs.field(default=False, init=False)  # whether somebody wants nobody to go on with it
    said: int = attrs.field(default=0, init=False)  # the number of the last text that was taken
    answered: int = attrs.field(default=0, init=False)  # and of the last that was answered for
    note: Note | None = attrs.field(default=None, init=False)
    session: Session | None = attrs.field(default=None, init=False)
    _present: trio.CancelScope | None = attrs.field(default=None, init=False)
    _conversation: Conversation | None = attrs.field(default=None, init=False)
    _begun: trio.Event = attrs.field(factory=trio.Event, init=False)
    _ended: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def model(self) -> str:
        """The model that its plan names."""
        return str(self.plan.table("live").get("model", ""))

    @property
    def away(self) -> bool:
        """Whether no page is there."""
        return self._present is None

    def knows(self, secret: str, user: str) -> bool:
        """Whether this is that user's conversation, and the secret its own."""
        return hmac.compare_digest(self.secret, digest(secret)) and self.user == user

    # -- the pipeline ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Runs the conversation until it is over; what ended it is in `over`. Cancellation ends it in order."""
        bus = Bus(self.environment.secrets())
        try:
            self.plan.set("telemetry.metrics", "")  # a file of one conversation's counts would be the next one's
            occasion = Occasion.of(bus, self.plan, self.environment, QUIET, threads=self.threads)
            async with listening(occasion, self.openers):
                with self.scope:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._listen, bus)
                        await self._converse(bus)
                        nursery.cancel_scope.cancel("the conversation is over")
        except* AssistantError as group:
            self.over = self.over or str(group.exceptions[0])
        finally:
            self.over = self.over or "the conversation is over"
            self._ended.set()
            self._begun.set()
            self.page.ring.wake()

    def end(self, why: str) -> None:
        """Has the conversation end, here and everywhere."""
        self.finished = True
        self.over = self.over or why
        self.scope.cancel(why)

    async def _converse(self, bus: Bus) -> None:
        page = self.page

        def the_page() -> Page:
            return page

        self.plan.set("state.page", {"use": the_page})
        self.plan.set("actors.microphone", {"use": "actors.gateway.page_audio:Microphone"})
        self.plan.set("actors.playback", {"use": "actors.gateway.page_audio:Playback"})
        async with converse(self.plan, bus=bus, environment=self.environment) as conversation:
            self._conversation = conversation
            self.session = conversation.house.shared(Session)
            self.session.handle = self.handle  # before the connection looks: no task of the house has run yet
            bus.secrets.hide(self.handle, rotating=True)
            self._begun.set()
            async for event in conversation.events():
                if isinstance(event, SessionStateChanged) and event.to == "CLOSED":
                    self.over = event.reason
                    return

    async def _listen(self, bus: Bus) -> None:
        async for event in bus.subscribe():
            self._count(event)
            self.outbox.put(event)
            self.page.ring.wake()

    def _count(self, event: Event) -> None:
        if self.note is not None:
            if isinstance(event, TurnEnded):
                self.note(1, None)
            elif isinstance(event, FirstAudio):
                self.note(0, event.latency_ms)

    @property
    def settled(self) -> int:
        """The position before which nothing of the page's microphone will be needed again."""
        questions = [] if self.session is None else self.session.kept.unanswered()
        spoken = [question.position for question in questions if isinstance(question, SpeechStarted)]
        return max(0, min([*spoken, self.page.received]) - round(PRE_ROLL * INPUT_RATE))

    @property
    def quiet(self) -> bool:
        """Whether all that was said or typed has been answered for."""
        return self.session is not None and self.session.idle and not self.session.kept.unanswered()

    # -- the page --------------------------------------------------------------------------------------------

    async def attend(self, socket: Socket, hello: wire.Hello, welcome: dict[str, object]) -> tuple[int, str]:
        """Serves a page until its socket is gone, silent or another page's, or the conversation is over.

        Gives the code and reason to close the socket with.
        """
        if self._present is not None:
            self._present.cancel("another page has taken over")
        with trio.CancelScope() as present:
            self._present = present
            try:
                await self._begun.wait()
                play = self.page.ring.attach(hello.received, hello.heard, trio.current_time())
                told = welcome | {
                    "play": play,
                    "stale_before": self.page.ring.stale_before,
                    "mic": self.page.received,
                    "said": self.said,
                }
                return await self._serve(socket, hello.seen, told)
            finally:
                self._leave(present)
        return wire.TAKEN_OVER, "the conversation goes on in another window"

    async def _serve(self, socket: Socket, seen: int, welcome: dict[str, object]) -> tuple[int, str]:
        ends: list[tuple[int, str]] = []
        try:
            async with trio.open_nursery() as nursery:

                def finish(code: int, reason: str) -> None:
                    ends.append((code, reason))
                    nursery.cancel_scope.cancel(reason)

                await self._tell(socket, wire.say("welcome", **welcome))
                nursery.start_soon(self._speak, socket, seen, finish)
                nursery.start_soon(self._acknowledge, socket)
                await self._read(socket, finish)
        except* SocketGone:
            ends.append((1006, "the page is gone"))
        return ends[0]

    def _leave(self, present: trio.CancelScope) -> None:
        """The page is away, unless another has come meanwhile."""
        if self._present is present:
            self._present = None
            self.away_since = trio.current_time()
            self.page.ring.detach()

    async def _read(self, socket: Socket, finish: Callable[[int, str], None]) -> None:
        while True:
            try:
                with trio.fail_after(SILENT_FOR):
                    message = wire.parse(await socket.receive())
            except trio.TooSlowError:
                return finish(wire.TOO_SLOW, f"nothing came for {SILENT_FOR:g} s")
            except wire.Misspoken as fault:
                return finish(wire.NOT_UNDERSTOOD, str(fault))
            pace = self.words if isinstance(message, wire.Typed | wire.Interrupt) else self.messages
            if not isinstance(message, wire.Sound) and (wait := pace.take(trio.current_time())):
                return finish(wire.TOO_MANY, f"too many messages; retry after {math.ceil(wait)}")
            if isinstance(message, wire.End):
                self.end("ended by the user")
                return finish(1000, "ended by the user")
            await self._obey(socket, message)

    async def _obey(self, socket: Socket, message: wire.Message) -> None:
        now = trio.current_time()
        ring, conversation = self.page.ring, self._conversation
        if isinstance(message, wire.Sound):
            self.page.hear(message.position, message.pcm, now)
        elif isinstance(message, wire.Heard):
            ring.underruns = message.underruns
            ring.reached(message.position, now)
        elif isinstance(message, wire.Flushed):
            ring.flushed(message.id, message.position, now)
        elif isinstance(message, wire.Ping):
            await self._tell(socket, wire.say("pong", number=message.number))
        elif conversation is not None and isinstance(message, wire.Typed):
            if message.number == 0 or message.number > self.said:
                self.said = max(self.said, message.number)
                await conversation.say(message.text)
        elif conversation is not None and isinstance(message, wire.Interrupt):
            await conversation.interrupt()

    async def _speak(self, socket: Socket, seen: int, finish: Callable[[int, str], None]) -> None:
        """Tells the page everything there is: what overtakes sound, events, sound; then waits for more."""
        ring = self.page.ring
        while True:
            while ring.controls:
                await self._tell(socket, wire.control(ring.controls.popleft()))
            for one in self.outbox.after(seen):
                seen = one.number
                await self._tell(socket, wire.say("event", number=seen, event=one.name, fields=one.fields))
                if ring.controls:
                    break
            if not ring.controls and (piece := ring.take()) is not None:
                await self._tell(socket, wire.sound(piece))
            elif not ring.controls and seen >= self.outbox.last:
                if self._ended.is_set():
                    return finish(wire.GAVE_UP, self.over or "")
                await self.page.changed()

    async def _acknowledge(self, socket: Socket) -> None:
        told = (-1, -1)
        while True:
            now = (self.page.received, self.settled)
            if now != told:
                told = now
                await self._tell(socket, wire.say("mic", received=now[0], settled=now[1]))
            await trio.sleep(TOLD_EVERY)

    @staticmethod
    async def _tell(socket: Socket, frame: str | bytes) -> None:
        with trio.move_on_after(SENT_WITHIN):
            await socket.send(frame)
            return
        raise SocketGone
