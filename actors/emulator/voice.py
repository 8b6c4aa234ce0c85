"""Speech from text: the espeak-ng library of the espeakng-loader wheel, spoken to through ctypes.

The library keeps its state in globals of the process, so one lock stands around it whoever calls, from
whichever thread. ctypes lets go of the interpreter while the library works: other threads do not stall.
"""

import ctypes
import re
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import attrs
import espeakng_loader
import numpy as np

from actors.audio.resample import Resampler
from pipeline.errors import Fatal

RATE = 24_000
"""Samples a second of all speech; the rate of the Live service's replies."""

_SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: AUDIO_OUTPUT_SYNCHRONOUS, from espeak-ng's speak_lib.h like all below
_DO_NOT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT
_BY_CHARACTER = 1  # POS_CHARACTER
_UTF8 = 1  # espeakCHARS_UTF8
_SPEED, _PITCH, _RANGE = 1, 3, 4  # espeakRATE, espeakPITCH, espeakRANGE
_BUFFER_MS = 200
_SEED = 1  # of the dice by which the library lets a voice flutter
_LONGEST_DATA_PATH = 120  # the library keeps the path in 160 bytes and cuts what is longer

_LEAD = RATE * 5 // 1000
PAUSE = bytes(2 * (RATE // 4))
"""What lies between two sentences."""

_LOUDNESS = 0.1  # RMS of full scale: -20 dBFS, where speech services commonly speak
_CEILING = 0.8  # highest peak of full scale: -2 dBFS
_AUDIBLE = 0.004
_LONGEST_PIECE = 300
_CACHED_BYTES = 16 << 20
_SENTENCE_END = r"(?<=[.!?:;])(?<!\b(?:Mr|Dr|St)\.)(?<!\bMrs\.)\s+|\n+"

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@attrs.frozen
class Timbre:
    """How one voice sounds: espeak-ng's voice with its variant, pitch 0-99, range 0-99, words a minute."""

    voice: str
    pitch: int = 50
    range: int = 50
    words_per_minute: int = 165


PREBUILT: Mapping[str, Timbre] = MappingProxyType(
    {
        "Zephyr": Timbre("en-us+f2", pitch=58, range=60),
        "Puck": Timbre("en-us+m3", pitch=60, range=65, words_per_minute=175),
        "Charon": Timbre("en-us+m1", pitch=35, range=45),
        "Kore": Timbre("en-us+f3", pitch=48),
        "Fenrir": Timbre("en-us+m7", pitch=48, range=60, words_per_minute=175),
        "Leda": Timbre("en-us+f4", pitch=58, range=55),
        "Orus": Timbre("en-us+m2", pitch=42),
        "Aoede": Timbre("en-us+f1", pitch=52),
        "Callirrhoe": Timbre("en+f2", pitch=50, words_per_minute=155),
        "Autonoe": Timbre("en+f3", pitch=56),
        "Enceladus": Timbre("en-us+m4", pitch=40, range=40, words_per_minute=155),
        "Iapetus": Timbre("en+m3", pitch=46),
        "Umbriel": Timbre("en-us+m6", pitch=44, words_per_minute=155),
        "Algieba": Timbre("en+m1", pitch=38, range=55),
        "Despina": Timbre("en-us+f2", pitch=46, range=50),
        "Erinome": Timbre("en-us+f3", pitch=60, range=45),
        "Algenib": Timbre("en-us+m5", pitch=30, range=40),
        "Rasalgethi": Timbre("en+m2", pitch=50),
        "Laomedeia": Timbre("en+f4", pitch=62, range=65, words_per_minute=175),
        "Achernar": Timbre("en+f1", pitch=45, range=40, words_per_minute=155),
        "Alnilam": Timbre("en-us+m8", pitch=46),
        "Schedar": Timbre("en-us+m3", pitch=40, range=40),
        "Gacrux": Timbre("en-us+f5", pitch=38, range=45, words_per_minute=155),
        "Pulcherrima": Timbre("en-us+f1", pitch=62, range=60),
        "Achird": Timbre("en+m7", pitch=54, range=60),
        "Zubenelgenubi": Timbre("en-us+m1", pitch=50, range=55),
        "Vindemiatrix": Timbre("en+f5", pitch=48, range=45, words_per_minute=155),
        "Sadachbia": Timbre("en-us+m6", pitch=58, range=65, words_per_minute=175),
        "Sadaltager": Timbre("en+m4", pitch=44),
        "Sulafat": Timbre("en-us+f4", pitch=46),
    }
)
"""The 30 prebuilt voices of the Live API (live-protocol 5.3), each with a timbre of its own."""


class Voice:
    """Speaks text in one of the prebuilt voices.

    All instances share the one library of the process and may be used from any thread. What was spoken lately
    is kept (16 MiB at most), so a repeated sentence costs nothing and sounds the same to the byte. Spoken
    afresh, its bytes differ slightly, for the library lets a voice flutter as a human one does; but what is spoken in
    the same order sounds the same in every process.
    """

    def __init__(self) -> None:
        self._spoken: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._held = 0
        self._guard = threading.Lock()

    def speak(self, text: str, *, voice: str = "Kore") -> bytes:
        """Returns `text` as speech: 24 kHz s16le mono, starting within a few milliseconds, around -20 dBFS.

        Text without anything to say gives b"". Costs about 2 ms per second of speech. Raises KeyError for a
        voice that is not in PREBUILT, Fatal where the library is missing.
        """
        return b"".join(self.pieces(text, voice=voice))

    def pieces(self, text: str, *, voice: str = "Kore") -> Iterator[bytes]:
        """Yields the same speech as `speak`, a sentence at a time, each spoken when it is asked for.

        The first sound of a long text is ready as soon as its first sentence is. Between sentences lies
        a quarter of a second of silence, at the head of the later piece; a sentence that is too long for one piece
        goes on without.
        """
        timbre = PREBUILT[voice]
        spoken = False
        for piece in pieces(text):
            speech = self._recall(voice, timbre, piece.text)
            if speech:
                yield (PAUSE if spoken and piece.begins else b"") + speech
                spoken = True

    def _recall(self, voice: str, timbre: Timbre, sentence: str) -> bytes:
        key = (voice, sentence)
        with self._guard:
            if key in self._spoken:
                self._spoken.move_to_end(key)
                return self._spoken[key]
        speech = _finish(_synthesise(sentence, timbre))
        with self._guard:
            self._held += len(speech) - len(self._spoken.get(key, b""))
            self._spoken[key] = speech
            while self._held > _CACHED_BYTES:
                self._held -= len(self._spoken.popitem(last=False)[1])
        return speech


@attrs.frozen
class Piece:
    """Some words to be spoken in one breath; they begin a sentence, or go on with one that is too long for that."""

    text: str
    begins: bool


def pieces(text: str) -> tuple[Piece, ...]:
    """Returns the sentences of `text`, those that are too long in pieces; none of them silent."""
    found: list[Piece] = []
    for sentence in re.split(_SENTENCE_END, text.replace("\0", " ")):
        rest, begins = sentence.strip(), True
        while len(rest) > _LONGEST_PIECE:
            cut = rest.rfind(", ", 0, _LONGEST_PIECE) + 1 or rest.rfind(" ", 0, _LONGEST_PIECE) + 1 or _LONGEST_PIECE
            found.append(Piece(rest[:cut].strip(), begins))
            rest, begins = rest[cut:].strip(), False
        found.append(Piece(rest, begins))
    return tuple(piece for piece in found if any(letter.isalnum() for letter in piece.text))


def sentences(text: str) -> tuple[str, ...]:
    """Returns the sentences of `text`, none longer than about 300 characters and none of them silent."""
    return tuple(piece.text for piece in pieces(text))


@attrs.define
class _Engine:
    """The library, ready to speak: its rate, and what it has said so far in the present call."""

    library: ctypes.CDLL
    rate: int
    callback: Callable[..., int]  # ctypes keeps no reference of its own
    said: list[bytes]


_library_lock = threading.RLock()


@cache
def _engine() -> _Engine:
    library = espeakng_loader.load_library()
    if library is None:
        raise Fatal("loading espeak-ng for the embedded service's voice failed: reinstall espeakng-loader")
    folder = _short(Path(espeakng_loader.get_data_path()))
    rate = library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, str(folder).encode(), _DO_NOT_EXIT)
    if rate <= 0:
        raise Fatal("espeak-ng found no voice data in its own package: reinstall espeakng-loader")
    said: list[bytes] = []

    def keep(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int) -> int:
        if samples and count > 0:
            said.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _Callback(keep)
    library.espeak_SetSynthCallback(callback)
    return _Engine(library, rate, callback, said)


def _short(folder: Path) -> Path:
    if len(str(folder).encode()) <= _LONGEST_DATA_PATH:
        return folder
    link = Path(tempfile.mkdtemp(prefix="espeak-")) / folder.name
    link.symlink_to(folder, target_is_directory=True)
    return link


def _synthesise(text: str, timbre: Timbre) -> bytes:
    """Speaks one sentence at the library's own level; returns 24 kHz s16le mono."""
    with _library_lock:
        engine = _engine()
        engine.said.clear()
        library = engine.library
        if library.espeak_SetVoiceByName(timbre.voice.encode()) != 0:
            raise Fatal(f"espeak-ng has no voice {timbre.voice!r}: reinstall espeakng-loader")
        library.espeak_SetParameter(_SPEED, timbre.words_per_minute, 0)
        library.espeak_SetParameter(_PITCH, timbre.pitch, 0)
        library.espeak_SetParameter(_RANGE, timbre.range, 0)
        library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))
        data = text.encode("utf-8", errors="replace")
        result = library.espeak_Synth(data, len(data) + 1, 0, _BY_CHARACTER, 0, _UTF8, None, None)
        if result != 0:
            raise Fatal(f"espeak-ng refused to speak {len(text)} characters with code {result}")
        native = b"".join(engine.said)
        engine.said.clear()
        resampler = Resampler(engine.rate, RATE)
    return resampler.push(native) + resampler.flush()


def _finish(pcm: bytes) -> bytes:
    """Trims the silence in front and brings the speech to its level."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768
    audible = np.flatnonzero(np.abs(samples) > _AUDIBLE)
    if not audible.size:
        return b""
    samples = samples[max(0, int(audible[0]) - _LEAD) :]
    loudness = float(np.sqrt(np.mean(np.square(samples))))
    peak = float(np.max(np.abs(samples)))
    gain = min(_LOUDNESS / loudness, _CEILING / peak)
    return np.round(samples * (gain * 32767)).astype("<i2").tobytes()
