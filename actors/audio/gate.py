"""The gate: from blocks and speech probabilities to what the uplink sends. Pure; time comes with the blocks.

It opens with a pre-roll, so that no first word is clipped. In `server` turns it stays open long enough after speech
for the service's own detector to end the turn, then says so; half measures would starve that detector. In `local`
turns the end of speech is the end of the turn, and the gate shuts with it.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import Literal

import attrs

from pipeline.messages import Audible, Captured, SpeechEnded, SpeechStarted, StreamEnded, Uttered, Voiced

HEARD_TOGETHER = 0.12  # seconds of speech that go through before they are heard
MOST_UNHEARD = 0.24  # seconds of it that may have gone through where others hear; the end is told so much later
SLACK = 1e-9  # seconds: lengths are sums of floats


@attrs.frozen
class GateSettings:
    """When speech begins and ends; all times in milliseconds, the threshold a probability.

    `start_ms` of speech open the gate, and `pre_roll_ms` before them go through with them. `end_ms` of quiet end the
    speech; in server turns the gate stays open until `hangover_ms` of quiet have gone through.
    """

    threshold: float = 0.5
    start_ms: float = 60.0
    pre_roll_ms: float = 300.0
    end_ms: float = 400.0
    hangover_ms: float = 1500.0


@attrs.define
class Gate:
    """Feeds on blocks in order; `speaking` tells whether speech goes on, `speaker` what that last told of itself.

    While it is `muted`, whoever feeds it calls `shut` in place of `push`. While it is `sure`, `let_through` may take
    blocks unheard, `unheard` seconds of them so far: they are judged later, each before the next `push`.
    """

    turns: Literal["server", "local"] = "server"
    settings: GateSettings = attrs.field(factory=GateSettings)
    speaking: bool = attrs.field(default=False, init=False)
    open: bool = attrs.field(default=False, init=False)
    muted: bool = attrs.field(default=False, init=False)
    unheard: float = attrs.field(default=0.0, init=False)
    speaker: Audible = attrs.field(default=Audible(sounding=False, at=-math.inf), init=False)
    _before: deque[Captured] = attrs.field(factory=deque, init=False)
    _held: float = attrs.field(default=0.0, init=False)  # seconds of that
    _run: float = attrs.field(default=0.0, init=False)
    _quiet: float = attrs.field(default=0.0, init=False)
    _last_speech: Captured | None = attrs.field(default=None, init=False)
    _passed: float | None = attrs.field(default=None, init=False)  # when the last speech went through
    _through: deque[tuple[Captured, float | None]] = attrs.field(factory=deque, init=False)  # what is unheard, and when

    @property
    def sure(self) -> bool:
        """Whether the next blocks go through whatever is heard in them: someone speaks, and a hangover follows.

        Not in local turns, where the service waits for the end that is heard here.
        """
        lasts = self.settings.hangover_ms - self.settings.end_ms >= 1000 * MOST_UNHEARD
        return self.speaking and self.turns == "server" and lasts

    @property
    def ending(self) -> bool:
        """Whether the end of speech may lie in what is unheard: what comes is then to be heard as it comes."""
        return self._quiet >= self.settings.end_ms - 1000 * HEARD_TOGETHER

    def push(self, block: Captured, probability: float, now: float | None = None) -> list[Uttered]:
        """Takes the next block, at the time `now`, and gives what goes through, in order."""
        self._hear(block, probability, now)
        if self.open:
            return [*self._resumed(block), _voiced(block), *self._end(now)]
        self._remember(block)
        if self._run < self.settings.start_ms:
            return []
        self._passed = now
        return self._open()

    def let_through(self, block: Captured, now: float | None = None) -> Voiced:
        """Takes the next block unheard, at the time `now`, while the gate is `sure`; up to `MOST_UNHEARD` of them."""
        self._through.append((block, now))
        self.unheard += block.seconds
        return _voiced(block)

    def judge(self, hear: Callable[[bytes], float]) -> list[Uttered]:
        """Has the oldest block that was let through heard, if there is one, and gives the marks that follow from it."""
        if not self._through:
            return []
        block, at = self._through.popleft()
        self.unheard = self.unheard - block.seconds if self._through else 0.0
        self._hear(block, hear(block.pcm), at)
        return [*self._resumed(block), *self._end(at)]

    def shut(self) -> list[Uttered]:
        """Ends speech and stream at once, and forgets pre-roll and the unheard: what follows is not for the service."""
        self._forget()
        self._through.clear()
        self.unheard = self._run = 0.0
        out = self._speech_ended() if self.speaking else []
        if self.open:
            self.open = False
            out += [StreamEnded()]
        return out

    def _hear(self, block: Captured, probability: float, at: float | None) -> None:
        speech = probability >= self.settings.threshold
        length = 1000 * block.seconds
        self._run = self._run + length if speech else 0.0
        self._quiet = 0.0 if speech else self._quiet + length
        if speech:
            self._last_speech = block
            if self.open:
                self._passed = at

    def _resumed(self, block: Captured) -> list[Uttered]:
        """Speech goes on after an end that was told, while the gate is still open."""
        if not self.open or self.speaking or self._run < self.settings.start_ms:
            return []
        self.speaking = True
        return [SpeechStarted(block.at + block.seconds - self._run / 1000, block.position)]

    def _open(self) -> list[Uttered]:
        self.open = self.speaking = True
        first = self._before[0]
        lead = self._held - self._run / 1000
        out: list[Uttered] = [SpeechStarted(first.at + lead, first.position)]
        out += map(_voiced, self._before)
        self._forget()
        return out

    def _end(self, now: float | None) -> list[Uttered]:
        out: list[Uttered] = []
        if self.speaking and self._quiet >= self.settings.end_ms:
            if self.turns == "local":
                self.open, self._passed = False, now
            out += self._speech_ended()
        if self.open and not self.speaking and self._quiet >= self.settings.hangover_ms:
            self.open = False
            out += [StreamEnded()]
        return out

    def _speech_ended(self) -> list[Uttered]:
        self.speaking = False
        last = self._last_speech
        assert last is not None  # noqa: S101 - speech began with one
        samples = len(last.pcm) // 2
        return [SpeechEnded(last.at + last.seconds, last.position + samples, last.taken, self._passed)]

    def _remember(self, block: Captured) -> None:
        self._before.append(block)
        self._held += block.seconds
        longest = (self.settings.pre_roll_ms + self.settings.start_ms) / 1000
        while len(self._before) > 1 and self._held - self._before[0].seconds >= longest - SLACK:
            self._held -= self._before.popleft().seconds

    def _forget(self) -> None:
        self._before.clear()
        self._held = 0.0


def _voiced(block: Captured) -> Voiced:
    return Voiced(block.pcm, block.at, block.position)
