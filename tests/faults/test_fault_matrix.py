"""The fault matrix: one fault at a time, again and again, while people talk; every promise is judged as in a soak.

docs/reliability.md says of each what the user notices.
"""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.emulator.hearing import Hearing
from actors.emulator.voice import Voice
from bin.soaking.cached import OnceHeard, OnceSpoken
from bin.soaking.faults import ACTORS, NETWORK, OTHERS, Happening, World
from bin.soaking.half import Half
from bin.soaking.misbehaving import WAYS
from bin.soaking.outcome import Order

MINUTES = 1.2
OFTEN = 9.0  # seconds between two faults
FACULTIES = OnceHeard(Hearing()), OnceSpoken(Voice())


QUIETLY, RELINKED = (0, 0), (1, 30)  # how many reconnects there are at least and at most
NOTICED = {
    "socket reset": (RELINKED, {"error"}),
    "cut by the service": (RELINKED, {"error"}),
    "half-open link": ((1, 4), {"error"}),
    "black hole, upwards": ((1, 4), {"error"}),
    "black hole, downwards": ((1, 4), {"error"}),
    "stall": (QUIETLY, set()),
    "latency": (QUIETLY, set()),
    "slow uplink": (QUIETLY, set()),
    "service away": (RELINKED, {"error"}),
    "dial unanswered": (RELINKED, {"error"}),
    "goAway": (RELINKED, {"session.going_away"}),
    "close code": (RELINKED, {"error"}),
    "handle refused": (RELINKED, {"error"}),
    "no pongs": ((1, 2), set()),
    "late pongs": (QUIETLY, set()),
    "actor crash": ((0, 30), {"actor.restart"}),
    "actor restart": ((0, 30), {"actor.restart"}),
    "garbage frame": (QUIETLY, {"notice"}),
    "oversize frame": (RELINKED, {"error"}),
    "microphone unplugged": (QUIETLY, {"device"}),
    "speaker unplugged": (QUIETLY, {"device"}),
}
"""What the user can notice of each fault, as docs/reliability.md says: reconnects, and the events that tell of it."""
WAITED = {"stall", "latency", "slow uplink"}  # what shows in nothing but in when the answers came
TELLING = {"error", "session.going_away", "actor.restart", "device"}  # none of these without a reason


def soaked(recordings: Path, table: dict[str, Happening], seed: int, faults: str = "all") -> Half:
    order = Order(MINUTES / 60, seed, faults, "virtual", recordings, every=OFTEN)  # type: ignore[arg-type]
    half = Half(order, lambda *_: None, *FACULTIES, table=table)
    half.run()
    return half


@pytest.fixture(scope="module")
def calm(recordings: Path) -> list[float]:
    """How long each answer took in a run without faults, in ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bin.soaking.half.MISBEHAVING", 0.0)
        return [ms for _, ms in soaked(recordings, {}, seed=11).latencies]


@pytest.mark.parametrize("name", [*NETWORK, *OTHERS])
def test_every_promise_is_kept_under(
    name: str, recordings: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr("bin.soaking.half.MISBEHAVING", 0.0)  # tools have rows of their own
    later, delays = World.later, []

    def noted(world: World, seconds: float, act: Callable[[], object]) -> None:
        delays.append(seconds)
        later(world, seconds, act)

    monkeypatch.setattr(World, "later", noted)  # what pongs wait for
    half = soaked(recordings, {name: {**NETWORK, **OTHERS}[name]}, seed=11)
    found = half.outcome()
    assert found.findings.kept == []
    assert found.passed
    assert found.faults
    assert found.findings.checks["mute"]
    (fewest, most), telling = NOTICED[name]
    figures = found.findings.figures
    assert fewest <= figures.get("reconnects", 0) <= min(most, len(found.faults))
    assert figures.get("reported lost ms", 0) == 0
    assert telling <= set(half.told_of)
    assert bool(delays) == (name == "late pongs")
    if name in WAITED:
        calm, felt = request.getfixturevalue("calm"), [ms for _, ms in half.latencies]
        assert len(felt) < len(calm) or max(felt) > 2 * max(calm)
    if most == 0:
        assert not (TELLING - telling) & set(half.told_of)


@pytest.mark.parametrize("actor", ACTORS)
def test_every_promise_is_kept_when_this_crashes_again_and_again(actor: str, recordings: Path) -> None:
    def crash(world: World) -> tuple[float, str]:
        world.crash(actor)
        return 8.0, actor

    found = soaked(recordings, {"actor crash": crash}, seed=len(actor)).outcome()
    assert found.findings.kept == []
    assert found.passed
    assert found.findings.figures["actor restarts"] >= 1


@pytest.mark.parametrize("way", WAYS)
def test_every_promise_is_kept_when_each_tool(way: str, monkeypatch: pytest.MonkeyPatch, recordings: Path) -> None:
    monkeypatch.setattr("bin.soaking.misbehaving.WAYS", (way,))
    monkeypatch.setattr("bin.soaking.half.MISBEHAVING", 1.0)
    found = soaked(recordings, {}, seed=random.Random(way).randrange(100)).outcome()
    assert found.findings.kept == []
    assert found.passed
    assert found.misbehaved[way] >= 1
