import errno
import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from actors.audio.recording import WavWriter, open_recording, read_mono
from actors.audio.resample import resample
from pipeline.errors import BadRecording, DeviceUnavailable

SOUND = (12000 * np.sin(np.arange(9000) / 9)).astype("<i2")


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "question.wav", SOUND, 22050)
    return tmp_path / "question.wav"


def samples_of(path: Path, block: int = 441) -> np.ndarray:
    with open_recording(path) as recording:
        return np.frombuffer(b"".join(recording.blocks(block)), "<i2")


@pytest.mark.parametrize(
    ("name", "subtype", "error"),
    [("a.wav", "PCM_16", 0), ("a.wav", "PCM_24", 0), ("a.wav", "PCM_32", 0), ("a.wav", "FLOAT", 0),
     ("a.wav", "DOUBLE", 0), ("a.flac", "PCM_16", 0), ("a.flac", "PCM_24", 0), ("a.wav", "PCM_U8", 256),
     ("a.wav", "ALAW", 600), ("a.ogg", "VORBIS", 900)],
)  # fmt: skip
def test_every_width_and_container_gives_the_same_sound(tmp_path: Path, name: str, subtype: str, error: int) -> None:
    soundfile.write(tmp_path / name, SOUND / 32768, 22050, subtype=subtype)
    found = samples_of(tmp_path / name)
    assert len(found) == len(SOUND)
    assert np.abs(found.astype(int) - SOUND).max() <= error


@pytest.mark.parametrize("channels", [2, 6])
def test_channels_are_averaged(tmp_path: Path, channels: int) -> None:
    frames = np.zeros((4000, channels), "<i2")
    frames[:, 0] = 6000
    frames[:, 1] = -1200
    soundfile.write(tmp_path / "many.wav", frames, 48000)
    assert set(samples_of(tmp_path / "many.wav")) == {4800 // channels}


def test_rate_and_duration_are_the_files_own_and_blocks_have_the_asked_size(wav: Path) -> None:
    with open_recording(wav) as recording:
        assert recording.rate == 22050
        assert recording.duration == pytest.approx(9000 / 22050)
        sizes = [len(block) for block in recording.blocks(4000)]
        assert sizes == [8000, 8000, 2000]
        assert b"".join(recording.blocks(7)) == SOUND.tobytes()
        assert recording.warning == ""


def test_floats_beyond_full_scale_are_clipped_and_no_number_is_silence(tmp_path: Path) -> None:
    wild = np.array([2.0, -3.0, np.nan, 0.5, np.inf], np.float32)
    soundfile.write(tmp_path / "wild.wav", wild, 16000, subtype="FLOAT")
    assert list(samples_of(tmp_path / "wild.wav")) == [32767, -32768, 0, 16384, 32767]


def test_read_mono_gives_the_asked_rate(wav: Path) -> None:
    assert read_mono(wav, 16000) == resample(SOUND.tobytes(), 22050, 16000)


def test_reading_streams_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile.write(tmp_path / "long.wav", np.zeros(480000, "<i2"), 16000)
    asked: list[int] = []
    true_read = soundfile.SoundFile.read

    def read(self: soundfile.SoundFile, frames: int = -1, **settings: object) -> object:
        asked.append(frames)
        return true_read(self, frames, **settings)

    monkeypatch.setattr(soundfile.SoundFile, "read", read)
    with open_recording(tmp_path / "long.wav") as recording:
        first = next(recording.blocks(320))
    assert len(first) == 640
    assert asked == [320]


def test_a_wav_cut_short_is_used_as_far_as_it_goes_with_a_warning(wav: Path) -> None:
    wav.write_bytes(wav.read_bytes()[: 44 + 2 * 4500])
    with open_recording(wav) as recording:
        assert "cut short: 50 % of it is there" in recording.warning
        assert str(wav) in recording.warning
        assert b"".join(recording.blocks(441)) == SOUND[:4500].tobytes()


@pytest.mark.parametrize("promised", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_wav_written_into_a_pipe_is_whole(wav: Path, promised: int) -> None:
    raw = bytearray(wav.read_bytes())
    raw[40:44] = struct.pack("<I", promised)
    wav.write_bytes(raw)
    with open_recording(wav) as recording:
        assert recording.warning == ""
        assert b"".join(recording.blocks(441)) == SOUND.tobytes()


def test_a_damaged_flac_is_used_as_far_as_it_goes_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "question.flac"
    soundfile.write(path, np.tile(SOUND, 5), 22050)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) * 6 // 10])
    with open_recording(path) as recording:
        found = b"".join(recording.blocks(441))
        assert 0 < len(found) < 5 * 2 * len(SOUND)
        assert np.tile(SOUND, 5).tobytes().startswith(found)
        assert "is damaged after" in recording.warning
        assert recording.given == pytest.approx(len(found) / 2 / 22050)


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "there is no such file"), (b"", "the file is empty"), (b"not a sound at all, only words" * 20, "no format"),
     ("codec", "not of a codec we can read"), ("header", "no sound was found in it")],
)  # fmt: skip
def test_what_cannot_be_read_is_named_with_what_was_found(wav: Path, content: bytes | str | None, found: str) -> None:
    raw = wav.read_bytes()
    if content is None:
        wav.unlink()
    elif content == "codec":
        wav.write_bytes(raw[:20] + b"\x34\x12" + raw[22:])
    elif content == "header":
        wav.write_bytes(raw[:44])
    elif isinstance(content, bytes):
        wav.write_bytes(content)
    with pytest.raises(BadRecording, match=found) as caught:
        open_recording(wav)
    assert str(wav) in str(caught.value)


@pytest.mark.parametrize("kept", [7, 11, 12, 19, 30, 36])
def test_a_wav_that_ends_inside_its_header_is_told_from_an_odd_codec(wav: Path, kept: int) -> None:
    wav.write_bytes(wav.read_bytes()[:kept])
    with pytest.raises(BadRecording, match="ends inside its header") as caught:
        open_recording(wav)
    assert "codec" not in str(caught.value)


def test_a_pipe_is_no_recording_and_nobody_waits_for_its_other_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(BadRecording, match=r"pipe\.wav: it is no plain file"):
        open_recording(tmp_path / "pipe.wav")
    with pytest.raises(BadRecording, match=r"pipe\.wav: it is no plain file"):
        WavWriter(tmp_path / "pipe.wav", 24000)


def test_sound_may_be_written_to_nowhere() -> None:
    with WavWriter(Path(os.devnull), 24000) as writer:
        writer.write(SOUND.tobytes())


def test_a_folder_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="directory"):
        open_recording(tmp_path)


def test_the_header_is_right_after_every_flush(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    writer = WavWriter(path, 24000)
    assert len(soundfile.read(path)[0]) == 0
    for count in (1, 2, 3):
        writer.write(SOUND.tobytes())
        writer.flush()
        found, rate = soundfile.read(path, dtype="int16")
        assert rate == 24000
        assert np.array_equal(found, np.tile(SOUND, count))
    writer.close()
    writer.close()
    assert path.stat().st_size == 44 + 3 * 2 * len(SOUND)


def test_a_crash_costs_at_most_a_second(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    writer = WavWriter(path, 16000, 2)
    for _ in range(105):
        writer.write(bytes(4 * 320))
    info = soundfile.info(path)
    assert info.channels == 2
    assert 1.1 <= info.duration <= writer.seconds == pytest.approx(2.1)
    writer.close()
    assert soundfile.info(path).duration == pytest.approx(2.1)


def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match=r"cannot write .*nowhere/out\.wav: No such file"):
        WavWriter(tmp_path / "nowhere" / "out.wav", 24000)
    with pytest.raises(BadRecording, match="folder that exists"):
        WavWriter(tmp_path, 24000)


class FullDisk(io.FileIO):
    """A file on a disk with room for a set number of bytes."""

    room = 1001

    def write(self, data: bytes) -> int:  # type: ignore[override]
        taken = min(len(data), max(0, self.room - self.tell()))
        if not taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(bytes(data[:taken]))


def test_a_full_disk_keeps_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(io, "FileIO", FullDisk)
    path = tmp_path / "out.wav"
    writer = WavWriter(path, 8000, 2)
    writer.write(SOUND.tobytes())
    with pytest.raises(DeviceUnavailable, match=r"out\.wav: the disk is full; the first 0\.0 s are kept"):
        writer.flush()
    found, _ = soundfile.read(path, dtype="int16")
    assert found.size == 478
    assert found.tobytes() == SOUND.tobytes()[:956]
    with pytest.raises(DeviceUnavailable):
        writer.write(bytes(32000))
    writer.close()
    assert soundfile.info(path).frames == 239
