"""The recordings that a soak speaks: blocks of 16 kHz sound, and where in them somebody speaks."""

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from actors.audio.recording import read_mono
from pipeline.errors import PlanError
from pipeline.messages import INPUT_RATE, SAMPLE_BYTES

BLOCK = 320  # samples, 20 ms: what a microphone gives
BLOCK_BYTES = BLOCK * SAMPLE_BYTES
BLOCKS_A_SECOND = INPUT_RATE // BLOCK
LABELS = "labels.toml"
SUFFIXES = (".wav", ".flac", ".ogg")
AUDIBLE = 0.01  # of the peak: where speech is taken to begin in a recording without a label
REQUEST = "request"
LONGEST = 60.0  # seconds of one utterance: half of what is kept unanswered


@attrs.frozen(eq=False)
class Utterance:
    """One recording as a microphone would give it; the blocks from `first` up to `last` hold its speech.

    `kind` says what is to be expected of it: a request, a backchannel, a sound, or something other. A request is loud
    enough that no detector overlooks it, so all of it has to arrive, and it has to be answered.
    """

    name: str
    text: str
    kind: str
    blocks: tuple[bytes, ...] = attrs.field(repr=False)
    first: int
    last: int

    @property
    def wanted(self) -> bool:
        """Whether all of it has to arrive, and to be answered."""
        return self.kind == REQUEST


def load(folder: Path) -> tuple[Utterance, ...]:
    """Reads every recording of a folder, sorted by name, with its label where there is one.

    A label needs `file`, `text`, `start_ms` and `end_ms`; one that says nothing of `kind` is of a request. Without any
    label it is speech of whatever kind.
    PlanError where there is nothing to speak, or a label is wrong; BadRecording for a file that cannot be read.
    """
    labels = _labels(folder)
    paths = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES) if folder.is_dir() else []
    found = tuple(_utterance(path, labels.get(path.name, {})) for path in paths)
    if not any(one.first < one.last for one in found):
        wanted = " or ".join(SUFFIXES)
        raise PlanError(
            f"--fixtures {folder}: found {len(found)} recordings with speech; it needs one {wanted} at least"
        )
    return found


def _labels(folder: Path) -> dict[str, Mapping[str, Any]]:
    path = folder / LABELS
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return {str(label["file"]): label for label in table.get("recording", [])}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise PlanError(
            f"{path}: found {error!r}; it must be TOML, each [[recording]] with `file`, `text`, `start_ms` and `end_ms`"
        ) from error


def _utterance(path: Path, label: Mapping[str, Any]) -> Utterance:
    pcm = read_mono(path, INPUT_RATE)
    if len(pcm) > LONGEST * INPUT_RATE * SAMPLE_BYTES:
        seconds = len(pcm) / (INPUT_RATE * SAMPLE_BYTES)
        raise PlanError(f"{path} lasts {seconds:.0f} s; one utterance may last {LONGEST:g} s, so cut it into several")
    pcm += bytes(-len(pcm) % BLOCK_BYTES)
    blocks = tuple(pcm[at : at + BLOCK_BYTES] for at in range(0, len(pcm), BLOCK_BYTES))
    if label and not label.get("text"):
        return Utterance(path.name, "", "sound", blocks, first=0, last=0)
    try:
        start, end = (label["start_ms"] / 1000, label["end_ms"] / 1000) if label else _extent(pcm)
        first, last = math.floor(start * BLOCKS_A_SECOND), math.ceil(end * BLOCKS_A_SECOND)
    except (KeyError, TypeError) as error:
        raise PlanError(f"{path.with_name(LABELS)}: {path.name} has no good start_ms and end_ms ({error!r})") from error
    kind = str(label.get("kind", "request" if label else "other"))
    return Utterance(path.name, str(label.get("text", "")), kind, blocks, first, last)


def _extent(pcm: bytes) -> tuple[float, float]:
    """Finds where sound begins and ends, in seconds; nowhere in silence."""
    sizes = np.abs(np.frombuffer(pcm, "<i2").astype(np.int32))
    peak = int(sizes.max(initial=0))
    loud = np.flatnonzero(sizes > AUDIBLE * peak) if peak else np.zeros(0, np.int64)
    return (loud[0] / INPUT_RATE, (loud[-1] + 1) / INPUT_RATE) if len(loud) else (0.0, 0.0)
