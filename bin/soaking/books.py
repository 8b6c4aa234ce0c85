"""The near end's books: what the pipeline told of the conversation, held against what the far end sent and received."""

from collections import deque
from typing import Any

import attrs
import numpy as np
import trio

from bin.soaking.far import FarBooks, FarTurn
from bin.soaking.findings import Findings
from bin.soaking.near import Heard
from bin.soaking.recordings import BLOCKS_A_SECOND
from bin.soaking.script import Placed, Script
from pipeline import events as e
from pipeline.messages import OUTPUT_RATE, Reply, ReplyAudio, Uttered, Voiced

BLOCK_MS = 1000 / BLOCKS_A_SECOND
FADE = 240  # samples at a cut that a fade has changed: 10 ms
SETTLED = {"delivered", "void"}


@attrs.define
class Turn:
    """One turn as our end saw it, up to its end."""

    began: float
    pcm: bytearray = attrs.field(factory=bytearray, repr=False)


@attrs.define(eq=False)
class Books:
    """Feeds on events and on what passes the edges; every check goes into `findings`."""

    script: Script
    far: FarBooks
    heard: Heard
    findings: Findings
    turns: dict[int, Turn] = attrs.field(factory=dict, init=False)
    ended: int = 0
    outcomes: dict[str, int] = attrs.field(factory=dict, init=False)
    calls: dict[str, str] = attrs.field(factory=dict, init=False)
    debts: dict[str, str] = attrs.field(factory=dict, init=False)
    reported: deque[tuple[float, float]] = attrs.field(factory=lambda: deque(maxlen=256), init=False)
    latencies: list[float] = attrs.field(factory=list, init=False)
    sounded: float = 0.0
    linked: bool = False
    origin: float = 0.0  # when the microphone's first sample was taken
    _judged: int = 0

    # -- what passes the edges -------------------------------------------------------------------------------

    def replied(self, item: Reply) -> None:
        """Takes what goes to playback."""
        if item.turn > self.ended and item.turn not in self.turns:
            self.turns[item.turn] = Turn(trio.current_time())
        if isinstance(item, ReplyAudio) and item.turn in self.turns:
            self.turns[item.turn].pcm += item.pcm

    def uttered(self, item: Uttered) -> None:
        """Takes what the gate lets through: all of it has to arrive."""
        if isinstance(item, Voiced):
            number = item.position // (len(item.pcm) // 2)
            placed = self.script.at(number)
            if placed is not None and number in placed.speech:
                placed.passed.add(number)

    # -- events ----------------------------------------------------------------------------------------------

    def feed(self, event: e.Event) -> None:
        """Takes the next event."""
        react = getattr(self, f"_on_{event.name.replace('.', '_')}", None)
        if react is not None:
            react(event)

    def _on_session_state(self, event: e.SessionStateChanged) -> None:
        self.linked = event.to in ("CONNECTED", "INTERRUPTED")

    def _on_session_resumed(self, event: e.SessionResumed) -> None:
        self.reported.append((event.at, event.lost_ms))
        self.findings.add("reconnects")
        self.findings.add("reported lost ms", event.lost_ms)
        self.findings.largest("longest gap ms", event.gap_ms)

    def _on_channel_drop(self, event: e.Dropped) -> None:
        self.reported.append((event.at, event.ms))
        self.findings.add("reported lost ms", event.ms)

    def _on_transcript(self, event: e.Transcript) -> None:
        if event.who != "user" or event.final:
            return
        sent = list(self.far.words)
        same = [place for place, (_, text) in enumerate(sent) if text == event.text]
        # What a link has swallowed comes again on the next: of those that fit, the one on the newest link came.
        same = [place for place in same if sent[place][0] == sent[same[-1]][0]]
        whole = [place for place in same[:1] if sent[place][0] not in {link for link, _ in sent[:place]}]
        what = f"{event.text!r} is not the next that was sent: {sent[:5]}"
        self.findings.check("words", held=bool(whole), at=self._at(event), what=what)
        for _ in range((whole or same or [-1])[0] + 1):
            self.far.words.popleft()

    def _on_turn_first_audio(self, event: e.FirstAudio) -> None:
        self.sounded = event.at
        if event.latency_ms is not None:
            self.latencies.append(event.latency_ms)

    def _on_turn_interrupted(self, event: e.TurnInterrupted) -> None:
        self.findings.largest("longest to silence ms", event.silent_after_ms)

    def _on_turn_end(self, event: e.TurnEnded) -> None:
        at = self._at(event)
        known = self.turns.pop(event.turn, None)
        once = event.turn > self.ended or known is not None
        self.findings.check("turn endings", held=once, at=at, what=f"turn {event.turn} ended twice, or never began")
        self.ended = max(self.ended, event.turn)
        self.outcomes[event.outcome] = self.outcomes.get(event.outcome, 0) + 1
        sound, broken = self.heard.take()
        if known is None:
            return
        said = self.far.said(bytes(known.pcm))
        if event.outcome == "completed":
            if known.pcm:
                sent = [(turn.connection, len(turn.pcm) // 2, turn.outcome) for turn in self.far.turns][-5:]
                what = f"turn {event.turn}, {len(known.pcm) // 2} samples long, is none of those sent: {sent}"
                self.findings.check("reply sound", held=said is not None, at=at, what=what)
            if not broken:
                self._compare(event, bytes(known.pcm), sound, whole=True)
            if said is not None:
                self._answered(said)
        elif not broken:
            self._compare(event, bytes(known.pcm), sound, whole=False)

    def _compare(self, event: e.TurnEnded, sent: bytes, heard: bytes, *, whole: bool) -> None:
        """Holds what left the speaker against what was sent; silence aside, for a link that lags leaves gaps."""
        ours, theirs = (np.frombuffer(pcm, "<i2") for pcm in (heard, sent))
        ours, theirs = ours[ours != 0], theirs[theirs != 0]
        until = len(theirs) if whole else max(0, len(ours) - FADE)
        held = np.array_equal(ours[:until], theirs[:until]) and (len(ours) == until or not whole)
        what = f"turn {event.turn}, {event.outcome}: {len(ours)} samples heard and {len(theirs)} sent, or they differ"
        self.findings.check("reply sound", held=bool(held), at=self._at(event), what=what)

    def _answered(self, turn: FarTurn) -> None:
        turn.matched = True
        for placed in turn.asked:
            placed.answered_on = turn.connection

    def _on_tool_call(self, event: e.ToolStarted) -> None:
        self.findings.add("tool calls")
        known = self.calls.get(event.id)
        self.findings.check(
            "tool debts", held=known is None, at=self._at(event), what=f"a call of {event.name_} came twice"
        )
        self.calls[event.id] = "running"

    def _on_tool_result(self, event: e.ToolEnded) -> None:
        running = self.calls.get(event.id) == "running"
        what = f"a call of {event.name_} was settled again, or never made: {event.outcome}"
        self.findings.check("tool debts", held=running, at=self._at(event), what=what)
        self.calls[event.id] = event.outcome
        self._forget(event.id)

    def _on_tool_debt(self, event: e.ToolDebt) -> None:
        self.debts[event.id] = event.state
        self._forget(event.id)

    def _forget(self, call: str) -> None:
        if self.debts.get(call) in SETTLED and self.calls.get(call, "running") != "running":
            del self.debts[call], self.calls[call]

    def _on_actor_restart(self, event: e.ActorRestarted) -> None:
        self.findings.add("actor restarts")
        if event.error is not None and "Planted" not in event.error:
            self.findings.add("unplanned crashes")
            what = f"{event.actor} crashed by itself: {event.error} at {event.where}"
            self.findings.check("run", held=False, at=self._at(event), what=what)

    # -- verdicts that take time -----------------------------------------------------------------------------

    def judge(self, before: float) -> None:
        """Judges every utterance spoken whole before that time, in `trio.current_time()`, once."""
        for placed in self.script.recent():
            if placed.number > self._judged and self.time_of(placed.end) < before:
                self._judged = placed.number
                self._lost(placed)

    def _lost(self, placed: Placed) -> None:
        owed = placed.passed | (placed.emitted if placed.utterance.clean and not placed.disturbed else set())
        missing = BLOCK_MS * len(owed - placed.received)
        self.findings.add("utterances")
        self.findings.add("seconds of speech", len(placed.emitted) / BLOCKS_A_SECOND)
        excused = sum(ms for at, ms in self.reported if at >= self.time_of(placed.start))
        name = f"{placed.utterance.name} ({placed.number})"
        what = f"{missing:g} ms of {name} never arrived, and {excused:g} ms were reported"
        self.findings.check("utterances lost", held=missing <= excused, at=placed.start / BLOCKS_A_SECOND, what=what)

    def time_of(self, number: int) -> float:
        """Gives when the block of that number begins."""
        return self.origin + number / BLOCKS_A_SECOND

    def close(self, at: float) -> None:
        """Judges what must be over at the end."""
        for number, turn in sorted(self.turns.items()):
            what = f"turn {number}, begun {at - turn.began:.0f} s before the end, has not ended"
            self.findings.check("turn endings", held=False, at=at, what=what)
        for call, state in self.calls.items():
            self.findings.check(
                "tool debts", held=state != "running", at=at, what=f"call {call[-6:]} was never settled"
            )
        for call, state in self.debts.items():
            held = state in SETTLED or state == "written"
            self.findings.check("tool debts", held=held, at=at, what=f"the answer to call {call[-6:]} is still {state}")

    def drift(self) -> float:
        """Gives by how many ms the speaker's track is ahead of the microphone's."""
        return 1000 * (self.heard.samples / OUTPUT_RATE - self.script.next / BLOCKS_A_SECOND)

    def _at(self, event: Any) -> float:  # noqa: ANN401 - any event
        return float(event.at - self.far.zero)
