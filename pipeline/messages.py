"""What travels on the edges between actors: frozen values, one family per edge.

Audio is s16le mono `bytes`: 16 kHz towards the service, 24 kHz from it (live-protocol 5.2). Times are
`trio.current_time()` seconds; positions count samples since the microphone's first.
"""

from collections.abc import Mapping

import attrs

INPUT_RATE = 16_000
OUTPUT_RATE = 24_000
SAMPLE_BYTES = 2


def pcm_seconds(pcm: bytes, rate: int) -> float:
    """Tells how long s16le mono audio lasts at `rate` samples a second."""
    return len(pcm) / (SAMPLE_BYTES * rate)


@attrs.frozen
class Captured:
    """A block from the microphone: 16 kHz audio, the time and the position of its first sample.

    `acoustic` audio comes out of a room, where the speaker can be heard. `taken` is when the microphone handed it over.
    """

    pcm: bytes
    at: float
    position: int
    acoustic: bool = False
    taken: float | None = None

    @property
    def seconds(self) -> float:
        """How long the block lasts."""
        return pcm_seconds(self.pcm, INPUT_RATE)


@attrs.frozen
class Uttered:
    """What the gate lets through to the uplink: one of the four below."""


@attrs.frozen
class Voiced(Uttered):
    """Audio inside an open gate."""

    pcm: bytes
    at: float
    position: int

    @property
    def seconds(self) -> float:
        """How long the audio lasts."""
        return pcm_seconds(self.pcm, INPUT_RATE)


@attrs.frozen
class SpeechStarted(Uttered):
    """Someone began to speak; `at` is the first speech sample's time, the pre-roll follows as `Voiced`."""

    at: float
    position: int


@attrs.frozen
class SpeechEnded(Uttered):
    """Someone stopped speaking; `at` is the time of the last speech sample, not of the decision.

    `taken` is when the microphone handed over the block with that sample; `passed` is when the gate let through what
    ends the turn, which is that block, or in local turns this message.
    """

    at: float
    position: int
    taken: float | None = None
    passed: float | None = None


@attrs.frozen
class StreamEnded(Uttered):
    """The gate has closed: the service should not wait for more audio (audioStreamEnd)."""


@attrs.frozen
class Request:
    """What the program around the pipeline asks of the service: one of the two below."""


@attrs.frozen
class Say(Request):
    """Text from the user, typed instead of spoken."""

    text: str


@attrs.frozen
class Stop(Request):
    """Stop generating: the user, or the program, has heard enough."""


@attrs.frozen
class CallNews:
    """What dispatch has to know of tool calls: one of the three below."""


@attrs.frozen
class ToolCalled(CallNews):
    """The model asks for a tool; the answer belongs to this id on the session that asked."""

    id: str
    name: str
    args: Mapping[str, object]
    turn: int


@attrs.frozen
class CallsCancelled(CallNews):
    """These calls need no answer any more: the work may stop and nothing is sent for them."""

    ids: tuple[str, ...]
    reason: str


@attrs.frozen
class Heard(CallNews):
    """A fragment of what the user said or typed, ahead of the reply of that number; a tool may wait for a yes."""

    text: str
    turn: int


@attrs.frozen
class ToolAnswer:
    """A tool's answer to one call; `will_continue`: whether more follow, None where the answer is no stream."""

    id: str
    name: str
    response: Mapping[str, object]
    scheduling: str | None = None
    will_continue: bool | None = None


@attrs.frozen
class Asked:
    """The way of the words that a reply answers, as far as it is known, in `trio.current_time()` seconds.

    `at` is when they ended; `taken` and `passed` are those of `SpeechEnded`; between `began` and `written` went onto
    the wire what ends the turn. `tools` is for how many seconds the service waited for tools since.
    """

    at: float
    taken: float | None = None
    passed: float | None = None
    began: float | None = None
    written: float | None = None
    tools: float = 0.0


@attrs.frozen
class Reply:
    """What playback plays, in order: one of the three below."""

    turn: int


@attrs.frozen
class ReplyAudio(Reply):
    """A piece of the model's speech, 24 kHz.

    `at` is when it came off the socket; the first of a reply says in `asked` what it answers, if known.
    """

    pcm: bytes
    at: float
    asked: Asked | None = None

    @property
    def seconds(self) -> float:
        """How long the audio lasts."""
        return pcm_seconds(self.pcm, OUTPUT_RATE)


@attrs.frozen
class ReplyWhole(Reply):
    """All audio of this turn has been handed over; its end may still be a while away."""


@attrs.frozen
class ReplyEnded(Reply):
    """Nothing more comes for this turn: `completed`, `interrupted` or `failed`."""

    outcome: str


@attrs.frozen
class ReplyControl:
    """What overtakes reply audio on its way to the speaker."""


@attrs.frozen
class Interrupted(ReplyControl):
    """Be silent now: every chunk up to and including `turn` (None: the one playing) is stale.

    `at` is when the word came; `outcome` is what the turn will be called, `interrupted` or `failed`.
    """

    turn: int | None
    at: float
    outcome: str = "interrupted"


@attrs.frozen
class Duck:
    """The gate hears speech over playing audio: lower the level until the service confirms or time is up."""

    at: float


@attrs.frozen
class Audible:
    """Whether the speaker sounds: playback tells the gate, which must not take the echo for the user.

    `acoustic` sound goes into a room, where a microphone can hear it.
    """

    sounding: bool
    at: float
    acoustic: bool = False
