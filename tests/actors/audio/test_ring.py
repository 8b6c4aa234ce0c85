import sys
import threading
from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.audio.ring import CROSSINGS, Crossing, PlayRing, Samples

RATE = 1000  # one sample a millisecond keeps the numbers readable


def ring_of(size: int, wakes: list[int] | None = None) -> PlayRing:
    heard = wakes if wakes is not None else []
    return PlayRing(RATE, size / RATE, wake=lambda: heard.append(1))


def ramp(start: int, count: int) -> Samples:
    return np.arange(start, start + count, dtype=np.int16)


def read(ring: PlayRing, count: int, at: float = 0.0) -> Samples:
    out = np.full(count, 77, np.int16)
    ring.read_into(out, at)
    return out


def sine(count: int, peak: float = 30000, period: float = 40) -> Samples:
    return (peak * np.sin(2 * np.pi * np.arange(count) / period)).astype(np.int16)


class RingModel(RuleBasedStateMachine):
    """The ring against a plain list of samples."""

    def __init__(self) -> None:
        super().__init__()
        self.ring = ring_of(37)
        self.held: list[int] = []
        self.sent = 0
        self.heard = 0

    @rule(count=st.integers(0, 60))
    def write(self, count: int) -> None:
        taken = self.ring.write(ramp(self.sent, count))
        assert taken == min(count, 37 - len(self.held))
        self.held += range(self.sent, self.sent + taken)
        self.sent = (self.sent + taken) % 30000

    @rule(count=st.integers(0, 50))
    def read(self, count: int) -> None:
        out = np.full(count, 77, np.int16)
        real = self.ring.read_into(out)
        assert real == min(count, len(self.held))
        assert out.tolist() == self.held[:real] + [0] * (count - real)
        del self.held[:real]
        self.heard += real

    @invariant()
    def counts_agree(self) -> None:
        assert self.ring.buffered == len(self.held)
        assert self.ring.room() == 37 - len(self.held)
        assert self.ring.heard == self.ring.position == self.heard


TestRingModel = RingModel.TestCase


@pytest.fixture
def impatient_threads() -> Iterator[None]:
    """Lets the interpreter change threads as often as it can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("impatient_threads")
@pytest.mark.parametrize(("size", "count"), [(64, 3000), (4096, 60000)])
def test_nothing_is_lost_between_two_threads(size: int, count: int) -> None:
    ring = ring_of(size)
    wave = np.random.default_rng(5).integers(1, 32767, count).astype(np.int16)
    got: list[Samples] = []

    def drain() -> None:
        out = np.empty(53, np.int16)
        while ring.heard < len(wave):
            got.append(out[: ring.read_into(out)].copy())

    reader = threading.Thread(target=drain)
    reader.start()
    done = 0
    while done < len(wave):
        done += ring.write(wave[done : done + 31])
    reader.join(20)
    assert np.array_equal(np.concatenate(got), wave)
    assert ring.heard == len(wave)


def test_a_refused_writer_is_woken_once_when_half_the_ring_is_free() -> None:
    wakes: list[int] = []
    ring = ring_of(100, wakes)
    assert ring.write(ramp(0, 130)) == 100
    read(ring, 49)
    assert not wakes
    read(ring, 1)
    assert len(wakes) == 1
    read(ring, 20)
    assert len(wakes) == 1


def test_a_writer_that_was_not_refused_is_left_alone() -> None:
    wakes: list[int] = []
    ring = ring_of(100, wakes)
    ring.write(ramp(0, 100))
    read(ring, 100)
    read(ring, 100)
    assert not wakes


def test_one_block_wakes_at_most_once() -> None:
    wakes: list[int] = []
    ring = ring_of(100, wakes)
    ring.mark(1, start=True)
    ring.write(ramp(0, 50))
    ring.mark(2)
    ring.write(ramp(0, 80))
    read(ring, 100)
    assert len(wakes) == 1
    assert [crossing.tag for crossing in ring.crossings] == [1, 2]


def test_marks_tell_position_and_time_to_the_sample() -> None:
    ring = ring_of(1000)
    ring.mark(7, start=True)
    read(ring, 20, at=5.0)
    assert not ring.crossings, "a start is passed with its first sample, not with the silence before"
    ring.write(ramp(0, 30))
    ring.mark(8)
    read(ring, 20, at=5.02)
    assert list(ring.crossings) == [Crossing(7, 0, 5.02, 0)]
    read(ring, 20, at=5.04)
    assert ring.crossings[-1] == Crossing(8, 30, pytest.approx(5.05), 30)


def test_a_mark_at_the_end_of_a_block_is_passed_with_that_block() -> None:
    ring = ring_of(100)
    ring.write(ramp(0, 20))
    ring.mark(3)
    read(ring, 20, at=1.0)
    assert list(ring.crossings) == [Crossing(3, 20, pytest.approx(1.02), 20)]


def test_a_mark_in_silence_is_passed_with_the_next_block() -> None:
    ring = ring_of(100)
    ring.mark(4)
    read(ring, 20, at=1.0)
    assert list(ring.crossings) == [Crossing(4, 0, 1.0, 0)]


def test_crossings_nobody_takes_are_bounded() -> None:
    ring = ring_of(10)
    for tag in range(CROSSINGS + 50):
        ring.mark(tag)
    read(ring, 1)
    assert len(ring.crossings) == CROSSINGS
    assert ring.crossings[-1].tag == CROSSINGS + 49


def test_underruns_are_counted_once_a_gap_and_only_when_more_was_expected() -> None:
    ring = ring_of(100)
    ring.expecting = True
    read(ring, 20)
    assert ring.underruns == 0, "a reply that has not begun is not late"
    ring.write(ramp(1, 30))
    read(ring, 20)
    read(ring, 20)
    read(ring, 20)
    assert ring.underruns == 1
    ring.write(ramp(1, 30))
    ring.expecting = False
    read(ring, 20)
    read(ring, 20)
    assert ring.underruns == 1


@pytest.mark.parametrize("buffered", [5, 20, 60, 300])
@pytest.mark.parametrize("block", [7, 20, 64])
def test_a_fade_is_linear_and_silent_after_its_length(buffered: int, block: int) -> None:
    ring = ring_of(400)
    ring.expecting = True
    ring.write(np.full(buffered, 20000, np.int16))
    read(ring, 4)
    left = buffered - 4
    assert ring.fade_out(20.0) == max(0, left - 20)
    out = np.concatenate([read(ring, block) for _ in range(10)])
    assert np.abs(out[:20] - 20000 * np.linspace(1, 0, 21)[1:]).max() <= 1
    assert not out[20:].any()
    assert ring.heard == 4 + min(left, 20), "what the fade itself made up was not heard of the reply"
    assert not ring.expecting
    assert ring.buffered == 0


@settings(max_examples=200)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["write", "read", "fade", "duck", "unduck"]), st.integers(1, 90)), max_size=40
    )
)
def test_no_jump_beyond_the_signals_own_and_the_ramps(steps: list[tuple[str, int]]) -> None:
    """Every piece written starts at zero and ends where the next goes on, as speech does."""
    ring = ring_of(200)
    out: list[Samples] = [np.zeros(1, np.int16)]
    phase = 0
    wave = sine(40)
    for verb, amount in steps:
        if verb == "write":
            phase += ring.write(np.take(wave, range(phase, phase + amount), mode="wrap"))
        elif verb == "read":
            out.append(read(ring, min(amount, ring.buffered)) if ring.buffered else ramp(0, 0))
        elif verb == "fade":
            ring.fade_out(20)
            phase = 0
        elif verb == "duck":
            ring.duck(amount / 100, 30)
        else:
            ring.unduck(30)
    ring.fade_out(20)
    out.append(read(ring, 60))
    jumps = np.abs(np.diff(np.concatenate(out).astype(int)))
    own = np.abs(np.diff(np.tile(wave, 2).astype(int))).max()
    assert jumps.max() <= own + 30000 / 20 + 30000 / 30 + 3
    assert not out[-1][20:].any()


def test_a_fade_straight_after_the_last_sample_still_lands_softly() -> None:
    ring = ring_of(100)
    ring.write(np.full(40, 10000, np.int16))
    assert read(ring, 40)[-1] == 10000
    assert ring.fade_out(10) == 0
    out = read(ring, 20)
    assert list(out[:10]) == [9000, 8000, 7000, 6000, 5000, 4000, 3000, 2000, 1000, 0]
    assert ring.heard == 40


def test_a_fade_in_silence_makes_no_sound() -> None:
    ring = ring_of(100)
    ring.write(np.full(10, 10000, np.int16))
    read(ring, 20)
    ring.fade_out(10)
    assert not read(ring, 20).any()


def test_the_next_reply_follows_the_fade_and_counts_as_heard() -> None:
    ring = ring_of(100)
    ring.write(np.full(50, 10000, np.int16))
    read(ring, 48)
    ring.fade_out(5)
    assert ring.write(ramp(1, 30)) == 30
    out = read(ring, 60)
    assert list(out[:5]) == [8000, 6000, 4000, 2000, 0]
    assert list(out[5:35]) == list(range(1, 31))
    assert ring.heard == 50 + 30


def test_a_second_fade_within_the_first_takes_only_what_follows_it() -> None:
    ring = ring_of(100)
    ring.write(np.full(50, 10000, np.int16))
    ring.fade_out(10)
    first = read(ring, 4)
    ring.write(np.full(30, 5000, np.int16))
    assert ring.fade_out(10) == 30
    assert ring.fade_out(2) == 0
    rest = read(ring, 30)
    assert list(np.concatenate([first, rest])[:10]) == [9000, 8000, 7000, 6000, 5000, 4000, 3000, 2000, 1000, 0]
    assert not rest[6:].any()
    assert ring.heard == 10


def test_a_fade_takes_the_marks_of_what_it_discards() -> None:
    wakes: list[int] = []
    ring = ring_of(100, wakes)
    ring.mark(1, start=True)
    ring.write(ramp(1000, 60))
    ring.mark(2)
    ring.fade_out(10)
    ring.mark(3)
    read(ring, 9)
    assert [c.tag for c in ring.crossings] == [1]
    wakes.clear()
    read(ring, 30)
    assert [(c.tag, c.position) for c in ring.crossings] == [(1, 0), (3, 10)]
    assert len(wakes) == 1


def test_a_crossing_knows_what_was_heard_before_it_a_fades_own_samples_apart() -> None:
    ring = ring_of(100)
    ring.write(np.full(23, 10000, np.int16))
    ring.mark(1)
    read(ring, 20)
    ring.fade_out(10)
    ring.write(ramp(1, 20))
    ring.mark(2)
    read(ring, 60, at=2.0)
    assert [(c.tag, c.position, c.heard) for c in ring.crossings] == [(1, 23, 23), (2, 50, 43)]
    assert ring.crossings[0].at == pytest.approx(2.003)
    assert ring.heard == 43


def test_a_start_that_no_sound_followed_is_taken_back() -> None:
    ring = ring_of(100)
    ring.mark(1, start=True)
    ring.mark(2)
    ring.mark(3, start=True)
    ring.write(ramp(1, 3))
    ring.mark(4, start=True)
    ring.fade_out(10)
    ring.mark(5)
    read(ring, 30)
    assert [c.tag for c in ring.crossings] == [2, 3, 5]


def test_a_finished_fade_wakes_its_owner() -> None:
    wakes: list[int] = []
    ring = ring_of(100, wakes)
    ring.write(ramp(1000, 60))
    ring.fade_out(10)
    read(ring, 9)
    assert not wakes
    read(ring, 1)
    assert len(wakes) == 1
    read(ring, 10)
    assert len(wakes) == 1


def test_a_fade_longer_than_the_ring_is_as_long_as_the_ring() -> None:
    ring = ring_of(10)
    ring.write(np.full(10, 10000, np.int16))
    ring.fade_out(50)
    assert list(read(ring, 12)) == [9000, 8000, 7000, 6000, 5000, 4000, 3000, 2000, 1000, 0, 0, 0]


def test_ducking_glides_there_and_back_and_then_is_bit_exact() -> None:
    ring = ring_of(400)
    ring.write(np.full(400, 10000, np.int16))
    ring.duck(0.2, 40)
    down = np.concatenate([read(ring, 30), read(ring, 30)])
    assert down[0] == 9800
    assert down[39] == 2000
    assert set(down[39:]) == {2000}
    assert set(np.diff(down[:40])) == {-200}
    ring.unduck(20)
    up = np.concatenate([read(ring, 30), read(ring, 30)])
    assert up[0] == 2400
    assert set(up[19:]) == {10000}
    assert ring.heard == 120


def test_a_new_duck_starts_from_the_gain_of_the_moment() -> None:
    ring = ring_of(400)
    ring.write(np.full(400, 10000, np.int16))
    ring.duck(0.0, 100)
    half = read(ring, 50)
    ring.unduck(50)
    back = read(ring, 60)
    assert half[-1] == 5000
    assert back[0] == 5100
    assert set(back[49:]) == {10000}


def test_a_block_larger_than_the_ring_can_be_ducked() -> None:
    ring = ring_of(10)
    ring.write(np.full(10, 10000, np.int16))
    ring.duck(0.5, 1)
    assert list(read(ring, 25)) == [5000] * 10 + [0] * 15


def test_senseless_settings_are_refused() -> None:
    with pytest.raises(ValueError, match=r"gain lies between 0 and 1, found 1\.5"):
        ring_of(10).duck(1.5, 10)
    with pytest.raises(ValueError, match="room for a sample"):
        PlayRing(24000, 0.0)


def test_crossings_are_taken_by_their_owner() -> None:
    ring = ring_of(10)
    ring.mark(1)
    read(ring, 1)
    assert isinstance(ring.crossings, deque)
    assert ring.crossings.popleft().tag == 1
    assert not ring.crossings
