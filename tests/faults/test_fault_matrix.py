"""The fault matrix: one fault at a time, again and again, while people talk; every promise is judged as in a soak.

docs/reliability.md says of each what the user notices.
"""

import random
from pathlib import Path

import pytest

from actors.emulator.hearing import Hearing
from actors.emulator.voice import Voice
from bin.soaking.cached import OnceHeard, OnceSpoken
from bin.soaking.faults import NETWORK, OTHERS, Happening, World
from bin.soaking.half import Half
from bin.soaking.misbehaving import WAYS
from bin.soaking.outcome import Order, Outcome

MINUTES = 1.2
OFTEN = 9.0  # seconds between two faults
FACULTIES = OnceHeard(Hearing()), OnceSpoken(Voice())


def soaked(recordings: Path, table: dict[str, Happening], seed: int, faults: str = "all") -> Outcome:
    order = Order(MINUTES / 60, seed, faults, "virtual", recordings, every=OFTEN)  # type: ignore[arg-type]
    half = Half(order, lambda *_: None, *FACULTIES, table=table)
    half.run()
    return half.outcome()


@pytest.mark.parametrize("name", [*NETWORK, *OTHERS])
def test_every_promise_is_kept_under(name: str, recordings: Path) -> None:
    found = soaked(recordings, {name: {**NETWORK, **OTHERS}[name]}, seed=11)
    assert found.findings.kept == []
    assert found.passed
    assert found.faults
    assert found.findings.checks["mute"]


@pytest.mark.parametrize("actor", ["microphone", "vad", "uplink", "downlink", "playback", "dispatch", "connection"])
def test_every_promise_is_kept_when_this_crashes_again_and_again(actor: str, recordings: Path) -> None:
    def crash(world: World) -> tuple[float, str]:
        world.crash(actor)
        return 8.0, actor

    found = soaked(recordings, {"actor crash": crash}, seed=len(actor))
    assert found.findings.kept == []
    assert found.passed
    assert found.findings.figures["actor restarts"] >= 1


@pytest.mark.parametrize("way", WAYS)
def test_every_promise_is_kept_when_each_tool(way: str, monkeypatch: pytest.MonkeyPatch, recordings: Path) -> None:
    monkeypatch.setattr("bin.soaking.misbehaving.WAYS", (way,))
    monkeypatch.setattr("bin.soaking.half.MISBEHAVING", 1.0)
    found = soaked(recordings, {}, seed=random.Random(way).randrange(100))
    assert found.findings.kept == []
    assert found.passed
    assert found.misbehaved[way] >= 1
