"""Carries out a scenario on one connection: everything that comes and goes passes here, and may set something off.

All of it is synchronous but `run`, which does what is due at a time.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import attrs
import trio

from actors.emulator import actions as a
from actors.emulator import edits, wire
from actors.emulator.conversation import Conversation
from actors.emulator.link import Link
from actors.emulator.requests import ClientMessage, Setup
from actors.emulator.scenario import HANDLE, OPEN_CALL
from actors.emulator.script import Part
from actors.emulator.terms import Terms
from actors.emulator.thoughts import Call, Say
from actors.emulator.turn import Pace, Prompt
from actors.emulator.wire import Json

MOST_HELD = 10_000
"""Messages and actions that a scenario may keep back on one connection; beyond that the connection is cut."""

HEAVIEST_HELD = 16 << 20
"""Bytes of the client's messages that a scenario may keep back on one connection, as they came."""

_NOTED = {"speech began": "speech", "speech ended": "silence"}
_ANSWERED = ("modelTurn", "outputTranscription", "toolCall", "generationComplete")


@attrs.define(eq=False)
class Stage:
    """One connection's scenario at work.

    `transmit` puts a message on the wire, `hear` takes one of the client's, `leave` ends the connection in so many
    seconds. `conversation` is given once there is one.
    """

    part: Part
    link: Link
    transmit: Callable[[Json], None]
    hear: Callable[[ClientMessage], None]
    leave: Callable[[float], None]
    conversation: Conversation | None = attrs.field(default=None, init=False)
    _agenda: list[tuple[float, int, Callable[[], None]]] = attrs.field(factory=list, init=False)
    _planned: int = attrs.field(default=0, init=False)
    _wake: trio.Event = attrs.field(factory=trio.Event, init=False)
    _shut_until: float = attrs.field(default=0.0, init=False)
    _waiting: deque[Callable[[], None]] = attrs.field(factory=deque, init=False)
    _joining: tuple[Json, int] | None = attrs.field(default=None, init=False)
    _unspoken: list[ClientMessage] = attrs.field(factory=list, init=False)
    _unspoken_bytes: int = attrs.field(default=0, init=False)
    _answered: bool = attrs.field(default=True, init=False)

    # -- what happens ----------------------------------------------------------------------------------------

    def connected(self) -> None:
        """The socket is open, the setup yet to come."""
        self._do("connect")

    def heard(self, message: ClientMessage, size: int = 0) -> bool:
        """The client has said something, in so many bytes; False when it is not to be listened to, now or at all."""
        realtime = message.realtime_input
        sound = realtime is not None and (realtime.audio is not None or bool(realtime.media_chunks))
        moments = (
            ("setup", message.setup is not None),
            ("audio", sound),
            ("text", realtime is not None and realtime.text is not None),
            ("content", message.client_content is not None),
            ("response", message.tool_response is not None),
        )
        for moment in [moment for moment, applies in moments if applies]:
            done = self._do(moment, _traits(message.setup) if message.setup else ())
            if moment == "response" and any(isinstance(action, a.Silent) for action in done):
                self._unspoken.append(message)
                self._unspoken_bytes += size
                self._bound()
                return False
            if moment in ("text", "content"):
                self._speak_after_all()
        return self.link.open

    def noted(self, detail: str) -> None:
        """The conversation has taken note of something."""
        if detail in _NOTED:
            self._do(_NOTED[detail])
            if detail == "speech began":
                self._speak_after_all()

    def directed(self, prompt: Prompt) -> Prompt | None:
        """The model is about to answer: gives the prompt, perhaps with its answer, or None for no turn at all."""
        if prompt.replies is not None:
            return prompt
        if self._answered:
            self.part.turn()
        self._answered = False
        for action in self._do("turn"):
            if isinstance(action, a.Say):
                prompt = prompt.answered(Say(action.text))
            elif isinstance(action, a.Call):
                prompt = prompt.answered(Call(action.name, action.args))
            elif isinstance(action, a.Silent):
                self._answered = True
                return attrs.evolve(prompt, replies=()) if action.complete else None
        return prompt

    def send(self, message: Json) -> None:
        """The service says something: it leaves as the scenario has it, then what it is the occasion for is done."""
        names = edits.names(message)
        self._answered = self._answered or any(name in _ANSWERED for name in names)
        if self.part.idle:
            self.transmit(message)
            return
        found = [action for name in names for action in self._found(name)]
        self._edited(message, [action for action in found if isinstance(action, a.Edit)])
        for action in found:
            self._carry_out(action)

    def agreed(self, terms: Terms) -> Terms:
        """Gives the terms as the scenario has them."""
        detection = self.part.script.scenario.detection
        terms = attrs.evolve(terms, signals=terms.signals or detection.signals)
        silence = detection.silence_ms
        if silence is None or terms.detection is None:
            return terms
        return attrs.evolve(terms, detection=attrs.evolve(terms.detection, silence_ms=silence))

    def paced(self, pace: Pace) -> Pace:
        """Gives the pace with the scenario's jitter, the same each time."""
        scenario = self.part.script.scenario
        dice = random.Random(f"pace {scenario.seed}/{self.part.connection}")  # noqa: S311 - wants to be repeated
        jitter = scenario.latency.jitter
        return attrs.evolve(pace, late=lambda: dice.uniform(0, jitter)) if jitter else pace

    async def run(self) -> None:
        """Does what is due at its time, for ever."""
        while True:
            now = trio.current_time()
            for action in self.part.due(now):
                self._carry_out(action)
            while self._agenda and self._agenda[0][0] <= now:
                heapq.heappop(self._agenda)[2]()
            self._wake = trio.Event()
            with trio.move_on_at(min(self.part.deadline, self._agenda[0][0] if self._agenda else math.inf)):
                await self._wake.wait()

    # -- what is done ----------------------------------------------------------------------------------------

    def _found(self, what: str, traits: tuple[str, ...] = ()) -> list[a.Action]:
        if self.part.idle:
            return []
        if self.conversation is not None and self.conversation.session.has_open_calls:
            traits = (*traits, OPEN_CALL)
        found = self.part.happens(what, trio.current_time(), traits)
        self._bound()
        self._wake.set()
        return found

    def _do(self, what: str, traits: tuple[str, ...] = ()) -> list[a.Action]:
        """Does what is to be done at this moment, and gives it; what stands in for an answer is left to the caller."""
        found = self._found(what, traits)
        for action in found:
            if not (what == "turn" and isinstance(action, a.Say | a.Call)):
                self._carry_out(action)
        return found

    def _carry_out(self, action: a.Action) -> None:
        perform = self._performers.get(type(action))
        if perform is not None and not (isinstance(action, a.Spoken) and self.conversation is None):
            perform(self, action)

    def _later(self, at: float, work: Callable[[], None]) -> None:
        self._planned += 1
        heapq.heappush(self._agenda, (at, self._planned, work))
        self._bound()
        self._wake.set()

    def _bound(self) -> None:
        """Cuts a connection for which too much is kept back: its client has brought that about."""
        held = len(self._agenda) + len(self._waiting) + len(self._unspoken) + self.part.planned
        if held > MOST_HELD or self._unspoken_bytes > HEAVIEST_HELD:
            self.link.cut()

    def _out(self, work: Callable[[], None]) -> None:
        """Lets something leave, behind all that was held up before it."""
        if self._waiting or trio.current_time() < self._shut_until:
            self._waiting.append(work)
            self._bound()
        else:
            work()

    def _open(self) -> None:
        while self._waiting and trio.current_time() >= self._shut_until:
            self._waiting.popleft()()

    def _edited(self, message: Json, changes: list[a.Action]) -> None:
        """Lets a message leave as the edits have it, which are made in the order of the file."""
        copies, wait = [message], 0.0
        for change in changes:
            if isinstance(change, a.Drop):
                return
            if isinstance(change, a.Set):
                copies = [edits.placed(copy, change.path, change.value) for copy in copies]
            elif isinstance(change, a.Strip):
                copies = [found for copy in copies if (found := edits.stripped(copy, change.path))]
            elif isinstance(change, a.Repeat):
                name = self._fresh_id if change.fresh_ids and "toolCall" in message else None
                copies += [edits.renamed(message, name) if name else copies[0]] * change.count
            elif isinstance(change, a.Hold):
                wait = change.seconds
            elif isinstance(change, a.Join) and self._joining is None:
                self._joining = copies[0], change.count
                return
        for copy in copies:
            if wait:
                self._later(trio.current_time() + wait, lambda copy=copy: self._out(lambda: self.transmit(copy)))  # type: ignore[misc]
            else:
                self._gather(copy)

    def _gather(self, message: Json) -> None:
        """Puts a message behind those that are being joined, or lets it leave."""
        if self._joining is not None:
            whole, left = self._joining
            self._joining = None
            if edits.CONTENT in whole and edits.CONTENT in message:
                message = edits.joined(whole, message)
                if left > 1 and "turnComplete" not in edits.names(message):  # behind which nothing may come
                    self._joining = message, left - 1
                    return
            else:
                self._out(lambda: self.transmit(whole))
        self._out(lambda: self.transmit(message))

    def _fresh_id(self) -> str:
        return f"function-call-{self.part.dice.getrandbits(62)}"

    def _speak_after_all(self) -> None:
        """Takes up the answers of functions that were left without a word, once the user has gone on."""
        held, self._unspoken, self._unspoken_bytes = self._unspoken, [], 0
        for message in held:
            self._later(trio.current_time(), lambda message=message: self.hear(message))  # type: ignore[misc]

    def _send(self, action: a.Send) -> None:
        if action.form == "wire":
            octets = bytes.fromhex(action.hex) if action.hex is not None else _payload(action)
            self._out(lambda: self.link.send_raw(octets))
        else:
            payload = _payload(action)
            self._out(lambda: self.link.send(payload.decode() if action.form == "text" else payload))

    def _delay(self, action: a.Delay) -> None:
        self._shut_until = max(self._shut_until, trio.current_time() + action.seconds)
        self._later(self._shut_until, self._open)

    def _pong(self, action: a.Pong) -> None:
        def answer(pong: bytes) -> None:
            if math.isfinite(action.seconds):
                late = trio.current_time() + action.seconds
                self._later(late, lambda: self.link.send_raw(pong) if self.link.open else None)

        self.link.answer_ping = answer

    def _talk(self) -> Conversation:
        assert self.conversation is not None  # noqa: S101 - `_carry_out` has looked
        return self.conversation

    def _stall(self, action: a.Stall) -> None:
        self.link.stalled_until = max(self.link.stalled_until, trio.current_time() + action.seconds)

    def _interrupt(self, _action: a.Interrupt) -> None:
        if self._talk().speaks:
            self._talk().interrupt()
        else:
            self.send(wire.content(interrupted=True))

    def _forget(self, _action: a.Forget) -> None:
        self._talk().session.forget()

    _performers: ClassVar[Mapping[type, Callable[["Stage", Any], None]]] = {
        a.Say: lambda self, action: self._talk().volunteer(Say(action.text)),
        a.Call: lambda self, action: self._talk().call(Call(action.name, action.args)),
        a.Interrupt: _interrupt,
        a.Cancel: lambda self, _: self._talk().cancel_calls(),
        a.Finish: lambda self, _: self._talk().finish(),
        a.Forget: _forget,
        a.GoAway: lambda self, action: self.leave(action.seconds),
        a.Close: lambda self, action: self.link.close(action.code, action.reason),
        a.Cut: lambda self, _: self.link.cut(),
        a.Delay: _delay,
        a.Stall: _stall,
        a.Pong: _pong,
        a.Send: _send,
    }


def _payload(send: a.Send) -> bytes:
    if send.message is not None:
        return wire.encode(send.message)
    return bytes.fromhex(send.hex) if send.hex is not None else (send.text or "").encode()


def _traits(setup: Setup) -> tuple[str, ...]:
    """Names what a setup has, beyond the defaults."""
    plain = Setup()
    found = tuple(name for name in attrs.fields_dict(Setup) if getattr(setup, name) != getattr(plain, name))
    resumes = setup.session_resumption is not None and bool(setup.session_resumption.handle)
    return (*found, HANDLE) if resumes else found
