"""Words from speech: pocketsphinx with its own English model and the grammar of `grammar.py`; its only importer.

Two decoders listen: one knows the requests and nothing else, the other any row of speech sounds. What the first finds
counts only if it fits the sound about as well as what the second finds, so that other talk is not bent into a request.
Both hold the interpreter while they work, so they are fed a little at a time: in between, other threads get their turn.
"""

import math
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
class Listener:
    """Understands one utterance while it is being said; from `Hearing.listen`, for one thread at a time."""

    _hearing: "Hearing"
    _pair: "Pair"
    _peak: float = _QUIETEST
    _rest: bytes = b""
    _heard: int = 0
    _frames: list[NDArray[np.float32]] = attrs.field(factory=list)
    _noise: np.random.Generator = attrs.field(factory=lambda: np.random.default_rng(1))
    _text: str | None = None
    _taken: list[bytes] = attrs.field(factory=list)
    _rival: float | None = None
    _score: float | None = None

    def push(self, pcm: bytes) -> None:
        """Takes the next piece of sound, 16 kHz s16le mono, of any length; beyond 30 s it is not listened to."""
        data = self._rest + pcm
        usable = len(data) - len(data) % (2 * _FRAME)
        self._rest = data[usable:]
        samples = np.frombuffer(data[:usable], dtype="<i2").astype(np.float32)[: max(0, _LONGEST - self._heard)]
        for start in range(0, len(samples), _SLICE):
            self._take(samples[start : start + _SLICE])

    def text(self) -> str:
        """Ends the utterance and returns what was said in it, as plain words; "" where nothing was understood."""
        if self._text is None:
            self.push(bytes(-len(self._rest) % (2 * _FRAME)) + _RUN)
            for decoder in self._pair:
                decoder.end_utt()
            rival = self._pair.sounds.hyp()
            self._rival = None if rival is None else rival.score
            best = self._pair.requests.hyp()
            self._score = None if best is None else best.score
            self._text = self._judge(self._pair.requests)
            self._hearing.give_back(self._pair)
        return self._text

    def text_by(self, decoder: pocketsphinx.Decoder) -> str:
        """Returns what another decoder understands of an utterance that has ended; "" unless it does so much better.

        Its grammar is looser than that of the requests, so it is held to more.
        """
        decoder.set_cmn(_MEAN)
        decoder.start_utt()
        for data in self._taken:
            decoder.process_raw(data, no_search=False, full_utt=False)
        decoder.end_utt()
        found = decoder.hyp()
        if found is None or self._rival is None or math.log(found.score / self._rival) < _LOOSE:
            return ""
        if self._text and self._score is not None and math.log(found.score / self._score) < _BETTER:
            return ""
        return self._judge(decoder) if phrasebook.plausible(found.hypstr) else ""

    def _take(self, samples: NDArray[np.float32]) -> None:
        self._heard += len(samples)
        self._peak = max(self._peak, float(np.max(np.abs(samples))))
        noise = self._noise.standard_normal(len(samples), dtype=np.float32) * (_FLOOR * _LEVEL)
        levelled = samples * (_LEVEL / self._peak) + noise
        self._frames.append(np.mean(np.square(levelled).reshape(-1, _FRAME), axis=1))
        data = np.clip(levelled, -32768, 32767).astype("<i2").tobytes()
        self._taken.append(data)
        for decoder in self._pair:
            decoder.process_raw(data, no_search=False, full_utt=False)

    def _judge(self, decoder: pocketsphinx.Decoder) -> str:
        """Returns the request found, unless it fits the sound badly or leaves loud parts of it unexplained."""
        found = decoder.hyp()
        if found is None:
            return ""
        energy = 10 * np.log10(np.concatenate(self._frames) + 1)
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
        if self._rival is not None and math.log(found.score / self._rival) < _WORSE - _LENIENCE * clearness:
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
        listener = self._listener(peak)
        listener.push(speech)
        text = listener.text()
        if not functions:
            return text
        with self._one_by_one:
            decoder = self._decoder_of(functions)
            return (listener.text_by(decoder) if decoder is not None else "") or text

    def listen(self) -> Listener:
        """Returns what understands an utterance as it arrives; a listener left without `text()` is simply dropped."""
        return self._listener(_QUIETEST)

    def give_back(self, pair: "Pair") -> None:
        """Takes decoders whose utterance has ended, for the next one."""
        with self._guard:
            self._idle.append(pair)

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

    def _listener(self, peak: float) -> Listener:
        with self._guard:
            pair = self._idle.pop() if self._idle else None
        pair = pair or Pair.load()
        for decoder in pair:
            decoder.set_cmn(_MEAN)
            decoder.start_utt()
        listener = Listener(self, pair, peak)
        listener.push(_RUN)
        return listener


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
    decoder.add_jsgf_string("rules", rules)
    decoder.activate_search("rules")
    decoder.set_cmn(_MEAN)
    decoder.start_utt()
    decoder.process_raw(_PRACTICE.astype("<i2").tobytes(), no_search=False, full_utt=False)
    decoder.end_utt()
    return decoder
