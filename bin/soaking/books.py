"""The near end's books: what the pipeline told of the conversation, held against what the far end sent and received."""

from collections import deque
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import trio
from numpy.typing import NDArray

from bin.soaking.debts import Debts
from bin.soaking.far import FarBooks, FarTurn, Piece
from bin.soaking.findings import Findings
from bin.soaking.near import Heard
from bin.soaking.recordings import BLOCKS_A_SECOND
from bin.soaking.script import Placed, Script
from pipeline import events as e
from pipeline.messages import OUTPUT_RATE, Reply, ReplyAudio, ReplyEnded, Uttered, Voiced

BLOCK_MS = 1000 / BLOCKS_A_SECOND
SPEECH = {"captured", "speech"}  # the edges that carry what the user says
NOTHING = np.zeros(0, np.int16)
CARRIED = 960  # samples of one turn that may leave the speaker in a block with the next: its largest, 40 ms
FADE = 240  # samples at a cut that a fade has changed: 10 ms
JOINT = "\v"  # between the words of two turns that were sent as one: a space, or nothing if two sentences met there
TOLD = 8  # turns whose words are remembered until they end
NEEDED = ("words", "reply sound", "turn endings")  # of a run that had turns
BY_SAMPLE = ("utterances lost", "utterances doubled")  # and of one whose sound keeps its samples


@attrs.define
class Turn:
    """One turn as our end saw it, up to its end; `owing`: when it was whole, a tool had still a part to give."""

    began: float
    owing: bool = False
    pcm: bytearray = attrs.field(factory=bytearray, repr=False)


@attrs.define
class Loss:
    """Speech that our end said it had lost; `ms` of it are not yet accounted for."""

    at: float
    ms: float


@attrs.define
class Words:
    """What one side was told to say in a turn, piece by piece, and what of it was final."""

    pieces: str = ""
    final: str = ""


@attrs.define(eq=False)
class Books:
    """Feeds on events and on what passes the edges; every check goes into `findings`.

    `troubled(since)` says whether something may have been wrong since then.
    """

    script: Script
    far: FarBooks
    debts: Debts
    heard: Heard
    findings: Findings
    troubled: Callable[[float], bool] = lambda _since: False
    turns: dict[int, Turn] = attrs.field(factory=dict, init=False)
    ended: int = 0
    outcomes: dict[str, int] = attrs.field(factory=dict, init=False)
    reported: deque[Loss] = attrs.field(factory=lambda: deque(maxlen=256), init=False)
    latencies: list[tuple[float, float]] = attrs.field(factory=list, init=False)
    sounded: float = 0.0
    linked: bool = False
    origin: float = 0.0  # when the microphone's first sample was taken
    _judged: int = 0
    _asked: bool = False
    _model: dict[int, Words] = attrs.field(factory=dict, init=False)
    _user: str = attrs.field(default="", init=False)
    _part: bytes = attrs.field(default=b"", init=False, repr=False)
    _part_words: str = attrs.field(default="", init=False)
    _owed: bool = attrs.field(default=False, init=False)  # the rest of that part has to follow
    _partly: tuple[int, tuple[Placed, ...]] = attrs.field(default=(0, ()), init=False)  # answered so, on that link
    _ours: NDArray[np.int16] = attrs.field(default=NOTHING, init=False, repr=False)
    _theirs: NDArray[np.int16] = attrs.field(default=NOTHING, init=False, repr=False)
    _last: NDArray[np.int16] = attrs.field(default=NOTHING, init=False, repr=False)

    @property
    def held(self) -> int:
        """The bytes of sound that wait here for a comparison."""
        return sum(len(turn.pcm) for turn in self.turns.values()) + self.heard.held

    # -- what passes the edges -------------------------------------------------------------------------------

    def replied(self, item: Reply) -> None:
        """Takes what goes to playback."""
        if item.turn > self.ended and item.turn not in self.turns:
            self.turns[item.turn] = Turn(trio.current_time())
        turn = self.turns.get(item.turn)
        if isinstance(item, ReplyAudio) and turn is not None:
            turn.pcm += item.pcm
            self.debts.sounds()
        elif isinstance(item, ReplyEnded) and turn is not None:
            turn.owing = self.debts.owing

    def uttered(self, item: Uttered) -> None:
        """Takes what the gate lets through: all of it has to arrive."""
        if isinstance(item, Voiced):
            number = item.position // (len(item.pcm) // 2)
            placed = self.script.at(number)
            if placed is not None:
                placed.passed |= placed.bit(number)

    # -- events ----------------------------------------------------------------------------------------------

    def feed(self, event: e.Event) -> None:
        """Takes the next event."""
        react = getattr(self, f"_on_{event.name.replace('.', '_')}", None)
        if react is not None:
            react(event)

    def _on_session_state(self, event: e.SessionStateChanged) -> None:
        self.linked = event.to in ("CONNECTED", "INTERRUPTED")

    def _on_session_resumed(self, event: e.SessionResumed) -> None:
        self.reported.append(Loss(event.at, event.lost_ms))
        self.findings.add("reconnects")
        self.findings.add("reported lost ms", event.lost_ms)
        self.findings.largest("longest gap ms", event.gap_ms)

    def _on_channel_drop(self, event: e.Dropped) -> None:
        if event.edge in SPEECH:
            self.reported.append(Loss(event.at, event.ms))
            self.findings.add("reported lost ms", event.ms)

    def _on_transcript(self, event: e.Transcript) -> None:
        if event.who == "user":
            self._user_said(event)
        elif event.turn is not None:
            words = self._model.setdefault(event.turn, Words())
            if event.final:
                words.final += event.text
            else:
                words.pieces += event.text
            while len(self._model) > TOLD:
                del self._model[min(self._model)]

    def _user_said(self, event: e.Transcript) -> None:
        if event.final:
            what = f"{event.text!r} is told of the user, who said {self._user!r}"
            held = self._user.strip().endswith(event.text)
            self.findings.check("words", held=held, at=self._at(event), what=what)
            self._user = ""
            return
        self._user += event.text
        sent = list(self.far.words)
        same = [place for place, piece in enumerate(sent) if piece.text == event.text]
        # What a link has swallowed comes again on the next: of those that fit, the one on the newest link came.
        same = [place for place in same if sent[place].connection == sent[same[-1]].connection]
        whole = [place for place in same[:1] if sent[place].connection not in {one.connection for one in sent[:place]}]
        what = f"{event.text!r} is not the next that was sent: {[(one.connection, one.text) for one in sent[:5]]}"
        self.findings.check("words", held=bool(whole), at=self._at(event), what=what)
        for _ in range((whole or same or [-1])[0] + 1):
            piece = self.far.words.popleft()
            if piece.connection < sent[same[-1]].connection:
                self._left(piece)

    def _left(self, piece: Piece) -> None:
        """Judges words of an older link that our end has not told of: only a broken one may keep them."""
        what = f"{piece.text!r}, sent on link {piece.connection}, was never told, and nothing was wrong"
        self.findings.check("words", held=self.troubled(piece.at), at=piece.at - self.far.zero, what=what)

    def _on_turn_first_audio(self, event: e.FirstAudio) -> None:
        self.sounded = event.at
        if event.latency_ms is not None:
            self.latencies.append((self._at(event), event.latency_ms))

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
        words = self._model.pop(event.turn, Words())
        if known is None:
            return
        completed = event.outcome == "completed"
        said = self._said(event, bytes(known.pcm), words, at) if completed else None
        self._worded(event, words, said)
        if not completed:
            self._part, self._part_words, self._owed = b"", "", False
        if said is not None:
            self._answered(said, whole=not (known.owing or said.owing))
        if broken:  # there is nothing to hold it against, but the next turn may have begun in its last block
            left = np.frombuffer(sound, "<i2")
            self._ours, self._theirs, self._last = NOTHING, NOTHING, left[left != 0][-CARRIED:]
        else:
            self._compare(event, bytes(known.pcm), sound, whole=completed)

    def _said(self, event: e.TurnEnded, pcm: bytes, words: Words, at: float) -> FarTurn | None:
        """Finds what was sent with exactly this sound.

        A user who speaks while a link stalls, or between a reply's parts, makes two turns of what the far end sent as
        one: then the sound is the beginning of that, and the next turn's the rest. It may also be all of another, and a
        link that breaks takes with it what a tool's late answer would have added.
        """
        owed = self._owed and not self.troubled(event.at)
        tries = [(self._part + pcm, f"{self._part_words}{JOINT}{words.pieces}")] if self._part else []
        tries += [] if owed else [(pcm, words.pieces)]
        said = None
        for sound, pieces in tries:
            said = said or self.far.said(sound)
            words.pieces = pieces
            if said is not None:
                break
        if pcm:
            self._part, self._part_words = next((one for one in tries if self.far.begun(one[0])), (b"", ""))
            self._owed = said is None and bool(self._part)
            sent = [(turn.connection, turn.samples, turn.outcome) for turn in self.far.turns][-5:]
            what = f"turn {event.turn}, {len(pcm) // 2} samples long, is none of those sent: {sent}"
            self.findings.check("reply sound", held=said is not None or self._owed, at=at, what=what)
        return said

    def _compare(self, event: e.TurnEnded, sent: bytes, heard: bytes, *, whole: bool) -> None:
        """Holds what left the speaker against what was sent; silence aside, for a link that lags leaves gaps.

        Of two turns without a gap between them the first one's end and the other's beginning leave it together; where
        the first was cut, that beginning was taken for its own.
        """
        ours, theirs = (np.frombuffer(pcm, "<i2") for pcm in (heard, sent))
        ours, theirs = (
            np.concatenate([self._ours, ours[ours != 0]]),
            np.concatenate([self._theirs, theirs[theirs != 0]]),
        )
        ours = self._begun(ours, theirs)
        self._last = NOTHING if whole else ours[-CARRIED:]
        mixed = CARRIED if self.turns else FADE
        until = min(len(ours), len(theirs)) if whole else max(0, len(ours) - mixed)
        same = np.array_equal(ours[:until], theirs[:until])
        self._ours, self._theirs = (
            (ours[until:], theirs[until:]) if whole and same and self.turns else (NOTHING, NOTHING)
        )
        left = max(len(ours), len(theirs)) - until
        held = same and (not whole or left <= (CARRIED if self.turns else 0))
        what = f"turn {event.turn}, {event.outcome}: {len(ours)} samples heard and {len(theirs)} sent, or they differ"
        self.findings.check("reply sound", held=bool(held), at=self._at(event), what=what)

    def _begun(self, ours: NDArray[np.int16], theirs: NDArray[np.int16]) -> NDArray[np.int16]:
        """Gives what was heard with its beginning, as far as that had left the speaker with the end of a turn cut."""
        last = self._last
        until = max(0, min(len(ours) - FADE, CARRIED))
        for carried in range(min(len(last), len(theirs)) + 1):
            begun = last[len(last) - carried :]
            if np.array_equal(np.concatenate([begun, ours[:until]]), theirs[: carried + until]):
                return np.concatenate([begun, ours])
        return ours

    def _worded(self, event: e.TurnEnded, words: Words, said: FarTurn | None) -> None:
        """Holds what our end told of the reply's words against those that were sent with its sound."""
        whole = event.outcome == "completed" and said is not None
        if whole and said is not None:
            told = {_plain(words.pieces), _plain(words.pieces.replace(JOINT, ""))}
            held = _plain(said.text) in told and said.text.strip().endswith(words.final)
        else:
            begun = _plain(words.pieces)
            held = any(_plain(turn.text).startswith(begun) for turn in self.far.turns) or not begun
        sent = said.text if said is not None else [turn.text[:40] for turn in self.far.turns][-3:]
        what = f"turn {event.turn}, {event.outcome}: {words.pieces!r}, and {words.final!r} at its end, for {sent!r}"
        self.findings.check("words", held=held, at=self._at(event), what=what)

    def _answered(self, turn: FarTurn, *, whole: bool) -> None:
        """Notes what has its answer, which no link may be told again; of a part of one the rest is still to come."""
        turn.matched = True
        link, partly = self._partly
        asked = (*(partly if link == turn.connection else ()), *turn.asked)
        self._partly = (turn.connection, () if whole else asked)
        for placed in asked if whole else ():
            placed.answered_on = turn.connection

    def _on_tool_call(self, event: e.ToolStarted) -> None:
        self.findings.add("tool calls")
        self.debts.started(event)

    def _on_tool_result(self, event: e.ToolEnded) -> None:
        self.debts.ended(event)

    def _on_tool_debt(self, event: e.ToolDebt) -> None:
        self.debts.owed(event)

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
        owed = placed.passed | (placed.emitted if placed.utterance.wanted and not placed.disturbed else 0)
        missing = BLOCK_MS * (owed & ~placed.received).bit_count()
        self.findings.add("utterances")
        self._asked = self._asked or (placed.utterance.wanted and not placed.disturbed)
        self.findings.add("seconds of speech", placed.emitted.bit_count() / BLOCKS_A_SECOND)
        if self.far.aloud:
            return
        unexcused = missing
        for loss in self.reported:
            if loss.at >= self.time_of(placed.start):  # each millisecond that was reported excuses one
                taken = min(loss.ms, unexcused)
                loss.ms, unexcused = loss.ms - taken, unexcused - taken
        name = f"{placed.utterance.name} ({placed.number})"
        what = f"{missing:g} ms of {name} never arrived, and {missing - unexcused:g} ms of that were reported"
        self.findings.check("utterances lost", held=unexcused <= 0, at=placed.start / BLOCKS_A_SECOND, what=what)
        placed.emitted = placed.passed = placed.received = 0

    def time_of(self, number: int) -> float:
        """Gives when the block of that number begins."""
        return self.origin + number / BLOCKS_A_SECOND

    def close(self, at: float) -> None:
        """Judges what must be over at the end."""
        for number, turn in sorted(self.turns.items()):
            what = f"turn {number}, begun {at - turn.began:.0f} s before the end, has not ended"
            self.findings.check("turn endings", held=False, at=at, what=what)
        for piece in self.far.words:
            if piece.connection < self.far.connections:
                self._left(piece)
            else:
                what = f"{piece.text!r}, sent on the last link, was never told"
                self.findings.check("words", held=False, at=at, what=what)
        self.debts.close()

    def untested(self, at: float) -> None:
        """Judges that what the conversation has put to the test was checked: a promise nobody looked at is not kept."""
        if not self.outcomes.get("completed"):
            return
        judged = (
            *NEEDED,
            *(() if self.far.aloud else BY_SAMPLE),
            *(("deaf", "mute") if self._asked else ()),
            *(("tool debts",) if self.debts.asked_for else ()),
        )
        for name in judged:
            if not self.findings.checks[name]:
                self.findings.check(name, held=False, at=at, what="turns were completed, and nothing of it was checked")

    def drift(self) -> float:
        """Gives by how many ms the speaker's track is ahead of the microphone's."""
        return 1000 * (self.heard.samples / OUTPUT_RATE - self.script.next / BLOCKS_A_SECOND)

    def _at(self, event: Any) -> float:  # noqa: ANN401 - any event
        return float(event.at - self.far.zero)


def _plain(words: str) -> str:
    """Gives words with single spaces: a turn's first has none before it, which it had within a longer one."""
    return " ".join(words.split())
