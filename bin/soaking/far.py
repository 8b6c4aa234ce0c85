"""The far end's books: which blocks arrived on which link, and what was sent in answer, in sound and in words."""

import base64
import hashlib
from collections import deque
from collections.abc import Mapping
from typing import Any

import attrs
import trio

from actors.emulator.connection import Observed
from bin.soaking.debts import Debts
from bin.soaking.findings import Findings
from bin.soaking.recordings import BLOCK_BYTES
from bin.soaking.script import REMEMBERED, Placed, Script, mark_of
from pipeline.messages import SAMPLE_BYTES

TURNS = 64  # of the far end's turns that are remembered
WORDS = 512  # pieces of what the user said that may wait for our end to tell of them
REPLAYS = 4  # links on which blocks may still come after a newer one has begun


@attrs.define(eq=False)
class FarTurn:
    """One turn as the far end sent it: so many samples, what they come to, and the words beside them.

    `asked` is what it had heard whole when the turn began. `owing`: it ended while a tool had still to answer.
    """

    connection: int
    at: float
    asked: tuple[Placed, ...]
    samples: int = 0
    text: str = ""
    outcome: str = ""
    matched: bool = False
    owing: bool = False
    _sum: Any = attrs.field(factory=hashlib.sha1, init=False, repr=False)
    _sums: dict[int, bytes] = attrs.field(factory=dict, init=False, repr=False)  # by the samples up to a piece's end

    def speak(self, pcm: bytes) -> None:
        """Takes sound that was sent."""
        self.samples += len(pcm) // SAMPLE_BYTES
        self._sum.update(pcm)
        self._sums[self.samples] = self._sum.digest()

    def begins(self, pcm: bytes) -> bool:
        """Whether the first pieces that were sent are exactly this."""
        return self._sums.get(len(pcm) // SAMPLE_BYTES) == hashlib.sha1(pcm).digest()  # noqa: S324 - compared, not trusted

    def sounds(self, pcm: bytes) -> bool:
        """Whether all that was sent is exactly this."""
        return len(pcm) == self.samples * SAMPLE_BYTES and bool(self._sum.digest() == hashlib.sha1(pcm).digest())  # noqa: S324 - compared, not trusted


@attrs.frozen
class Piece:
    """Words of the user's as the far end sent them, in `trio.current_time()`."""

    connection: int
    text: str
    at: float


@attrs.define(eq=False)
class FarBooks:
    """Takes everything that the service observes; `zero` is the time of the soak's beginning.

    What comes through real devices, `aloud`, is not the same sample by sample: it has arrived once there are words.
    On links that are `unconfirmed` our end cannot know what has arrived, and may say it again.
    """

    script: Script
    debts: Debts
    findings: Findings
    zero: float = 0.0
    aloud: bool = False
    unconfirmed: set[int] = attrs.field(factory=set)
    turns: deque[FarTurn] = attrs.field(factory=lambda: deque(maxlen=TURNS), init=False)
    words: deque[Piece] = attrs.field(factory=lambda: deque(maxlen=WORDS), init=False)
    arrived: dict[int, float] = attrs.field(factory=dict, init=False)
    connections: int = 0
    _last: dict[int, int] = attrs.field(factory=dict, init=False)
    _heard: list[Placed] = attrs.field(factory=list, init=False)
    _turn: FarTurn | None = attrs.field(default=None, init=False)

    def observe(self, seen: Observed) -> None:
        """Takes what the service tells, synchronously."""
        self.connections = max(self.connections, seen.connection)
        if seen.kind == "audio" and not self.aloud:
            self._sound(seen.connection, seen.pcm)
        elif seen.kind == "sent" and seen.sent is not None:
            self._sent(seen.connection, seen.sent)
        elif seen.kind == "message" and seen.message is not None and seen.message.tool_response is not None:
            for response in seen.message.tool_response.function_responses:
                self.debts.answered(seen.connection, response.id, response.response, whole=not response.will_continue)

    def now(self) -> float:
        """Gives the seconds since the soak began."""
        return trio.current_time() - self.zero

    @property
    def talking(self) -> bool:
        """Whether a turn that has begun is not over."""
        return self._turn is not None and self._turn.connection == self.connections and not self._turn.outcome

    def _sound(self, connection: int, pcm: bytes) -> None:
        number = mark_of(pcm)
        whole = len(pcm) == BLOCK_BYTES and number < self.script.next and pcm == self.script.block(number)
        what = f"block {number} on link {connection} is not what was spoken"
        if not self.findings.check("utterances lost", held=whole, at=self.now(), what=what):
            return
        last = self._last.get(connection, -1)
        what = f"block {number} came after block {last} on link {connection}"
        self.findings.check("utterances doubled", held=number > last, at=self.now(), what=what)
        if connection not in self._last:
            self._last = {link: block for link, block in self._last.items() if link > connection - REPLAYS}
        self._last[connection] = max(last, number)
        placed = self.script.at(number)
        if placed is not None and number in placed.speech:
            self._spoken(connection, placed, number)

    def _spoken(self, connection: int, placed: Placed, number: int) -> None:
        if connection not in placed.connections:
            placed.connections.append(connection)
            told = placed.answered_on not in (None, connection, *self.unconfirmed)
            what = (
                f"{placed.utterance.name} ({placed.number}) was answered on link {placed.answered_on}, and came again"
            )
            self.findings.check("utterances doubled", held=not told, at=self.now(), what=what)
        placed.received |= placed.bit(number)
        if number == placed.speech[-1]:
            if placed.number not in self.arrived:
                self._arrive(placed)
            self._heard.append(placed)

    def _understood(self) -> None:
        for placed in self.script.recent() if self.aloud else ():
            if placed.number not in self.arrived and placed.end <= self.script.next:
                self._arrive(placed)

    def _arrive(self, placed: Placed) -> None:
        self.arrived[placed.number] = trio.current_time()
        self.arrived = dict(list(self.arrived.items())[-REMEMBERED:])

    def _sent(self, connection: int, message: Mapping[str, Any]) -> None:
        if "toolCall" in message:
            self._under_way(connection)
            for call in message["toolCall"].get("functionCalls", ()):
                self.debts.asked(connection, call["id"], call["name"])
        content = message.get("serverContent")
        if not content:
            return
        if text := content.get("inputTranscription", {}).get("text"):
            self.words.append(Piece(connection, text, trio.current_time()))
            self._understood()
        for part in content.get("modelTurn", {}).get("parts", ()):
            if "inlineData" in part:
                self._under_way(connection).speak(base64.b64decode(part["inlineData"]["data"]))
        if text := content.get("outputTranscription", {}).get("text"):
            self._under_way(connection).text += text
        if content.get("interrupted") and self._turn is not None:
            self._turn.outcome = "interrupted"
        follows = content.get("interactionStatus") == "IN_PROGRESS"  # the answer to a call is still to come
        if content.get("turnComplete") and not follows and self._turn is not None:
            self._turn.outcome = self._turn.outcome or "completed"
            self._turn.owing = self.debts.unanswered(connection)
            self._turn = None

    def _under_way(self, connection: int) -> FarTurn:
        if self._turn is None or self._turn.connection != connection or self._turn.outcome:
            self._turn = FarTurn(connection, trio.current_time(), tuple(self._heard))
            self._heard.clear()
            self.turns.append(self._turn)
        return self._turn

    def said(self, pcm: bytes) -> FarTurn | None:
        """Finds the turn, not yet matched, that was sent with exactly this sound; one without any on the last link."""
        open_ = (turn for turn in self.turns if not turn.matched and (pcm or turn.connection == self.connections))
        return next((turn for turn in open_ if turn.sounds(pcm)), None)

    def begun(self, pcm: bytes) -> bool:
        """Whether some turn, not yet matched, was sent with this at its beginning, and more after it."""
        return any(not turn.matched and turn.begins(pcm) and not turn.sounds(pcm) for turn in self.turns)
