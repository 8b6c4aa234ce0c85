"""Edges: what they hold, what happens when they are full, and who sees what when an end goes away."""

from contextlib import suppress

import attrs
import pytest
import trio
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

from pipeline.channels import Capacity, Edge, Inlet, Outlet, Overflow
from pipeline.errors import EdgeOverflow, PlanError
from pipeline.messages import Captured, SpeechEnded

SECOND = 32_000  # bytes of 16 kHz s16le


def block(number: int, seconds: float = 0.5) -> Captured:
    return Captured(bytes(int(SECOND * seconds)), at=number * seconds, position=number)


def edge(capacity: str, overflow: str) -> Edge[object]:
    return Edge("speech", Capacity.parse(capacity), Overflow(overflow))


def drain(inlet: Inlet[object]) -> list[object]:
    taken = []
    while True:
        try:
            taken.append(inlet.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel):
            return taken


async def test_what_is_ready_is_taken_one_by_one_and_only_so_much_of_it() -> None:
    one = edge("100 items", "fail")
    with one.outlet() as outlet, one.inlet() as inlet:
        assert list(inlet.ready(3)) == []
        for number in range(5):
            outlet.send_nowait(number)
        assert list(inlet.ready(3)) == [0, 1, 2]
        assert next(inlet.ready(3)) == 3  # whoever stops leaves the rest where it is
        outlet.close()
        one.close_outlet()
        assert list(inlet.ready(3)) == [4]
        assert list(inlet.ready(3)) == []
    assert list(Inlet(None, None).ready(3)) == []


@pytest.mark.parametrize(
    ("text", "amount", "unit", "shown"),
    [
        ("16 items", 16, "items", "16 items"),
        ("1 item", 1, "items", "1 item"),
        ("500 ms", 0.5, "s", "0.5 s"),
        ("2s", 2, "s", "2 s"),
        (" 1.5 s ", 1.5, "s", "1.5 s"),
        ("10 B", 10, "bytes", "10 B"),
        ("64 kB", 64_000, "bytes", "64000 B"),
        ("8 MB", 8_000_000, "bytes", "8 MB"),
    ],
)
def test_a_capacity_is_read_with_its_unit(text: str, amount: float, unit: str, shown: str) -> None:
    capacity = Capacity.parse(text)
    assert (capacity.amount, capacity.unit, str(capacity)) == (amount, unit, shown)


@pytest.mark.parametrize("text", ["", "16", "many", "-1 s", "0 items", "0.0 s", "2 hours", "1e3 s", "2 S", "inf s", 16])
def test_what_is_no_capacity_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="write it as '16 items'"):
        Capacity.parse(text)


def test_messages_weigh_what_their_unit_counts() -> None:
    sound, mark = block(0), SpeechEnded(0.0, 0)
    assert [Capacity.parse(unit).weigh(sound) for unit in ("1 item", "1 s", "1 B")] == [1, 0.5, 16_000]
    assert [Capacity.parse(unit).weigh(mark) for unit in ("1 item", "1 s", "1 B")] == [1, 0, 0]


@pytest.mark.parametrize("capacity", ["2 items", "1 s", "32 kB"])
def test_a_full_edge_blocks_in_every_unit(capacity: str) -> None:
    one = edge(capacity, "block")
    outlet, inlet = one.outlet(), one.inlet()
    outlet.send_nowait(block(0))
    outlet.send_nowait(block(1))
    with pytest.raises(trio.WouldBlock):
        outlet.send_nowait(block(2))
    inlet.receive_nowait()
    outlet.send_nowait(block(2))
    assert drain(inlet) == [block(1), block(2)]
    assert one.held == 0


@pytest.mark.parametrize("capacity", ["2 items", "1 s", "32 kB"])
def test_a_full_edge_fails_in_every_unit(capacity: str) -> None:
    one = edge(capacity, "fail")
    outlet, inlet = one.outlet(), one.inlet()
    outlet.send_nowait(block(0))
    outlet.send_nowait(block(1))
    with pytest.raises(EdgeOverflow, match=r"edge speech holds .* larger capacity"):
        outlet.send_nowait(block(2))
    assert drain(inlet) == [block(0), block(1)]
    assert one.counters.sent == 2


@pytest.mark.parametrize("capacity", ["2 items", "1 s", "32 kB"])
async def test_a_full_edge_lets_go_of_the_oldest_in_every_unit(capacity: str) -> None:
    one = edge(capacity, "drop_oldest")
    outlet, inlet = one.outlet(), one.inlet()
    for number in range(5):
        outlet.send_nowait(block(number))
    assert drain(inlet) == [block(3), block(4)]
    assert (one.counters.dropped, one.counters.dropped_ms) == (3, 1500)


async def test_one_heavy_message_pushes_several_out_and_fits_alone() -> None:
    one = edge("1 s", "drop_oldest")
    outlet, inlet = one.outlet(), one.inlet()
    for number in range(4):
        outlet.send_nowait(block(number, 0.25))
    outlet.send_nowait(block(9, 3.0))
    assert drain(inlet) == [block(9, 3.0)]
    assert one.counters.dropped == 4


@pytest.mark.parametrize("overflow", ["block", "fail", "drop_oldest"])
def test_what_is_heavier_than_the_edge_passes_an_empty_one(overflow: str) -> None:
    one = edge("100 ms", overflow)
    one.outlet().send_nowait(block(0, 1.0))
    assert drain(one.inlet()) == [block(0, 1.0)]


def test_counters_tell_what_an_edge_has_seen() -> None:
    one = edge("10 s", "block")
    outlet, inlet = one.outlet(), one.inlet()
    for number in range(3):
        outlet.send_nowait(block(number))
    assert one.waiting == 3
    drain(inlet)
    outlet.send_nowait(block(3))
    counters = one.counters
    assert (counters.sent, counters.received, counters.high_water, one.waiting, one.held) == (4, 3, 1.5, 1, 0.5)


@attrs.define
class Reports:
    made: list[tuple[str, int, float]] = attrs.field(factory=list)

    def __call__(self, name: str, dropped: int, ms: float) -> None:
        self.made.append((name, dropped, ms))


def dropping(reports: Reports) -> tuple[Edge[object], Outlet[object], Inlet[object]]:
    one: Edge[object] = Edge("captured", Capacity(1, "items"), Overflow.DROP_OLDEST, reports)
    return one, one.outlet(), one.inlet()


async def test_a_burst_of_drops_is_reported_once_when_the_reader_goes_on(autojump_clock: MockClock) -> None:
    reports = Reports()
    _, outlet, inlet = dropping(reports)
    for number in range(4):
        outlet.send_nowait(block(number))
    assert reports.made == []
    inlet.receive_nowait()
    assert reports.made == [("captured", 3, 1500)]


async def test_drops_are_reported_at_most_once_a_second_and_none_is_forgotten(autojump_clock: MockClock) -> None:
    reports = Reports()
    one, outlet, inlet = dropping(reports)
    for number in range(95):  # one drop for each that is read, ten times a second
        outlet.send_nowait(block(number))
        outlet.send_nowait(block(number))
        inlet.receive_nowait()
        await trio.sleep(0.1)
    assert 8 <= len(reports.made) <= 11
    one.close()
    assert sum(dropped for _, dropped, _ in reports.made) == one.counters.dropped == 95


async def test_drops_are_reported_though_nobody_reads(autojump_clock: MockClock) -> None:
    reports = Reports()
    one, outlet, _inlet = dropping(reports)
    for number in range(35):
        outlet.send_nowait(block(number))
        await trio.sleep(0.1)
    assert 2 <= len(reports.made) <= 4
    assert reports.made[0][1] >= 10
    one.close()
    assert sum(dropped for _, dropped, _ in reports.made) == 34


async def test_an_edge_without_a_listener_for_drops_drops_in_silence() -> None:
    one = edge("1 item", "drop_oldest")
    one.outlet().send_nowait(1)
    one.outlet().send_nowait(2)
    assert drain(one.inlet()) == [2]


async def test_a_crash_of_one_incarnation_closes_its_clone_only() -> None:
    one = edge("16 items", "block")
    with suppress(RuntimeError), one.outlet() as first:
        await first.send(1)
        raise RuntimeError
    with suppress(RuntimeError), one.inlet() as reader:
        assert await reader.receive() == 1
        raise RuntimeError
    with one.outlet() as second, one.inlet() as reader:
        await second.send(2)
        assert await reader.receive() == 2
        with pytest.raises(trio.WouldBlock):
            reader.receive_nowait()
    with pytest.raises(trio.ClosedResourceError):
        first.send_nowait(3)


async def test_the_reader_sees_the_end_when_the_kept_end_and_all_clones_are_closed() -> None:
    one = edge("16 items", "block")
    inlet, outlet = one.inlet(), one.outlet()
    await outlet.send(1)
    one.close_outlet()
    await outlet.send(2)
    outlet.close()
    outlet.close()
    assert [item async for item in inlet] == [1, 2]
    with pytest.raises(trio.EndOfChannel):
        inlet.receive_nowait()


async def test_a_blocked_sender_goes_on_when_the_reader_takes(nursery: trio.Nursery) -> None:
    one = edge("1 item", "block")
    outlet, inlet = one.outlet(), one.inlet()
    await outlet.send(1)
    nursery.start_soon(outlet.send, 2)
    await wait_all_tasks_blocked()
    assert one.counters.sent == 1
    assert await inlet.receive() == 1
    await wait_all_tasks_blocked()
    assert await inlet.receive() == 2


async def test_blocked_senders_go_on_in_the_order_they_came(nursery: trio.Nursery) -> None:
    one = edge("1 item", "block")
    outlet, inlet = one.outlet(), one.inlet()
    for number in range(4):
        nursery.start_soon(outlet.send, number)
        await wait_all_tasks_blocked()
    taken = []
    for _ in range(4):
        taken.append(await inlet.receive())
        await wait_all_tasks_blocked()
    assert taken == [0, 1, 2, 3]


async def test_a_blocked_sender_learns_that_the_edge_is_closed_for_good() -> None:
    one = edge("1 item", "block")
    outlet = one.outlet()
    await outlet.send(1)
    async with trio.open_nursery() as nursery:

        async def blocked() -> None:
            with pytest.raises(trio.BrokenResourceError):
                await outlet.send(2)

        nursery.start_soon(blocked)
        await wait_all_tasks_blocked()
        one.close()


@pytest.mark.parametrize("overflow", ["block", "fail", "drop_oldest"])
async def test_nobody_waits_for_a_reader_that_has_ended(overflow: str) -> None:
    one = edge("1 item", overflow)
    outlet, inlet = one.outlet(), one.inlet()
    await outlet.send(1)
    async with trio.open_nursery() as nursery:
        if overflow == "block":
            nursery.start_soon(outlet.send, 2)
            await wait_all_tasks_blocked()
        inlet.close()
        one.close_inlet()
    for number in range(100):
        await outlet.send(number)
    assert one.waiting == 0
    assert one.held == 0
    assert one.counters.dropped == (102 if overflow == "block" else 101)


async def test_a_cancelled_send_has_not_sent() -> None:
    one = edge("1 item", "block")
    outlet, inlet = one.outlet(), one.inlet()
    with trio.CancelScope() as scope:
        scope.cancel()
        await outlet.send(1)
    assert scope.cancelled_caught
    await outlet.send(2)
    with trio.move_on_after(0) as scope:
        await outlet.send(3)
    assert scope.cancelled_caught
    assert drain(inlet) == [2]
    assert one.counters.sent == 1


async def test_a_cancelled_receive_has_not_taken() -> None:
    one = edge("1 item", "block")
    outlet, inlet = one.outlet(), one.inlet()
    await outlet.send(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await inlet.receive()
    assert scope.cancelled_caught
    assert drain(inlet) == [1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inlet.receive)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    await outlet.send(2)
    assert drain(inlet) == [2]
    assert one.held == 0


async def test_sending_and_receiving_are_checkpoints() -> None:
    one = edge("9 items", "block")
    outlet, inlet = one.outlet(), one.inlet()
    with assert_checkpoints():
        await outlet.send(1)
    with assert_checkpoints():
        await inlet.receive()
    with assert_checkpoints():
        await Outlet[object](None, None).send(1)


async def test_ends_of_no_edge_take_everything_and_give_nothing() -> None:
    with Outlet[object](None, None) as outlet, Inlet[object](None, None) as inlet:
        outlet.send_nowait(1)
        await outlet.send(2)
        assert [item async for item in inlet] == []
        with pytest.raises(trio.EndOfChannel):
            inlet.receive_nowait()


async def test_a_message_handed_to_a_waiting_reader_still_weighs_until_it_is_taken(nursery: trio.Nursery) -> None:
    one = edge("2 items", "fail")
    outlet, inlet = one.outlet(), one.inlet()
    taken: list[object] = []

    async def read() -> None:
        async for item in inlet:
            taken.append(item)  # noqa: PERF401 - as it comes, not as a whole

    nursery.start_soon(read)
    await wait_all_tasks_blocked()
    outlet.send_nowait(1)
    outlet.send_nowait(2)
    assert one.held == 2
    await wait_all_tasks_blocked()
    assert (taken, one.held) == ([1, 2], 0)
    one.close_outlet()
    outlet.close()
