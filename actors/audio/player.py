"""The player: which turn sounds, which is stale, what of it was heard. Synchronous; the ring does the counting.

Every turn puts marks into the ring: at its first sample, where its audio is whole, at its end. The ring says when each
was passed, to the sample, and from that come the events.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Protocol

import attrs

from actors.audio.ring import Crossing, PlayRing
from pipeline.channels import Outlet
from pipeline.events import PARTS, Bus, Ducked, FirstAudio, TurnEnded, TurnInterrupted, TurnTimed, milliseconds
from pipeline.messages import Asked, Audible, Interrupted, ReplyAudio
from pipeline.settings import Within

SERVICE = PARTS.index("service")


class AnySpeaker(Protocol):
    """What a speaker is to playback, be it a device or a file."""

    ring: PlayRing

    async def write(self, pcm: bytes) -> None:
        """Puts sound in, waiting for room."""

    async def finish(self) -> None:
        """Puts in what a change of rate has held back."""

    def fade_out(self, ms: float = ...) -> int:
        """Ends the sound."""

    async def changed(self) -> None:
        """Waits until the ring has something to tell."""


def _nowhere(_at: float) -> None:
    """Knows of no microphone."""


@attrs.define(eq=False)
class _Turn:
    """One reply on its way through the ring; `began` is what the ring had played before its first sample."""

    number: int
    asked: Asked | None
    arrived: float | None = None  # its first sound came off the socket, and playback took it
    taken: float | None = None
    announced: bool = False
    marked: bool = False
    began: int | None = None
    carried_ms: float = 0.0  # heard on a speaker that was lost since
    dry: int = 0  # underruns before it
    outcome: str | None = None


def waterfall(turn: _Turn, sounds: Crossing) -> dict[str, float | None]:
    """Gives the milliseconds of each part of the way to this turn's first sample; see `TurnTimed`."""
    asked = turn.asked
    ended, taken, passed, began, written, tools = attrs.astuple(asked) if asked else (None,) * 6
    if ended is not None and began is not None and began < ended:
        began = None  # typed words count from the wire
    marks = (ended, taken, passed, began, written, turn.arrived, turn.taken, sounds.taken, sounds.at)
    spans = [_between(*pair) for pair in itertools.pairwise(_in_order(marks))]
    service = spans[SERVICE]
    if service is None or tools is None:
        spans.insert(SERVICE, None)
    else:
        waited = min(service, milliseconds(tools))
        spans[SERVICE : SERVICE + 1] = [round(service - waited, 1), waited]
    return dict(zip(PARTS, spans, strict=True))


def _in_order(marks: Sequence[float | None]) -> list[float | None]:
    """Lets no mark lie after the next: a recording's clock is exact where the loop may be late."""
    latest = math.inf
    ordered: list[float | None] = []
    for mark in reversed(marks):
        latest = latest if mark is None else min(latest, mark)
        ordered.insert(0, None if mark is None else latest)
    return ordered


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else milliseconds(end - start)


@attrs.define
class Player:
    """Keeps the turns in the ring; every method is synchronous. It outlives the playback actor, and so do its turns.

    Only `take` and `close` may be called before a speaker was taken. `tap` listens to every ring that is taken.
    """

    bus: Bus
    fade_ms: Annotated[float, Within(0, 1000)] = 5.0
    tap: Callable[..., Any] | None = None
    _ring: PlayRing | None = attrs.field(default=None, init=False)
    _fade: Callable[[float], int] = attrs.field(init=False)
    _audible: Outlet[Audible] = attrs.field(init=False)
    _acoustic: bool = attrs.field(default=False, init=False)
    _turns: dict[int, _Turn] = attrs.field(factory=dict, init=False)
    _fading: list[tuple[list[_Turn], Interrupted]] = attrs.field(factory=list, init=False)
    _stale: int = attrs.field(default=0, init=False)
    _ended: int = attrs.field(default=0, init=False)
    _sounding: bool = attrs.field(default=False, init=False)
    _underruns: int = attrs.field(default=0, init=False)  # of the speakers before this one
    _clock: Callable[[float], float | None] = attrs.field(default=_nowhere, init=False)
    _tag: int = attrs.field(default=0, init=False)
    _due: dict[int, Callable[[Crossing], None]] = attrs.field(factory=dict, init=False)

    @property
    def began(self) -> bool:
        """Whether there has been a speaker to play on."""
        return self._ring is not None

    @property
    def sounding(self) -> bool:
        """Whether a reply is audible."""
        return self._sounding

    @property
    def ring(self) -> PlayRing:
        """The ring of the speaker that was taken last."""
        assert self._ring is not None  # noqa: S101 - see the class
        return self._ring

    @property
    def underruns(self) -> int:
        """How often a reply has run dry since the conversation began."""
        return self._underruns + (0 if self._ring is None else self._ring.underruns)

    def peek(self) -> bytes:
        """Gives what is heard next, s16le mono of up to 20 ms; empty in silence."""
        return b"" if self._ring is None else self._ring.peek().tobytes()

    def take(
        self,
        speaker: AnySpeaker,
        audible: Outlet[Audible],
        *,
        acoustic: bool,
        clock: Callable[[float], float | None] = _nowhere,
    ) -> None:
        """Plays on this speaker from now on, and tells `audible`; turns that were under way go on, or end.

        `clock` gives a time as milliseconds since the microphone's first sample, None where there is none.
        """
        self._clock = clock
        self._audible = audible  # the one before is closed, and whoever was told of sound waits for its end
        if self._ring is not None:
            self._leave()
        self._ring, self._fade, self._acoustic = speaker.ring, speaker.fade_out, acoustic
        self._ring.tap = self.tap

    def stale(self, turn: int) -> bool:
        """Whether that turn was interrupted, so that its audio must not be played."""
        return turn <= self._stale

    def begin(self, audio: ReplyAudio) -> None:
        """Audio of a turn is about to be written."""
        turn = self._turns.get(audio.turn)
        if turn is None:
            turn = _Turn(audio.turn, audio.asked, audio.at, self.bus.clock(), dry=self.underruns)
            self._turns[audio.turn] = turn
        if not turn.marked:
            turn.marked = True
            self._mark(lambda crossing: self._started(turn, crossing), start=True)
        self.ring.expecting = True

    def whole(self, number: int) -> None:
        """All audio of the turn is written, unless the model thinks of more; then its sound begins again."""
        self.ring.expecting = False
        if number in self._turns:
            self._turns[number].marked = False
            self._mark(lambda crossing: self._sound(on=False, at=crossing.at))

    def end(self, number: int, outcome: str) -> None:
        """Nothing more comes for the turn: it ends when its last sample has left."""
        self.ring.expecting = False
        turn = self._turns.get(number)
        if turn is not None:
            turn.outcome = outcome
            self._mark(lambda crossing: self._finished(turn, crossing))
        elif number > self._ended:
            self._tell_end(number, 0.0, outcome)

    def silence(self, word: Interrupted) -> None:
        """Ends the sound of the turn and all before it, within the fade."""
        number = max(self._turns, default=self._stale) if word.turn is None else word.turn
        self._stale = max(self._stale, number)
        cut = [
            self._turns.pop(known) for known in sorted(self._turns) if known <= number and not self._heard_out(known)
        ]
        if cut:
            fading = (cut, word)
            self._fading.append(fading)
            self._fade(self.fade_ms)
            self.ring.unduck(self.fade_ms)
            self._mark(lambda crossing: self._faded(fading, crossing.heard, crossing.at))
        for unheard in self._untold(number):
            self._tell_interruption(unheard, 0.0, word, word.at)

    def ducked(self, level: str) -> None:
        """Says that the level was lowered, or raised again."""
        self.bus.publish(Ducked(level))

    def close(self) -> None:
        """The conversation is over: every turn that is still under way ends here."""
        self._audible = Outlet(None, None)
        if self._ring is not None:
            self._leave()
        for turn in list(self._turns.values()):
            self._tell_end(turn.number, turn.carried_ms, "interrupted", self._dry(turn))

    def _heard_out(self, number: int) -> bool:
        """Whether the turn has ended and all of it was heard: the mark that tells so is about to be passed."""
        return self._turns[number].outcome is not None and not self.ring.buffered

    def _untold(self, number: int) -> list[int]:
        """Gives the turns up to that number whose end was not told, and of which nothing is in the ring."""
        fading = {turn.number for cut, _ in self._fading for turn in cut}
        return [known for known in range(self._ended + 1, number + 1) if known not in fading | self._turns.keys()]

    def _leave(self) -> None:
        """The speaker is gone: what was heard on it is kept, and turns go on on the next one."""
        self.note()
        self._underruns += self.ring.underruns
        self._due.clear()
        for fading in list(self._fading):
            self._faded(fading, self.ring.heard, self.bus.clock())
        self._sound(on=False, at=self.bus.clock())
        for turn in list(self._turns.values()):
            if turn.began is not None:
                turn.carried_ms += self._ms(self.ring.heard - turn.began)
            turn.began, turn.marked = None, False
            if turn.outcome is not None:
                self._tell_end(turn.number, turn.carried_ms, turn.outcome, self._dry(turn))

    def note(self) -> None:
        """Takes what the ring has to tell and publishes what follows from it."""
        while self.ring.crossings:
            crossing = self.ring.crossings.popleft()
            while self._due and (tag := next(iter(self._due))) <= crossing.tag:
                follow = self._due.pop(tag)
                if tag == crossing.tag:  # marks before it that were not passed went with a fade
                    follow(crossing)

    # -- what follows when a mark is passed ------------------------------------------------------------------

    def _mark(self, follow: Callable[[Crossing], None], *, start: bool = False) -> None:
        self._tag += 1
        self._due[self._tag] = follow
        self.ring.mark(self._tag, start=start)

    def _started(self, turn: _Turn, crossing: Crossing) -> None:
        if turn.began is None:
            turn.began = crossing.heard
        if not turn.announced:
            turn.announced = True
            latency = None if turn.asked is None else milliseconds(crossing.at - turn.asked.at)
            asked = None if turn.asked is None else self._clock(turn.asked.at)
            self.bus.publish(FirstAudio(turn.number, latency, asked))
            self.bus.publish(TurnTimed(turn.number, latency, waterfall(turn, crossing)))
        self._sound(on=True, at=crossing.at)

    def _finished(self, turn: _Turn, crossing: Crossing) -> None:
        if self._turns.get(turn.number) is not turn:
            return  # it was cut before its end, which is told when it has faded
        self._tell_end(turn.number, self._heard(turn, crossing.heard), turn.outcome or "completed", self._dry(turn))
        self._sound(on=False, at=crossing.at)

    def _faded(self, fading: tuple[list[_Turn], Interrupted], heard: int, at: float) -> None:
        self._fading.remove(fading)
        cut, word = fading
        for turn in cut:
            self._tell_interruption(turn.number, self._heard(turn, heard), word, at, self._dry(turn))
        self._sound(on=False, at=at)

    def _heard(self, turn: _Turn, heard: int) -> float:
        here = 0.0 if turn.began is None else self._ms(heard - turn.began)
        return turn.carried_ms + here

    def _dry(self, turn: _Turn) -> int:
        """Tells how often the speaker ran dry since the turn began."""
        return self.underruns - turn.dry

    def _ms(self, samples: int) -> float:
        return milliseconds(samples / self.ring.rate)

    def _tell_interruption(
        self, number: int, heard_ms: float, word: Interrupted, silent_at: float, underruns: int = 0
    ) -> None:
        if word.outcome == "interrupted":
            self.bus.publish(TurnInterrupted(number, heard_ms, milliseconds(max(0.0, silent_at - word.at))))
        self._tell_end(number, heard_ms, word.outcome, underruns)

    def _tell_end(self, number: int, heard_ms: float, outcome: str, underruns: int = 0) -> None:
        self._turns.pop(number, None)
        self._ended = max(self._ended, number)
        self.bus.publish(TurnEnded(number, heard_ms, outcome, underruns))

    def _sound(self, *, on: bool, at: float) -> None:
        if on is not self._sounding:
            self._sounding = on
            self._audible.send_nowait(Audible(on, at, self._acoustic))
