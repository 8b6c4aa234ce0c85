"""The sound of a recording for a page: its outline, and itself as a data address that a browser can play."""

import base64
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np

from actors.audio.recording import flac_bytes, read_channels

POINTS = 1600  # of an outline: more than a wide window has columns
LOUDNESS = 0.6  # the power of the amplitude that is drawn: soft speech stays visible, loud speech keeps its shape


@attrs.frozen
class Sound:
    """Both voices: `outlines` are heights from 0 to 1, left and right, `uri` is the whole of it as FLAC.

    That is written anew: a file that a crash has left does not tell its length in a way that lets browsers seek.
    """

    seconds: float
    outlines: tuple[Sequence[float], Sequence[float]]
    uri: str


def sound_of(path: Path) -> Sound:
    """Reads the stereo file; BadRecording where it cannot be."""
    samples, rate = read_channels(path)
    left, right = (outline(samples[:, side]) for side in (0, min(1, samples.shape[1] - 1)))
    seconds = len(samples) / rate
    uri = f"data:audio/flac;base64,{base64.b64encode(flac_bytes(samples, rate)).decode()}"
    return Sound(seconds, (left, right), uri)


def outline(samples: "np.ndarray[tuple[int], np.dtype[np.int16]]", points: int = POINTS) -> list[float]:
    """Gives how loud each of so many stretches is at most, 0 to 1."""
    edges = np.linspace(0, len(samples), min(points, max(1, len(samples))) + 1).astype(int)
    peaks = np.maximum.reduceat(np.abs(samples.astype(np.int32)), edges[:-1]) if len(samples) else np.zeros(1)
    return [round(float(value), 3) for value in (peaks / 32768) ** LOUDNESS]
