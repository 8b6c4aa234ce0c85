"""What others may see of the play ring: what is heard next, and when the device took a sample."""

import numpy as np

from actors.audio.ring import PlayRing


def ramp(count: int) -> np.ndarray:
    return np.arange(1, count + 1, dtype=np.int16)


def test_a_look_takes_nothing() -> None:
    ring = PlayRing(1000, 1.0)
    assert len(ring.peek()) == 0
    ring.write(ramp(50))
    out = np.zeros(10, np.int16)
    ring.read_into(out)
    assert list(ring.peek()) == list(range(11, 31))
    assert list(ring.peek(0.005)) == list(range(11, 16))
    ring.read_into(out)
    assert list(out) == list(range(11, 21))


def test_a_look_near_the_end_gives_what_is_left() -> None:
    ring = PlayRing(1000, 1.0)
    ring.write(ramp(5))
    assert list(ring.peek()) == [1, 2, 3, 4, 5]


def test_a_look_is_as_loud_as_what_is_heard() -> None:
    ring = PlayRing(1000, 1.0)
    ring.write(np.full(100, 1000, np.int16))
    ring.duck(0.2, 1.0)
    ring.read_into(np.zeros(20, np.int16))
    assert set(ring.peek()) == {200}


def test_a_crossing_knows_when_the_device_took_its_sample() -> None:
    ring = PlayRing(1000, 1.0)
    ring.mark(7, start=True)
    ring.write(ramp(50))
    ring.read_into(np.zeros(20, np.int16), at=5.02, now=5.0)
    (crossing,) = ring.crossings
    assert (crossing.at, crossing.taken) == (5.02, 5.0)
