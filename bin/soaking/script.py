"""What the microphone of a soak hears: silence, with utterances laid into it, every block marked with its number.

The mark stands in the lowest bits of the block's first samples, 90 dB below full scale, so that the far end's copy of
a block can be told from every other and compared with it sample by sample.
"""

from collections import deque

import attrs
import numpy as np

from bin.soaking.recordings import BLOCK_BYTES, Utterance

BITS = 32
REMEMBERED = 256  # utterances that may still be asked for: half an hour of talk
_ONE = np.int16(1)


@attrs.define(eq=False)
class Placed:
    """An utterance at its place: block number `start` is its first.

    `emitted` has a bit for each block of its speech that the microphone gave, `passed` for those that the gate let
    through, `received` for those that arrived; the lowest stands for `start`. `disturbed` speech may have been cut by
    a fault of a device.
    """

    number: int
    utterance: Utterance
    start: int
    emitted: int = 0
    passed: int = 0
    received: int = 0
    connections: list[int] = attrs.field(factory=list)
    answered_on: int | None = None
    disturbed: bool = False

    @property
    def end(self) -> int:
        """The block after its last."""
        return self.start + len(self.utterance.blocks)

    @property
    def speech(self) -> range:
        """The numbers of the blocks with its speech."""
        return range(self.start + self.utterance.first, self.start + self.utterance.last)

    def bit(self, number: int) -> int:
        """Gives the bit of a block of its speech, 0 for any other."""
        return 1 << (number - self.start) if number in self.speech else 0

    @property
    def whole(self) -> bool:
        """Whether the microphone has given all of its speech."""
        return self.emitted.bit_count() == len(self.speech)


def marked(pcm: bytes, number: int) -> bytes:
    """Gives the block with its number in the lowest bits of its first samples."""
    samples = np.frombuffer(pcm, "<i2").copy()
    bits = np.unpackbits(np.frombuffer(number.to_bytes(BITS // 8, "big"), np.uint8))
    samples[:BITS] = (samples[:BITS] & ~_ONE) | bits
    return samples.tobytes()


def mark_of(pcm: bytes) -> int:
    """Reads the number of a marked block; of anything else it gives some number."""
    bits = np.frombuffer(pcm[: 2 * BITS], "<i2") & 1
    return int.from_bytes(np.packbits(bits.astype(np.uint8)).tobytes(), "big")


def unmarked(pcm: bytes) -> bytes:
    """Gives sound without any lowest bits: what is the same whenever the same recording is spoken."""
    return (np.frombuffer(pcm, "<i2") & ~_ONE).tobytes()


@attrs.define(eq=False)
class Script:
    """The utterances in order of their places; `next` is the number of the block that the microphone gives next.

    `unplugged` is the time until which the microphone is gone.
    """

    next: int = 0
    count: int = 0
    unplugged: float = 0.0
    _placed: deque[Placed] = attrs.field(factory=lambda: deque(maxlen=REMEMBERED), init=False)

    def speak(self, utterance: Utterance, after: int = 1) -> Placed:
        """Lays an utterance behind what is there, at least `after` blocks from now."""
        start = self.next + max(1, after)
        if self._placed:
            start = max(start, self._placed[-1].end)
        self.count += 1
        placed = Placed(self.count, utterance, start)
        self._placed.append(placed)
        return placed

    def take(self, number: int) -> bytes:
        """Gives the block of that number to the microphone, and notes that it was given."""
        self.next = number + 1
        placed = self.at(number)
        if placed is not None:
            placed.emitted |= placed.bit(number)
        return self.block(number)

    def block(self, number: int) -> bytes:
        """Gives the block of that number, as it was or will be spoken."""
        placed = self.at(number)
        pcm = bytes(BLOCK_BYTES) if placed is None else placed.utterance.blocks[number - placed.start]
        return marked(pcm, number)

    def at(self, number: int) -> Placed | None:
        """Finds the utterance that the block belongs to, if any."""
        for placed in reversed(self._placed):
            if number >= placed.start:
                return placed if number < placed.end else None
        return None

    def recent(self) -> tuple[Placed, ...]:
        """Gives the utterances that are remembered, oldest first."""
        return tuple(self._placed)
