"""Relayed conversations are measured as their script says, and the table goes where it belongs."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("relay.py")


def test_two_relayed_conversations_are_measured(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text("before\n<!-- load:begin -->\n<!-- load:end -->\nafter\n")
    command = [sys.executable, str(SCRIPT), "2", "-s", "8", "--json", "--document", str(document)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["count"] == 2
    assert [fault for fault in found["late"] if "faults" in fault] == []
    assert found["processor"]["the gateway"] > 0 < found["processor"]["the callers"]
    text = document.read_text()
    assert text.startswith("before\n<!-- load:begin -->\n\nMeasured 2")
    assert "| 2 | " in text
    assert text.endswith("<!-- load:end -->\nafter\n")
