"""The recordings are what their labels say, and the script that made them makes them again."""

import platform
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from actors.emulator.hearing import Hearing

BUDGET_BYTES = 6_000_000
FEWEST = 40  # recordings with speech in them
MADE_ON = "x86_64"
SPEECH_FLOOR = 10 ** (-50 / 20)


def labels_in(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads((folder / "labels.toml").read_text(encoding="utf-8"))["recording"]
    return found


def demos_in(folder: Path) -> dict[str, dict[str, Any]]:
    found = tomllib.loads((folder / "demos.toml").read_text(encoding="utf-8"))
    return {name: demo for name, demo in found.items() if isinstance(demo, dict)}


def test_every_recording_has_a_label_and_is_small(recordings: Path) -> None:
    sound = [path for path in recordings.iterdir() if path.suffix in {".wav", ".flac"}]
    assert {path.name for path in sound} == {label["file"] for label in labels_in(recordings)}
    assert sum(path.stat().st_size for path in sound) < BUDGET_BYTES


def test_they_are_as_varied_as_people_and_rooms(recordings: Path) -> None:
    labels = labels_in(recordings)
    spoken = [label for label in labels if label["text"]]
    assert len(spoken) >= FEWEST
    assert len({label["voice"] for label in spoken}) >= 6
    assert len({label["speed"] for label in spoken}) >= 3
    assert {label["kind"] for label in labels} == {"request", "backchannel", "other", "sound"}
    assert {8_000, 16_000, 48_000} <= {label["rate"] for label in spoken}
    noises = {label["condition"] for label in spoken}
    assert {f"{noise} {level} dB" for noise in ("babble", "keyboard", "music") for level in (20, 10, 5)} <= noises
    assert {"pink 20 dB", "pink 10 dB", "pink 5 dB", "clipped", "overlap"} <= noises
    assert {"silence", "cough"} <= {label["condition"] for label in labels}


def test_spans_lie_within_the_speech_and_the_file(recordings: Path) -> None:
    for label in labels_in(recordings):
        if not label["text"]:
            continue
        edges = [edge for span in label["spans"] for edge in (span["start"], span["end"])]
        assert edges == sorted(edges)
        assert edges[0] * 1000 / label["rate"] == pytest.approx(label["start_ms"], abs=1), label["file"]
        assert edges[-1] * 1000 / label["rate"] == pytest.approx(label["end_ms"], abs=1), label["file"]
        frames = soundfile.info(recordings / label["file"]).frames
        assert all(span["end"] <= frames for span in [*label["spans"], *label.get("over_spans", [])])


def test_formats_are_as_labelled(recordings: Path) -> None:
    for label in labels_in(recordings):
        info = soundfile.info(recordings / label["file"])
        found = (info.samplerate, info.channels, info.subtype)
        assert found == (label["rate"], label["channels"], label["width"]), label["file"]


def test_clean_speech_is_where_the_label_says(recordings: Path) -> None:
    clean = [label for label in labels_in(recordings) if label["condition"] == "clean"]
    assert len(clean) > 5
    for label in clean:
        samples, rate = soundfile.read(recordings / label["file"], always_2d=True)
        level = np.abs(samples[:, 0])
        loud = np.flatnonzero(level > SPEECH_FLOOR * level.max())
        found = [loud[0] * 1000 / rate, loud[-1] * 1000 / rate]
        assert found == pytest.approx([label["start_ms"], label["end_ms"]], abs=1), label["file"]


def test_a_long_pause_is_one(recordings: Path) -> None:
    labels = [label for label in labels_in(recordings) if "pause_start_ms" in label]
    assert len(labels) >= 3
    for label in labels:
        samples, rate = soundfile.read(recordings / label["file"])
        pause = samples[(label["pause_start_ms"] + 1) * rate // 1000 : (label["pause_end_ms"] - 1) * rate // 1000]
        assert len(pause) / rate == pytest.approx(1.2, abs=0.01)
        assert not pause.any()


def test_demos_hold_what_is_said_in_order_and_a_quiet_room(root: Path) -> None:
    demos = demos_in(root / "bin" / "demos")
    assert list(demos) == ["conversation", "tools", "interruption", "resumption"]
    for demo in demos.values():
        samples, rate = soundfile.read(root / "bin" / "demos" / demo["file"])
        assert (rate, len(samples) / rate) == (16_000, pytest.approx(demo["seconds"], abs=0.001))
        before = 0.0
        for said in demo["said"]:
            quiet = samples[round(before * rate) + 1 : round(said["start"] * rate) - 1]
            assert 20 * np.log10(np.sqrt(np.mean(quiet**2))) == pytest.approx(-65, abs=3), said
            assert np.abs(samples[round(said["start"] * rate) : round(said["end"] * rate)]).max() > 0.4, said
            before = said["end"]


def understood(hearing: Hearing, path: Path, start: float, end: float) -> str:
    """Returns what the embedded service hears of a part of a recording, with the quiet its detector leaves."""
    samples, rate = soundfile.read(path, always_2d=True)
    speech = samples[max(0, round((start - 0.3) * rate)) : round((end + 0.8) * rate), 0]
    heard = soxr.resample(speech, rate, 16_000)
    return hearing.understand((np.clip(heard, -1, 1) * 32767).astype("<i2").tobytes())


def test_the_embedded_service_understands_the_demos(root: Path) -> None:
    hearing, folder = Hearing(), root / "bin" / "demos"
    demos = demos_in(folder)
    # These two hold nearly everything that is said in the others, by the same voices; hearing takes its time.
    said = [(folder / demos[name]["file"], row) for name in ("conversation", "tools") for row in demos[name]["said"]]
    found = [understood(hearing, path, row["start"], row["end"]) for path, row in said]
    assert found == [row["text"] for _, row in said]


def test_the_embedded_service_understands_clean_speech(recordings: Path) -> None:
    hearing = Hearing()
    labels = [label for label in labels_in(recordings) if label["kind"] in ("request", "other")]
    clean = [label for label in labels if label["condition"] == "clean" and label["rate"] >= 16_000]
    found = [
        understood(hearing, recordings / label["file"], label["start_ms"] / 1000, label["end_ms"] / 1000)
        for label in clean
    ]
    assert found == [label["text"] for label in clean]


def test_made_again_they_are_the_same(root: Path, tmp_path: Path, real_part: Callable[[str], str]) -> None:
    real_part("espeak-ng")
    command = [sys.executable, str(root / "tests" / "fixtures" / "make.py"), "--root", str(tmp_path)]
    subprocess.run(command, check=True)
    folders = ("tests/fixtures", "bin/demos")
    old, new = ((base / folders[0] / "labels.toml").read_text(encoding="utf-8") for base in (root, tmp_path))
    if old.splitlines()[1] != new.splitlines()[1]:
        pytest.skip(f"these were {old.splitlines()[1]}, here it would be {new.splitlines()[1]}")
    otherwise: list[str] = []
    for folder in folders:
        for made in (tmp_path / folder).iterdir():
            kept = root / folder / made.name
            if made.suffix == ".toml":
                assert made.read_text(encoding="utf-8") == kept.read_text(encoding="utf-8")
            elif made.read_bytes() != kept.read_bytes():  # another processor may round the last bit otherwise
                difference = soundfile.read(made)[0] - soundfile.read(kept)[0]
                assert np.abs(difference).max() < 3 / 2**15, made.name
                otherwise.append(made.name)
    assert not otherwise or platform.machine() != MADE_ON, f"made again here, these have other bytes: {otherwise}"


def test_without_a_voice_the_script_says_what_to_install(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(root / "tests" / "fixtures" / "make.py"), "--root", str(tmp_path)]
    ended = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "apt install espeak-ng" in ended.stderr
