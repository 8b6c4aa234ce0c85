"""What was measured on: processor, system, versions, and how busy the machine was with other things."""

import datetime as dt
import importlib.metadata
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.contenders import ALL

BUSY = 0.35  # of a core, used by others while a part was measured: above it times are unreliable, if not ratios


def described() -> dict[str, Any]:
    """Describes the machine and what stands on it."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {contender.key: contender.version for contender in ALL},
        "trio": importlib.metadata.version("trio"),
    }


@contextmanager
def watched() -> Iterator[dict[str, Any]]:
    """Gives the conditions under which the block ran: when, for how long, and how much of the machine others used."""
    found: dict[str, Any] = {"date": dt.datetime.now(tz=dt.UTC).strftime("%Y-%m-%d %H:%M UTC")}
    began, all_before, us_before = time.monotonic(), used_by_all(), used_by_us()
    try:
        yield found
    finally:
        found["seconds"] = time.monotonic() - began
        others = (used_by_all() - all_before) - (used_by_us() - us_before)
        found["load_of_others"] = max(0.0, others / found["seconds"])


def used_by_all() -> float:
    """Gives the processor seconds that the whole machine has used, in all its cores."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) / os.sysconf("SC_CLK_TCK")


def used_by_us() -> float:
    """Gives the processor seconds of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def busy(conditions: Mapping[str, Any]) -> bool:
    """Whether others used so much of the machine that its times are not to be judged."""
    return bool(conditions["load_of_others"] > BUSY)
