"""The speaker without hardware: on its clock also where the loop is late, and with nothing before its time."""

import numpy as np
import pytest
import trio
import trio.testing

from actors.audio.paced import PacedSpeaker

BLOCK = 240


def tone(ms: int) -> bytes:
    return np.full(ms * 24, 1000, "<i2").tobytes()


async def rest() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_blocks_leave_in_real_time(autojump_clock: object) -> None:
    sink: list[bytes] = []
    speaker = PacedSpeaker(sink.append)
    await speaker.write(tone(25))
    with trio.move_on_after(0.0999):
        await speaker.run(trio.current_time())
    sound = np.frombuffer(b"".join(sink), "<i2")
    assert len(sound) == 10 * BLOCK
    assert list(np.flatnonzero(sound)) == list(range(25 * 24))


@pytest.mark.parametrize("late", [0.055, 0.4, 1.0])
async def test_what_comes_while_the_loop_is_late_is_not_heard_before_it_came(
    mock_clock: trio.testing.MockClock, late: float
) -> None:
    sink: list[bytes] = []
    speaker = PacedSpeaker(sink.append)
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speaker.run, begun)
        await rest()
        mock_clock.jump(late)  # nothing has run meanwhile, and now the reply is there first
        speaker.ring.mark(1, start=True)
        await speaker.write(tone(30))
        came = trio.current_time()
        await rest()
        mock_clock.jump(0.1)
        await rest()
        nursery.cancel_scope.cancel("it was heard")
    (first,) = speaker.ring.crossings
    assert came <= first.at < came + 0.01
    sound = np.frombuffer(b"".join(sink), "<i2")
    assert np.flatnonzero(sound)[0] == round((first.at - begun) * 24000)
    assert len(sound) == len(sink) * BLOCK == round((late + 0.1) * 24000 // BLOCK + 1) * BLOCK


async def test_what_was_there_plays_on_through_a_late_loop(mock_clock: trio.testing.MockClock) -> None:
    """As on a device, whose callback does not wait for the loop."""
    sink: list[bytes] = []
    speaker = PacedSpeaker(sink.append)
    async with trio.open_nursery() as nursery:
        await speaker.write(tone(200))
        nursery.start_soon(speaker.run, trio.current_time())
        await rest()
        speaker.ring.expecting = True
        mock_clock.jump(0.35)
        await speaker.write(tone(100))  # 160 ms too late for its place
        await rest()
        mock_clock.jump(0.2)
        await rest()
        nursery.cancel_scope.cancel("it was heard")
    heard = np.flatnonzero(np.frombuffer(b"".join(sink), "<i2")) // 24
    assert sorted(set(heard)) == [*range(200), *range(350, 450)] or sorted(set(heard)) == [
        *range(200),
        *range(360, 460),
    ]
    assert speaker.ring.underruns >= 1


async def test_a_fade_takes_what_was_written_with_it(mock_clock: trio.testing.MockClock) -> None:
    speaker = PacedSpeaker()
    async with trio.open_nursery() as nursery:
        await speaker.write(tone(1000))
        nursery.start_soon(speaker.run, trio.current_time())
        await rest()
        speaker.fade_out(5.0)
        mock_clock.jump(0.3)
        speaker.ring.mark(1, start=True)
        await speaker.write(tone(50))
        came = trio.current_time()
        await rest()
        mock_clock.jump(0.1)
        await rest()
        nursery.cancel_scope.cancel("it was heard")
    assert speaker.ring.crossings[-1].at >= came
