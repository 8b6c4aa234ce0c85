"""The near end of every measurement: what a client says and when, and what it notes of what it hears.

It runs inside each client under measurement, also in those of other projects, so it needs the standard library alone.
Orders come as lines of JSON on standard input, and are answered on standard output, by a thread that sleeps otherwise.
A stamp is the machine's monotonic clock in nanoseconds, the first eight bytes of a piece of sound.
"""

import gc
import json
import os
import random
import struct
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from itertools import cycle

PIECE = 0.02  # seconds of sound in a piece
PIECE_BYTES = 640  # at 16 kHz
LOUD, SOFT, BODIES = 20_000, 2_000, 10  # five louder pieces a second, so that no detector takes it for a background
IDLE = 0.05  # seconds between two looks for an order, while nothing is said
STAMP = struct.Struct("<q")


class Near:
    """What the bench orders and the client does: `mode` is talk, flood or silent.

    `unpaced`: sound is taken as fast as it comes, as by no device. `down` are nanoseconds from the far end to our
    hands, `silent_at` the moments at which an interruption had left nothing to play.
    """

    def __init__(self) -> None:
        self.mode = "talk"
        self.flood = 0
        self.unpaced = False
        self.pieces = 0
        self.down: list[int] = []
        self.silent_at: list[int] = []
        self._bodies = cycle([self._noise(LOUD if number == 0 else SOFT) for number in range(BODIES)])
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # whatever else is printed must not look like an answer

    def obey(self) -> None:
        """Begins to take orders."""
        threading.Thread(target=self._obey, daemon=True).start()

    def piece(self) -> bytes:
        """Gives the next piece of what is said, with a stamp."""
        return STAMP.pack(time.monotonic_ns()) + next(self._bodies)

    def _noise(self, peak: int) -> bytes:
        samples = (PIECE_BYTES - STAMP.size) // 2
        return struct.pack(f"<{samples}h", *(random.randint(-peak, peak) for _ in range(samples)))

    def heard(self, pcm: bytes) -> None:
        """Notes that a piece of the reply is in our hands."""
        self.pieces += 1
        if not self.unpaced:
            self.down.append(time.monotonic_ns() - STAMP.unpack_from(pcm)[0])

    def silent(self) -> None:
        """Notes that an interruption has left nothing to play."""
        self.silent_at.append(time.monotonic_ns())

    async def talk(
        self, say: Callable[[bytes], Awaitable[object]], sleep: Callable[[float], Awaitable[object]], lag: float = 0.0
    ) -> None:
        """Says pieces, fifty a second or as fast as they are taken, until cancelled; begins `lag` seconds late."""
        due = time.monotonic() + lag
        while True:
            if self.mode == "flood":
                self.mode, count = "silent", self.flood
                for _ in range(count):
                    await say(self.piece())
            elif self.mode == "talk":
                now = time.monotonic()
                late = max(0.0, now - due - PIECE)
                due += PIECE * (1 + late // PIECE)  # whole pieces: many conversations do not fall into step
                await sleep(max(0.0, due - now))
                await say(self.piece())
            else:
                await sleep(IDLE)

    def answer(self, answer: object) -> None:
        """Writes a line to the bench."""
        self._answers.write(json.dumps(answer) + "\n")
        self._answers.flush()

    def _obey(self) -> None:
        for line in sys.stdin:
            order = json.loads(line)
            if "mode" in order:
                self.flood = order.get("pieces", 0)
                self.mode = order["mode"]
            if "unpaced" in order:
                self.unpaced = order["unpaced"]
            if order.get("forget"):
                gc.collect()
                self.down.clear()
                self.silent_at.clear()
            known: dict[str, object] = {"pieces": self.pieces}
            if order.get("report"):
                known |= {"down": list(self.down), "silent_at": list(self.silent_at)}
            self.answer(known)
        os._exit(0)  # the bench is gone
