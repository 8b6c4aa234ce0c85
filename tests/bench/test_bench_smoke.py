"""The bench works: our pipeline and the floor, measured shortly; and the peers' locks are what they say."""

import math
import os
import re
import time
from pathlib import Path

import pytest

from tests.bench.contenders import ALL, FLOOR, OURS, PEERS, Contender
from tests.bench.measure import Lengths, Stage, one_run
from tests.bench.processes import spent, surroundings

SHORT = Lengths(settle=0.1, pace=0.4, down=500, up=200, interruptions=1, bursts=1)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage.make(tmp_path_factory.mktemp("bench"), [0])


@pytest.mark.parametrize(("contender", "wire"), [(OURS, "plain"), (FLOOR, "tls")], ids=["ours", "the floor"])
def test_a_run_gives_every_figure(stage: Stage, contender: Contender, wire: str) -> None:
    found = one_run(stage, contender, wire, SHORT)
    for name in ("start_ms", "rest_mib", "cpu", "down_us", "up_us", "up_p50_ms", "down_p50_ms"):
        assert found[name] > 0, name
    assert found["pieces"] >= SHORT.pace * 50
    assert not any(math.isnan(ms) for ms in [*found["silences_ms"], *found["bursts_ms"]])
    assert ("gap_ms" in found) is contender.resumes


def test_the_clock_of_a_process_is_its_own() -> None:
    before = spent(os.getpid())
    while time.process_time() < 0.01 + before:
        pass
    assert spent(os.getpid()) == pytest.approx(time.process_time(), abs=0.01)


def test_no_key_reaches_a_client(canary: str) -> None:
    given = {"PATH": "/bin", "GOOGLE_API_KEY": canary, "LMNR_PROJECT_API_KEY": canary, "PYTHONPATH": "x"}
    assert surroundings(given) == {"PATH": "/bin"}


@pytest.mark.parametrize("lock", sorted(PEERS.glob("*.lock")), ids=lambda lock: str(lock.stem))
def test_a_lock_pins_with_hashes_and_names_no_host(lock: Path) -> None:
    text = lock.read_text()
    pins = re.split(r"\n(?=\S)", text.strip())
    assert [pin for pin in pins if not re.match(r"[\w.\[\]-]+==", pin) or "--hash=sha256:" not in pin] == []
    assert "://" not in text


def test_every_contender_says_its_version() -> None:
    assert [one.key for one in ALL if not re.match(rf"{one.package}==\d", one.version)] == []
