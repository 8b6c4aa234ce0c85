"""The bench works: our pipeline and the floor, measured shortly; and the peers' locks are what they say."""

import math
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.bench.contenders import ALL, FLOOR, OURS, PEERS, Contender, at_hand
from tests.bench.measure import Lengths, Stage, many, one_run, pool
from tests.bench.processes import spent, surroundings

SHORT = Lengths(settle=0.1, pace=0.4, down=500, up=200, interruptions=1, bursts=1, window=0.3, windows=1)
PEERS_PROPER = [one for one in ALL if one.lock]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage.make(tmp_path_factory.mktemp("bench"), [0])


def check_run(found: dict[str, Any], contender: Contender) -> None:
    for name in ("start_ms", "rest_mib", "cpu", "down_us", "up_us", "up_p50_ms", "down_p50_ms"):
        assert found[name] > 0, name
    assert found["pieces"] >= SHORT.pace * 50
    assert not any(math.isnan(ms) for ms in [*found["silences_ms"], *found["bursts_ms"]])
    assert ("gap_ms" in found) is contender.resumes


@pytest.mark.parametrize(("contender", "wire"), [(OURS, "plain"), (FLOOR, "tls")], ids=["ours", "the floor"])
def test_a_run_gives_every_figure(stage: Stage, contender: Contender, wire: str) -> None:
    found = one_run(stage, contender, wire, SHORT)
    check_run(found, contender)
    assert pool([found])["pieces"] >= SHORT.pace * 50
    assert "delays" not in found


@pytest.mark.parametrize("contender", PEERS_PROPER, ids=lambda one: str(one.key))
def test_a_peer_is_measured(stage: Stage, contender: Contender) -> None:
    if not at_hand(contender):
        pytest.skip(f"{contender.shown} has no environment here: bin/bench --prepare makes it")
    check_run(one_run(stage, contender, "plain", SHORT), contender)


@pytest.mark.parametrize("contender", [OURS, FLOOR, *PEERS_PROPER], ids=lambda one: str(one.key))
def test_two_conversations_in_a_process_are_both_measured(stage: Stage, contender: Contender) -> None:
    if not at_hand(contender):
        pytest.skip(f"{contender.shown} has no environment here: bin/bench --prepare makes it")
    found = many(stage, contender, 2, SHORT)
    assert found["came"] == 1.0
    assert found["cpu"] > 0 < found["far_cpu"]


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
