"""What page and gateway say to each other on /api/relay; docs/WEBCLIENT.md describes it. No state, no socket.

Binary frames are sound: eight bytes of position (unsigned, little-endian, in samples), then s16le samples, 16 kHz from
the page and 24 kHz to it. Text frames are JSON objects with a `type`.
"""

import struct
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from actors.gateway.relay_ring import Flush, Level, Piece, Whole
from pipeline.messages import SAMPLE_BYTES

HEADER = struct.Struct("<Q")
FURTHEST = 2**53  # positions are numbers in JavaScript, too
LONGEST_TEXT = 4000

NOT_UNDERSTOOD = 4400
NOT_FOUND = 4404
TOO_SLOW = 4408
TAKEN_OVER = 4409
NOT_TO_BE_HAD = 4422
TOO_MANY = 4429
NOT_READY = 4503
GAVE_UP = 4500
"""Close codes of the relay's own."""


class Misspoken(Exception):
    """The page said what it may not; the text says what. It is closed with `NOT_UNDERSTOOD`."""


@attrs.frozen
class Sound:
    """A block of the page's microphone."""

    position: int
    pcm: bytes


@attrs.frozen
class Hello:
    """The first message: a new conversation, or the one of this session and secret.

    Of that, the page has received sound up to `received` (None: it has nothing), played up to `heard`, and seen
    events up to number `seen`.
    """

    session: str = ""
    secret: str = attrs.field(default="", repr=False)
    received: int | None = None
    heard: int = 0
    seen: int = 0
    model: str | None = None
    voice: str | None = None
    language: str | None = None
    tools: tuple[str, ...] | None = None


@attrs.frozen
class Heard:
    """The page has played up to this position."""

    position: int
    underruns: int = 0


@attrs.frozen
class Flushed:
    """The page fell silent here, as the flush of that id asked."""

    id: int
    position: int


@attrs.frozen
class Typed:
    """Text in place of speech. The page counts them; one that was taken before is not taken again."""

    text: str
    number: int = 0


@attrs.frozen
class Interrupt:
    """The person has heard enough of this reply."""


@attrs.frozen
class Ping:
    """A sign of life, which is answered with the same number."""

    number: int = 0


@attrs.frozen
class End:
    """The person ends the conversation."""


Message = Sound | Hello | Heard | Flushed | Typed | Interrupt | Ping | End
_KINDS: Mapping[str, type] = {
    "hello": Hello,
    "heard": Heard,
    "flushed": Flushed,
    "say": Typed,
    "interrupt": Interrupt,
    "ping": Ping,
    "end": End,
}


def parse(frame: str | bytes) -> Message:
    """Reads a frame of the page's; Misspoken says what is wrong with it."""
    if isinstance(frame, bytes):
        return _sound(frame)
    try:
        said = msgspec.json.decode(frame)
        kind = _KINDS[said.pop("type")]
        message: Any = msgspec.convert(said, kind, strict=True)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, KeyError, TypeError, AttributeError, IndexError):
        raise Misspoken("that is no message of the relay's") from None
    for number in attrs.astuple(message):
        if isinstance(number, int) and not 0 <= number < FURTHEST:
            raise Misspoken("that number is out of range")
    if isinstance(message, Typed) and not 0 < len(message.text.strip()) <= LONGEST_TEXT:
        raise Misspoken(f"a text has 1 to {LONGEST_TEXT} letters")
    found: Message = message
    return found


def _sound(frame: bytes) -> Sound:
    if len(frame) < HEADER.size + SAMPLE_BYTES or len(frame) % SAMPLE_BYTES:
        raise Misspoken("a frame of sound is a position and samples")
    (position,) = HEADER.unpack_from(frame)
    if position >= FURTHEST:
        raise Misspoken("that position is out of range")
    return Sound(position, frame[HEADER.size :])


def sound(piece: Piece) -> bytes:
    """Gives the frame for a piece of reply."""
    return HEADER.pack(piece.position) + piece.pcm


def control(told: Flush | Level | Whole) -> str:
    """Gives the frame for what overtakes sound."""
    if isinstance(told, Whole):
        return say("whole", position=told.position)
    if isinstance(told, Flush):
        return say("flush", id=told.id, until=told.until, fade_ms=told.fade_ms)
    return say("level", gain=told.gain, ms=told.ms)


def say(kind: str, **fields: object) -> str:
    """Gives the text frame of a kind."""
    return msgspec.json.encode({"type": kind, **fields}, enc_hook=str).decode()
