"""Two tracks on one clock as one stereo file: the user on the left, the assistant on the right."""

from pathlib import Path

import numpy as np

from actors.audio.recording import WavWriter


def write_stereo(path: Path, rate: int, left: bytes, right: bytes) -> None:
    """Writes s16le mono tracks of one rate side by side; the shorter one ends in silence. Raises as WavWriter does."""
    tracks = [np.frombuffer(track, "<i2") for track in (left, right)]
    frames = np.zeros((max(map(len, tracks)), 2), "<i2")
    for side, track in enumerate(tracks):
        frames[: len(track), side] = track
    with WavWriter(path, rate, 2) as writer:
        writer.write(frames.tobytes())
