"""Words from speech: pocketsphinx with its own English model and the grammar of `grammar.py`; its only importer.

The decoder holds the interpreter while it works, so it is fed a tenth of a second at a time: in between other threads
get their turn.
"""

import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pocketsphinx

from actors.emulator import grammar

RATE = 16_000
"""Samples a second of all speech understood; the rate of the Live service's input."""

_LONGEST = 30 * RATE * 2
_SLICE = RATE // 10 * 2
_SETTINGS: Mapping[str, object] = {
    "beam": 1e-80,
    "pbeam": 1e-80,
    "wbeam": 1e-60,
    "bestpath": False,  # its lattice takes minutes on a network of this size and gains nothing
    "loglevel": "FATAL",
}


class Hearing:
    """Understands requests of the grammar; loads in a fifth of a second, may be used from any thread."""

    def __init__(self) -> None:
        self._decoder = pocketsphinx.Decoder(pocketsphinx.Config(lm=None, dict=None, **_SETTINGS))
        _teach(self._decoder)
        self._guard = threading.Lock()

    def understand(self, pcm: bytes) -> str:
        """Returns what was said in `pcm` (16 kHz s16le mono) as plain words, "" where nothing was understood.

        Silence before and after may have any length; of more than 30 s the first 30 count.
        """
        speech = _level(pcm[: min(len(pcm) // 2 * 2, _LONGEST)])
        if not speech:
            return ""
        with self._guard:
            decoder = self._decoder
            decoder.start_utt()
            for start in range(0, len(speech), _SLICE):
                decoder.process_raw(speech[start : start + _SLICE], no_search=False, full_utt=False)
            decoder.end_utt()
            found = decoder.hyp()
        return "" if found is None else str(found.hypstr)


def _level(pcm: bytes) -> bytes:
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    peak = float(np.max(np.abs(samples))) if samples.size else 0.0
    if peak < 60:
        return b""
    return np.round(samples * (20_000 / peak)).astype("<i2").tobytes()


def _teach(decoder: pocketsphinx.Decoder) -> None:
    said: dict[str, list[str]] = {word: list(ways) for word, ways in grammar.own_pronunciations().items()}
    wanted = grammar.words() - said.keys()
    with Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")).open(encoding="utf-8") as dictionary:
        for line in dictionary:
            entry, phones = line.split(maxsplit=1)
            word = entry.partition("(")[0]
            if word in wanted:
                said.setdefault(word, []).append(phones.strip())
    entries = [
        (word if number == 1 else f"{word}({number})", phones)
        for word, ways in said.items()
        for number, phones in enumerate(ways, start=1)
    ]
    for index, (entry, phones) in enumerate(entries, start=1):
        decoder.add_word(entry, phones, index == len(entries))
    decoder.add_jsgf_string("requests", grammar.grammar())
    decoder.activate_search("requests")
