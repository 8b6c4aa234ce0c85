"""Sound files: reading any that libsndfile knows, writing WAV; the only module that knows soundfile.

Writing is done by hand: a WAV header is 44 bytes, and it must be right again after every flush, which libsndfile
leaves to the close.
"""

import contextlib
import errno
import io
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs
import numpy as np
import soundfile

from actors.audio.resample import SAMPLE_BYTES, quantize, resample
from pipeline.errors import BadRecording, DeviceUnavailable

FULL_SCALE = 32768.0
CONVERT = "convert it first, for example: sox INPUT -r 16000 -c 1 -b 16 OUTPUT.wav"
READ_BLOCK = 16384  # frames a read takes from disk
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")  # canonical RIFF/WAVE header of PCM, 44 bytes
UNKNOWN_LENGTH = 0x7FFF0000  # programs that write WAV into a pipe claim this much or more, or nothing
OGG_PAGE, OGG_LONGEST, OGG_END = b"OggS", 65307, 4  # how a page begins, its most bytes, the flag of the last (RFC 3533)
FLUSH_SECONDS = 1.0  # what a crash can cost


@attrs.define
class Recording:
    """A sound file open for reading, streamed from disk; whoever opened it closes it, best by `with`.

    `rate` in Hz and `duration` in seconds are the file's own. `warning` is a sentence for the user where the file
    holds less than it promises, else empty; of a damaged compressed file it is known only after the last block, and
    then `given`, the seconds that the blocks had, says how much there was.
    """

    path: Path
    rate: int
    duration: float
    warning: str
    _file: soundfile.SoundFile
    given: float = attrs.field(default=0.0, init=False)
    _begun: bool = attrs.field(default=False, init=False)

    def blocks(self, samples: int) -> Iterator[bytes]:
        """Gives the sound from its beginning as s16le mono in blocks of `samples`, the last one shorter.

        Channels are averaged, floats clipped; mono 16-bit sound comes out bit by bit. BadRecording when the disk fails.
        """
        if samples < 1:
            raise ValueError(f"blocks hold at least one sample, found {samples}")
        done = 0
        try:
            if self._begun:
                self._file.seek(0)  # never on the first round: some codecs cannot
            self._begun = True
            while len(block := self._file.read(samples, dtype="float32", always_2d=True)):
                done += len(block)
                self.given = done / self.rate
                mono = np.nan_to_num(block, posinf=1.0, neginf=-1.0).mean(axis=1, dtype=np.float32)
                yield quantize(mono * np.float32(FULL_SCALE)).tobytes()
        except soundfile.LibsndfileError as error:
            if not done:
                raise BadRecording(f"cannot read {self.path}: {_reason(error)}; {CONVERT}") from error
            self._cut_short(done, _reason(error))
        else:
            if done < self._file.frames:
                self._cut_short(done, "the file ends early")

    def close(self) -> None:
        """Closes the file; idempotent."""
        self._file.close()

    def _cut_short(self, done: int, why: str) -> None:
        self.warning = (
            f"{self.path} is damaged after {done / self.rate:.2f} of {self.duration:.2f} s ({why}); "
            f"what comes before was used"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_recording(path: str | os.PathLike[str]) -> Recording:
    """Opens a WAV, FLAC, OGG or any other file libsndfile reads: any width, rate and number of channels.

    BadRecording where the file is missing, empty, holds no sound or is of no known format.
    """
    place = Path(path)
    _check_file(place)
    try:
        file = soundfile.SoundFile(place)
    except (soundfile.LibsndfileError, OSError) as error:
        if _ends_in_header(place):
            found = "the file ends inside its header, before any sound"
            raise BadRecording(f"cannot use {place}: {found}; copy it or record it again") from error
        found = (
            "it is a WAV file, but not of a codec we can read" if _is_wav(place) else "it is of no format we can read"
        )
        raise BadRecording(f"cannot read {place}: {found} ({_reason(error)}); {CONVERT}") from error
    if not file.frames:
        file.close()
        raise BadRecording(f"cannot use {place}: no sound was found in it; record it again or name another file")
    duration = file.frames / file.samplerate
    warning = _missing_data(place, duration) or _missing_end(place, duration)
    return Recording(place, file.samplerate, duration, warning, file)


def read_mono(path: str | os.PathLike[str], rate: int) -> bytes:
    """Gives a whole file as s16le mono at `rate`; BadRecording as open_recording."""
    with open_recording(path) as recording:
        return resample(b"".join(recording.blocks(READ_BLOCK)), recording.rate, rate)


def _check_file(place: Path) -> None:
    try:
        if not (_is_plain(place) or place.is_dir()):  # opening a pipe could wait for ever; a folder refuses by itself
            found = "it is no plain file"
            raise BadRecording(f"cannot read {place}: {found}; write the sound into a file first, and name that")
        with place.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError as error:
        raise BadRecording(f"cannot read {place}: there is no such file; check the name") from error
    except OSError as error:
        raise BadRecording(f"cannot read {place}: {_reason(error)}; name a sound file we may read") from error
    if empty:
        raise BadRecording(f"cannot use {place}: the file is empty; record it again or name another file")


def _is_plain(place: Path) -> bool:
    return stat.S_ISREG(place.stat().st_mode)


def _is_wav(place: Path) -> bool:
    with place.open("rb") as file:
        head = file.read(12)
    return head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:] == b"WAVE"


def _ends_in_header(place: Path) -> bool:
    """Whether this begins as a WAV file does, and ends before its sound would begin."""
    with place.open("rb") as file:
        head = file.read(12)
        if not head.startswith((b"RIFF", b"RIFX", b"RF64")) or head[8:] != b"WAVE"[: len(head[8:])]:
            return False
        big = head.startswith(b"RIFX")
        while len(chunk := file.read(8)) == 8:  # noqa: PLR2004 - a chunk's name and length
            name, length = struct.unpack(">4sI" if big else "<4sI", chunk)
            if name == b"data":
                return False
            file.seek(length + length % 2, os.SEEK_CUR)
    return True


def _missing_data(place: Path, duration: float) -> str:
    """Says so where a WAV's header promises more data than the file has; libsndfile plays it without a word."""
    size = place.stat().st_size
    with place.open("rb") as file:
        if file.read(4) != b"RIFF":
            return ""
        file.seek(12)
        while len(head := file.read(8)) == 8:  # noqa: PLR2004 - a chunk's name and length
            name, length = struct.unpack("<4sI", head)
            if name == b"data":
                there = size - file.tell()
                if there < length < UNKNOWN_LENGTH:
                    return (
                        f"{place} is cut short: {100 * there / length:.0f} % of it is there, {duration:.2f} s are used"
                    )
                return ""
            file.seek(length + length % 2, os.SEEK_CUR)
    return ""


def _missing_end(place: Path, duration: float) -> str:
    """Says so where an OGG file lacks its last page; libsndfile takes what is there for all of it."""
    with place.open("rb") as file:
        if file.read(4) != OGG_PAGE:
            return ""
        file.seek(max(0, place.stat().st_size - OGG_LONGEST))
        tail = file.read()
    last = tail.rfind(OGG_PAGE)
    if tail[last + 5 : last + 6] and tail[last + 5] & OGG_END:
        return ""
    return f"{place} is cut short: its end is missing, {duration:.2f} s are used"


def _reason(error: Exception) -> str:
    """Gives the error's own words without the path, which our sentence has already."""
    text = getattr(error, "error_string", "") or getattr(error, "strerror", "") or str(error)
    return str(text).strip().rstrip(".")


@attrs.define
class WavWriter:
    """Writes s16 WAV piece by piece; the header is right after every flush, so that a crash leaves a playable file.

    Flushes by itself for every second of sound. The constructor creates the file, or raises BadRecording where it
    cannot. Whoever made it closes it, best by `with`. Sound beyond 4 GiB, a day at 24 kHz, is in the file but not in
    its header.
    """

    path: Path = attrs.field(converter=Path)
    rate: int
    channels: int = 1
    _file: io.FileIO = attrs.field(init=False)
    _pending: bytearray = attrs.field(factory=bytearray, init=False)
    _data: int = attrs.field(default=0, init=False)  # bytes of sound on disk

    def __attrs_post_init__(self) -> None:
        try:
            if self.path.exists() and not (_is_plain(self.path) or self.path.is_dir() or self.path.is_char_device()):
                raise BadRecording(f"cannot write {self.path}: it is no plain file; name another one")
            self._file = io.FileIO(self.path, "w")
            self._write_header()
        except OSError as error:
            raise BadRecording(
                f"cannot write {self.path}: {_reason(error)}; name a file in a folder that exists and may be written"
            ) from error

    @property
    def seconds(self) -> float:
        """How much sound was written, flushed or not."""
        return (self._data + len(self._pending)) / (SAMPLE_BYTES * self.channels * self.rate)

    def write(self, pcm: bytes) -> None:
        """Takes s16le frames, channels interleaved; DeviceUnavailable when the disk is full, as flush."""
        self._pending += pcm
        if len(self._pending) >= FLUSH_SECONDS * self.rate * self.channels * SAMPLE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hands everything written to the operating system and makes the header tell its length.

        DeviceUnavailable where the disk refuses: what was written before stays playable, and the rest is dropped.
        """
        try:
            while self._pending:
                done = self._file.write(self._pending)
                self._data += done
                del self._pending[:done]
            self._write_header()
        except OSError as error:
            what = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else _reason(error)
            self._keep_whole_frames()
            raise DeviceUnavailable(
                f"cannot go on recording to {self.path}: {what}; the first {self.seconds:.1f} s are kept. "
                f"Free some space or record elsewhere"
            ) from error

    def close(self) -> None:
        """Flushes and closes; idempotent, and the file is closed even when the flush fails."""
        if not self._file.closed:
            try:
                self.flush()
            finally:
                self._file.close()

    def _keep_whole_frames(self) -> None:
        """Cuts off what a refused write left half done; neither this nor the header needs new space on the disk."""
        self._pending.clear()
        self._data -= self._data % (SAMPLE_BYTES * self.channels)
        with contextlib.suppress(OSError):
            self._file.truncate(HEADER.size + self._data)
            self._write_header()

    def _write_header(self) -> None:
        frame = SAMPLE_BYTES * self.channels
        data = min(self._data, 0xFFFFFFFF - HEADER.size)
        header = HEADER.pack(
            b"RIFF", HEADER.size - 8 + data, b"WAVE", b"fmt ", 16, 1, self.channels, self.rate, self.rate * frame,
            frame, 8 * SAMPLE_BYTES, b"data", data,
        )  # fmt: skip
        self._file.seek(0)
        self._file.write(header)
        self._file.seek(0, os.SEEK_END)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


FLAC_BLOCK = 4096  # frames the encoder gathers before it writes them
STREAMINFO_TOTAL = 21  # where in the file the 36 bits with the number of frames begin, four bits before this byte's end


@attrs.define
class FlacWriter:
    """Writes 16-bit FLAC piece by piece; its header tells every second how much there is, so a crash loses no more.

    The constructor creates the file, or raises BadRecording where it cannot. Whoever made it closes it, best by `with`.
    """

    path: Path = attrs.field(converter=Path)
    rate: int
    channels: int = 1
    frames: int = attrs.field(default=0, init=False)
    _told: int = attrs.field(default=0, init=False)
    _file: soundfile.SoundFile = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        try:
            self._file = soundfile.SoundFile(self.path, "w", self.rate, self.channels, "PCM_16", format="FLAC")
        except (soundfile.LibsndfileError, OSError) as error:
            raise BadRecording(
                f"cannot write {self.path}: {_reason(error)}; name a folder that exists and may be written"
            ) from error

    def write(self, pcm: bytes) -> None:
        """Takes whole s16le frames, channels interleaved; DeviceUnavailable when the disk is full."""
        try:
            self._file.write(np.frombuffer(pcm, "<i2").reshape(-1, self.channels))
            self.frames += len(pcm) // (SAMPLE_BYTES * self.channels)
            if self.frames - self._told >= self.rate:
                self._tell()
        except (soundfile.LibsndfileError, OSError) as error:
            raise DeviceUnavailable(
                f"cannot go on recording to {self.path}: {_reason(error)}; free some space"
            ) from error

    def close(self) -> None:
        """Ends the file; idempotent. DeviceUnavailable when the disk is full."""
        try:
            self._file.close()
        except (soundfile.LibsndfileError, OSError) as error:
            raise DeviceUnavailable(
                f"cannot end the recording {self.path}: {_reason(error)}; free some space"
            ) from error

    def _tell(self) -> None:
        """Writes the number of frames that are surely on disk into the header (FLAC format, STREAMINFO)."""
        self._told = self.frames
        written = max(0, self.frames // FLAC_BLOCK - 1) * FLAC_BLOCK
        with self.path.open("r+b") as file:
            file.seek(STREAMINFO_TOTAL)
            bits = file.read(1)[0] & 0xF0 | written >> 32
            file.seek(STREAMINFO_TOTAL)
            file.write(bytes([bits]) + (written & 0xFFFFFFFF).to_bytes(4, "big"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def read_channels(path: Path) -> tuple["np.ndarray[tuple[int, int], np.dtype[np.int16]]", int]:
    """Gives a whole file as int16, a row a frame, and its rate; BadRecording as open_recording."""
    with open_recording(path) as recording:
        try:
            samples = recording._file.read(dtype="int16", always_2d=True)  # noqa: SLF001 - of this module
        except soundfile.LibsndfileError as error:
            raise BadRecording(f"cannot read {path}: {_reason(error)}; {CONVERT}") from error
    return samples, recording.rate


def flac_bytes(samples: "np.ndarray[tuple[int, int], np.dtype[np.int16]]", rate: int) -> bytes:
    """Gives sound as a FLAC file in memory."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, "PCM_16", format="FLAC")
    return buffer.getvalue()
