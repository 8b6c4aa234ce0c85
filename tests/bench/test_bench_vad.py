"""What the bench makes of a detector's openings."""

import attrs
import pytest

from tests.bench.vad import BLOCK, Recording, Tally, openings, spoken

UTTERANCE = Recording("said.wav", "clean", bytes(2 * 16_000 * 4), ((1.0, 2.0),))
QUIET = Recording("quiet.wav", "silence", bytes(2 * 16_000), ())


@attrs.define
class Heard:
    """Hears speech in the frames of these numbers."""

    frames: range
    samples: int = BLOCK
    number: int = 0

    def probability(self, frame: bytes) -> float:  # noqa: ARG002 - as every engine
        self.number += 1
        return float(self.number - 1 in self.frames)

    def reset(self) -> None:
        self.number = 0


def tally(recording: Recording, *opened: tuple[float, float]) -> Tally:
    counted = Tally()
    counted.count(recording, opened)
    return counted


def test_a_delay_counts_from_the_first_sample_of_speech() -> None:
    found = tally(UTTERANCE, (1.08, 2.4))
    assert found.delays == [pytest.approx(80.0)]
    assert (found.spoken, found.missed, found.alarms) == (1, [], [])


def test_what_nothing_was_open_for_is_missed() -> None:
    found = tally(UTTERANCE, (2.5, 3.0))
    assert (found.missed, found.alarms, found.delays) == (["said.wav"], ["said.wav"], [])


def test_an_opening_before_speech_is_an_alarm_and_loses_no_word() -> None:
    found = tally(UTTERANCE, (0.2, 2.2))
    assert (found.missed, found.alarms, found.delays) == ([], ["said.wav"], [])


def test_a_second_opening_within_an_utterance_is_no_alarm() -> None:
    assert tally(UTTERANCE, (1.05, 1.3), (1.6, 2.2)).alarms == []


def test_every_opening_in_silence_is_an_alarm() -> None:
    assert tally(QUIET, (0.1, 0.3), (0.5, 0.7)).alarms == ["quiet.wav", "quiet.wav"]


@pytest.mark.parametrize(
    ("frames", "opened"),
    [(range(10, 20), [0.26, 0.80]), (range(95, 100), [1.96, 2.0]), (range(10, 12), [])],
    ids=["speech", "speech until the end", "too short"],
)
def test_the_gate_opens_after_its_60_ms_and_shuts_after_its_quiet(frames: range, opened: list[float]) -> None:
    found = openings(Heard(frames), bytes(2 * BLOCK * 100))
    assert [moment for each in found for moment in each] == pytest.approx(opened)


def test_labels_count_samples_or_milliseconds() -> None:
    assert spoken({"rate": 8000, "start_ms": 400, "end_ms": 900}) == ((0.4, 0.9),)
    assert spoken({"rate": 8000, "spans": [{"start": 4000, "end": 8000}], "start_ms": 1, "end_ms": 2}) == ((0.5, 1.0),)
    assert spoken({"rate": 8000}) == ()


def test_two_who_speak_at_once_are_one_stretch_of_speech() -> None:
    label = {
        "rate": 10,
        "spans": [{"start": 5, "end": 10}, {"start": 30, "end": 40}],
        "over_spans": [{"start": 8, "end": 15}],
    }
    assert spoken(label) == ((0.5, 1.5), (3.0, 4.0))
