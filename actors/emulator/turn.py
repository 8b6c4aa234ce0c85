"""One turn of the model: what it answers, what of its answer has been sent, and the pace at which it is sent."""

import math
from collections.abc import Awaitable, Callable, Mapping
from itertools import pairwise
from typing import TypeVar

import attrs
import trio

from actors.emulator import wire
from actors.emulator.costs import AUDIO_TOKENS, NOTHING, Cost, audio_cost, text_cost
from actors.emulator.mind import Call, Say
from actors.emulator.session import OpenCall, fragments
from actors.emulator.wire import OUTPUT_RATE, Json

T = TypeVar("T")

PART_MS = 40
"""Milliseconds of sound in one message."""

_PART = 2 * OUTPUT_RATE * PART_MS // 1000
_TOGETHER = 5  # parts sent at once before the pace is kept again
_LONGEST = 120 * 32_000  # bytes of speech waiting to be understood; of more the newest count
_MOST_UTTERANCES = 50  # of them
_THOUGHT = "The user expects a short spoken answer."


@attrs.frozen
class Utterance:
    """Speech not yet understood, 16 kHz s16le mono; it went on from one second of the stream to another."""

    pcm: bytes
    span: tuple[float, float] = (0.0, 0.0)


@attrs.frozen
class Prompt:
    """What the user brought up: text, speech not yet understood, its cost, and when it was over.

    Each thing said is a line of the text, or an utterance, and is understood for itself. `replies` is the answer where
    that is settled beforehand.
    """

    text: str = ""
    sounds: tuple[Utterance, ...] = ()
    cost: Cost = NOTHING
    asked: float = 0.0
    replies: tuple[Say | Call, ...] | None = None

    def answered(self, reply: Say | Call) -> "Prompt":
        """Gives the prompt with one more thing settled as its answer."""
        return attrs.evolve(self, replies=(*(self.replies or ()), reply))

    def then(self, later: "Prompt") -> "Prompt":
        """Joins what came later to this."""
        replies = self.replies if later.replies is None else (*(self.replies or ()), *later.replies)
        return Prompt(
            _lines(self.text, later.text),
            _newest((*self.sounds, *later.sounds)),
            self.cost + later.cost,
            max(self.asked, later.asked),
            replies,
        )

    def understood(self, words: str) -> "Prompt":
        """Gives the prompt with its first utterance as words."""
        return attrs.evolve(self, text=_lines(self.text, words), sounds=self.sounds[1:])


def _lines(*said: str) -> str:
    return "\n".join(line for line in said if line)


def _newest(sounds: tuple[Utterance, ...]) -> tuple[Utterance, ...]:
    """Leaves out the oldest of what is more than may wait."""
    kept: list[Utterance] = []
    room = _LONGEST
    for sound in reversed(sounds[-_MOST_UTTERANCES:]):
        if room <= 0:
            break
        kept.append(sound if len(sound.pcm) <= room else attrs.evolve(sound, pcm=sound.pcm[-room:]))
        room -= len(sound.pcm)
    return tuple(reversed(kept))


@attrs.frozen
class Reply:
    """A function's answer that the model is to speak about, and when it came."""

    call: OpenCall
    response: Mapping[str, object]
    asked: float
    cost: Cost = NOTHING
    urgent: bool = False


Work = Prompt | Reply


@attrs.frozen
class Pace:
    """How fast replies come: seconds until the first sound, and how much faster than real time the rest follows.

    `late` gives the seconds by which each of them comes later than that.
    """

    first_audio: float = 0.25
    burst: float = 8.0
    late: Callable[[], float] = float


@attrs.define(eq=False)
class Turn:
    """The turn under way. Nothing of it is settled before `emit` has sent something; then `commit` runs, once.

    `said` and `seconds` are what the client has been sent; `until` is when a listener would have heard that. `drained`
    waits while the client leaves too much unread. No more than `most_tokens` are generated.
    """

    work: Work
    pace: Pace
    transcribe: bool
    send: Callable[[Json], None]
    commit: Callable[[Prompt], None]
    drained: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
    most_tokens: float = math.inf
    reason: str = attrs.field(default="", init=False)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    said: list[str] = attrs.field(factory=list, init=False)
    seconds: float = attrs.field(default=0.0, init=False)
    until: float = attrs.field(default=0.0, init=False)
    committed: bool = attrs.field(default=False, init=False)
    called: bool = attrs.field(default=False, init=False)
    thoughts: int = attrs.field(default=0, init=False)
    prompt_cost: Cost = attrs.field(default=NOTHING, init=False)
    tool_cost: Cost = attrs.field(default=NOTHING, init=False)
    answers: dict[str, Mapping[str, object]] = attrs.field(factory=dict, init=False)
    _awaited: set[str] = attrs.field(factory=set, init=False)
    _answered: trio.Event = attrs.field(factory=trio.Event, init=False)
    _sources: dict[str, str] = attrs.field(factory=dict, init=False)
    _queries: list[str] = attrs.field(factory=list, init=False)
    _parts: int = attrs.field(default=0, init=False)

    @property
    def text(self) -> str:
        """What the client has been sent, as words."""
        return "".join(self.said)

    @property
    def cost(self) -> Cost:
        """What the client has been sent, as tokens."""
        return audio_cost(self.seconds)

    @property
    def full(self) -> bool:
        """Whether the turn may generate nothing more."""
        return self.cost.total + self.thoughts >= self.most_tokens

    def settle(self) -> None:
        """Makes what is answered part of the conversation; from here on it is not asked again."""
        if not self.committed:
            self.committed = True
            if isinstance(self.work, Prompt):
                self.commit(self.work)

    def emit(self, message: Json) -> None:
        """Sends something of the model's, unless the turn is over."""
        if self.scope.cancel_called:
            return
        self.settle()
        self.send(message)

    async def wait(self, waiting: Awaitable[T]) -> T:
        """Waits for something, and goes no further once the turn was interrupted, however close the two were."""
        found = await waiting
        await trio.lowlevel.checkpoint_if_cancelled()
        return found

    async def rest(self, until: float) -> None:
        """Waits until a time, as `wait` does."""
        await trio.sleep_until(until)
        await trio.lowlevel.checkpoint_if_cancelled()

    async def think(self, *, thinks: bool, aloud: bool) -> None:
        """Waits until the first sound is due; thinking costs something whether it is told or not."""
        await self.rest(self.work.asked + self.pace.first_audio + self.pace.late())
        if thinks:
            self.thoughts += text_cost(_THOUGHT).total
        if aloud:
            self.emit(wire.thought(_THOUGHT))

    def cite(self, say: Say) -> None:
        """Takes note of what something that is about to be said rests on."""
        self._sources |= {source.uri: source.title for source in say.sources}
        self._queries += say.queries
        if say.sources:
            self.tool_cost += text_cost(say.text + "".join(source.title for source in say.sources))

    async def say(self, text: str, pcm: bytes) -> None:
        """Sends what is said as sound, the words running a little ahead of it; cancelling leaves the rest unsaid."""
        words = list(fragments(text))
        if self.said and words:
            words[0] = " " + words[0]
        count = -(-len(pcm) // _PART)
        marks = [round(index * count / len(words)) for index in range(len(words))] if words else []
        for index, (start, end) in enumerate(pairwise([*range(0, len(pcm), _PART), len(pcm)])):
            self._parts += 1
            while words and marks[0] <= index:
                marks.pop(0)
                self._write(words.pop(0))
            self._sound(self._allowed(pcm[start:end]))
            if self.full:
                return
            if self._parts % _TOGETHER == 0:
                await self.rest(trio.current_time() + _TOGETHER * PART_MS / 1000 / self.pace.burst + self.pace.late())
                await self.wait(self.drained())
        for word in words:
            self._write(word)

    def _allowed(self, pcm: bytes) -> bytes:
        """Gives as much of the sound as the turn has tokens left for."""
        if math.isinf(self.most_tokens):
            return pcm
        left = (self.most_tokens - self.thoughts) / AUDIO_TOKENS - self.seconds
        return pcm[: 2 * max(0, round(left * OUTPUT_RATE))]

    def _write(self, fragment: str) -> None:
        self.said.append(fragment)
        if self.transcribe:
            self.emit(wire.spoken(fragment))

    def _sound(self, pcm: bytes) -> None:
        if not pcm:
            return
        seconds = len(pcm) / 2 / OUTPUT_RATE
        self.until = max(self.until, trio.current_time()) + seconds
        self.seconds += seconds
        self.emit(wire.audio(pcm))

    def ground(self) -> None:
        """Names the sources of what was said, if it had any."""
        if self._sources:
            sources = [(title, uri) for uri, title in self._sources.items()]
            self.emit(wire.grounding(self.text, self._queries, sources))

    def expect(self, calls: set[str]) -> None:
        """Takes note that these calls must be answered before the turn goes on."""
        self._awaited = calls
        self._answered = trio.Event()

    def take(self, id_: str, response: Mapping[str, object]) -> None:
        """Takes the answer to a call that the turn waits for."""
        self.answers[id_] = response
        if self._awaited <= self.answers.keys():
            self._answered.set()

    @property
    def waits(self) -> bool:
        """Whether the turn goes no further until calls are answered."""
        return bool(self._awaited) and not self._answered.is_set()

    async def answered(self) -> None:
        """Waits until all calls expected are answered."""
        if self._awaited:
            await self.wait(self._answered.wait())

    async def heard_out(self) -> None:
        """Waits until a listener would have heard everything."""
        await self.rest(self.until)
