"""The page's microphone as the pipeline gets it: in order, once, at the right time."""

import pytest

from actors.gateway.page_audio import DRIFT, Page, PageClock


def test_a_block_that_comes_twice_is_taken_once() -> None:
    page = Page()
    page.hear(0, b"\1\0" * 640, 1.0)
    page.hear(320, b"\2\0" * 640, 1.0)
    assert page.received == 960
    assert page.lost == 0


async def test_blocks_come_out_whole_and_in_order() -> None:
    page = Page()
    for position in range(0, 6400, 640):
        page.hear(position, bytes([position // 640, 0]) * 640, 1.0)
    blocks = [await page.next_block() for _ in range(10)]
    assert [block.position for block in blocks] == list(range(0, 6400, 640))
    assert [block.pcm[0] for block in blocks] == list(range(10))


def test_what_never_came_is_counted() -> None:
    page = Page()
    page.hear(0, bytes(1280), 1.0)
    page.hear(1600, bytes(1280), 1.1)
    assert page.lost == 960


def test_half_a_sample_is_left_out() -> None:
    page = Page()
    page.hear(0, bytes(3), 1.0)
    assert page.received == 1


async def test_more_than_a_page_keeps_is_not_kept_here_either() -> None:
    page = Page()
    for second in range(140):
        page.hear(16_000 * second, bytes(32_000), float(second))
    assert page.lost == 10 * 16_000
    assert (await page.next_block()).position == 10 * 16_000


def test_late_blocks_were_spoken_when_they_were_spoken() -> None:
    clock = PageClock()
    assert clock.spoken(0, 640, 10.0) == pytest.approx(9.96)
    assert clock.spoken(640, 640, 15.0) == pytest.approx(10.0, abs=1e-3)
    assert clock.spoken(1280, 640, 15.0) == pytest.approx(10.04, abs=1e-3)


def test_the_quickest_block_sets_the_clock() -> None:
    clock = PageClock()
    clock.spoken(0, 640, 10.5)
    assert clock.spoken(640, 640, 10.08) == pytest.approx(10.04)
    assert clock.spoken(1280, 640, 10.6) == pytest.approx(10.08, abs=1e-3)


def test_a_page_whose_clock_is_slow_is_followed() -> None:
    clock = PageClock()
    rate = 16_000 * (1 - DRIFT / 2)
    late = [clock.spoken(640 * i, 640, 640 * (i + 1) / rate) - 640 * i / rate for i in range(90_000)]
    assert max(abs(one) for one in late) < 0.05
