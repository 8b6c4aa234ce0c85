"""What the user is understood to say, written down: as it goes along, and when it is over. Times are of the stream."""

from collections.abc import Awaitable, Callable, Iterator

import attrs
import trio

from actors.emulator import wire
from actors.emulator.requests import AudioTranscription
from actors.emulator.session import fragments
from actors.emulator.wire import Json

_EVERY = 32_000  # bytes of new sound, a second of it, before it is looked at again
_LONGEST = 30 * 32_000  # of longer utterances the beginning is known by then


def final(text: str, asked: AudioTranscription, span: tuple[float, float], *, follows: bool = False) -> Iterator[Json]:
    """Gives the transcript of an utterance that lasted from one second to another, in messages of a few words each.

    Where it `follows` others of the same turn it begins with a space, for clients put together what comes. Words are
    taken to be equally long: nothing here knows better.
    """
    count = len(text.split())
    start, end = span
    step = (end - start) / max(count, 1)
    at = 0
    for fragment in fragments(text):
        fields: dict[str, object] = {}
        if asked.language_codes:
            fields["languageCode"] = asked.language_codes[0]
        words = fragment.split()
        if asked.word_timestamp:
            fields["words"] = [
                {
                    "word": word,
                    "startOffset": wire.duration(start + (at + index) * step),
                    "endOffset": wire.duration(start + (at + index + 1) * step),
                }
                for index, word in enumerate(words)
            ]
        yield wire.heard(fragment if at or not follows else f" {fragment}", **fields)
        at += len(words)


@attrs.define(eq=False)
class Captions:
    """Interim transcripts: every second of an open utterance all of it is understood anew, and told if it changed."""

    understand: Callable[[bytes], Awaitable[str]]
    send: Callable[[Json], None]
    _sound: bytes = attrs.field(default=b"", init=False)
    _span: tuple[float, float] = attrs.field(default=(0.0, 0.0), init=False)
    _looked_at: int = attrs.field(default=0, init=False)
    _said: str = attrs.field(default="", init=False)
    _utterance: int = attrs.field(default=0, init=False)
    _wake: trio.Event = attrs.field(factory=trio.Event, init=False)

    def hear(self, sound: bytes, end: float) -> None:
        """Takes all of an open utterance, 16 kHz s16le mono, that was heard up to this second of the stream."""
        if len(sound) - self._looked_at >= _EVERY and len(sound) <= _LONGEST:
            self._looked_at = len(sound)
            self._sound, self._span = sound, (end - len(sound) / 32_000, end)
            self._wake.set()

    def over(self) -> None:
        """Takes the utterance as ended: no interim transcript of it follows."""
        self._utterance += 1
        self._sound, self._looked_at, self._said = b"", 0, ""

    async def run(self) -> None:
        """Transcribes for ever."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            sound, span, utterance = self._sound, self._span, self._utterance
            text = await self.understand(sound) if sound else ""
            if text and utterance == self._utterance and text != self._said:
                self._said = text
                self.send(wire.heard_so_far(text, *span))
