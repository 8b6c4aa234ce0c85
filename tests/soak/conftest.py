"""What the soak's own tests share: books with a script of one utterance, ready to be fed."""

import base64
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest

from actors.emulator.connection import Observed
from bin.soaking.books import Books
from bin.soaking.far import FarBooks
from bin.soaking.findings import Findings
from bin.soaking.near import Heard
from bin.soaking.recordings import BLOCK_BYTES, Utterance
from bin.soaking.script import Placed, Script
from pipeline.events import Event, TurnEnded
from pipeline.messages import ReplyAudio, ReplyEnded, Voiced

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

    def reply(self, pcm: bytes, heard: bytes | None = None, outcome: str = "completed", connection: int = 1) -> None:
        """The far end answers, and our end plays that."""
        inline = {"inlineData": {"data": base64.b64encode(pcm).decode()}}
        self.sent({"serverContent": {"modelTurn": {"parts": [inline]}}}, connection)
        self.sent({"serverContent": {"turnComplete": True}}, connection)
        turn = self.books.ended + 1
        self.books.replied(ReplyAudio(turn, pcm, 0.0))
        self.books.replied(ReplyEnded(turn, outcome))
        self.books.heard.hear(pcm if heard is None else heard)
        self.event(TurnEnded(turn, 0.0, outcome))

    def sent(self, message: dict[str, Any], connection: int = 1) -> None:
        """The far end sends something."""
        self.far.observe(Observed(connection, "sent", sent=message))

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
    for module in ("bin.soaking.far", "bin.soaking.books"):
        monkeypatch.setattr(f"{module}.trio.current_time", lambda: 5.0)

    def make() -> Told:
        script, findings = Script(), Findings()
        far = FarBooks(script, findings)
        books = Books(script, far, Heard(), findings)
        utterance = Utterance("a.wav", "a", "request", clean=True, blocks=(SPEECH,) * 20, first=5, last=15)
        return Told(script, far, books, script.speak(utterance, after=10), findings)

    return make
