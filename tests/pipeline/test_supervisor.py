"""Restarts: when, after how long, how often, and what ends them."""

from collections import deque
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from pipeline.errors import Fatal, GaveUp, TransportLost
from pipeline.events import Bus
from pipeline.supervisor import Policy, Supervised


@attrs.define
class Life:
    """An actor's lives: what each incarnation does, and when it began. The last one works until cancelled."""

    deeds: list[Callable[[], object]]
    began: list[float] = attrs.field(factory=list)

    async def __call__(self) -> None:
        self.began.append(trio.current_time())
        if len(self.began) > len(self.deeds):
            await trio.sleep_forever()
        self.deeds[len(self.began) - 1]()


def crash(text: str = "it broke") -> Callable[[], object]:
    def deed() -> None:
        raise ValueError(text)

    return deed


def fatal() -> None:
    raise Fatal("no device")


def nothing() -> None:
    """Returns."""


@pytest.mark.parametrize(
    ("crashes", "jitter", "delay"),
    [(0, 0, 0.1), (1, 0, 0.1), (2, 0, 0.2), (3, 0, 0.4), (6, 0, 3.2), (7, 0, 5.0), (10_000, 0, 5.0), (1, 1, 0.125)],
)
def test_delays_double_up_to_a_limit(crashes: int, jitter: float, delay: float) -> None:
    assert Policy().delay(crashes, jitter) == pytest.approx(delay)


def test_only_crashes_within_the_period_count() -> None:
    policy = Policy(crashes=2, period=10)
    crashes = deque([0.0, 9.0])
    assert not policy.exhausted(crashes, 9.0)
    crashes.append(9.5)
    assert policy.exhausted(crashes, 9.9)
    assert not policy.exhausted(crashes, 10.0)
    assert list(crashes) == [9.0, 9.5]


@pytest.mark.parametrize("wrong", [{"crashes": -1}, {"period": 0}, {"first_delay": -0.1}, {"longest_delay": -1}])
def test_a_policy_that_cannot_be_kept_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Policy(**wrong)  # type: ignore[arg-type]


async def test_an_actor_that_returns_is_done(heard: Any) -> None:
    supervised, life = Supervised("one", Policy()), Life([nothing])
    await supervised.supervise(life, heard.bus)
    await wait_all_tasks_blocked()
    assert (supervised.state, supervised.restarts, heard.events) == ("done", 0, [])


async def test_a_crash_is_followed_by_another_start_after_a_doubling_delay(
    autojump_clock: MockClock, heard: Any
) -> None:
    supervised, life = Supervised("one", Policy()), Life([crash(str(number)) for number in range(4)] + [nothing])
    await supervised.supervise(life, heard.bus)
    await wait_all_tasks_blocked()
    gaps = [later - earlier for earlier, later in zip(life.began, life.began[1:], strict=False)]
    for gap, delay in zip(gaps, [0.1, 0.2, 0.4, 0.8], strict=True):
        assert delay <= gap <= delay * 1.25
    assert [(event.actor, event.crashes, event.error) for event in heard.named("actor.restart")] == [
        ("one", number + 1, f"ValueError: {number}") for number in range(4)
    ]
    assert [event.where.split(":")[0] for event in heard.named("actor.restart")] == ["test_supervisor.py"] * 4
    assert (supervised.state, supervised.restarts, supervised.last_error) == ("done", 4, "ValueError: 3")


async def test_one_crash_too_many_in_the_period_gives_up_with_one_sentence(
    autojump_clock: MockClock, heard: Any
) -> None:
    supervised, life = Supervised("vad", Policy(crashes=3, period=30)), Life([crash("a\n  long story")] * 9)
    with pytest.raises(GaveUp) as caught:
        await supervised.supervise(life, heard.bus)
    error = caught.value
    assert str(error) == (
        "vad crashed 4 times within 30 s and was not started again; the last error was ValueError: a long story; "
        "check [actors.vad] in the plan"
    )
    assert (error.actor, error.crashes, len(life.began), supervised.state) == ("vad", 4, 4, "failed")
    assert isinstance(error.__cause__, ExceptionGroup)


async def test_crashes_far_apart_are_forgiven(autojump_clock: MockClock, heard: Any) -> None:
    supervised = Supervised("one", Policy(crashes=1, period=10))
    lives = 0

    async def once_in_eleven_seconds() -> None:
        nonlocal lives
        lives += 1
        if lives < 6:
            await trio.sleep(11)
            raise ValueError(lives)

    await supervised.supervise(once_in_eleven_seconds, heard.bus)
    assert (supervised.restarts, supervised.state) == (5, "done")


@pytest.mark.parametrize("wrapped", [False, True])
async def test_fatal_escalates_at_once(wrapped: bool, heard: Any) -> None:
    supervised, life = Supervised("one", Policy()), Life([fatal])

    async def within_a_nursery() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life)

    with pytest.RaisesGroup(Fatal, flatten_subgroups=True):
        await supervised.supervise(within_a_nursery if wrapped else life, heard.bus)
    assert (len(life.began), supervised.state) == (1, "failed")


async def test_fatal_beside_a_crash_escalates_too(heard: Any) -> None:
    async def both() -> None:
        raise ExceptionGroup("both", [Fatal("no key"), ValueError("odd")])

    with pytest.RaisesGroup(Fatal, flatten_subgroups=True):
        await Supervised("one", Policy()).supervise(both, heard.bus)


async def test_an_expected_error_is_a_crash_like_any_other(autojump_clock: MockClock, heard: Any) -> None:
    def lose() -> None:
        raise TransportLost(1006)

    supervised = Supervised("one", Policy())
    await supervised.supervise(Life([lose, nothing]), heard.bus)
    assert supervised.last_error == "TransportLost: connection lost with code 1006"


async def test_a_temporary_actor_never_ends_the_run(heard: Any) -> None:
    supervised, life = Supervised("meter", Policy(temporary=True, crashes=0)), Life([crash()])
    await supervised.supervise(life, heard.bus)
    await wait_all_tasks_blocked()
    assert (supervised.state, supervised.restarts, len(life.began)) == ("ended", 0, 1)
    (trouble,) = heard.named("error")
    assert (trouble.what, trouble.code) == ("meter ended", "ValueError")
    assert trouble.detail == "ValueError: it broke"
    assert heard.named("actor.restart") == []


async def test_cancellation_passes_untouched(heard: Any) -> None:
    supervised, life = Supervised("one", Policy()), Life([])
    with trio.move_on_after(0) as scope:
        await supervised.supervise(life, heard.bus)
    assert scope.cancelled_caught
    assert (len(life.began), supervised.restarts, heard.events) == (1, 0, [])


async def test_a_crash_during_cancellation_starts_nothing(heard: Any) -> None:
    began = 0

    async def breaks_while_it_ends() -> None:
        nonlocal began
        began += 1
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("at the end")

    supervised = Supervised("one", Policy())
    with trio.move_on_after(0) as scope:
        await supervised.supervise(breaks_while_it_ends, heard.bus)
    assert scope.cancelled_caught
    assert began == 1


async def test_a_deliberate_restart_is_no_crash_and_starts_at_once(
    autojump_clock: MockClock, nursery: trio.Nursery, heard: Any
) -> None:
    supervised, life = Supervised("one", Policy(crashes=0)), Life([])
    supervised.restart()  # before there is anything to restart
    nursery.start_soon(supervised.supervise, life, heard.bus)
    for number in range(1, 5):
        await wait_all_tasks_blocked()
        assert (len(life.began), supervised.state) == (number, "running")
        supervised.restart("a test wants it")
    await wait_all_tasks_blocked()
    assert set(life.began) == {trio.current_time()}
    assert [(event.crashes, event.error) for event in heard.named("actor.restart")] == [(0, None)] * 4
    nursery.cancel_scope.cancel()


async def test_a_deliberate_restart_cuts_the_wait_after_a_crash_short(nursery: trio.Nursery, heard: Any) -> None:
    supervised, life = Supervised("one", Policy(first_delay=1000, longest_delay=1000)), Life([crash()])
    nursery.start_soon(supervised.supervise, life, heard.bus)
    await wait_all_tasks_blocked()
    assert (supervised.state, len(life.began)) == ("waiting", 1)
    supervised.restart()
    await wait_all_tasks_blocked()
    assert (supervised.state, len(life.began)) == ("running", 2)
    nursery.cancel_scope.cancel()


async def test_restarting_what_is_done_does_nothing() -> None:
    supervised = Supervised("one", Policy())
    await supervised.supervise(Life([nothing]), Bus())
    supervised.restart()
    assert supervised.state == "done"
