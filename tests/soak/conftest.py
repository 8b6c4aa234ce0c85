"""What the soak's own tests share: books with a script of one utterance, ready to be fed."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np
import pytest

from actors.emulator.connection import Observed
from actors.emulator.requests import ClientMessage, FunctionResponse, ToolResponse
from bin.soaking.books import Books
from bin.soaking.debts import Debts
from bin.soaking.far import FarBooks
from bin.soaking.findings import Findings
from bin.soaking.near import Heard
from bin.soaking.recordings import BLOCK_BYTES, Utterance
from bin.soaking.script import Placed, Script
from pipeline.events import Event, ToolDebt, ToolStarted, Transcript, TurnEnded
from pipeline.messages import ReplyAudio, ReplyEnded, Voiced

FOUND = {"summary": "it is noon"}
SPEECH = np.full(BLOCK_BYTES // 2, 2000, "<i2").tobytes()


@attrs.define
class Told:
    """A conversation of one utterance and one reply, told step by step to the books."""

    script: Script
    far: FarBooks
    books: Books
    placed: Placed
    findings: Findings

    def speak(self) -> None:
        """The microphone gives every block, and the gate lets it through."""
        for number in range(self.placed.end + 10):
            pcm = self.script.take(number)
            self.books.uttered(Voiced(pcm, number / 50, number * 320))

    def arrive(self, connection: int = 1, *, without: int | None = None, upto: int | None = None) -> None:
        """Blocks arrive on a link."""
        for number in range(self.placed.start, upto or self.placed.end):
            if number != without:
                self.far.observe(Observed(connection, "audio", pcm=self.script.block(number), rate=16000))

    def reply(
        self,
        pcm: bytes,
        heard: bytes | None = None,
        outcome: str = "completed",
        connection: int = 1,
        words: tuple[str, str] = ("", ""),
    ) -> None:
        """The far end answers, and our end plays that; `words` are what one sends beside it and the other tells."""
        inline = {"inlineData": {"data": base64.b64encode(pcm).decode()}}
        self.sent({"serverContent": {"modelTurn": {"parts": [inline]}}}, connection)
        self.sent({"serverContent": {"outputTranscription": {"text": words[0]}}}, connection)
        self.sent({"serverContent": {"turnComplete": True}}, connection)
        self.play(pcm, heard, outcome, words[1])

    def play(self, pcm: bytes, heard: bytes | None = None, outcome: str = "completed", told: str = "") -> None:
        """Our end plays a turn, and tells of its words."""
        turn = self.books.ended + 1
        if told:
            self.event(Transcript("model", told, final=False, turn=turn))
            self.event(Transcript("model", told.strip(), final=True, turn=turn))
        self.books.replied(ReplyAudio(turn, pcm, 0.0))
        self.books.replied(ReplyEnded(turn, outcome))
        self.books.heard.hear(pcm if heard is None else heard)
        self.event(TurnEnded(turn, 0.0, outcome))

    def sent(self, message: dict[str, Any], connection: int = 1) -> None:
        """The far end sends something."""
        self.far.observe(Observed(connection, "sent", sent=message))

    def call(self, call: str = "1", connection: int = 1) -> None:
        """The far end calls a tool, and our end takes that on."""
        self.sent({"toolCall": {"functionCalls": [{"id": call, "name": "f"}]}}, connection)
        self.event(ToolDebt(call, "f", "owed"))
        self.event(ToolStarted(call, "f", {}))

    def answered(self, call: str = "1", response: Mapping[str, object] = FOUND, connection: int = 1) -> None:
        """An answer arrives at the far end."""
        answers = ToolResponse((FunctionResponse(call, "f", response),))
        self.far.observe(Observed(connection, "message", message=ClientMessage(tool_response=answers)))

    def event(self, event: Event) -> None:
        """Our end tells something."""
        self.books.feed(attrs.evolve(event, at=5.0))

    def broken(self) -> dict[str, int]:
        """What has been found."""
        self.books.judge(float("inf"))
        self.books.close(10.0)
        return dict(self.findings.failures)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Told]:
    """Gives a fresh conversation; time stands still in it."""
    for module in ("bin.soaking.far", "bin.soaking.books", "bin.soaking.debts"):
        monkeypatch.setattr(f"{module}.trio.current_time", lambda: 5.0)

    def make() -> Told:
        script, findings = Script(), Findings()
        debts = Debts(findings)
        far = FarBooks(script, debts, findings)
        books = Books(script, far, debts, Heard(), findings)
        utterance = Utterance("a.wav", "a", "request", blocks=(SPEECH,) * 20, first=5, last=15)
        return Told(script, far, books, script.speak(utterance, after=10), findings)

    return make
