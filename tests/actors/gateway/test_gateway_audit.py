"""The audit log: appended, rotated, readable by its owner alone."""

import errno
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.gateway.audit import Audit, hashed
from pipeline.errors import PlanError
from pipeline.events import Bus


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_it_is_appended_to_and_belongs_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "below" / "audit.jsonl"
    for user in ("anna", "ben"):
        audit = Audit(path, Bus())
        audit.note("token", user=user)
        audit.close()
    assert [line["user"] for line in lines(path)] == ["anna", "ben"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_full_one_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    audit = Audit(path, Bus(), size=500, files=2)
    for number in range(40):
        audit.note("token", number=number, filler="x" * 50)
    audit.close()
    assert sorted(found.name for found in tmp_path.iterdir()) == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    kept = [line["number"] for name in (".2", ".1", "") for line in lines(tmp_path / f"audit.jsonl{name}")]
    assert kept == list(range(kept[0], 40))  # type: ignore[call-overload]
    for found in tmp_path.iterdir():
        assert found.stat().st_size <= 500
        assert stat.S_IMODE(found.stat().st_mode) == 0o600


def test_many_equal_refusals_are_few_lines(tmp_path: Path) -> None:
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    audit = Audit(tmp_path / "a", Bus(), clock=lambda: now[0])
    for _ in range(10_000):
        audit.refuse("token", "192.0.2.7", "too-often")
    audit.refuse("token", "192.0.2.8", "too-often")
    now[0] += timedelta(seconds=61)
    audit.refuse("token", "192.0.2.7", "too-often")
    audit.close()
    told = [(line["address"], line.get("and_before")) for line in lines(tmp_path / "a")]
    assert told == [("192.0.2.7", None), ("192.0.2.8", None), ("192.0.2.7", 9999)]


def test_a_token_is_shown_as_a_hash() -> None:
    assert hashed("auth_tokens/abc") == hashed("auth_tokens/abc") != hashed("auth_tokens/abd")
    assert "abc" not in hashed("auth_tokens/abc")


def test_a_place_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PlanError, match="cannot write the audit log"):
        Audit(tmp_path / "file" / "audit.jsonl", Bus())


class Full:
    """A file on a disk that takes no more."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("ab", buffering=0)

    def fileno(self) -> int:
        return self.file.fileno()

    def write(self, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space left on the device")

    def close(self) -> None:
        self.file.close()


def test_a_full_disk_is_told_once_and_the_gateway_goes_on(tmp_path: Path) -> None:
    bus = Bus(clock=lambda: 0.0)
    events = bus.subscribe()
    audit = Audit(tmp_path / "a", bus)
    audit._let_go()
    audit._file = Full(tmp_path / "a")  # type: ignore[assignment]
    audit.note("token")
    audit.note("token")
    assert audit.failed
    assert len(events._waiting) == 1
    audit.close()


def test_one_that_could_not_be_put_aside_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.jsonl"
    audit = Audit(path, Bus(clock=lambda: 0.0), size=100, files=2)
    audit.note("token", filler="x" * 60)

    def fail(*_: object) -> int:
        raise OSError(errno.EMFILE, "too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fail)
        audit.note("token", number=1)
        assert audit.failed
    audit.note("token", number=2)
    assert not audit.failed
    audit.close()
    assert [line["number"] for line in lines(path)] == [2]


def test_two_gateways_put_one_log_aside_together(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    audits = [Audit(path, Bus(), size=500, files=20) for _ in range(2)]
    for number in range(40):
        audits[number % 2].note("token", number=number, filler="x" * 50)
    for audit in audits:
        audit.close()
    kept = [line["number"] for found in tmp_path.iterdir() for line in lines(found)]
    assert sorted(kept) == list(range(40))  # type: ignore[type-var]
    assert max(found.stat().st_size for found in tmp_path.iterdir()) <= 500


def test_refusals_of_different_users_are_lines_of_their_own(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "a", Bus())
    for user in ("anna", "ben", "anna", None):
        audit.refuse("token", "192.0.2.7", "too-often", user=user)
    audit.close()
    assert [line.get("user") for line in lines(tmp_path / "a")] == ["anna", "ben", None]
