"""A short soak with every fault there is, from three seeds at once; and what a seed promises: the same run again."""

import shlex
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from bin.options import parser
from bin.soak import orders
from bin.soaking.findings import PROMISES
from bin.soaking.half import Half
from bin.soaking.house import Unmeasured
from bin.soaking.outcome import Order, Outcome
from bin.soaking.processes import soak
from pipeline.bus import Subscription

VIRTUAL_MINUTES = 20  # of each seed
SEEDS = (1, 2, 3)
OFTEN = 20.0  # seconds between two faults, so that minutes hold what hours do


@pytest.fixture(scope="module")
def outcomes(recordings: Path) -> dict[int, Outcome]:
    """What every seed came to, each in a process of its own, as the command has them."""
    wanted = [Order(VIRTUAL_MINUTES / 60, seed, "all", "virtual", recordings, every=OFTEN) for seed in SEEDS]
    found, _ = soak(wanted, lambda *_: None)
    return {one.order.seed: one for one in found}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_is_kept_whatever_goes_wrong(outcomes: dict[int, Outcome], seed: int) -> None:
    found = outcomes[seed]
    assert found.findings.kept == [], found.order.again()
    assert found.passed
    assert len(found.faults) > 20
    needed = set(PROMISES) - {"memory"}  # of which nothing is judged in so short a run
    assert all(found.findings.checks[name] for name in needed), found.findings.checks
    assert found.findings.checks["utterances lost"] > 3000
    assert found.findings.checks["reply sound"] > 30
    assert found.findings.checks["words"] > 100


def test_between_them_they_meet_most_of_what_can_go_wrong(outcomes: dict[int, Outcome]) -> None:
    met = {fault.name for one in outcomes.values() for fault in one.faults}
    assert len(met) > 15
    assert len({way for one in outcomes.values() for way in one.misbehaved}) >= 3


def test_a_seed_is_repeated_exactly_by_the_command_that_is_printed(
    root: Path, recordings: Path, tmp_path: Path
) -> None:
    wanted = Order(1 / 120, 7, "all", "virtual", recordings, sets=("live.temperature=0.5",), every=12.5)
    (first, other), _ = soak([wanted, attrs.evolve(wanted, seed=8)], lambda *_: None)
    words = shlex.split(first.order.command())[1:]
    assert orders(parser().parse_args(words)) == [wanted]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "bin", *words, "--report", str(tmp_path)],
        env={"PYTHONPATH": str(root), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"seed 7 digest {first.digest}" in done.stdout, done.stdout + done.stderr
    assert first.digest != other.digest


def test_the_default_detector_and_every_listener_are_soaked(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrote: set[str] = set()
    run = Unmeasured.run

    async def seen(self: Unmeasured, events: Subscription) -> None:
        await run(self, events)
        wrote.add(type(self.sink).__name__)

    monkeypatch.setattr(Unmeasured, "run", seen)
    silero = ("actors.vad.use=actors.vad:Silero",)
    found = soaked(Order(1 / 60, 5, "all", "virtual", recordings, sets=silero, every=15.0))
    assert found.findings.kept == []
    assert found.passed
    assert wrote == {"EventLog", "TraceFile", "Metrics"}


def soaked(order: Order) -> Outcome:
    half = Half(order, lambda *_: None)
    half.run()
    return half.outcome()
