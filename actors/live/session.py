"""The heart of a live session, sans-io: what to send next, and what each thing the service says leads to.

`receive` turns a signal into messages for the edges and events for the bus; `next_command` gives what belongs on
the wire; `dialling`, `link`, `lost` and `close` follow the link. No clock, socket, log or await: `now` is passed
in. One object lives as long as the conversation and is shared by the actors around the socket, so it survives a
restart of any of them.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import attrs

from actors.live import commands as c
from actors.live import signals as s
from actors.live.calling import Calling, Told
from actors.live.kept import Kept, KeptSeconds
from actors.live.ledger import Ledger
from actors.live.link import LeaveBy, Renewed, Report, Settled
from actors.live.marks import Marks
from actors.live.patience import Patience
from actors.live.sources import Grounded
from actors.live.state import Happening, State, after
from actors.live.transcript import History
from actors.live.underway import AtOutputRate, Left, UnderWay
from actors.live.unknown import noticed
from pipeline import events as e
from pipeline.actor import section
from pipeline.messages import (
    CallNews,
    CallsCancelled,
    Heard,
    Interrupted,
    Reply,
    ReplyAudio,
    ReplyControl,
    ReplyEnded,
    ReplyWhole,
    Request,
    Say,
    SpeechEnded,
    SpeechStarted,
    Stop,
    ToolAnswer,
    Uttered,
)

Effect = Reply | ReplyControl | CallNews | Report | e.Event


@attrs.define
class Session:
    """See the module. `kept_seconds` bounds the audio kept for a replay; `turn` numbers the present or last reply."""

    bus: e.Bus
    room: Mapping[str, Any] = section("room")
    kept_seconds: KeptSeconds = 120.0
    state: State = attrs.field(default=State.DISCONNECTED, init=False)
    turn: int = attrs.field(default=0, init=False)
    epoch: int = attrs.field(default=0, init=False)
    handle: str | None = attrs.field(default=None, init=False)
    resumable: bool = attrs.field(default=False, init=False)
    ledger: Ledger = attrs.field(init=False)
    calling: Calling = attrs.field(init=False)
    grounded: Grounded = attrs.field(factory=Grounded, init=False)
    history: History = attrs.field(factory=History, init=False)
    kept: Kept = attrs.field(init=False)
    patience: Patience = attrs.field(factory=Patience, init=False)
    unrecognised: dict[str, int] = attrs.field(factory=dict, init=False)
    _first: deque[c.Command] = attrs.field(factory=deque, init=False)
    _reply: UnderWay | None = attrs.field(default=None, init=False)
    _left: Left = attrs.field(factory=Left, init=False)
    _cut: bool = attrs.field(default=False, init=False)  # an interruption whose turnComplete is to come
    _told: bool = attrs.field(default=False, init=False)  # history was sent and no reply has begun since
    _marks: Marks = attrs.field(factory=Marks, init=False)
    _converted: AtOutputRate = attrs.field(factory=AtOutputRate, init=False)
    _item: Uttered | Request | None = attrs.field(default=None, init=False)
    _typed: str = attrs.field(default="", init=False)
    takes_history: bool = attrs.field(default=True, init=False)

    def __attrs_post_init__(self) -> None:
        self.kept = Kept(self.kept_seconds)
        self.ledger = Ledger(tell=self.bus.publish)
        self.calling = Calling(self.ledger)

    @property
    def linked(self) -> bool:
        """Whether a link stands on which the far end is heard."""
        return self.state in (State.CONNECTED, State.INTERRUPTED, State.CLOSING)

    @property
    def idle(self) -> bool:
        """Whether this is a turn boundary: nobody speaks, no answer is waited for, and all is sent."""
        return not (self._reply or self.kept.speech_open or self.calling.waits or self.kept.cursor < self.kept.end)

    @property
    def may_leave(self) -> bool:
        """Whether nothing is lost by making another link now; a service may not save a session while a timer runs."""
        return self.idle and (self.resumable or (self.handle is not None and bool(self.ledger.open)))

    def mute(self, now: float) -> bool:
        """Whether the service takes what the user says and shows no sign of it: time for another link."""
        busy = self._reply or self.calling.waits or self.kept.speech_open
        return self.linked and not busy and self.patience.over(now)

    @property
    def local_turns(self) -> bool:
        """Whether we, and not the service, say where the user's turns begin and end."""
        return bool(self.room.get("turns") == "local")

    # -- what goes out ---------------------------------------------------------------------------------------

    def hear(self, item: Uttered | Request) -> tuple[Effect, ...]:
        """Takes what the user said or asked for, to be sent when its turn comes."""
        if isinstance(item, Stop):
            if self.linked and self.takes_history:
                self._first.append(c.StopGenerating())
            return ()
        self.kept.keep(self.history.noting(item))
        if self._reply and not self.calling.owing and isinstance(item, SpeechStarted | Say):
            self._reply.outlive(item.at if isinstance(item, SpeechStarted) else self._reply.last)
        return (e.Transcript("user", item.text, final=True),) if isinstance(item, Say) else ()

    def answer(self, answer: ToolAnswer) -> tuple[Effect, ...]:
        """Takes a tool's answer; one that nobody is owed any more is dropped, and said so."""
        told, effects = self.calling.answered(answer)
        self.kept.keep(*told)
        return tuple(effects)

    def next_command(self) -> c.Command | None:
        """Gives what belongs on the wire next: control, then tool answers, then the user's words in order."""
        if self._first:
            return self._first[0]
        due = self.ledger.due()
        if due is not None:
            return due
        while (item := self.kept.next()) is not None:
            command = c.spoken(item, local_turns=self.local_turns)
            self._item = item
            if isinstance(item, SpeechEnded):
                self._marks.spoke(item)
                self.patience.asked(item.at)
                self._left.speak()
            if command is not None:
                return command
            self.kept.advance(item)
        return None

    def wrote(self, command: c.Command, now: float, began: float | None = None) -> None:
        """Notes that the command is on the wire; its writing began at `began`, or took no time."""
        began = now if began is None else began
        if self._first and command is self._first[0]:
            self._first.popleft()
        elif isinstance(command, c.ToolResponse):
            self.ledger.wrote(command, now)
            self._marks.answered(now, more=self.calling.waits)
        elif self._item is not None:
            if isinstance(command, c.Text):
                if not isinstance(self._item, Told):
                    self._typed = f"{self._typed} {command.text}"
                    self._marks.typed(began, now)
                    self._left.speak()
                self.patience.asked(now)
                self.history.add("user", command.text, told=True)
            self._marks.wrote(self._item, began, now)
            self.kept.advance(self._item)

    # -- what comes in ---------------------------------------------------------------------------------------

    def receive(self, signal: s.Signal, now: float) -> tuple[Effect, ...]:
        """Takes one signal and gives what follows from it, in order."""
        self.patience.sign(signal)
        react = self._reactions.get(type(signal))
        return tuple(react(self, signal, now)) if react else ()

    def _speech(self, signal: s.Speech, now: float) -> list[Effect]:
        if self._stale(now):
            return []
        reply, effects = self._begin(now)
        reply.last, reply.generated = now, False
        self.calling.sounds()
        asked, reply.sounded = None if reply.sounded else self._marks.take(now), True
        return [*effects, ReplyAudio(self.turn, self._converted(signal.pcm, signal.rate), now, asked)]

    def _output_text(self, signal: s.OutputText, now: float) -> list[Effect]:
        if self._stale(now):
            return []
        reply, effects = self._begin(now)
        reply.last = now
        self.history.add("model", signal.text)
        return [*effects, e.Transcript("model", signal.text, final=False, turn=self.turn)]

    def _input_text(self, signal: s.InputText, now: float) -> list[Effect]:
        self.history.add("user", signal.text)
        later = not self._reply or self._reply.past  # else it is of what is being answered
        cut = [] if self._reply else self._left.cut(self.turn, now, heard=True)
        return [*cut, e.Transcript("user", signal.text, final=False), Heard(signal.text, self.turn + later)]

    def _text(self, signal: s.Text, now: float) -> list[Effect]:
        return [] if signal.thought else self._output_text(s.OutputText(signal.text), now)

    def _interruption(self, _signal: s.Interruption, now: float) -> list[Effect]:
        effects: list[Effect] = [Interrupted(self.turn, now)]
        self._cut = True
        if self._reply:
            self._reply.interrupted_at = now
            effects += self._move(Happening.INTERRUPT, "the user spoke over the reply")
        effects += self._settle()
        return effects

    def _generation_complete(self, _signal: s.GenerationComplete, _now: float) -> list[Effect]:
        if self._reply and not self.calling.owing:  # else only the words around a call are complete
            self._reply.generated = True
            return [ReplyWhole(self.turn), *self._settle()]
        return []

    def _turn_complete(self, signal: s.TurnComplete, now: float) -> list[Effect]:
        if signal.status == "IN_PROGRESS" and not self._cut:
            return []
        if self._cut and not self._reply:  # it ends what was interrupted after its end, or before it began
            self._cut = False
            return [Settled(self.epoch)]
        reply, effects = self._begin(now, over_an_interrupted=False)
        outcome = "completed" if reply.interrupted_at is None else "interrupted"
        effects += [ReplyEnded(self.turn, outcome)]
        if signal.reason and signal.reason != "TURN_COMPLETE_REASON_UNSPECIFIED":
            effects.append(e.Trouble("the service cut a reply short", signal.reason, "the conversation goes on"))
        effects += [*self._over(), *self._settle(), *self.calling.settled(self.kept.base)]
        return [*effects, Settled(self.epoch)]

    def _waiting(self, _signal: s.WaitingForInput, _now: float) -> list[Effect]:
        self.kept.answer_begins()
        effects = [*self._settle(), *self._said("user")]
        if not self._reply:
            self.history.close()
        return effects

    def _calls(self, signal: s.Calls, now: float) -> list[Effect]:
        effects = [] if self._stale(now) else self._begin(now)[1]
        self._marks.called(now)
        return [*effects, *self.calling.asked(signal.calls, self.turn)]

    def _calls_voided(self, signal: s.CallsVoided, _now: float) -> list[Effect]:
        gone = self.ledger.cancel(signal.ids, "the service cancelled the call")
        return [CallsCancelled(gone, "cancelled by the service")] if gone else []

    def _handle(self, signal: s.Handle, now: float) -> list[Effect]:
        self.resumable = signal.resumable and bool(signal.handle)
        if self.resumable:
            self.handle = signal.handle
            if self.ledger.open:  # the saved session knows the call, and with it the words that led to it
                self._settle_now()
            self.bus.secrets.hide(signal.handle, rotating=True)
            self.ledger.handle_renewed(now)
            if not self._told:  # what we told is only known to have arrived once the service has answered after it
                self.history.known()
            return [Renewed(self.epoch)]
        return []

    def _go_away(self, signal: s.GoAway, now: float) -> list[Effect]:
        return [e.GoingAway(e.milliseconds(signal.left)), LeaveBy(self.epoch, now + signal.left)]

    def _grounding(self, signal: s.Grounding, _now: float) -> list[Effect]:
        """Sources of the reply under way; ahead of a reply to what was said since the last one, of that to come."""
        if (not self._reply or self._reply.outlived) and self.kept.asking:
            self.grounded.hold(signal.metadata)
            return []
        return [*self.grounded.found(self.turn, signal.metadata)]

    def _usage(self, signal: s.UsageReport, _now: float) -> list[Effect]:
        return [e.Usage(dict(signal.counts), self.turn)]

    # -- turns -----------------------------------------------------------------------------------------------

    def _begin(self, now: float, *, over_an_interrupted: bool = True) -> tuple[UnderWay, list[Effect]]:
        """Something of a reply has come: gives the reply; if this is the first of it, a new turn begins.

        A service that forgets a turnComplete must not mute the assistant for good, so what comes when it cannot be that
        turn's any more ends it.
        """
        if self._reply and not (over_an_interrupted and self._reply.past):
            return self._reply, []
        ended = [ReplyEnded(self.turn, "completed")] if self._reply and self._reply.interrupted_at is None else []
        effects = [*self._left.cut(self.turn, now), *ended, *(self._over() if self._reply else [])]
        self.turn += 1
        self._reply = UnderWay()
        self._cut = False
        self.calling.begins()
        self._told = bool(self._first) and self._told
        self.kept.answer_begins()
        typed, self._typed = self._typed, ""
        effects += [Heard(typed, self.turn)] if typed else []
        effects += self.grounded.begun(self.turn)
        return self._reply, [*effects, *self._move(Happening.SETTLE, "a reply begins"), *self._said("user")]

    def _over(self) -> list[Effect]:
        effects = [*self._said("user"), *self._said("model")]
        self.history.close()
        self.calling.over()
        self._reply, self._cut = None, False
        return effects + self._move(Happening.SETTLE, "the turn is over")

    def _settle(self) -> list[Effect]:
        """The answer is whole: what it answers need not be said again, unless a tool still owes a part of it."""
        if not self.calling.owing:
            self._settle_now()
        return []

    def _settle_now(self) -> None:
        if self._reply:
            self._reply.settled = True
        self.kept.settle()

    def _stale(self, now: float) -> bool:
        """Whether content belongs to a turn the user interrupted."""
        return self._reply is not None and self._reply.stale(now)

    def _said(self, who: str) -> list[Effect]:
        text = self.history.whole(who)
        return [e.Transcript(who, text, final=True, turn=self.turn)] if text else []

    def _move(self, happening: Happening, reason: str) -> list[e.SessionStateChanged]:
        old, self.state = self.state, after(self.state, happening)
        if old is self.state:
            return []
        return [e.SessionStateChanged(old.value, self.state.value, reason)]

    # -- the link --------------------------------------------------------------------------------------------

    def dialling(self, reason: str) -> tuple[Effect, ...]:
        """A new link is being made."""
        return tuple(self._move(Happening.DIAL, reason))

    def link(self, *, resumed: bool) -> tuple[float, tuple[Effect, ...]]:
        """The link stands: gives the milliseconds of audio that go out again, and what follows.

        A resumed session is told what was answered since its handle; a fresh one the whole of what was said, if
        `takes_history` says that the model takes it.
        """
        self.epoch += 1
        if not resumed:
            self.handle, self.resumable = None, False
        self._first.clear()
        lines = self.history.unknown() if resumed else self.history.all()
        if lines and self.takes_history:
            self._first.append(c.History(lines))
        self._told = bool(self._first)
        told, void = self.calling.relinked(resumed=resumed, until=self.kept.end)
        replayed = self.kept.rewind()
        self.kept.keep(*told)
        return replayed, (*self._move(Happening.READY, "resumed" if resumed else "set up"), *void)

    def lost(self, reason: str, now: float) -> tuple[Effect, ...]:
        """The link is gone; safe to call when it already was. A reply that is whole plays on, others fail."""
        if self.state in (State.DISCONNECTED, State.CLOSED):
            return ()
        effects: list[Effect] = []
        if not self._reply:
            self.history.forget()  # words without an answer: they are said again
        elif self._reply.interrupted_at is not None:
            effects += [ReplyEnded(self.turn, "interrupted")]
        elif self._reply.generated and not self.calling.owing:
            effects += [ReplyEnded(self.turn, "completed")]
            self._left.leave()
        else:
            effects += [Interrupted(self.turn, now, "failed")]
            if not self._reply.settled:
                self.history.forget()
        effects += [*self._said("user"), *self._said("model")]
        self.history.close()
        self._reply, self.calling.called, self._cut, self._typed = None, False, False, ""
        self.grounded.forget()
        return (*effects, *self._move(Happening.LOSE, reason))

    def close(self, reason: str = "closed by us") -> None:
        """The session is over for good, and the bus is told; safe to call at any time."""
        if self.state is State.CLOSED:
            return
        for happening in (Happening.CLOSE, Happening.END):
            for event in self._move(happening, reason):
                self.bus.publish(event)

    _reactions: ClassVar[Mapping[type, Callable[..., list[Effect]]]] = {
        s.Speech: _speech,
        s.Text: _text,
        s.InputText: _input_text,
        s.OutputText: _output_text,
        s.Interruption: _interruption,
        s.GenerationComplete: _generation_complete,
        s.TurnComplete: _turn_complete,
        s.WaitingForInput: _waiting,
        s.Calls: _calls,
        s.CallsVoided: _calls_voided,
        s.Handle: _handle,
        s.GoAway: _go_away,
        s.Grounding: _grounding,
        s.UsageReport: _usage,
        s.Unrecognised: lambda self, signal, _now: [*noticed(signal.names, self.unrecognised)],
    }
