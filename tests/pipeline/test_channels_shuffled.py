"""Edges under whatever comes: many senders, any sizes, any pauses."""

import math

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from pipeline.channels import Capacity, Edge, Overflow
from pipeline.messages import Captured


@given(
    capacity=st.sampled_from(["1 item", "3 items", "200 ms", "5 kB"]),
    senders=st.lists(st.lists(st.sampled_from([0.01, 0.05, 0.3]), max_size=12), min_size=1, max_size=3),
    pauses=st.lists(st.sampled_from([0.0, 0.01, 0.5]), max_size=8),
)
def test_under_block_everything_arrives_in_each_senders_order(
    capacity: str, senders: list[list[float]], pauses: list[float]
) -> None:
    one: Edge[Captured] = Edge("speech", Capacity.parse(capacity), Overflow.BLOCK)
    bound = one.capacity.amount

    async def send(who: int, lengths: list[float]) -> None:
        with one.outlet() as outlet:
            for number, seconds in enumerate(lengths):
                await outlet.send(Captured(bytes(2 * round(16_000 * seconds)), float(who), number))

    async def main() -> list[Captured]:
        async with trio.open_nursery() as nursery:
            for who, lengths in enumerate(senders):
                nursery.start_soon(send, who, lengths)
            await wait_all_tasks_blocked()
            one.close_outlet()
            taken = []
            with one.inlet() as inlet:
                async for item in inlet:
                    taken.append(item)
                    await trio.sleep(pauses[len(taken) % len(pauses)] if pauses else 0)
        return taken

    taken = trio.run(main, clock=MockClock(autojump_threshold=0))
    for who, lengths in enumerate(senders):
        assert [item.position for item in taken if item.at == who] == list(range(len(lengths)))
    heaviest = max((one.capacity.weigh(item) for item in taken), default=0)
    assert one.counters.high_water <= max(bound, heaviest) + heaviest + 1e-9  # the one just handed over counts, too
    assert one.counters.sent == one.counters.received == len(taken)
    assert math.isclose(one.held, 0, abs_tol=1e-9)


@given(sizes=st.lists(st.sampled_from([0.1, 0.25, 0.5]), max_size=30), bound=st.sampled_from([0.3, 0.5, 1.0]))
def test_under_drop_oldest_the_newest_stay_and_the_rest_is_counted(sizes: list[float], bound: float) -> None:
    one: Edge[Captured] = Edge("captured", Capacity(bound, "s"), Overflow.DROP_OLDEST)

    async def main() -> list[Captured]:
        with one.outlet() as outlet, one.inlet() as inlet:
            for number, seconds in enumerate(sizes):
                outlet.send_nowait(Captured(bytes(2 * round(16_000 * seconds)), 0.0, number))
            return [inlet.receive_nowait() for _ in range(one.waiting)]

    left = trio.run(main)
    assert [item.position for item in left] == list(range(len(sizes)))[len(sizes) - len(left) :]
    assert len(left) + one.counters.dropped == len(sizes)
    assert len(left) == 1 or sum(item.seconds for item in left) <= bound + 1e-9 or not left
