"""The ring whose reader is a page: what is sent, sent again, and counted as heard."""

from typing import Any

import attrs
import pytest

from actors.gateway.relay_ring import FRAME, PIECE, SUPPLIED, Flush, Level, PageRing, Whole

SILENCE = bytes(2 * FRAME)


def filled(pieces: int, ring: PageRing | None = None) -> PageRing:
    ring = ring or PageRing()
    for _ in range(pieces):
        ring.write(SILENCE)
    return ring


def sent(ring: PageRing) -> list[int]:
    return [piece.position for piece in iter(ring.take, None)]


def tags(ring: PageRing) -> list[tuple[int, Any, int]]:
    passed = [(crossing.tag, crossing.at, crossing.heard) for crossing in ring.crossings]
    ring.crossings.clear()
    return passed


def test_pieces_are_sent_once_and_in_order() -> None:
    ring = filled(3)
    ring.attach(None, 0, 0.0)
    assert sent(ring) == [0, FRAME, 2 * FRAME]
    ring.write(SILENCE)
    assert sent(ring) == [3 * FRAME]


def test_there_is_room_up_to_the_window_beyond_the_ear() -> None:
    ring = PageRing(window=2 * FRAME)
    ring.attach(None, 0, 0.0)
    filled(2, ring)
    assert not ring.room
    sent(ring)
    ring.reached(1, 0.0)
    assert ring.room


def test_marks_are_passed_by_what_the_page_has_played() -> None:
    ring = PageRing()
    ring.attach(None, 0, 0.0)
    ring.mark(1, start=True)
    filled(1, ring)
    ring.mark(2)
    sent(ring)
    assert tags(ring) == []
    ring.reached(240, 10.0)
    assert tags(ring) == [(1, pytest.approx(9.99), 0)]
    ring.reached(FRAME, 11.0)
    assert tags(ring) == [(2, 11.0, FRAME)]
    assert ring.heard == FRAME


def test_a_page_cannot_have_played_what_was_not_sent() -> None:
    ring = filled(2)
    ring.attach(None, 0, 0.0)
    ring.take()
    ring.reached(99 * FRAME, 1.0)
    assert ring.position == FRAME


def test_a_fade_tells_the_page_and_counts_what_it_says_was_heard() -> None:
    ring = filled(5)
    ring.attach(None, 0, 0.0)
    for _ in range(3):
        ring.take()
    ring.mark(1)
    assert ring.fade_out(5.0) == 2 * FRAME
    ring.mark(2)
    ring.controls.clear()
    assert tags(ring) == []
    ring.reached(100, 1.0)
    ring.flushed(1, 1000, 2.0)
    assert ring.heard == 1000
    assert [tag for tag, _, _ in tags(ring)] == [2], "what lay beyond the fade goes with its sound"
    assert ring.position == ring.written == 3 * FRAME


def test_a_fade_is_told_ahead_of_sound_with_its_position() -> None:
    ring = filled(2)
    ring.attach(None, 0, 0.0)
    ring.controls.clear()
    ring.take()
    ring.fade_out(5.0)
    ring.duck(0.2, 20.0)
    assert list(ring.controls) == [Flush(1, FRAME, 5.0), Level(0.2, 20.0)]


def test_a_page_that_plays_beyond_a_flush_has_obeyed_it() -> None:
    ring = filled(1)
    ring.attach(None, 0, 0.0)
    sent(ring)
    ring.fade_out()
    ring.mark(4)
    filled(1, ring)
    sent(ring)
    ring.reached(FRAME + 10, 1.0)
    assert [tag for tag, _, _ in tags(ring)] == [4]
    assert ring.heard == 10


def test_a_fade_with_nothing_at_the_page_is_over_at_once() -> None:
    ring = filled(2)
    ring.attach(None, 0, 0.0)
    ring.fade_out()
    ring.mark(7)
    assert [tag for tag, _, _ in tags(ring)] == [7]
    assert ring.heard == 0


def test_a_fade_while_the_page_is_away_counts_what_was_last_heard_of() -> None:
    ring = filled(3)
    ring.attach(None, 0, 0.0)
    sent(ring)
    ring.reached(500, 1.0)
    ring.detach()
    ring.fade_out()
    ring.mark(3)
    assert [tag for tag, _, _ in tags(ring)] == [3]
    assert (ring.heard, ring.stale_before) == (500, 3 * FRAME)
    filled(1, ring)
    assert ring.attach(3 * FRAME, 700, 2.0) == 3 * FRAME
    assert sent(ring) == [3 * FRAME]


def test_a_page_that_comes_back_goes_on_behind_what_it_has() -> None:
    ring = filled(4)
    ring.attach(None, 0, 0.0)
    for _ in range(3):
        ring.take()
    ring.reached(FRAME, 1.0)
    ring.detach()
    assert ring.attach(2 * FRAME, FRAME + 10, 2.0) == 2 * FRAME
    assert sent(ring) == [2 * FRAME, 3 * FRAME]
    assert ring.heard == FRAME + 10


def test_a_page_that_was_reloaded_gets_all_it_has_not_played() -> None:
    ring = filled(4)
    ring.attach(None, 0, 0.0)
    sent(ring)
    ring.reached(FRAME + 100, 1.0)
    ring.detach()
    assert ring.attach(None, 0, 2.0) == FRAME + 100
    assert sent(ring) == [FRAME, 2 * FRAME, 3 * FRAME]


def test_the_page_is_told_when_nothing_more_is_to_be_waited_for() -> None:
    ring = PageRing()
    ring.attach(None, 0, 0.0)
    ring.controls.clear()
    ring.expecting = True
    filled(1, ring)
    ring.expecting = False
    assert list(ring.controls) == [Whole(FRAME)]


def test_a_conversation_taken_over_goes_on_at_its_position() -> None:
    ring = PageRing(5000)
    ring.mark(1, start=True)
    filled(1, ring)
    assert ring.attach(5000, 4000, 0.0) == 5000
    assert sent(ring) == [5000]
    ring.reached(5100, 1.0)
    assert ring.heard == 100


def test_a_recorder_is_shown_what_was_played() -> None:
    shown: list[tuple[int, Any, int]] = []
    ring = filled(1)
    ring.tap = lambda block, at, rate: shown.append((len(block), at, rate))
    ring.attach(None, 0, 0.0)
    sent(ring)
    ring.reached(FRAME, 3.0)
    assert shown == [(FRAME, pytest.approx(2.6), 24_000)]


@attrs.define
class Counter:
    calls: int = 0

    def __call__(self) -> None:
        self.calls += 1


def test_whoever_waits_is_woken_by_everything_new() -> None:
    wake = Counter()
    ring = PageRing(wake=wake)
    news = (lambda: ring.write(SILENCE), lambda: ring.duck(0.5), lambda: ring.attach(None, 0, 0.0), ring.fade_out)
    for count, tell in enumerate(news, start=1):
        tell()  # type: ignore[no-untyped-call]
        assert wake.calls >= count


def spans(ring: PageRing) -> list[tuple[int, int]]:
    return [(frame.position, frame.end) for frame in iter(ring.take, None)]


def test_small_pieces_go_together() -> None:
    ring = PageRing()
    ring.attach(None, 0, 0.0)
    for number in range(10):
        ring.write(bytes([number]) * 2 * PIECE)
    frames = list(iter(ring.take, None))
    assert [(frame.position, frame.end) for frame in frames] == [
        (0, 4 * PIECE), (4 * PIECE, 8 * PIECE), (8 * PIECE, 10 * PIECE),
    ]  # fmt: skip
    assert b"".join(frame.pcm for frame in frames) == b"".join(bytes([number]) * 2 * PIECE for number in range(10))


def test_pieces_wait_for_each_other_only_where_the_page_has_enough_and_more_is_to_come() -> None:
    ring = PageRing()
    ring.attach(None, 0, 0.0)
    ring.expecting = True
    sent = 0
    while sent < 5 * FRAME:  # the more there is to play, the larger the frames, up to the largest
        patience = min(FRAME, (sent - SUPPLIED) // 2)
        waiting = PIECE
        ring.write(bytes(2 * PIECE))
        while waiting < patience:
            assert spans(ring) == []
            ring.write(bytes(2 * PIECE))
            waiting += PIECE
        assert spans(ring) == [(sent, sent + waiting)]
        sent += waiting
    ring.write(bytes(2 * PIECE))
    assert spans(ring) == []
    ring.reached(sent - SUPPLIED - PIECE, 1.0)  # now the page has less than enough
    assert spans(ring) == [(sent, sent + PIECE)]
    ring.write(bytes(8 * PIECE))
    spans(ring)
    ring.write(bytes(2 * PIECE))
    assert spans(ring) == []
    ring.expecting = False
    assert spans(ring) == [(sent + 5 * PIECE, sent + 6 * PIECE)]


def test_a_fade_lets_go_of_what_waits() -> None:
    ring = PageRing()
    ring.attach(None, 0, 0.0)
    ring.expecting = True
    for _ in range(SUPPLIED // PIECE):
        ring.write(bytes(2 * PIECE))
    spans(ring)
    ring.write(bytes(2 * PIECE))
    assert ring.fade_out(5.0) == PIECE
    assert spans(ring) == []


def test_what_was_faded_out_is_no_supply_for_the_next_reply() -> None:
    ring = PageRing()
    ring.attach(None, 0, 0.0)
    ring.expecting = True
    for _ in range(3 * SUPPLIED // PIECE):
        ring.write(bytes(2 * PIECE))
    spans(ring)
    ring.fade_out(5.0)  # the page has not answered yet, and has nothing to play any more
    ring.expecting = True
    ring.write(bytes(2 * PIECE))
    assert spans(ring) == [(ring.stale_before, ring.stale_before + PIECE)]
