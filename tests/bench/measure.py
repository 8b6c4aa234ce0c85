"""What is measured of one client: one run of everything, many conversations in a process, and an hour of speech."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import trustme

from tests.bench.contenders import Contender, python_of
from tests.bench.figures import Spread, quantile
from tests.bench.processes import ROOT, Process, running, until

PIECES_A_SECOND = 50
WIRES = ("plain", "tls")
BURST = 250  # pieces: five seconds of speech
LATEST_MS = 10.0  # p99 from which on conversations no longer count as held in real time
SILENT_WITHIN = 3.0  # seconds after which an interruption counts as not obeyed
BUSIEST = 95.0  # percent of a core from which on they do not, either


@attrs.frozen
class Lengths:
    """How long a run measures, in seconds and pieces; `speech` is in seconds, both ways."""

    settle: float = 1.0
    pace: float = 3.0
    down: int = 3000
    up: int = 1500
    interruptions: int = 8
    bursts: int = 3
    speech: int = 3600
    counts: tuple[int, ...] = (1, 10, 20, 30, 40, 50, 60)
    windows: int = 3


QUICK = Lengths(settle=0.5, pace=1.5, down=1000, up=500, interruptions=4, bursts=2, speech=360, counts=(1, 10, 40))


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
        trust = {"SSL_CERT_FILE": str(self.folder / "authority.pem"), "XDG_CACHE_HOME": str(self.folder / "cache")}
        with running("the far end", serve, self.far_core, self.folder / "far.log") as far:
            port = far.answer()[wire]
            url = f"{'wss' if wire == 'tls' else 'ws'}://127.0.0.1:{port}"
            log = self.folder / f"{contender.key}.log"
            command = contender.command(python, url, sessions)
            with running(contender.shown, command, self.near_core, log, **trust) as near:
                until("the first sound", lambda: far.order(op="heard")["first"])
                until("the setup", lambda: far.order(op="count")["sessions"] == sessions)
                yield far, near


def first_start(stage: Stage, contender: Contender, lengths: Lengths) -> dict[str, float]:
    """Starts a client for the first time, so that what it keeps for later starts is there; gives what that cost."""
    with stage.met(contender, "plain") as (far, near):
        start = (far.order(op="heard")["first"] - near.started) / 1e6
        time.sleep(lengths.settle)
        return {"start_ms": start, "rest_mib": near.resident}


def one_run(stage: Stage, contender: Contender, wire: str, lengths: Lengths) -> dict[str, Any]:
    """Measures everything about one conversation; times in milliseconds, processor shares in percent of a core."""
    with stage.met(contender, wire) as (far, near):
        found: dict[str, Any] = {"start_ms": (far.order(op="heard")["first"] - near.started) / 1e6}
        time.sleep(lengths.settle)
        found["rest_mib"] = near.resident
        found |= paced(far, near, lengths.pace)
        near.order(mode="silent", unpaced=True)
        time.sleep(0.1)
        found["down_us"] = flooded_down(far, near, lengths.down) / lengths.down * 1e6
        found["up_us"] = flooded_up(far, near, lengths.up, contender.up_ms) / lengths.up * 1e6
        near.order(mode="talk", unpaced=False)
        time.sleep(0.2)
        found["silences_ms"] = [interrupted(far, near, 10, paced=True) for _ in range(lengths.interruptions)]
        found["bursts_ms"] = [interrupted(far, near, BURST, paced=False) for _ in range(lengths.bursts)]
        if contender.resumes:
            cut = far.order(op="cut")
            found["gap_ms"] = (cut["first"] - cut["cut"]) / 1e6 if cut["first"] else float("nan")
    return found


def paced(far: Process, near: Process, seconds: float) -> dict[str, Any]:
    """Lets both talk in real time, and gives the processor share and the delays of both ways."""
    near.order(forget=True)
    spent, began = near.spent, time.monotonic()
    up = far.order(op="pace", seconds=seconds)["up"]
    share = 100 * (near.spent - spent) / (time.monotonic() - began)
    time.sleep(0.1)
    down = near.order(report=True)["down"]
    delays = {f"{way}_{name}_ms": quantile(given, q) / 1e6 for way, given in (("up", up), ("down", down))
              for name, q in (("p50", 0.5), ("p99", 0.99))}  # fmt: skip
    return {"cpu": share, "pieces": len(down), **delays}


def flooded_down(far: Process, near: Process, pieces: int, turn: int = 500) -> float:
    """Sends replies as fast as they are taken; gives the processor seconds until the last piece is in our hands."""
    spent, known = near.spent, near.order()["pieces"]
    far.order(op="flood", turns=pieces // turn, pieces=turn)
    until("taking a flood", lambda: near.order()["pieces"] >= known + pieces // turn * turn)
    return near.spent - spent


def flooded_up(far: Process, near: Process, pieces: int, up_ms: int) -> float:
    """Lets the client speak as fast as it can; gives the processor seconds until the far end has all of it."""
    spent, known = near.spent, far.order(op="heard")["messages"]
    near.order(mode="flood", pieces=pieces)
    wanted = known + pieces * 20 // up_ms
    until("sending a flood", lambda: far.order(op="heard")["messages"] >= wanted)
    return near.spent - spent


def interrupted(far: Process, near: Process, ahead: int, *, paced: bool) -> float:
    """Interrupts a reply; gives the milliseconds until there was nothing left to play, nan if that never came."""
    near.order(forget=True)
    at = far.order(op="interrupt", ahead=ahead, paced=paced)["at"]
    end = time.monotonic() + SILENT_WITHIN
    silent: list[int] = []
    while not silent and time.monotonic() < end:
        time.sleep(0.05)
        silent = [moment for moment in near.order(report=True)["silent_at"] if moment >= at]
    time.sleep(0.1)
    return (silent[0] - at) / 1e6 if silent else float("nan")


def many(stage: Stage, contender: Contender, sessions: int, lengths: Lengths) -> dict[str, Any]:
    """Holds many conversations in one process; gives their cost together, and whether they stayed in real time."""
    with stage.met(contender, "plain", sessions) as (far, near):
        time.sleep(lengths.settle)
        windows = [paced(far, near, lengths.pace) for _ in range(lengths.windows)]
        found: dict[str, Any] = {"sessions": sessions, "resident_mib": near.resident}
    for name in ("cpu", "up_p50_ms", "up_p99_ms", "down_p50_ms", "down_p99_ms"):
        found[name] = Spread.of(window[name] for window in windows).median
    wanted = sessions * lengths.pace * PIECES_A_SECOND
    complete = all(window["pieces"] >= 0.99 * wanted for window in windows)
    late = max(found["up_p99_ms"], found["down_p99_ms"]) > LATEST_MS
    found["held"] = complete and not late and found["cpu"] < BUSIEST
    return found


def growth(stage: Stage, contender: Contender, lengths: Lengths) -> list[dict[str, Any]]:
    """Adds conversations to a process until twice in a row they did not stay in real time."""
    found: list[dict[str, Any]] = []
    for sessions in lengths.counts:
        found.append(many(stage, contender, sessions, lengths))
        if len(found) > 1 and not (found[-1]["held"] or found[-2]["held"]):  # one alone may be another's doing
            break
    return found


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
