"""What a process is made of while it soaks: memory, tasks, threads, descriptors, and how full the edges are."""

import contextlib
import ctypes
import gc
import os
import sys
import threading
from pathlib import Path
from statistics import median
from typing import Any

import attrs
import trio

from pipeline.channels import Edge

MEGABYTE = 1_000_000


@attrs.frozen
class Sample:
    """One look, `at` seconds into the run. `held` bytes belong to what the soak itself keeps, and are no growth."""

    at: float
    memory_mb: float
    tasks: int
    threads: int
    descriptors: int
    edges: dict[str, float] = attrs.field(factory=dict)


def look(at: float, edges: dict[str, Any], held: int) -> Sample:
    """Looks once, after everything that nobody needs any more is given back."""
    gc.collect()
    _give_back()
    return Sample(
        at=round(at, 1),
        memory_mb=round((_resident() - held) / MEGABYTE, 2),
        tasks=trio.lowlevel.current_statistics().tasks_living,
        threads=threading.active_count(),
        descriptors=_descriptors(),
        edges={name: _fullest(edge) for name, edge in edges.items()},
    )


def _fullest(edge: Edge[Any]) -> float:
    """Gives how full the edge has been at most since the last look, as a share of its capacity."""
    found = round(edge.counters.high_water / edge.capacity.amount, 4)
    edge.counters.high_water = edge.held
    return found


def weight(*records: object) -> int:
    """Gives the bytes of these records and of all that they hold: numbers, texts, and containers of such."""
    seen: set[int] = set()
    waiting, size = list(records), 0
    while waiting:
        one = waiting.pop()
        if id(one) not in seen and not isinstance(one, type):
            seen.add(id(one))
            size += sys.getsizeof(one)
            waiting += gc.get_referents(one)
    return size


def growth(samples: list[Sample]) -> float:
    """Gives by how many MB the memory grew over these samples, as a straight line: a single look may be off.

    The line leads through the lower quartiles of their first and of their last quarter, on to both ends: what is in
    use for a while, or lies between things in use and cannot be given back, comes and goes; a leak lifts these too.
    """
    part = max(1, len(samples) // 4)
    first, last = samples[:part], samples[-part:]
    risen = _low(last) - _low(first)
    between = median(one.at for one in last) - median(one.at for one in first)
    return risen * (samples[-1].at - samples[0].at) / between if between else 0.0


def _low(samples: list[Sample]) -> float:
    return sorted(one.memory_mb for one in samples)[len(samples) // 4]


def _resident() -> int:
    """Gives the bytes of memory in use by this process, 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _descriptors() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only, and often
    except OSError:
        return 0


def _give_back() -> None:
    """Has the C library return what is free, so that memory in use is what is counted."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
