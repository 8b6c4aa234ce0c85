"""The player: what of each turn was heard, to the sample, also across interruptions and lost speakers."""

from typing import Any

import attrs
import numpy as np
import pytest

from actors.audio.player import Player, waterfall
from actors.audio.ring import Crossing, PlayRing
from pipeline.channels import Capacity, Edge, Outlet, Overflow
from pipeline.events import PARTS, Bus, Event, TurnTimed
from pipeline.messages import Asked, Audible, Interrupted, ReplyAudio

RATE = 24_000


@attrs.define
class Desk:
    """A player with a speaker whose blocks are taken by hand; the clock counts the samples taken."""

    bus: Bus = attrs.field(factory=lambda: Bus(clock=lambda: 0.0))
    ring: PlayRing = attrs.field(factory=lambda: PlayRing(RATE, 2.0))
    taken: int = 0
    player: Player = attrs.field(init=False)
    events: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.events = self.bus.subscribe()
        self.player = Player(self.bus)
        self.player.take(self, Outlet[Audible](None, None), acoustic=False)  # type: ignore[arg-type]

    def fade_out(self, ms: float = 5.0) -> int:
        return self.ring.fade_out(ms)

    def say(self, turn: int, ms: int, answers: float | None = None) -> None:
        self.player.begin(ReplyAudio(turn, b"", 0.0, None if answers is None else Asked(answers)))
        assert self.ring.write(np.full(ms * 24, 1000, np.int16)) == ms * 24

    def play(self, ms: int) -> None:
        for _ in range(ms // 10):
            self.ring.read_into(np.zeros(240, np.int16), self.taken / RATE)
            self.taken += 240
            self.player.note()

    def told(self) -> list[Event]:
        waiting, self.events._waiting = list(self.events._waiting), type(self.events._waiting)()
        return [event for event in waiting if not isinstance(event, TurnTimed)]


def test_a_turn_is_heard_whole_and_ends_when_its_last_sample_has_left() -> None:
    desk = Desk()
    desk.play(100)
    desk.say(1, 500, answers=0.05)
    desk.player.whole(1)
    desk.player.end(1, "completed")
    desk.play(490)
    assert [event.name for event in desk.told()] == ["turn.first_audio"]
    desk.play(20)
    (end,) = desk.told()
    assert end.fields() == {"turn": 1, "heard_ms": 500.0, "outcome": "completed", "underruns": 0}


def test_latency_counts_from_the_users_last_sample_to_the_first_of_the_reply() -> None:
    desk = Desk()
    desk.play(300)
    desk.say(1, 100, answers=0.1)
    desk.play(10)
    assert desk.told()[0].fields() == {"turn": 1, "latency_ms": 200.0}


def test_an_interruption_tells_what_was_heard_and_how_soon_it_was_silent() -> None:
    desk = Desk()
    desk.say(1, 1000)
    desk.play(200)
    desk.told()
    desk.player.silence(Interrupted(1, at=desk.taken / RATE))
    desk.play(20)
    interrupted, end = desk.told()
    assert interrupted.fields() == {"turn": 1, "heard_ms": 205.0, "silent_after_ms": 5.0}
    assert end.fields() == {"turn": 1, "heard_ms": 205.0, "outcome": "interrupted", "underruns": 0}
    assert desk.player.stale(1)
    assert not desk.player.stale(2)


def test_a_second_word_of_the_same_interruption_changes_nothing() -> None:
    desk = Desk()
    desk.say(1, 1000)
    desk.play(100)
    desk.told()
    for _ in range(2):
        desk.player.silence(Interrupted(1, at=0.1))
    desk.play(20)
    desk.player.silence(Interrupted(1, at=0.1))
    desk.play(20)
    assert [event.name for event in desk.told()] == ["turn.interrupted", "turn.end"]


@pytest.mark.parametrize("begun", [True, False])
def test_a_turn_that_never_sounded_ends_all_the_same(*, begun: bool) -> None:
    desk = Desk()
    if begun:
        desk.say(1, 1000)
    desk.player.silence(Interrupted(1, at=0.0, outcome="failed"))
    desk.play(20)
    assert [event.fields()["outcome"] for event in desk.told() if event.name == "turn.end"] == ["failed"]


def test_a_silent_turn_ends_at_once() -> None:
    desk = Desk()
    desk.player.end(1, "completed")
    assert desk.told()[0].fields() == {"turn": 1, "heard_ms": 0.0, "outcome": "completed", "underruns": 0}


def test_turns_follow_each_other_through_one_ring() -> None:
    desk = Desk()
    desk.say(1, 100)
    desk.player.end(1, "completed")
    desk.say(2, 200)
    desk.player.end(2, "completed")
    desk.play(400)
    ends = [event.fields() for event in desk.told() if event.name == "turn.end"]
    assert [(end["turn"], end["heard_ms"]) for end in ends] == [(1, 100.0), (2, 200.0)]


def test_a_turn_goes_on_on_another_speaker_and_is_announced_once() -> None:
    desk = Desk()
    desk.say(1, 1000)
    desk.play(300)
    other = PlayRing(RATE, 2.0)
    desk.ring = other
    desk.player.take(desk, Outlet[Audible](None, None), acoustic=False)  # type: ignore[arg-type]
    desk.say(1, 200)
    desk.player.end(1, "completed")
    desk.play(220)
    events = desk.told()
    assert [event.name for event in events] == ["turn.first_audio", "turn.end"]
    assert events[-1].fields()["heard_ms"] == 500.0


def test_a_speaker_lost_in_the_fade_or_after_the_end_leaves_no_turn_open() -> None:
    desk = Desk()
    desk.say(1, 100)
    desk.player.end(1, "completed")
    desk.say(2, 100)
    desk.play(20)
    desk.player.silence(Interrupted(2, at=0.0))
    desk.ring = PlayRing(RATE, 2.0)
    desk.player.take(desk, Outlet[Audible](None, None), acoustic=False)  # type: ignore[arg-type]
    ends = [(e.fields()["turn"], e.fields()["outcome"]) for e in desk.told() if e.name == "turn.end"]
    assert sorted(ends) == [(1, "interrupted"), (2, "interrupted")]


def test_a_turn_that_is_interrupted_while_another_fades_ends_too() -> None:
    desk = Desk()
    desk.say(1, 500)
    desk.play(100)
    desk.player.silence(Interrupted(1, 0.1))
    desk.player.silence(Interrupted(2, 0.1))
    desk.player.silence(Interrupted(2, 0.1))
    desk.play(50)
    ends = [(e.fields()["turn"], e.fields()["outcome"]) for e in desk.told() if e.name == "turn.end"]
    assert sorted(ends) == [(1, "interrupted"), (2, "interrupted")]


@pytest.mark.parametrize(("heard", "outcome"), [(100, "completed"), (60, "interrupted"), (90, "interrupted")])
def test_a_word_that_comes_with_the_end_of_its_turn_ends_it_once(heard: int, outcome: str) -> None:
    desk = Desk()
    desk.say(1, 100)
    desk.player.whole(1)
    desk.play(heard)
    desk.player.end(1, "completed")
    desk.player.silence(Interrupted(1, desk.taken / RATE))
    desk.play(50)
    (end,) = [event for event in desk.told() if event.name == "turn.end"]
    assert end.fields()["outcome"] == outcome
    desk.say(2, 20)
    desk.player.end(2, "completed")
    desk.play(50)
    assert [event.fields()["turn"] for event in desk.told() if event.name == "turn.end"] == [2]


def test_turns_that_wait_behind_the_one_that_is_interrupted_end_too() -> None:
    desk = Desk()
    desk.say(1, 500)
    desk.play(100)
    desk.player.silence(Interrupted(3, 0.1))
    desk.play(50)
    ends = [(e.fields()["turn"], e.fields()["outcome"]) for e in desk.told() if e.name == "turn.end"]
    assert sorted(ends) == [(1, "interrupted"), (2, "interrupted"), (3, "interrupted")]


@pytest.mark.parametrize("fading", [False, True])
def test_a_speaker_that_is_lost_is_heard_no_more_also_where_nothing_follows(fading: bool) -> None:
    desk = Desk()
    edge: Edge[Audible] = Edge("audible", Capacity(16, "items"), Overflow.DROP_OLDEST)
    before, inlet = edge.outlet(), edge.inlet()
    desk.player.take(desk, before, acoustic=True)  # type: ignore[arg-type]
    desk.say(1, 500)
    desk.player.end(1, "completed")
    desk.play(100)
    if fading:
        desk.player.silence(Interrupted(1, 0.1))
    before.close()
    desk.player.take(desk, edge.outlet(), acoustic=False)  # type: ignore[arg-type]
    assert [inlet.receive_nowait().sounding for _ in range(edge.waiting)] == [True, False]


def test_a_turn_that_goes_on_after_it_seemed_whole_sounds_again() -> None:
    desk = Desk()
    desk.say(1, 100)
    desk.player.whole(1)
    desk.play(200)
    assert not desk.player.sounding
    desk.say(1, 100)
    desk.play(50)
    assert desk.player.sounding
    desk.player.end(1, "completed")
    desk.play(100)
    assert [event.name for event in desk.told()] == ["turn.first_audio", "turn.end"]
    assert not desk.player.sounding


def test_a_turn_under_way_ends_with_the_conversation() -> None:
    desk = Desk()
    desk.say(1, 500)
    desk.play(100)
    desk.player.close()
    (end,) = [event for event in desk.told() if event.name == "turn.end"]
    assert (end.fields()["heard_ms"], end.fields()["outcome"]) == (100.0, "interrupted")


def test_interruptions_leave_nothing_behind() -> None:
    desk = Desk()
    for turn in range(1, 40):
        desk.say(turn, 100)
        desk.player.whole(turn)
        desk.play(20)
        desk.player.silence(Interrupted(turn, 0.0))
        desk.play(20)
    assert len(desk.player._due) <= 2


WHOLE = Asked(at=1.0, taken=1.02, passed=1.05, began=1.06, written=1.10, tools=0.2)
WAYS: list[tuple[Asked | None, list[float | None]]] = [
    (WHOLE, [20, 30, 10, 40, 700, 200, 50, 10, 60]),
    (attrs.evolve(WHOLE, tools=0.0), [20, 30, 10, 40, 900, 0, 50, 10, 60]),
    (attrs.evolve(WHOLE, tools=99.0), [20, 30, 10, 40, 0, 900, 50, 10, 60]),  # of what was asked before this
    (attrs.evolve(WHOLE, taken=None), [None, None, 10, 40, 700, 200, 50, 10, 60]),  # a microphone that does not tell
    (attrs.evolve(WHOLE, began=None, written=None), [20, 30, None, None, None, None, 50, 10, 60]),
    (Asked(at=1.1, began=1.06, written=1.1), [None, None, None, None, 900, 0, 50, 10, 60]),  # typed words
    (None, [None, None, None, None, None, None, 50, 10, 60]),  # nobody knows what it answers
]


@pytest.mark.parametrize(("asked", "parts"), WAYS)
def test_the_parts_of_a_turns_latency(asked: Asked | None, parts: list[float | None]) -> None:
    desk = Desk()
    desk.player.begin(ReplyAudio(1, b"", 2.0, asked))
    turn = desk.player._turns[1]
    turn.taken = 2.05
    found = waterfall(turn, Crossing(1, 0, at=2.12, heard=0, taken=2.06))
    assert list(found) == list(PARTS)
    assert list(found.values()) == [part if part is None else pytest.approx(part, abs=0.11) for part in parts]
    if asked is not None and None not in parts:
        assert sum(part or 0.0 for part in found.values()) == pytest.approx(1000 * (2.12 - asked.at), abs=0.5)


def test_a_turn_that_sounds_is_timed_once() -> None:
    desk = Desk()
    desk.say(1, 100)
    desk.play(50)
    desk.player.whole(1)
    desk.play(200)
    desk.say(1, 100)
    desk.play(50)
    timed = [event for event in desk.events._waiting if isinstance(event, TurnTimed)]
    assert [(event.turn, event.latency_ms) for event in timed] == [(1, None)]


def test_a_reply_says_when_the_words_ended_that_it_answers() -> None:
    desk = Desk()
    desk.player.take(desk, Outlet[Audible](None, None), acoustic=False, clock=lambda at: 1000 * at - 20)  # type: ignore[arg-type]
    desk.say(1, 100, answers=0.1)
    desk.say(2, 100)
    desk.play(200)
    assert [event.fields().get("asked_ms") for event in desk.told() if event.name == "turn.first_audio"] == [80.0, None]


def test_a_turn_counts_its_own_underruns() -> None:
    desk = Desk()
    desk.say(1, 50)
    desk.play(100)  # the next of it comes late, twice
    desk.say(1, 50)
    desk.play(100)
    desk.say(1, 50)
    desk.player.end(1, "completed")
    desk.play(100)
    desk.say(2, 50)
    desk.player.end(2, "completed")
    desk.play(100)
    desk.say(3, 50)
    desk.play(100)
    desk.say(3, 50)
    desk.player.silence(Interrupted(3, at=0.5))
    desk.play(20)
    ends = [event.fields() for event in desk.told() if event.name == "turn.end"]
    assert [(end["turn"], end["underruns"]) for end in ends] == [(1, 2), (2, 0), (3, 1)]
