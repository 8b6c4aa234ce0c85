"""The parts of a tape: frames and back, two voices on one clock, the comparison of two runs, and faulty folders."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.audio.recording import FlacWriter, open_recording
from pipeline.bus import Content
from pipeline.errors import BadRecording
from pipeline.secrets import Secrets
from telemetry.tape_folder import TapeFolder
from telemetry.tape_frames import packed, unpacked
from telemetry.tape_outcome import compare
from telemetry.tape_reading import Taped
from telemetry.tape_tracks import Tracks


class Shelf(dict[int, bytes]):
    """Keeps sound in memory."""

    def keep(self, sound: bytes, _kind: str) -> dict[str, object]:
        self[len(self)] = sound
        return {"file": "x", "at": len(self) - 1, "bytes": len(sound)}

    def fetch(self, place: Mapping[str, Any]) -> bytes:
        return self[place["at"]]


def audio(sound: bytes) -> dict[str, object]:
    return {"mimeType": "audio/pcm;rate=24000", "data": base64.b64encode(sound).decode()}


@given(st.lists(st.binary(max_size=50), max_size=4), st.text())
def test_a_frame_comes_back_as_it_was(sounds: list[bytes], text: str) -> None:
    frame = {"serverContent": {"modelTurn": {"parts": [{"inlineData": audio(sound)} for sound in sounds]}, "x": text}}
    shelf = Shelf()
    kept = packed(json.dumps(frame), shelf.keep, "full")
    assert "base64" not in json.dumps(kept)
    assert json.loads(unpacked(json.loads(json.dumps(kept)), shelf.fetch)) == frame
    assert list(shelf.values()) == sounds


def test_a_handle_shows_as_the_same_fingerprint_everywhere() -> None:
    given_out: Any = packed('{"sessionResumptionUpdate": {"newHandle": "abcdefgh"}}', Shelf().keep, "none")
    shown: Any = packed('{"setup": {"sessionResumption": {"handle": "abcdefgh"}}}', Shelf().keep, "full")
    assert given_out["sessionResumptionUpdate"]["newHandle"] == shown["setup"]["sessionResumption"]["handle"]
    assert packed(json.dumps(shown), Shelf().keep, "full") == shown


@pytest.mark.parametrize(("level", "kept"), [("none", 6), ("transcripts", 6), ("full", "no JSON")])
def test_what_is_no_json_is_kept_at_full_alone(level: Content, kept: object) -> None:
    frame = packed("no JSON" if level == "full" else "no jso", Shelf().keep, level)
    assert frame == {"undecodable": kept}


def test_pieces_lie_where_their_times_say() -> None:
    tracks = Tracks()
    loud = np.full(2400, 1000, "<i2").tobytes()
    tracks.assistant.place(0.5, loud, 24000)
    tracks.assistant.place(0.59, loud, 24000)  # begins 10 ms before the last ended: a device's clock, no overlap
    tracks.assistant.place(1.0, loud, 24000)
    sound = np.frombuffer(tracks.rest(), "<i2").reshape(-1, 2)
    assert not sound[:, 0].any()
    heard = np.flatnonzero(sound[:, 1])
    assert heard[0] == 12000
    assert np.array_equal(heard[:4800], np.arange(12000, 16800))
    assert heard[4800] == 24000


def test_callbacks_that_come_late_tear_no_hole_and_a_clock_that_drifts_is_followed() -> None:
    tracks, rng = Tracks(), np.random.default_rng(4)
    piece = np.full(480, 1000, "<i2").tobytes()
    for number in range(500):
        late = 0.1 if rng.random() < 0.5 else 0.0
        tracks.assistant.place(number * 0.02 + late, piece, 24000)
    sound = np.frombuffer(tracks.rest(), "<i2").reshape(-1, 2)[:, 1]
    assert sound.all()
    for number in range(500):
        tracks.assistant.place(10 + number * 0.0201, piece, 24000)
    assert abs(tracks.assistant.given - 20.05) < 0.06


def test_a_side_that_brings_nothing_does_not_hold_the_other_up() -> None:
    tracks = Tracks()
    for second in range(10):
        tracks.user.place(float(second), bytes(32000), 16000)
    assert len(tracks.take()) > 8 * 24000 * 4


def test_rates_are_made_one(tmp_path: Path) -> None:
    folder = TapeFolder(tmp_path, "full", Secrets())
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)).astype("<i2")
    for number in range(50):
        folder.block(0, 0, number * 320, tone[number * 320 : number * 320 + 320].tobytes(), acoustic=False)
    folder.mix(last=True)
    folder.close()
    with open_recording(tmp_path / "conversation.flac") as sound:
        assert (sound.rate, sound.duration) == (24000, 1.0)


def test_a_flac_tells_its_length_while_it_grows(tmp_path: Path) -> None:
    writer = FlacWriter(tmp_path / "x.flac", 24000, 1)
    for _ in range(30):
        writer.write(bytes(4800))
    with open_recording(tmp_path / "x.flac") as sound:
        assert 1.5 < sound.duration <= 3.0
    writer.close()
    with open_recording(tmp_path / "x.flac") as sound:
        assert sound.duration == 3.0


def test_two_runs_are_compared_in_plain_words() -> None:
    old = [
        {"t": 1.0, "event": "turn.end", "turn": 1, "outcome": "completed", "heard_ms": 1000.0},
        {"t": 2.0, "event": "usage", "totalTokenCount": 7},
        {"t": 3.0, "event": "wire", "message": "setup", "body": {"a": [1, 2]}},
    ]
    new = [
        {"t": 1.4, "event": "turn.end", "turn": 1, "outcome": "completed", "heard_ms": 1500.0},
        {"t": 3.0, "event": "wire", "message": "setup", "body": {"a": [1, 3]}},
        {"t": 65.5, "event": "transcript", "who": "user", "text": "more", "final": True},
    ]
    assert list(map(str, compare(old, new, 250))) == [
        "0:01.00  the end of a turn (turn 1, outcome completed) comes 400 ms later in the replay",
        "0:01.00  the end of a turn (turn 1, outcome completed) had heard_ms 1000, and has 1500 in the replay",
        "0:02.00  the recording has the token count (totalTokenCount 7), the replay does not",
        "0:03.00  the message to the service (message setup): a[1] was 2, and is 3 in the replay",
        "1:05.50  the replay has the transcript (who user, text more), the recording does not",
    ]
    assert compare(old, old, 0) == []
    early = [{**old[0], "t": 0.5}, *old[1:]]
    assert [one.slow for one in compare(old, early, 250)] == [True]


@pytest.mark.parametrize(
    ("was", "now", "slow"), [(1900.0, 900.0, True), (900.0, 1900.0, False), (9900.0, 900.0, False)]
)
def test_a_latency_that_a_busy_machine_made_longer_is_its_own(was: float, now: float, *, slow: bool) -> None:
    runs = [[{"t": 3.0, "event": "turn.first_audio", "turn": 1, "latency_ms": ms}] for ms in (was, now)]
    assert [one.slow for one in compare(*runs, 250)] == [slow]


VERSIONS = '{"format": 1}'


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (None, "there is no such folder"),
        ({}, "is no recording: versions.json is not in it"),
        ({"versions.json": "{"}, "versions.json cannot be read"),
        ({"versions.json": "[]"}, "names no format"),
        ({"versions.json": '{"format": 99}'}, "was recorded by a newer version: its format is 99"),
        ({"versions.json": VERSIONS, "events.jsonl": '{"t": 0}\n{nonsense}\n'}, "events.jsonl is damaged in line 2"),
        ({"versions.json": VERSIONS, "frames.jsonl": '{"way": "end"}\n'}, "no table with a time t"),
    ],
)
def test_a_faulty_folder_is_named(tmp_path: Path, files: dict[str, str] | None, words: str) -> None:
    folder = tmp_path / "tape"
    if files is not None:
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
    with pytest.raises(BadRecording, match=words):
        Taped.read(folder)


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "versions.json").write_text(VERSIONS)
    (tmp_path / "events.jsonl").write_text('{"t": 1, "event": "notice"}\n{"t": 2, "ev')
    taped = Taped.read(tmp_path)
    assert (len(taped.events), taped.whole, taped.seconds) == (1, False, 1.0)
