"""What is measured of one client: one run of everything, many conversations in a process, and an hour of speech."""

import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import trustme

from tests.bench.contenders import Contender, python_of
from tests.bench.figures import Spread, quantile
from tests.bench.growth import climb, failings
from tests.bench.processes import ROOT, Process, Unanswered, running, until

PIECES_A_SECOND = 50
WIRES = ("plain", "tls")
BURST = 250  # pieces: five seconds of speech
SILENT_WITHIN = 3.0  # seconds after which an interruption counts as not obeyed
AHEAD = 5  # pieces before an interruption, paced
SETUP = 60.0  # seconds for all conversations to be set up


@attrs.frozen
class Lengths:
    """How long a run measures, in seconds and pieces; `speech` is in seconds, both ways.

    A count of conversations is measured over `windows` of `window` seconds. Counts grow up to `most`, and near the
    limit until held and failed ones are no more than `fine` of them apart.
    """

    settle: float = 0.7
    pace: float = 5.0
    down: int = 3000
    up: int = 1500
    interruptions: int = 24
    bursts: int = 3
    speech: int = 3600
    window: float = 2.0
    windows: int = 3
    most: int = 400
    fine: float = 0.1


QUICK = Lengths(
    settle=0.5, pace=1.5, down=1000, up=500, interruptions=4, bursts=2, speech=360, window=1.0, most=40, fine=0.5
)


@attrs.frozen
class Stage:
    """Where runs take place: a folder for logs and certificates, and a core for each side, None for any."""

    folder: Path
    near_core: int | None
    far_core: int | None

    @classmethod
    def make(cls, folder: Path, cores: list[int]) -> "Stage":
        """Makes a certificate for the far end, and gives each side a core where there are two."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "authority.pem"))
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "far.pem"))
        return cls(folder, *((cores[1], cores[0]) if len(cores) > 1 else (None, None)))

    @contextmanager
    def met(self, contender: Contender, wire: str, sessions: int = 1) -> Iterator[tuple[Process, Process]]:
        """Starts a far end and a client, and gives both once the client's first sound has arrived."""
        python = python_of(contender)
        serve = [sys.executable, "-P", str(ROOT / "tests" / "bench" / "far.py")]
        serve += ["--certificate", str(self.folder / "far.pem")]
        own = {  # what a client writes goes with the stage, for its process is killed
            "SSL_CERT_FILE": str(self.folder / "authority.pem"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "TMPDIR": str(self.folder),
        }
        with running("the far end", serve, self.far_core, self.folder / "far.log") as far:
            port = far.answer()[wire]
            url = f"{'wss' if wire == 'tls' else 'ws'}://127.0.0.1:{port}"
            log = self.folder / f"{contender.key}.log"
            command = contender.command(python, url, sessions)
            with running(contender.shown, command, self.near_core, log, **own) as near:
                until("the first sound", lambda: far.order(op="heard")["first"], SETUP)
                until("the setup", lambda: far.order(op="count")["sessions"] == sessions, SETUP)
                yield far, near


def first_start(stage: Stage, contender: Contender, lengths: Lengths) -> dict[str, float]:
    """Starts a client for the first time, so that what it keeps for later starts is there; gives what that cost."""
    with stage.met(contender, "plain") as (far, near):
        start = (far.order(op="heard")["first"] - near.started) / 1e6
        time.sleep(lengths.settle)
        return {"start_ms": start, "rest_mib": near.resident}


def one_run(stage: Stage, contender: Contender, wire: str, lengths: Lengths) -> dict[str, Any]:
    """Measures everything about one conversation; times in milliseconds, processor shares in percent of a core.

    `delays` holds the nanoseconds of every piece, up and down, for `pool`.
    """
    with stage.met(contender, wire) as (far, near):
        found: dict[str, Any] = {"start_ms": (far.order(op="heard")["first"] - near.started) / 1e6}
        time.sleep(lengths.settle)
        found["rest_mib"] = near.resident
        found |= paced(far, near, lengths.pace)
        with unpaced(near):
            found["down_us"] = flooded_down(far, near, lengths.down) / lengths.down * 1e6
            found["up_us"] = flooded_up(far, near, lengths.up, contender.up_ms) / lengths.up * 1e6
        found["silences_ms"] = interrupted(far, near, AHEAD, lengths.interruptions, paced=True)
        found["bursts_ms"] = interrupted(far, near, BURST, lengths.bursts, paced=False)
        if contender.resumes:
            cut = far.order(op="cut")
            found["gap_ms"] = (cut["first"] - cut["cut"]) / 1e6 if cut["first"] else math.nan
    return found


@contextmanager
def unpaced(near: Process) -> Iterator[None]:
    """Has the client silent and its sound taken as fast as it comes, then talk in real time again."""
    near.order(mode="silent", unpaced=True)
    time.sleep(0.1)
    yield
    near.order(mode="talk", unpaced=False)
    time.sleep(0.2)


def paced(far: Process, near: Process, seconds: float) -> dict[str, Any]:
    """Lets both talk in real time, and gives the processor share and the delays of both ways."""
    near.order(forget=True)
    spent, far_spent, began = near.spent, far.spent, time.monotonic()
    up = far.order(op="pace", seconds=seconds)["up"]
    taken = time.monotonic() - began
    found = {"cpu": 100 * (near.spent - spent) / taken, "far_cpu": 100 * (far.spent - far_spent) / taken}
    time.sleep(0.1)
    delays = {"up": up, "down": near.order(report=True)["down"]}
    return {**found, "pieces": len(delays["down"]), **summed(delays), "delays": delays}


def summed(delays: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Gives the quantiles of delays in nanoseconds, by way, in milliseconds."""
    return {f"{way}_{name}_ms": quantile(given, share) / 1e6 for way, given in delays.items()
            for name, share in (("p50", 0.5), ("p99", 0.99))}  # fmt: skip


def pool(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Takes the pieces out of runs, and gives the quantiles of all of them together: few are beyond a run's p99."""
    delays = [run.pop("delays", {}) for run in runs]
    whole = {way: [each for one in delays for each in one.get(way, ())] for way in ("up", "down")}
    return {**summed(whole), "pieces": len(whole["down"])}


def flooded_down(far: Process, near: Process, pieces: int, turn: int = 500, sessions: int = 1) -> float:
    """Sends replies as fast as they are taken; gives the processor seconds until the last piece is in our hands."""
    spent, known = near.spent, near.order()["pieces"]
    far.order(op="flood", turns=pieces // turn, pieces=turn)
    until("taking a flood", lambda: near.order()["pieces"] >= known + pieces // turn * turn * sessions)
    return near.spent - spent


def flooded_up(far: Process, near: Process, pieces: int, up_ms: int) -> float:
    """Lets the client speak as fast as it can; gives the processor seconds until the far end has all of it."""
    spent, known = near.spent, far.order(op="heard")["messages"]
    near.order(mode="flood", pieces=pieces)
    wanted = known + pieces * 20 // up_ms
    until("sending a flood", lambda: far.order(op="heard")["messages"] >= wanted)
    return near.spent - spent


def interrupted(far: Process, near: Process, ahead: int, times: int, *, paced: bool) -> list[float]:
    """Interrupts replies; gives for each the milliseconds until nothing was left to play, nan where that never came."""
    near.order(forget=True)
    at = far.order(op="interrupt", ahead=ahead, paced=paced, times=times)["at"]
    end = time.monotonic() + SILENT_WITHIN
    while len(silent := near.order(report=True)["silent_at"]) < times and time.monotonic() < end:
        time.sleep(0.05)
    return [(next((s for s in silent if begin <= s < until_), math.nan) - begin) / 1e6
            for begin, until_ in zip(at, [*at[1:], math.inf], strict=True)]  # fmt: skip


def many(stage: Stage, contender: Contender, sessions: int, lengths: Lengths) -> dict[str, Any]:
    """Holds many conversations in one process; gives their cost together, and whether they stayed in real time."""
    found: dict[str, Any] = {"sessions": sessions, "gathers_ms": contender.gathers_ms}
    with stage.met(contender, "plain", sessions) as (far, near):
        found["all_ready_ms"] = (time.monotonic_ns() - near.started) / 1e6
        time.sleep(lengths.settle)
        windows = [paced(far, near, lengths.window) for _ in range(lengths.windows)]
        found["resident_mib"] = near.resident
        wanted = sessions * lengths.window * PIECES_A_SECOND
        found["came"] = min(window["pieces"] / wanted for window in windows)
        for name in ("cpu", "far_cpu", "up_p50_ms", "up_p99_ms", "down_p50_ms", "down_p99_ms"):
            found[name] = Spread.of(window[name] for window in windows).median
        found["held"] = not failings(found)
        if found["held"]:
            found |= _beyond(far, near, contender, sessions, lengths)
    return found


def _beyond(far: Process, near: Process, contender: Contender, sessions: int, lengths: Lengths) -> dict[str, Any]:
    """Measures what else there is of many conversations: what a message costs, silence, and coming back together."""
    turn = max(25, lengths.down // 3 // sessions)
    with unpaced(near):
        down = flooded_down(far, near, turn, turn, sessions) / turn / sessions * 1e6
    silences = interrupted(far, near, AHEAD, 5, paced=True)
    found = {"down_us": down, "silent_ms": quantile([ms for ms in silences if not math.isnan(ms)], 0.5)}
    if contender.resumes:
        cut = far.order(op="cut")
        found["all_back_ms"] = (cut["back"] - cut["cut"]) / 1e6 if cut["back"] else math.nan
    return found


def growth(stage: Stage, contender: Contender, lengths: Lengths) -> list[dict[str, Any]]:
    """Adds conversations to a process until they do not stay in real time, and looks closer there."""

    def measure(sessions: int) -> dict[str, Any]:
        try:
            found = many(stage, contender, sessions, lengths)
            if not found["held"] and failings(found) <= {"up", "down"}:  # late alone may be another's doing: once more
                again = many(stage, contender, sessions, lengths)
                found = again if again["held"] else found
        except Unanswered as error:
            return {"sessions": sessions, "held": False, "fault": str(error)}
        return found

    return climb(measure, lengths.most, lengths.fine)


def hour(stage: Stage, contender: Contender, lengths: Lengths, steps: int = 12) -> list[tuple[float, float]]:
    """Carries speech both ways as fast as it goes; gives the resident MiB at steps, by seconds of speech."""
    step = lengths.speech // steps * PIECES_A_SECOND
    slices = max(1, step // 1000)
    found = []
    with stage.met(contender, "plain") as (far, near):
        near.order(mode="silent", unpaced=True)
        time.sleep(lengths.settle)
        for number in range(steps):
            for _ in range(slices):
                flooded_down(far, near, step // slices, turn=step // slices)
                flooded_up(far, near, step // slices, contender.up_ms)
            found.append(((number + 1) * step / PIECES_A_SECOND, near.resident))
    return found
