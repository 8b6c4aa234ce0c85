"""What a load costs and how well it was carried: processor time, memory, waits and lateness."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

import attrs

from tests.bench.machine import used_by_all
from tests.load.caller import Caller
from tests.load.limits import Round

_TICK = os.sysconf("SC_CLK_TCK")
_MILLI = 1000.0

HEAD = (
    " talks  turns   heard |  first sound ms    |   reply late ms   | own slip | processor %             | memory MB\n"
    "                      |   p50   p99    max |   p99   max  gaps |   p99 ms | service  ear  clients    | service ear"
)
COLUMNS = ("turns a minute", "understood", "first sound p50 / p99, ms", "pieces late p99 / most, ms",
           "clients' own slip p99, ms", "MB, service + hearing")  # fmt: skip
_LATE = 0.02  # seconds: less than a device's buffer, so nobody hears it
_PATIENCE_MS = 3000.0  # until an answer begins, of which a second is the silence that ends a turn and a pause


@attrs.frozen
class Usage:
    """Processor seconds and resident megabytes of one process."""

    seconds: float
    megabytes: float


def usage(process: int) -> Usage:
    """Reads what a process has used so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{process}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return Usage((int(fields[11]) + int(fields[12])) / _TICK, resident / 1024)


def children(process: int) -> list[int]:
    """Gives the processes that a process has started, and those that these have."""
    threads = Path(f"/proc/{process}/task").glob("*/children")
    found = [int(child) for thread in threads for child in thread.read_text().split()]
    return [each for child in found for each in (child, *children(child))]


class Meter:
    """The processes of a measurement, from the moment it is made: a service, its helpers, and this one.

    The helpers are the service's children, or another process and its children where one is named.
    """

    def __init__(self, service: int, helper: int = 0) -> None:
        self.service, self.helper = service, helper
        self.began = time.monotonic()
        self.all = used_by_all()
        self.before = self._now()

    def _now(self) -> list[Usage]:
        helpers = [self.helper, *children(self.helper)] if self.helper else children(self.service)
        groups = [self.service], helpers, [os.getpid()]
        found = [[usage(process) for process in group] for group in groups]
        return [Usage(sum(u.seconds for u in group), sum(u.megabytes for u in group)) for group in found]

    def read(self) -> tuple[list[float], list[float], float]:
        """Gives the percent of a core, and the megabytes, of the service, its helpers and the clients; others' percent.

        A helper that has come since counts whole.
        """
        now, spent = self._now(), time.monotonic() - self.began
        shares = [
            100 * (after.seconds - before.seconds) / spent for before, after in zip(self.before, now, strict=True)
        ]
        others = 100 * (used_by_all() - self.all) / spent - sum(shares)
        return shares, [after.megabytes for after in now], max(0.0, others)


def quantile(values: Iterable[float], share: float) -> float:
    """Gives the value that this share of the values does not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@attrs.frozen
class Figures:
    """One measurement; times in milliseconds, processor shares in percent of one core."""

    conversations: int
    turns_a_minute: float
    understood: float
    unanswered: int
    wait_p50: float
    wait_p99: float
    wait_max: float
    late_p99: float
    late_max: float
    gaps: int
    slip_p99: float
    processor: list[float]
    megabytes: list[float]
    others: float

    @classmethod
    def of(cls, callers: list[Caller], meter: Meter, seconds: float) -> "Figures":
        """Sums up what the callers have noted."""
        shares, megabytes, others = meter.read()
        waits = [wait for caller in callers for wait in caller.waits]
        late = [each for caller in callers for each in caller.lateness]
        asked = sum(caller.asked for caller in callers)
        return cls(
            conversations=len(callers),
            turns_a_minute=len(waits) / seconds * 60,
            understood=sum(caller.understood for caller in callers) / max(1, asked),
            unanswered=sum(caller.unanswered for caller in callers),
            wait_p50=_MILLI * quantile(waits, 0.5),
            wait_p99=_MILLI * quantile(waits, 0.99),
            wait_max=_MILLI * max(waits, default=0.0),
            late_p99=_MILLI * quantile(late, 0.99),
            late_max=_MILLI * max(late, default=0.0),
            gaps=sum(each > _LATE for each in late),
            slip_p99=_MILLI * quantile((slip for caller in callers for slip in caller.slips), 0.99),
            processor=shares,
            megabytes=megabytes,
            others=others,
        )

    def as_json(self) -> dict[str, object]:
        """Gives the figures for programs."""
        return attrs.asdict(self)

    @property
    def late(self) -> tuple[str, ...]:
        """Tells in words what was not in real time."""
        found = []
        if self.unanswered:
            found.append(f"an answer within 20 s was missing to {self.unanswered} of the questions")
        if self.wait_p99 > _PATIENCE_MS:
            found.append(f"one answer in a hundred began after {self.wait_p99 / _MILLI:.1f} s or later")
        if self.late_p99 > _MILLI * _LATE:
            found.append(f"one piece in a hundred came {self.late_p99:.0f} ms too late or later")
        return tuple(found)

    def round(self) -> Round:
        """Gives the figures as a document shows them, under COLUMNS."""
        shown = (
            f"{self.turns_a_minute:.0f}", f"{100 * self.understood:.0f} %",
            f"{self.wait_p50:.0f} / {self.wait_p99:.0f}", f"{self.late_p99:.0f} / {self.late_max:.0f}",
            f"{self.slip_p99:.1f}", f"{self.megabytes[0]:.0f} + {self.megabytes[1]:.0f}",
        )  # fmt: skip
        processor = dict(zip(("the service", "hearing", "the clients"), self.processor, strict=True))
        return Round(self.conversations, self.late, processor, self.others, shown)

    def line(self) -> str:
        """Gives the figures as a line under HEAD."""
        service, ear, clients = self.processor
        return (
            f"{self.conversations:6}  {self.turns_a_minute:5.0f}  {100 * self.understood:5.0f}% |"
            f" {self.wait_p50:5.0f} {self.wait_p99:5.0f} {self.wait_max:6.0f} |"
            f" {self.late_p99:5.0f} {self.late_max:5.0f} {self.gaps:5} |"
            f" {self.slip_p99:8.1f} | {service:7.0f} {ear:4.0f} {clients:8.0f}    |"
            f" {self.megabytes[0]:7.0f} {self.megabytes[1]:3.0f}"
            + (f"   {self.unanswered} unanswered" if self.unanswered else "")
        )
