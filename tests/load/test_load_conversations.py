"""The load is what it says: real conversations, in real time, with the costs of all who take part."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("conversations.py")


def test_two_conversations_are_measured(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text("before\n<!-- load:begin -->\n<!-- load:end -->\nafter\n")
    command = [sys.executable, str(SCRIPT), "-n", "2", "-s", "12", "--json", "--document", str(document)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["conversations"] == 2
    assert found["turns_a_minute"] > 0
    assert found["wait_p50"] > 800  # the silence that ends a turn is in it
    service, _ear, clients = found["processor"]
    assert service > 0 < clients
    assert min(found["megabytes"]) > 10
    assert "| 2 | " in document.read_text()


@pytest.mark.parametrize("option", ["--help"])
def test_it_tells_what_it_measures(option: str) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), option], capture_output=True, text=True, check=True)
    assert "in real time" in done.stdout
