"""The session under random orders of signals, links, losses and user input.

A model beside it keeps what was said, called and begun; what a session must never do is an invariant here.
"""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.live import commands as c
from actors.live import signals as s
from actors.live.session import Session
from actors.live.underway import STALE_FOR
from pipeline import events as e
from pipeline import messages as m

CONTENT = s.Speech(b"\0\0", 24_000)
SIGNALS = (
    CONTENT,
    s.OutputText("out"),
    s.InputText("in"),
    s.Text("thought", thought=True),
    s.Interruption(),
    s.GenerationComplete(),
    s.WaitingForInput(),
    s.TurnComplete(),
    s.TurnComplete("IN_PROGRESS"),
    s.TurnComplete("IDLE", "BLOCKLIST"),
    s.Handle("", resumable=False),
    s.GoAway(50.0),
    s.UsageReport({"totalTokenCount": 1}),
    s.Unrecognised(("new",)),
)
IDS = st.sampled_from("abcd")


class Shuffled(RuleBasedStateMachine):
    """One conversation; `sent` is what the present far end received, `void` and `owed` are the model's tool debts."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(e.Bus(clock=lambda: 0.0))
        self.now = 0.0
        self.position = 0
        self.speaking = False
        self.said: list[bytes] = []
        self.utterance = 0  # where in `said` the last utterance begins
        self.unanswered = 0  # from where on in `said` nothing can have been answered
        self.sent: list[bytes] = []
        self.ends: dict[int, list[str]] = {}  # turn -> how it was ended
        self.begun: set[int] = set()
        self.calls: dict[str, str] = {}

    def take(self, effects: Any) -> None:
        for effect in effects:
            if isinstance(effect, m.ReplyAudio):
                self.begun.add(effect.turn)
                assert not self.ends.get(effect.turn), "audio of a turn that is over"
            elif isinstance(effect, m.ReplyEnded):
                self.begun.add(effect.turn)
                self.ends.setdefault(effect.turn, []).append(effect.outcome)
            elif isinstance(effect, m.Interrupted) and effect.turn and effect.turn in self.begun:
                self.ends.setdefault(effect.turn, []).append("silenced")
            elif isinstance(effect, m.ToolCalled):
                assert self.calls.get(effect.id) != "owed"
                self.calls[effect.id] = "owed"
            elif isinstance(effect, m.CallsCancelled):
                self.calls.update(dict.fromkeys(effect.ids, "void"))

    def behind(self) -> list[bytes]:
        kept = self.session.kept
        return [item.pcm for item in list(kept._items)[kept.cursor - kept.base :] if isinstance(item, m.Voiced)]

    def may_answer(self) -> None:
        """What the service says now may answer all that was sent, but no utterance in progress."""
        sent = len(self.said) - len(self.behind())
        self.unanswered = max(self.unanswered, min(sent, self.utterance if self.speaking else sent))

    @rule(seconds=st.sampled_from([0.01, 0.5, STALE_FOR + 0.1]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(resumed=st.booleans())
    def link(self, resumed: bool) -> None:
        if self.session.linked:
            self.lose()
        self.take(self.session.dialling("test"))
        self.sent = []
        self.take(self.session.link(resumed=resumed and self.session.handle is not None)[1])

    @precondition(lambda self: self.session.linked)
    @rule()
    def lose(self) -> None:
        self.take(self.session.lost("test", self.now))

    @rule()
    def attempt_that_fails(self) -> None:
        if not self.session.linked:
            self.take(self.session.dialling("test"))
            self.take(self.session.lost("test", self.now))

    @precondition(lambda self: self.session.linked)
    @rule(signal=st.sampled_from(SIGNALS))
    def hear_from_the_service(self, signal: s.Signal) -> None:
        self.may_answer()
        self.take(self.session.receive(signal, self.now))

    @precondition(lambda self: self.session.linked)
    @rule(ids=st.lists(IDS, min_size=1, max_size=3), void=st.booleans())
    def tools(self, ids: list[str], void: bool) -> None:
        self.may_answer()
        calls = s.Calls(tuple(s.FunctionCall(call_id, "f", {}) for call_id in ids))
        self.take(self.session.receive(s.CallsVoided(tuple(ids)) if void else calls, self.now))

    @precondition(lambda self: self.session.linked)
    @rule()
    def handle(self) -> None:
        self.take(self.session.receive(s.Handle("handle", resumable=True), self.now))

    @rule(call_id=IDS, more=st.sampled_from([None, True, False]))
    def answer(self, call_id: str, more: bool | None) -> None:
        self.take(self.session.answer(m.ToolAnswer(call_id, "f", {}, will_continue=more)))

    @rule(blocks=st.integers(0, 3), whole=st.booleans())
    def speak(self, blocks: int, whole: bool) -> None:
        items: list[Any] = [] if self.speaking else [m.SpeechStarted(self.position / 16_000, self.position)]
        if not self.speaking:
            self.utterance = len(self.said)
        for _ in range(blocks):
            pcm = self.position.to_bytes(4, "little") * 160
            self.said.append(pcm)
            items.append(m.Voiced(pcm, self.position / 16_000, self.position))
            self.position += 320
        items += [m.SpeechEnded(self.position / 16_000, self.position)] if whole else []
        self.speaking = not whole
        for item in items:
            self.take(self.session.hear(item))

    @rule(what=st.sampled_from([m.Say("typed"), m.Stop(), m.StreamEnded()]))
    def ask(self, what: Any) -> None:
        self.take(self.session.hear(what))

    @precondition(lambda self: self.session.linked)
    @rule(count=st.integers(1, 10))
    def write(self, count: int) -> None:
        for _ in range(count):
            command = self.session.next_command()
            if command is None:
                return
            if isinstance(command, c.Audio):
                self.sent.append(command.pcm)
            self.session.wrote(command, self.now)

    # -- what must hold at any time --------------------------------------------------------------------------

    @invariant()
    def never_deaf(self) -> None:
        """What was said last arrives whole and in order: sent on this link or still to be sent."""
        kept = [item.pcm for item in self.session.kept._items if isinstance(item, m.Voiced)]
        arrives = self.sent + self.behind() if self.session.linked else kept
        assert arrives == self.said[len(self.said) - len(arrives) :]
        assert len(arrives) >= len(self.said) - self.unanswered

    @invariant()
    def every_turn_ends_once(self) -> None:
        for turn in range(1, self.session.turn + 1):
            ended = self.ends.get(turn, [])
            assert len([how for how in ended if how != "silenced"]) <= 1
            if turn < self.session.turn or not self.session.linked:
                assert ended or turn not in self.begun, f"turn {turn} was never ended"

    @invariant()
    def no_debt_is_lost(self) -> None:
        ledger = self.session.ledger
        for call_id, state in self.calls.items():
            if state == "void":
                assert call_id not in ledger._debts
        assert set(ledger._debts) <= {call_id for call_id, state in self.calls.items() if state == "owed"}

    def teardown(self) -> None:
        """Whatever happened, the conversation can go on: all words and answers go out, and a reply is heard."""
        self.link(resumed=False)
        for call_id in self.session.ledger.open:
            self.answer(call_id, more=False)
        while (command := self.session.next_command()) is not None:
            self.session.wrote(command, self.now)
        assert self.session.ledger.open == ()
        assert self.session.kept.next() is None
        effects = self.session.receive(CONTENT, self.now)
        assert any(isinstance(effect, m.ReplyAudio) for effect in effects)


class NeverMute(Shuffled):
    """The same, and after each step: wait out an interruption, and content is heard."""

    @precondition(lambda self: self.session.linked)
    @rule()
    def content_is_heard_again_soon(self) -> None:
        self.now += STALE_FOR + 0.01
        effects = self.session.receive(CONTENT, self.now)
        self.take(effects)
        assert any(isinstance(effect, m.ReplyAudio) for effect in effects)


TestShuffled = NeverMute.TestCase
TestShuffled.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
