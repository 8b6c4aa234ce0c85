"""The gate: pre-roll, hangover, and the marks of speech, in both turn modes."""

from collections.abc import Callable, Iterable
from typing import Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.audio.gate import Gate, GateSettings
from pipeline.messages import Captured, SpeechEnded, SpeechStarted, StreamEnded, Uttered, Voiced

BLOCK = 320


def blocks(probabilities: Iterable[float]) -> list[tuple[Captured, float]]:
    return [
        (Captured(number.to_bytes(2, "little") * BLOCK, number * 0.02, number * BLOCK), probability)
        for number, probability in enumerate(probabilities)
    ]


def passed(gate: Gate, probabilities: Iterable[float]) -> list[Uttered]:
    return [item for block, probability in blocks(probabilities) for item in gate.push(block, probability)]


def numbers(items: Iterable[Uttered]) -> list[int]:
    return [item.position // BLOCK for item in items if isinstance(item, Voiced)]


def test_silence_opens_nothing() -> None:
    assert passed(Gate(), [0.1] * 100) == []


def test_speech_opens_with_a_pre_roll_and_is_marked_where_it_began() -> None:
    out = passed(Gate(), [0.0] * 50 + [0.9] * 10)
    assert isinstance(out[0], SpeechStarted)
    assert out[0].at == pytest.approx(50 * 0.02)
    assert numbers(out) == list(range(35, 60))


def test_a_click_shorter_than_start_ms_opens_nothing() -> None:
    assert passed(Gate(), [0.0] * 30 + [0.9] * 2 + [0.0] * 30) == []


def test_server_turns_stream_on_until_the_hangover_is_over() -> None:
    out = passed(Gate("server"), [0.9] * 50 + [0.0] * 100)
    ended = next(item for item in out if isinstance(item, SpeechEnded))
    assert ended.at == pytest.approx(50 * 0.02)
    assert ended.position == 50 * BLOCK
    assert isinstance(out[-1], StreamEnded)
    assert numbers(out) == list(range(50 + 75))
    assert out.index(ended) < len(out) - 40, "the end of speech is told while audio goes on"


def test_local_turns_shut_with_the_speech() -> None:
    out = passed(Gate("local"), [0.9] * 50 + [0.0] * 100)
    assert isinstance(out[-1], SpeechEnded)
    assert numbers(out) == list(range(50 + 20))
    assert not any(isinstance(item, StreamEnded) for item in out)


def test_speech_that_resumes_within_the_hangover_is_marked_again_without_a_second_pre_roll() -> None:
    out = passed(Gate("server"), [0.9] * 20 + [0.0] * 40 + [0.9] * 20)
    assert [type(item) for item in out if not isinstance(item, Voiced)] == [SpeechStarted, SpeechEnded, SpeechStarted]
    assert numbers(out) == list(range(80))


def test_shutting_ends_speech_and_stream_and_forgets_the_pre_roll() -> None:
    gate = Gate("server")
    passed(gate, [0.9] * 20)
    assert [type(item) for item in gate.shut()] == [SpeechEnded, StreamEnded]
    assert gate.shut() == []
    (block, probability) = blocks([0.9])[0]
    assert gate.push(block, probability) == []


@given(st.lists(st.sampled_from([0.0, 0.4, 0.6, 1.0]), max_size=400), st.sampled_from(["server", "local"]))
def test_what_passes_is_in_order_once_and_every_speech_that_began_ends_or_goes_on(
    probabilities: list[float], turns: str
) -> None:
    gate = Gate("server" if turns == "server" else "local", GateSettings(hangover_ms=600))
    out = passed(gate, probabilities)
    order = numbers(out)
    assert order == sorted(set(order))
    marks = [type(item) for item in out if isinstance(item, SpeechStarted | SpeechEnded)]
    assert marks == [SpeechStarted, SpeechEnded] * (len(marks) // 2) + [SpeechStarted] * (len(marks) % 2)
    assert gate.speaking == (len(marks) % 2 == 1)
    spoken = {n for n, p in enumerate(probabilities) if p >= 0.5}
    runs = {n for n in spoken if {n - 1, n - 2} <= spoken}
    assert runs <= set(order), "speech of 60 ms and more is never held back"


@pytest.mark.parametrize(
    ("turns", "passed_at"),
    [("server", 49 * 0.02 + 0.1), ("local", 69 * 0.02 + 0.1)],  # the last speech itself, or the decision
)
def test_the_end_of_speech_tells_its_way_so_far(turns: Literal["server", "local"], passed_at: float) -> None:
    gate = Gate(turns)
    out: list[Uttered] = []
    for block, probability in blocks([0.9] * 50 + [0.0] * 100):
        out += gate.push(attrs.evolve(block, taken=block.at + 0.03), probability, block.at + 0.1)
    (ended,) = (item for item in out if isinstance(item, SpeechEnded))
    assert ended.taken == pytest.approx(49 * 0.02 + 0.03)
    assert ended.passed == pytest.approx(passed_at)


def test_speech_that_is_all_in_the_pre_roll_passes_when_the_gate_opens() -> None:
    gate = Gate()
    out = [item for block, p in blocks([0.9] * 3 + [0.0] * 50) for item in gate.push(block, p, block.at)]
    (ended,) = (item for item in out if isinstance(item, SpeechEnded))
    assert ended.passed == pytest.approx(2 * 0.02)


def unheard(gate: Gate, probabilities: Iterable[float], together: int) -> list[Uttered]:
    """Feeds the gate as the actor does: what goes through anyway is judged so many blocks at a time."""
    told = dict(enumerate(probabilities))
    out: list[Uttered] = []

    def hear(pcm: bytes) -> float:
        return told[int.from_bytes(pcm[:2], "little")]

    for block, probability in blocks(told.values()):
        sure = gate.sure
        if sure:
            out.append(gate.let_through(block))
        if not sure or gate.unheard >= together * 0.02 - 1e-9:
            out += caught_up(gate, hear)
        if not sure:
            out += gate.push(block, probability)
    return [*out, *caught_up(gate, hear)]


def caught_up(gate: Gate, hear: Callable[[bytes], float]) -> list[Uttered]:
    out: list[Uttered] = []
    while gate.unheard:
        out += gate.judge(hear)
    return out


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.integers(1, 60)), max_size=12), st.integers(1, 12),
    st.sampled_from(["server", "local"]),
)  # fmt: skip
def test_what_is_judged_later_gives_the_same_sound_and_the_same_marks(
    runs: list[tuple[float, int]], together: int, turns: Literal["server", "local"]
) -> None:
    probabilities = [probability for probability, count in runs for _ in range(count)]
    at_once = passed(Gate(turns), probabilities)
    later = unheard(Gate(turns), probabilities, together)
    assert [item for item in later if isinstance(item, Voiced)] == [i for i in at_once if isinstance(i, Voiced)]
    assert [item for item in later if not isinstance(item, Voiced)] == [i for i in at_once if not isinstance(i, Voiced)]


def test_a_gate_without_a_start_or_a_pre_roll_opens_with_the_first_speech() -> None:
    gate = Gate("server", GateSettings(start_ms=0, pre_roll_ms=0))
    assert [type(item) for item in passed(gate, [0.9] * 3)] == [SpeechStarted, Voiced, Voiced, Voiced]


def test_a_gate_is_sure_only_while_someone_speaks_and_it_lasts() -> None:
    gate = Gate("server")
    assert not gate.sure
    passed(gate, [0.9] * 20)
    assert gate.sure
    passed(gate, [0.0] * 30)
    assert not gate.sure  # open still, and whoever speaks now is to be marked at once
    short = Gate("server", GateSettings(end_ms=400, hangover_ms=500))
    passed(short, [0.9] * 20)
    assert not short.sure
    local = Gate("local")
    passed(local, [0.9] * 20)
    assert not local.sure


def test_shutting_forgets_what_was_not_heard() -> None:
    gate = Gate("server")
    passed(gate, [0.9] * 20)
    gate.let_through(blocks([0.9] * 21)[-1][0])
    gate.shut()
    assert gate.unheard == 0
    assert gate.judge(lambda _pcm: pytest.fail("this was forgotten")) == []
