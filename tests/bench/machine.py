"""What was measured on: processor, system, versions, and how busy the machine was with other things."""

import datetime as dt
import importlib.metadata
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.contenders import ALL

BUSY = 0.7  # of a core: a load above it before the bench begins makes times unreliable, if not ratios


def described() -> dict[str, Any]:
    """Describes the machine as it is now."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return {
        "date": dt.datetime.now(tz=dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {contender.key: contender.version for contender in ALL},
        "trio": importlib.metadata.version("trio"),
        "load": os.getloadavg()[0],
    }


def busy(machine: Mapping[str, Any]) -> bool:
    """Whether others used the machine when the bench began, or while it ran."""
    return bool(max(machine["load"], machine.get("load_of_others", 0.0)) > BUSY)
