"""What a load came to, for a document: which counts stay in real time, and whose processor time ends it.

A document shows the table between the marks `<!-- load:begin -->` and `<!-- load:end -->`.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from tests.bench.document import put, table
from tests.bench.machine import BUSY, described

BEGIN, END = "<!-- load:begin -->", "<!-- load:end -->"
FULL = 0.85  # of what there is counts as all of it: who takes turns on cores that share a cache gets no more


@attrs.frozen
class Round:
    """One count of conversations: what of it was not in real time, in words, and the percent of a core that each took.

    `shown` are the cells that are this load's own. `others` is what the rest of the machine took meanwhile.
    """

    count: int
    late: tuple[str, ...]
    processor: Mapping[str, float]
    others: float
    shown: tuple[str, ...]

    @property
    def busy(self) -> bool:
        """Whether others used too much of the machine for a verdict."""
        return self.others > 100 * BUSY

    @property
    def verdict(self) -> str:
        """Says whether it stayed in real time."""
        if not self.late:
            return "yes"
        return "not judged: busy machine" if self.busy else "no"


def cause(one: Round, cores: int) -> str:
    """Tells whose processor time ended it, or that nobody's did."""
    names = sorted(one.processor, key=lambda name: -one.processor[name])
    taken = ", ".join(f"{name} {one.processor[name]:.0f} %" for name in names)
    told = f"Of a core each took: {taken}, and others on the machine {one.others:.0f} %."
    first = names[0]
    if sum(one.processor.values()) + one.others > 100 * FULL * cores:
        return f"{told} The {cores} cores were used up, and {first} took most."
    if full := [name for name in names if name != "hearing" and one.processor[name] > 100 * FULL]:
        return f"{told} {full[0].capitalize()}, one process that runs on one core at a time, had used that up."
    return f"{told} No core was used up, so work was not the limit; {first} took most."


def summary(rounds: Sequence[Round], cores: int) -> str:
    """Says how many were held, and what set the limit."""
    held = max((one.count for one in rounds if not one.late), default=0)
    failed = next((one for one in rounds if one.late and one.count > held), None)
    if failed is None:
        last = rounds[-1]
        return f"{held} stayed in real time, the most that were tried. {cause(last, cores)}"
    if failed.busy:
        return f"{held} stayed in real time; more is not judged, since others used {failed.others:.0f} % of a core."
    return f"{held} stayed in real time. With {failed.count}, {' and '.join(failed.late)}. {cause(failed, cores)}"


def body(head: Sequence[str], rounds: Sequence[Round], seconds: float) -> str:
    """Gives conditions, table and summary as Markdown."""
    machine = described()
    date = dt.datetime.now(tz=dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    conditions = (
        f"Measured {date} on {machine['cores']} cores of {machine['processor']}, {machine['system']}, Python "
        f"{machine['python']}, {seconds:g} s for each count, everything on that machine; processor shares are percent "
        "of one core, with those of child processes."
    )
    rows = [
        [str(one.count), *one.shown, *(f"{share:.0f}" for share in one.processor.values()), f"{one.others:.0f}",
         one.verdict]
        for one in rounds
    ]  # fmt: skip
    columns = ["conversations", *head, *(f"{name}, %" for name in rounds[0].processor), "others, %", "in real time"]
    return f"{conditions}\n\n{table(columns, rows)}\n\n{summary(rounds, machine['cores'])}"


def written(document: Path, text: str) -> None:
    """Puts text between the marks of a document; ValueError where there are none."""
    put(document, BEGIN, END, text)
