"""Two cores, two soaks: each part in a process of its own, with its own seed, told of over a pipe."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait

import attrs

from bin.soaking.half import Half
from bin.soaking.outcome import Order, Outcome

Told = Callable[[float, int, int], None]
PATIENCE = 15.0  # seconds for the parts to come to an end after Ctrl-C
STEP = 0.2  # seconds between two lines about progress of one part


def parts(order: Order, processes: int) -> list[Order]:
    """Divides an order: each part gets the same share of the hours and a seed of its own, counted up."""
    hours = order.hours / processes
    return [attrs.evolve(order, hours=hours, seed=order.seed + number) for number in range(processes)]


def soak(orders: Sequence[Order], told: Told) -> tuple[list[Outcome], bool]:
    """Soaks all parts at once; gives what they came to, and whether Ctrl-C broke it off. One part runs right here."""
    if len(orders) == 1:
        half = Half(orders[0], told)
        interrupted = _broken_off(half)
        return [half.outcome()], interrupted
    return _apart(orders, told)


def _apart(orders: Sequence[Order], told: Told) -> tuple[list[Outcome], bool]:
    context = multiprocessing.get_context("spawn")
    pipes: dict[Connection, int] = {}
    processes = []
    for number, order in enumerate(orders):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_part, args=(order, theirs))
        process.start()
        theirs.close()
        pipes[ours] = number
        processes.append(process)
    outcomes: dict[int, Outcome] = {}
    interrupted = False
    shares: dict[int, tuple[float, int, int]] = {}
    deadline = float("inf")
    while pipes and time.monotonic() < deadline:
        try:
            _gather(pipes, outcomes, shares)
            share, faults, failures = (
                (sum(values) for values in zip(*shares.values(), strict=True)) if shares else (0, 0, 0)
            )
            told(share / len(orders), int(faults), int(failures))
        except KeyboardInterrupt:  # the parts have got it, too, and tell how far they came
            interrupted, deadline = True, time.monotonic() + PATIENCE
    for process in processes:
        process.join(1.0)
        if process.is_alive():
            process.kill()
    return [outcomes[number] for number in sorted(outcomes)], interrupted


def _gather(
    pipes: dict[Connection, int], outcomes: dict[int, Outcome], shares: dict[int, tuple[float, int, int]]
) -> None:
    for pipe in wait(list(pipes), timeout=1.0):
        assert isinstance(pipe, Connection)  # noqa: S101 - nothing else was given
        try:
            found = pipe.recv()
        except EOFError:
            del pipes[pipe]
            continue
        if isinstance(found, Outcome):
            outcomes[pipes[pipe]] = found
        else:
            shares[pipes[pipe]] = found


def _part(order: Order, pipe: Connection) -> None:
    """Soaks one part in this process and sends what comes of it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    last = 0.0

    def told(share: float, faults: int, failures: int) -> None:
        nonlocal last
        if time.monotonic() - last > STEP:
            last = time.monotonic()
            pipe.send((share, faults, failures))

    half = Half(order, told)
    try:
        _broken_off(half)
    finally:
        pipe.send(half.outcome())
        pipe.close()


def _end_with_parent() -> None:
    """Ends this process once the one that waits for it is gone, however that ended: nobody would hear of the soak."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _broken_off(half: Half) -> bool:
    """Soaks, and says whether Ctrl-C ended it."""
    interrupted = False
    try:
        half.run()
    except* KeyboardInterrupt:
        interrupted = True
    return interrupted
