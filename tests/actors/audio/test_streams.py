"""Streams, microphone and speaker on a fake sound card; the test plays the device's thread."""

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.audio import stream
from actors.audio.capture import Microphone
from actors.audio.speaker import Speaker
from pipeline.errors import DeviceUnavailable

Card = Any
NOW = 1000.0
pytestmark = pytest.mark.usefixtures("performance")


@pytest.fixture
def performance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the device threads' clock stand still."""
    monkeypatch.setattr(stream, "time", SimpleNamespace(perf_counter=lambda: NOW))


def steps(count: int = 320, start: int = 1) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.int16)


async def pass_time(clock: MockClock, seconds: float) -> None:
    for _ in range(round(seconds / 0.1)):
        await wait_all_tasks_blocked()
        clock.jump(0.1)
    await wait_all_tasks_blocked()


async def in_a_while(event: threading.Event) -> bool:
    return await trio.to_thread.run_sync(event.wait, 10)


async def test_a_microphone_runs_at_16_khz_where_the_device_takes_it(card: Card) -> None:
    async with Microphone() as microphone:
        (device,) = card.streams
        assert device.settings["samplerate"] == 16000
        assert device.settings["blocksize"] == 320
        assert device.settings["latency"] == "low"
        assert microphone.info == stream.StreamInfo("Fake card", 16000, 1, 320, 0.04)
        device.hear(steps())
        device.hear(steps(start=321))
        assert (await microphone.next()).pcm == steps().tobytes()
        assert (await microphone.next()).pcm == steps(start=321).tobytes()
    assert device.state == "closed"


async def test_the_buffer_the_device_uses_again_is_copied(card: Card) -> None:
    async with Microphone() as microphone:
        buffer = np.ones((320, 1), np.int16)
        card.streams[0].block(buffer, -0.02)
        buffer[:] = 9
        assert set((await microphone.next()).pcm) == {0, 1}


@pytest.mark.parametrize(
    ("lag", "age"), [(-0.05, 0.05), (-0.001, 0.02), (0.0, 0.04), (-5000.0, 0.04), (3.0, 0.04)],
    ids=["as told", "never younger than its length", "not told", "another clock", "in the future"],
)  # fmt: skip
async def test_a_block_knows_when_it_was_spoken(card: Card, lag: float, age: float) -> None:
    async with Microphone() as microphone:
        card.streams[0].hear(steps(), lag)
        assert (await microphone.next()).at == pytest.approx(microphone._stream._shift + NOW - age)


@pytest.mark.parametrize("native", [48000, 44100])
@pytest.mark.parametrize("channels", [1, 2])
async def test_a_device_with_a_rate_of_its_own_is_resampled(
    card: Card, mock_clock: MockClock, native: int, channels: int
) -> None:
    card.rates, card.native, card.channels = (native,), native, (channels,)
    tone = (9000 * np.sin(np.arange(native) * 2 * np.pi * 500 / native)).astype(np.int16)
    async with Microphone() as microphone:
        assert (microphone.info.rate, microphone.info.channels) == (native, channels)
        heard, ends, end = [], [], None
        size = microphone.info.block
        for number in range(40):
            microphone._stream.step(
                np.repeat(tone[number * size : (number + 1) * size, None], channels, 1), number * 0.02
            )
        with trio.move_on_after(0.5):
            while True:
                mock_clock.jump(0)
                if not microphone._raw:
                    break
                block = await microphone.next()
                if end is not None:
                    ends.append(abs(block.at - end))
                end = block.at + len(block.pcm) / 32000
                heard.append(block.pcm)
    found = np.frombuffer(b"".join(heard), "<i2").astype(int)
    wanted = (9000 * np.sin(np.arange(len(found)) * 2 * np.pi * 500 / 16000)).astype(int)
    assert len(found) > 0.75 * 16000
    assert np.abs(found - wanted)[400:].max() < 25
    assert max(ends) < 1e-6, "blocks join without a gap in time"


async def test_a_late_reader_gets_the_newest_sound_and_the_loss_is_counted(card: Card, mock_clock: MockClock) -> None:
    async with Microphone(keep=0.1) as microphone:
        for number in range(9):
            card.streams[0].hear(np.full(320, number, np.int16))
        assert microphone.dropped_ms == 80
        assert [(await microphone.next()).pcm[0] for _ in range(5)] == [4, 5, 6, 7, 8]
        with trio.move_on_after(0.5) as patience:
            mock_clock.jump(0.6)
            await microphone.next()
        assert patience.cancelled_caught


async def test_what_a_lost_microphone_gave_is_still_taken(card: Card) -> None:
    async with Microphone() as microphone:
        card.streams[0].hear(steps())
        card.streams[0].vanish()
        await wait_all_tasks_blocked()
        await microphone.next()
        with pytest.raises(DeviceUnavailable, match=r"lost the input device 'Fake card': its stream has ended; check"):
            await microphone.next()


async def test_a_waiting_reader_learns_of_the_loss_at_once(card: Card) -> None:
    async with Microphone() as microphone, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _read() -> None:
            with pytest.raises(DeviceUnavailable, match="its stream has ended"):
                await microphone.next()

        await wait_all_tasks_blocked()
        card.streams[0].vanish()


async def test_a_microphone_that_gives_nothing_for_a_second_is_lost(card: Card, mock_clock: MockClock) -> None:
    async with Microphone() as microphone, trio.open_nursery() as nursery:
        lost = trio.Event()

        @nursery.start_soon
        async def _read() -> None:
            await microphone.next()
            with pytest.raises(DeviceUnavailable, match="no sound passed for 1 s"):
                await microphone.next()
            lost.set()

        await pass_time(mock_clock, 2.9)
        card.streams[0].hear(steps())
        await pass_time(mock_clock, 0.9)
        assert not lost.is_set()
        await pass_time(mock_clock, 0.3)
        assert lost.is_set()


async def test_a_speaker_plays_what_is_written_and_silence_otherwise(card: Card) -> None:
    async with Speaker() as speaker:
        (device,) = card.streams
        assert (device.kind, device.settings["samplerate"], device.settings["blocksize"]) == ("output", 24000, 480)
        assert not device.play().any()
        speaker.ring.mark(5, start=True)
        await speaker.write(steps(700).tobytes())
        assert np.array_equal(device.play()[:, 0], steps(480))
        out = device.play()[:, 0]
        assert np.array_equal(out[:220], steps(220, 481))
        assert not out[220:].any()
        assert speaker.heard == pytest.approx(700 / 24000)
        assert speaker.ring.crossings[0].at == pytest.approx(speaker._stream._shift + NOW + 0.03)
    assert device.state == "closed"


async def test_a_writer_waits_for_room_and_is_woken_by_the_device(card: Card) -> None:
    async with Speaker(seconds=0.04) as speaker, trio.open_nursery() as nursery:
        done = trio.Event()

        @nursery.start_soon
        async def _write() -> None:
            await speaker.write(steps(2000).tobytes())
            done.set()

        heard = []
        for _ in range(4):
            await wait_all_tasks_blocked()
            heard.append(card.streams[0].play()[:, 0])
        await wait_all_tasks_blocked()
        assert done.is_set()
        heard.append(card.streams[0].play()[:80, 0])
        assert np.array_equal(np.concatenate(heard), steps(2000))


@pytest.mark.usefixtures("card")
async def test_a_cancelled_write_leaves_what_is_in_the_ring() -> None:
    async with Speaker(seconds=0.04) as speaker:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(speaker.write, steps(2000).tobytes())
                await wait_all_tasks_blocked()
                scope.cancel("enough")
        assert speaker.ring.buffered == 960
        assert speaker.fade_out() == 960 - 120


async def test_a_writer_on_a_lost_speaker_is_told(card: Card) -> None:
    async with Speaker(seconds=0.04) as speaker, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _write() -> None:
            with pytest.raises(DeviceUnavailable, match="lost the output device"):
                await speaker.write(bytes(20000))

        await wait_all_tasks_blocked()
        card.streams[0].vanish()
        await wait_all_tasks_blocked()
        assert "its stream has ended" in str(await speaker.lost())


async def test_a_speaker_that_asks_for_nothing_for_a_second_is_lost(card: Card, mock_clock: MockClock) -> None:
    async with Speaker() as speaker, trio.open_nursery() as nursery:
        found: list[DeviceUnavailable] = []

        @nursery.start_soon
        async def _watch() -> None:
            found.append(await speaker.lost())

        for _ in range(10):
            await pass_time(mock_clock, 0.3)
            card.streams[0].play()
        assert not found
        await pass_time(mock_clock, 1.9)
        assert "no sound passed for 1 s" in str(found[0])


async def test_a_device_may_take_three_seconds_to_its_first_block(card: Card, mock_clock: MockClock) -> None:
    async with Microphone() as microphone, Speaker() as speaker, trio.open_nursery() as nursery:
        found: list[DeviceUnavailable] = []

        @nursery.start_soon
        async def _watch() -> None:
            found.append(await speaker.lost())

        @nursery.start_soon
        async def _read() -> None:
            with pytest.raises(DeviceUnavailable, match="no sound passed for 3 s"):
                await microphone.next()
            found.append(DeviceUnavailable())

        await pass_time(mock_clock, 2.8)
        assert not found
        await pass_time(mock_clock, 1.2)
        assert len(found) == 2
    assert {one.state for one in card.streams} == {"closed"}


@pytest.mark.parametrize("channels", [1, 2])
async def test_a_speaker_with_a_rate_of_its_own_is_resampled_on_every_channel(card: Card, channels: int) -> None:
    card.rates, card.channels = (48000,), (channels,)
    tone = (9000 * np.sin(np.arange(4800) * 2 * np.pi * 500 / 24000)).astype("<i2")
    async with Speaker() as speaker:
        assert speaker.ring.rate == 48000
        await speaker.write(tone.tobytes())
        await speaker.finish()
        assert speaker.ring.buffered == 9600
        out = np.concatenate([card.streams[0].play() for _ in range(10)])
    assert out.shape == (9600, channels)
    assert np.array_equal(out[:, 0], out[:, -1])
    wanted = (9000 * np.sin(np.arange(9600) * 2 * np.pi * 500 / 48000)).astype(int)
    assert np.abs(out[:, 0] - wanted)[400:-400].max() < 25


async def test_a_fade_forgets_what_the_resampler_holds(card: Card) -> None:
    card.rates = (48000,)
    async with Speaker() as speaker:
        await speaker.write((np.ones(4800) * 9000).astype("<i2").tobytes())
        speaker.fade_out()
        held = speaker.ring.buffered
        await speaker.finish()
        assert speaker.ring.buffered == held


async def test_over_and_underflows_are_counted(card: Card) -> None:
    async with Microphone() as microphone, Speaker() as speaker:
        card.streams[0].block(np.zeros((320, 1), np.int16), flags=True)
        card.streams[1].block(np.zeros((480, 1), np.int16), flags=True)
        card.streams[1].block(np.zeros((480, 1), np.int16))
        assert (microphone.overflows, speaker.underflows) == (1, 1)


async def test_a_device_that_refuses_everything_is_named_with_the_first_reason(card: Card) -> None:
    card.rates = ()
    with pytest.raises(
        DeviceUnavailable, match=r"cannot open the input device 'Fake card': Invalid sample rate; check"
    ):
        await Microphone().open()


async def test_a_device_that_will_not_start_is_closed_again(card: Card) -> None:
    card.start_refusal = "Device unavailable"
    with pytest.raises(DeviceUnavailable, match="'Fake card': Device unavailable"):
        await Speaker().open()
    assert card.streams[0].state == "closed"


async def test_a_hanging_open_is_given_up_and_closed_when_it_comes_back(card: Card, mock_clock: MockClock) -> None:
    card.hang_open = threading.Event()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _open() -> None:
            with pytest.raises(DeviceUnavailable, match=r"opening the input device took longer than 5 s: it hangs"):
                await Microphone().open()

        assert await in_a_while(card.opening)
        await pass_time(mock_clock, 5.1)
    assert not card.streams
    card.hang_open.set()
    assert await in_a_while(card.closed)
    assert card.streams[0].state == "closed"


async def test_an_open_that_is_cancelled_leaves_nothing_open(card: Card) -> None:
    card.hang_open = threading.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Speaker().open)
        assert await in_a_while(card.opening)
        nursery.cancel_scope.cancel("changed my mind")
    card.hang_open.set()
    assert await in_a_while(card.closed)


async def test_a_hanging_close_is_given_up(card: Card, mock_clock: MockClock) -> None:
    microphone = Microphone()
    await microphone.open()
    card.hang_close = threading.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(microphone.close)
        await pass_time(mock_clock, 5.1)
    assert card.streams[0].state == "running"
    await microphone.close()
    card.hang_close.set()
    assert await in_a_while(card.closed)


async def test_a_block_after_the_run_has_ended_does_no_harm(card: Card) -> None:
    async def run() -> None:
        await Microphone().open()

    await trio.to_thread.run_sync(lambda: trio.run(run))
    card.streams[0].hear(steps())
    card.streams[0].vanish()
