"""The script of a soak: every block can be told from every other, and utterances keep their places."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from bin.soaking.recordings import BLOCK_BYTES, Utterance, load
from bin.soaking.script import Script, mark_of, marked, unmarked
from pipeline.errors import PlanError


def loud(name: str = "a", blocks: int = 10) -> Utterance:
    pcm = np.full(BLOCK_BYTES // 2, 1000, "<i2").tobytes()
    return Utterance(name, name, "request", blocks=(pcm,) * blocks, first=2, last=blocks - 2)


@pytest.mark.parametrize("number", [0, 1, 319, 4_320_000, 2**32 - 1])
def test_a_block_carries_its_number_in_its_lowest_bits(number: int) -> None:
    pcm = np.arange(-160, 160, dtype="<i2").tobytes()
    found = marked(pcm, number)
    assert mark_of(found) == number
    difference = np.frombuffer(found, "<i2").astype(int) - np.frombuffer(pcm, "<i2")
    assert np.abs(difference).max() <= 1
    assert unmarked(found) == unmarked(pcm)


def test_utterances_are_laid_one_behind_the_other_and_found_again() -> None:
    script = Script()
    first, second = script.speak(loud("a"), after=5), script.speak(loud("b"), after=1)
    assert (first.start, first.end, second.start) == (5, 15, 15)
    assert script.at(4) is None
    assert script.at(14) is first
    assert script.at(15) is second
    assert list(first.speech) == [7, 8, 9, 10, 11, 12]


def test_what_the_microphone_took_is_known() -> None:
    script = Script()
    placed = script.speak(loud(), after=3)
    blocks = [script.take(number) for number in (0, 1, 2, 3, 4, 5, 9)]
    assert blocks[2] == marked(bytes(BLOCK_BYTES), 2)
    assert unmarked(blocks[3]) == unmarked(loud().blocks[0])
    assert placed.emitted == placed.bit(5) | placed.bit(9)
    assert (placed.bit(4), placed.whole) == (0, False)
    assert script.next == 10


def test_the_fixtures_are_spoken_as_labelled(recordings: Path) -> None:
    found = {one.name: one for one in load(recordings)}
    assert len(found) >= 50
    hello = found["hello.wav"]
    assert (hello.first, hello.last, hello.kind, hello.wanted) == (20, 54, "request", True)
    assert found["silence.flac"].first == found["silence.flac"].last == 0
    assert found["time-madrid-babble5.flac"].wanted
    assert sum(one.wanted for one in found.values()) >= 40
    assert not found["pause-twice.flac"].wanted


def test_recordings_without_labels_do(tmp_path: Path) -> None:
    sound = np.concatenate([np.zeros(8000), 0.5 * np.sin(np.arange(16000) / 5), np.zeros(8000)])
    soundfile.write(tmp_path / "own.wav", sound, 16000)
    (own,) = load(tmp_path)
    assert (own.kind, own.first, own.last, own.wanted) == ("other", 25, 75, False)


def test_a_label_that_says_no_more_than_it_has_to_is_of_a_request(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        soundfile.write(tmp_path / f"{name}.wav", 0.5 * np.sin(np.arange(16000) / 5), 16000)
    rows = [
        f'[[recording]]\nfile = "{name}.wav"\ntext = "hello"\nstart_ms = 0\nend_ms = 900\n{more}\n'
        for name, more in (("a", ""), ("b", 'kind = "other"'), ("c", 'kind = "backchannel"'))
    ]
    (tmp_path / "labels.toml").write_text("".join(rows))
    assert [(one.kind, one.wanted) for one in load(tmp_path)] == [
        ("request", True),
        ("other", False),
        ("backchannel", False),
    ]


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (None, "found 0 recordings"),
        ("[[recording]", "labels.toml: found"),
        ('[[recording]]\nfile = "a.wav"\ntext = "a"\n', "no good start_ms"),
    ],
)
def test_a_folder_that_cannot_be_spoken_is_refused(tmp_path: Path, labels: str | None, sentence: str) -> None:
    if labels is not None:
        soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(np.arange(16000) / 5), 16000)
        (tmp_path / "labels.toml").write_text(labels)
    with pytest.raises(PlanError, match=sentence.replace(".", r"\.")):
        load(tmp_path)


def test_an_endless_recording_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.flac", np.full(16000 * 61, 0.1), 16000)
    with pytest.raises(PlanError, match="lasts 61 s; one utterance may last 60 s"):
        load(tmp_path)
