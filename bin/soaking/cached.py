"""Faculties that do everything once: said or heard again, a recording or a sentence is what it was before."""

import hashlib

import attrs

from actors.emulator.faculties import Listener, Speaker
from bin.soaking.script import unmarked

MOST = 4096  # pieces of sound and sentences; a soak's own number far fewer


@attrs.define
class OnceHeard:
    """Understands as `listener` does, and remembers it by the sound without its silent ends and its marks."""

    listener: Listener
    _known: dict[bytes, str] = attrs.field(factory=dict, init=False)

    def understand(self, pcm: bytes) -> str:
        """Gives the words in 16 kHz s16le mono."""
        sound = unmarked(pcm)
        stripped = sound.strip(b"\0")
        key = hashlib.blake2b(stripped, digest_size=16).digest()
        if key not in self._known:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[key] = self.listener.understand(sound)
        return self._known[key]


@attrs.define
class OnceSpoken:
    """Speaks as `speaker` does, and keeps it; `held` is how many bytes that is."""

    speaker: Speaker
    held: int = 0
    _known: dict[tuple[str, str], bytes] = attrs.field(factory=dict, init=False)

    def speak(self, text: str, *, voice: str = "Kore") -> bytes:
        """Gives the text as 24 kHz s16le mono."""
        if (text, voice) not in self._known:
            if len(self._known) >= MOST:
                self._known.clear()
                self.held = 0
            spoken = self._known[text, voice] = self.speaker.speak(text, voice=voice)
            self.held += len(spoken)
        return self._known[text, voice]
