"""A short soak with every fault there is, from three seeds; and soaks of a sabotaged house, which have to fail."""

from pathlib import Path

import pytest

from actors.emulator.hearing import Hearing
from actors.emulator.voice import Voice
from actors.live.kept import Kept
from actors.live.ledger import Ledger
from bin.soaking.cached import OnceHeard, OnceSpoken
from bin.soaking.half import Half
from bin.soaking.outcome import Order, Outcome

VIRTUAL_MINUTES = 20  # of all seeds together
SEEDS = (1, 2, 3)
OFTEN = 12.0  # seconds between two faults, so that minutes hold what hours do
FACULTIES = OnceHeard(Hearing()), OnceSpoken(Voice())  # shared, so that every recording is understood once


def soaked(recordings: Path, seed: int, minutes: float, faults: str = "all") -> Outcome:
    order = Order(minutes / 60, seed, faults, "virtual", recordings)  # type: ignore[arg-type] # one of the choices
    half = Half(order, lambda *_: None, *FACULTIES, every=OFTEN)
    half.run()
    return half.outcome()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_is_kept_whatever_goes_wrong(recordings: Path, seed: int) -> None:
    found = soaked(recordings, seed, VIRTUAL_MINUTES / len(SEEDS))
    assert found.findings.kept == [], found.order.command()
    assert found.passed
    assert len(found.faults) > 5
    assert found.findings.checks["utterances lost"] > 1000
    assert found.findings.checks["reply sound"] > 10


def test_the_same_seed_is_the_same_run(recordings: Path) -> None:
    first, again, other = (soaked(recordings, seed, 0.5) for seed in (7, 7, 8))
    assert first.digest == again.digest != other.digest
    assert first.faults == again.faults


def test_a_house_that_replays_nothing_fails(monkeypatch: pytest.MonkeyPatch, recordings: Path) -> None:
    def forget(kept: Kept) -> float:
        kept.cursor = kept.end
        return 0.0

    monkeypatch.setattr(Kept, "rewind", forget)
    found = soaked(recordings, 4, 3, "network")
    assert not found.passed
    assert {"utterances lost", "deaf", "mute"} & set(found.findings.failures)


def test_a_house_that_replays_what_was_answered_fails(monkeypatch: pytest.MonkeyPatch, recordings: Path) -> None:
    monkeypatch.setattr(Kept, "settle", lambda _kept: None)
    found = soaked(recordings, 4, 3, "network")
    assert found.findings.failures["utterances doubled"]


def test_a_house_that_forgets_to_answer_calls_fails(monkeypatch: pytest.MonkeyPatch, recordings: Path) -> None:
    monkeypatch.setattr(Ledger, "due", lambda _ledger: None)
    found = soaked(recordings, 5, 3, "none")
    assert found.findings.failures["tool debts"]
