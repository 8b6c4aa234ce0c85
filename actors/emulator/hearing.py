"""Words from speech: pocketsphinx with its own English model and the grammar of `grammar.py`; its only importer.

Two decoders listen: one knows the requests and nothing else, the other any row of speech sounds. What the first finds
counts only if it fits the sound about as well as what the second finds, so that other talk is not bent into a request;
the second listens only where that is in doubt. Both hold the interpreter while they work, so they are fed a little at
a time: in between, other threads get their turn.
"""

import math
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import attrs
import numpy as np
import pocketsphinx
from numpy.typing import NDArray

from actors.emulator import grammar, phrasebook
from actors.emulator.network import Network

RATE = 16_000
"""Samples a second of all speech understood; the rate of the Live service's input."""

_LONGEST = 30 * RATE
_SLICE = RATE // 50  # of 50 ms, the longest stall of another thread was 66 ms; of 20 ms it is half of that
_FRAME = RATE // 100
_SETTINGS: Mapping[str, object] = {
    "wip": 0.03,
    "cmn": "live",
    "bestpath": False,  # its lattice takes minutes on a network of this size and gains nothing
    "loglevel": "FATAL",
}
_REQUESTS: Mapping[str, object] = {"beam": 1e-48, "pbeam": 1e-48, "wbeam": 7e-29}
_FUNCTIONS: Mapping[str, object] = {"beam": 1e-36, "pbeam": 1e-36, "wbeam": 1e-20}
_SOUNDS: Mapping[str, object] = {"beam": 1e-30, "pbeam": 1e-30, "wbeam": 1e-15}
# The mean of the model's 13 features over synthetic speech at our level and noise floor. Setting it anew before each
# utterance makes what is understood independent of what was heard before.
_MEAN = "62.37,-5.53,-1.38,4.28,-5.03,-2.52,-5.85,-7.45,-4.81,-2.53,-0.09,-1.91,-1.94"
_LEVEL = 20_000.0
_FLOOR = 0.01  # of the peak: 40 dB beneath it. In digital silence the model takes synthetic vowels for silence.
_INAUDIBLE, _QUIETEST = 60.0, 2_000.0
_FAINT = 0.01  # of the peak: what is below is cut off at both ends, but for the margin
_BEFORE, _AFTER = RATE * 3 // 10, RATE // 10  # a soft first sound needs more room than a last one
_RUN = bytes(2 * RATE // 10)  # silence run through the decoder before and after, lest speech be cut off at its edge
# A decoder judges the first loud sound of its life otherwise than all that follow: so it is noise, nobody's speech.
_PRACTICE = np.concatenate(
    [np.random.default_rng(seed).normal(0, size, RATE // 4) for seed, size in enumerate((200, 6000, 6000, 200))]
)
_UNLIKELY = -7.5  # thousandths of the decoder's own log score a frame
_WORSE = -0.036  # of the log of the scores' ratio: so much worse than a row of sounds a request may fit
_CLEAR, _LENIENCE = -6.0, 0.06  # a request whose own score is above this may be that much worse still, a unit of score
_LOOSE = -0.02  # in place of the first for functions, whose words may follow each other in many ways
_BETTER = 0.03  # by which they must fit better than a request
_UNEXPLAINED = 0.3
_MOST_SETS = 4  # of declared functions, each with a decoder of 20 MB
_SHORTEST = 8  # frames of 10 ms: what is shorter is a click, whatever it sounds like
_LOUD_DB, _OVER_NOISE_DB, _QUIET_SHARE = 25.0, 6.0, 25.0


class Pair(NamedTuple):
    """The two decoders that listen to the same sound."""

    requests: pocketsphinx.Decoder
    sounds: pocketsphinx.Decoder

    @classmethod
    def load(cls) -> "Pair":
        """Loads both."""
        ways = _pronunciations()
        requests = _decoder(grammar.requests(), ways, _REQUESTS)
        return cls(requests, _decoder(grammar.sounds(), grammar.pronounced_sounds(), _SOUNDS))


@attrs.define(eq=False)
class Utterance:
    """One utterance, levelled for the decoders that listen to it; for one thread at a time."""

    _pair: Pair
    _levelled: NDArray[np.float32]
    _text: str = attrs.field(default="", init=False)
    _score: float | None = attrs.field(default=None, init=False)
    _rival: float | None = attrs.field(default=None, init=False)

    @classmethod
    def of(cls, pair: Pair, speech: bytes, peak: float) -> "Utterance":
        """Takes speech, 16 kHz s16le mono, with the peak of its samples; beyond 30 s it is not listened to."""
        whole = np.frombuffer(_RUN + speech + bytes(-len(speech) % (2 * _FRAME)) + _RUN, dtype="<i2")[:_LONGEST]
        noise = np.random.default_rng(1).standard_normal(len(whole), dtype=np.float32) * (_FLOOR * _LEVEL)
        return cls(pair, whole.astype(np.float32) * (_LEVEL / max(peak, _QUIETEST)) + noise)

    def request(self) -> str:
        """Returns what was said in it, as plain words; "" where nothing was understood."""
        self._score = self._listen(self._pair.requests)
        self._text = self._judge(self._pair.requests)
        return self._text

    def call(self, decoder: pocketsphinx.Decoder) -> str:
        """Returns what another decoder understands, of functions; "" unless it fits much better than the request.

        Its grammar is looser than that of the requests, so it is held to more.
        """
        score = self._listen(decoder)
        if score is None or self._fits_worse(score, _LOOSE) or self._rival is None:
            return ""
        if self._text and self._score is not None and math.log(score / self._score) < _BETTER:
            return ""
        return self._judge(decoder) if phrasebook.plausible(decoder.hyp().hypstr) else ""

    def _listen(self, decoder: pocketsphinx.Decoder) -> float | None:
        """Has a decoder listen to all of it; gives the score of what it found, if anything."""
        decoder.set_cmn(_MEAN)
        decoder.start_utt()
        sound = np.clip(self._levelled, -32768, 32767).astype("<i2")
        for start in range(0, len(sound), _SLICE):
            decoder.process_raw(sound[start : start + _SLICE].tobytes(), no_search=False, full_utt=False)
        decoder.end_utt()
        found = decoder.hyp()
        return None if found is None else float(found.score)

    def _fits_worse(self, score: float, allowed: float) -> bool:
        """Whether any row of sounds fits better than this by more than is allowed."""
        if self._rival is None:
            self._rival = self._listen(self._pair.sounds)
        return self._rival is not None and math.log(score / self._rival) < allowed

    def _judge(self, decoder: pocketsphinx.Decoder) -> str:
        """Returns the request found, unless it fits the sound badly or leaves loud parts of it unexplained."""
        found = decoder.hyp()
        if found is None:
            return ""
        energy = 10 * np.log10(np.mean(np.square(self._levelled).reshape(-1, _FRAME), axis=1) + 1)
        loud = energy > max(float(energy.max()) - _LOUD_DB, float(np.percentile(energy, _QUIET_SHARE)) + _OVER_NOISE_DB)
        if np.sum(loud) < _SHORTEST:
            return ""
        spoken = score = unexplained = 0.0
        for segment in decoder.seg():
            if segment.word == "(NULL)" or segment.end_frame < segment.start_frame:
                continue
            if segment.word.startswith(("<", "[")):
                unexplained += float(np.sum(loud[segment.start_frame : segment.end_frame + 1]))
            else:
                spoken += segment.end_frame - segment.start_frame + 1
                score += 1000 * math.log(max(segment.ascore, 1e-300))
        if not spoken or score / spoken < _UNLIKELY or unexplained > _UNEXPLAINED * float(np.sum(loud)):
            return ""
        clearness = min(1.0, max(0.0, score / spoken - _CLEAR))
        if clearness < 1.0 and self._fits_worse(found.score, _WORSE - _LENIENCE * clearness):
            return ""
        return str(found.hypstr)


class Hearing:
    """Understands requests of the grammar; loads in a fifth of a second, may be used from any thread.

    What is said at the same time on several threads is decoded by as many pairs of decoders, each loaded when it is
    first needed and kept.
    """

    def __init__(self) -> None:
        self._idle = [Pair.load()]
        self._guard = threading.Lock()
        self._functions: OrderedDict[str, pocketsphinx.Decoder | None] = OrderedDict()
        self._one_by_one = threading.Lock()

    def understand(self, pcm: bytes) -> str:
        """Returns what was said in `pcm` (16 kHz s16le mono) as plain words, "" where nothing was understood.

        Silence before and after may have any length; of more than 30 s of sound the first 30 count.
        """
        return self.understand_among(pcm, "")

    def understand_among(self, pcm: bytes, functions: str) -> str:
        """Does the same, and listens for the functions that `phrasebook.of` tells of: they count where they fit."""
        speech, peak = _speech(pcm)
        if not speech:
            return ""
        pair = self._taken()
        try:
            utterance = Utterance.of(pair, speech, peak)
            text = utterance.request()
            if not functions:
                return text
            with self._one_by_one:
                decoder = self._decoder_of(functions)
                return (utterance.call(decoder) if decoder is not None else "") or text
        finally:
            with self._guard:
                self._idle.append(pair)

    def _taken(self) -> Pair:
        """Gives decoders that nobody uses now."""
        with self._guard:
            pair = self._idle.pop() if self._idle else None
        return pair or Pair.load()

    def _decoder_of(self, functions: str) -> pocketsphinx.Decoder | None:
        """Gives the decoder for a set of functions, of which the latest few are kept; None if none can be named."""
        if functions not in self._functions:
            spoken = phrasebook.read(functions)
            ways = _pronunciations(phrasebook.words(spoken))
            rules = phrasebook.rules(spoken, ways.__contains__)
            self._functions[functions] = _decoder(rules, ways, _FUNCTIONS) if rules else None
            if len(self._functions) > _MOST_SETS:
                self._functions.popitem(last=False)
        self._functions.move_to_end(functions)
        return self._functions[functions]


def _pronunciations(wanted: frozenset[str] | None = None) -> Mapping[str, tuple[str, ...]]:
    with Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")).open(encoding="utf-8") as dictionary:
        return grammar.pronunciations(dictionary, wanted)


def _speech(pcm: bytes) -> tuple[bytes, float]:
    """Cuts the silence off both ends, and returns the peak with what is left."""
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2")
    sizes = np.abs(samples.astype(np.float32))
    peak = float(sizes.max()) if sizes.size else 0.0
    if peak < _INAUDIBLE:
        return b"", peak
    audible = np.flatnonzero(sizes > _FAINT * peak)
    start, end = max(0, int(audible[0]) - _BEFORE), int(audible[-1]) + _AFTER
    return samples[start:end].tobytes(), peak


def _decoder(rules: str, ways: Mapping[str, tuple[str, ...]], beams: Mapping[str, object]) -> pocketsphinx.Decoder:
    decoder = pocketsphinx.Decoder(pocketsphinx.Config(lm=None, dict=None, **_SETTINGS, **beams))
    entries = [
        (word if number == 1 else f"{word}({number})", phones)
        for word, said in ways.items()
        for number, phones in enumerate(said, start=1)
    ]
    for index, (entry, phones) in enumerate(entries, start=1):
        decoder.add_word(entry, phones, index == len(entries))
    small = _network(decoder, rules).slim()
    decoder.add_fsg("rules", decoder.create_fsg("rules", small.start, small.final, small.listed()))
    decoder.activate_search("rules")
    decoder.set_cmn(_MEAN)
    decoder.start_utt()
    decoder.process_raw(_PRACTICE.astype("<i2").tobytes(), no_search=False, full_utt=False)
    decoder.end_utt()
    return decoder


def _network(decoder: pocketsphinx.Decoder, rules: str) -> Network:
    """Has the decoder compile rules, which it gives away as a file only."""
    with tempfile.TemporaryDirectory(prefix="assistant-") as folder:
        file = Path(folder) / "rules.fsg"
        decoder.parse_jsgf(rules).writefile(str(file))
        return Network.read(file.read_text(encoding="utf-8"), decoder.config["lw"])
