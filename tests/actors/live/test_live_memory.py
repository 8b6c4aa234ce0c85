"""What outlives a turn or a process: the transcript, the saved handle, the remembered setup."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.live import recall as recalling
from actors.live.commands import Line
from actors.live.recall import recall
from actors.live.transcript import REMEMBERED, History
from actors.live.vault import LIFE, Vault, hash_of
from pipeline.messages import SpeechEnded, SpeechStarted

MODEL = "models/gemini-3.8-live"
SETUP = {"model": MODEL, "generationConfig": {"temperature": 0.5}}
LIVE = {"model": "gemini-3.8-live", "response_modalities": ["AUDIO"]}
HANDLE = "a-made-up-handle"
SERVICE = "wss://far.test:443"


# -- transcript ----------------------------------------------------------------------------------------------


def test_fragments_join_without_spaces_of_ours() -> None:
    history = History()
    for text in (" Hel", "lo", " there "):
        history.add("model", text)
    assert history.whole("model") == "Hello there"
    assert history.whole("model") == ""
    history.add("model", "!")
    assert history.whole("model") == "!"
    history.close()
    assert history.all() == (Line("model", "Hello there !"),)


def test_two_utterances_of_a_turn_stand_apart_and_fragments_do_not() -> None:
    history = History()
    began = SpeechStarted(0.0, 0)
    assert history.noting(began) is began
    for text in ("hel", "lo"):
        history.add("user", text)
        history.noting(SpeechEnded(1.0, 16000))
    history.noting(began)
    for text in ("", "what ti", "me is it"):
        history.add("user", text)
    history.noting(began)
    history.add("user", " in Rome")
    history.add("user", "typed", told=True)
    history.add("user", "and spoken")
    history.add("user", ".")
    assert history.whole("user") == "and spoken."
    history.close()
    history.add("user", "new")
    history.close()
    assert [line.text for line in history.all()] == ["hello what time is it in Rome typed and spoken.", "new"]


def test_lines_come_user_first_and_empty_sides_leave_none() -> None:
    history = History()
    history.add("model", "yo")
    history.add("user", "hi")
    history.close()
    history.add("user", "  ")
    history.close()
    assert history.all() == (Line("user", "hi"), Line("model", "yo"))


def test_typed_text_is_told_already() -> None:
    history = History()
    history.add("user", "typed", told=True)
    assert history.whole("user") == ""
    history.close()
    assert history.all() == (Line("user", "typed"),)


def test_a_turn_that_will_be_repeated_is_forgotten() -> None:
    history = History()
    history.add("user", "hi")
    history.add("model", "half an ans")
    history.forget()
    history.close()
    assert history.all() == ()


def test_only_lines_after_the_last_handle_are_unknown() -> None:
    history = History()
    for n in range(3):
        history.add("user", str(n))
        history.close()
        if n == 1:
            history.known()
    assert history.unknown() == (Line("user", "2"),)
    history.known()
    assert history.unknown() == ()
    assert len(history.all()) == 3


def test_the_oldest_lines_go() -> None:
    history = History()
    for n in range(REMEMBERED + 5):
        history.add("user", str(n))
        history.close()
    assert len(history.all()) == len(history.unknown()) == REMEMBERED
    assert history.all()[0] == Line("user", "5")


# -- vault ---------------------------------------------------------------------------------------------------


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "deep" / "handle.json", SERVICE, clock=lambda: 1000.0)


def later(vault: Vault, seconds: float) -> Vault:
    return Vault(vault.path, SERVICE, clock=lambda: 1000.0 + seconds)


def test_a_saved_handle_is_found_by_its_owner_alone(vault: Vault) -> None:
    vault.save(HANDLE, MODEL, SETUP)
    assert stat.S_IMODE(vault.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(vault.path.parent.stat().st_mode) == 0o700
    saved = later(vault, 12).load(MODEL, SETUP)
    assert saved.handle == HANDLE
    assert "12 s ago" in saved.note
    assert "changed" not in saved.note
    assert HANDLE not in repr(saved)


def test_a_changed_setup_is_mentioned_and_does_not_hinder(vault: Vault) -> None:
    vault.save(HANDLE, MODEL, SETUP)
    saved = vault.load(MODEL, {**SETUP, "labels": {}})
    assert saved.handle == HANDLE
    assert "changed" in saved.note


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert hash_of({"a": 1, "b": {"c": 1, "d": 2}}) == hash_of({"b": {"d": 2, "c": 1}, "a": 1})


@pytest.mark.parametrize(("age", "good"), [(0, True), (LIFE, True), (LIFE + 1, False), (-60, True)])
def test_a_handle_expires(vault: Vault, age: float, good: bool) -> None:
    vault.save(HANDLE, MODEL, SETUP)
    saved = later(vault, age).load(MODEL, SETUP)
    assert (saved.handle == HANDLE) == good
    assert "-" not in saved.note.partition("saved")[2].replace(str(vault.path), "")
    assert good or "expired" in saved.note


def test_another_model_cannot_use_it(vault: Vault) -> None:
    vault.save(HANDLE, "models/other", SETUP)
    saved = vault.load(MODEL, SETUP)
    assert saved.handle is None
    assert "models/other" in saved.note


@pytest.mark.parametrize("other", ["ws://far.test:443", "wss://far.test:8443", "wss://near.test:443"])
def test_another_service_never_sees_it(vault: Vault, other: str) -> None:
    vault.save(HANDLE, MODEL, SETUP)
    saved = Vault(vault.path, other, clock=vault.clock).load(MODEL, SETUP)
    assert saved.handle is None
    assert f"another service, not {other}" in saved.note
    assert SERVICE not in vault.path.read_text("utf-8")


RECORD = {"handle": HANDLE, "model": MODEL, "setup": "", "service": "", "saved_at": 1000.0}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        b"{}",
        json.dumps({**RECORD, "saved_at": "yesterday"}).encode(),
        json.dumps({**RECORD, "saved_at": 10**400}).encode(),
        json.dumps({key: value for key, value in RECORD.items() if key != "service"}).encode(),
        json.dumps({**RECORD, "handle": None}).encode(),
        json.dumps({**RECORD, "handle": ""}).encode(),
        json.dumps({**RECORD, "handle": 5}).encode(),
    ],
)
def test_a_corrupt_file_only_means_a_new_session(vault: Vault, content: bytes) -> None:
    vault.path.parent.mkdir()
    vault.path.write_bytes(content)
    saved = vault.load(MODEL, SETUP)
    assert saved.handle is None
    assert "cannot be read" in saved.note


def test_no_file_and_forgetting(vault: Vault) -> None:
    assert "no saved session" in vault.load(MODEL, SETUP).note
    vault.forget()
    vault.save(HANDLE, MODEL, SETUP)
    vault.forget()
    assert vault.load(MODEL, SETUP).handle is None


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.save(HANDLE, MODEL, SETUP)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="space"):
        vault.save("a-newer-handle", MODEL, SETUP)
    assert vault.load(MODEL, SETUP).handle == HANDLE
    assert [path.name for path in vault.path.parent.iterdir()] == ["handle.json"]


def test_a_leftover_with_a_loose_mode_does_not_loosen_the_next_save(vault: Vault) -> None:
    vault.path.parent.mkdir()
    leftover = vault.path.with_name(f"handle.json.{os.getpid()}")
    leftover.touch(0o644)
    vault.save(HANDLE, MODEL, SETUP)
    assert stat.S_IMODE(vault.path.stat().st_mode) == 0o600


# -- recall --------------------------------------------------------------------------------------------------


def test_a_known_plan_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "setup.json"
    first = recall(path, LIVE, [], local_turns=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    monkeypatch.setattr(recalling, "build", lambda *_, **__: pytest.fail("it was built again"))
    assert recall(path, LIVE, [], local_turns=False) == first


@pytest.mark.parametrize(
    ("live", "tools", "local_turns"),
    [
        ({**LIVE, "temperature": 0.1}, [], False),
        (LIVE, [{"googleSearch": {}}], False),
        (LIVE, [], True),
    ],
)
def test_a_changed_plan_is_built_again(
    tmp_path: Path, live: dict[str, Any], tools: list[dict[str, Any]], local_turns: bool
) -> None:
    path = tmp_path / "setup.json"
    before = recall(path, LIVE, [], local_turns=False)
    after = recall(path, live, tools, local_turns=local_turns)
    assert after.setup != before.setup
    assert recall(path, live, tools, local_turns=local_turns) == after


def test_a_few_plans_are_known_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "setup.json"
    plans = [{**LIVE, "seed": n} for n in range(recalling.REMEMBERED + 1)]
    built = [recall(path, live, [], local_turns=False) for live in plans]
    monkeypatch.setattr(recalling, "build", lambda *_, **__: pytest.fail("it was built again"))
    assert [recall(path, live, [], local_turns=False) for live in plans[1:]] == built[1:]
    with pytest.raises(pytest.fail.Exception):
        recall(path, plans[0], [], local_turns=False)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b'[{"key": 1, "built": 2}]', b"[5]"])
def test_a_corrupt_cache_only_costs_time(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "setup.json"
    path.write_bytes(content)
    built = recall(path, LIVE, [], local_turns=False)
    assert built.setup["model"] == MODEL
    assert msgspec.json.decode(path.read_bytes())[0]["built"]["setup"]["model"] == MODEL


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert recall(tmp_path / "file" / "setup.json", LIVE, [], local_turns=False).setup["model"] == MODEL
    assert recall(None, LIVE, [], local_turns=False).setup["model"] == MODEL


def test_a_recalled_setup_needs_no_google_genai(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "setup.json"
    recall(path, LIVE, [], local_turns=False)
    program = (
        "import json, sys, pathlib\n"
        "from actors.live.recall import recall\n"
        "recall(pathlib.Path(sys.argv[1]), json.loads(sys.argv[2]), [], local_turns=False)\n"
        "print([name for name in sys.modules if name.startswith(('google.genai', 'pydantic'))])\n"
    )
    line = [sys.executable, "-c", program, str(path), json.dumps(LIVE)]
    done = subprocess.run(line, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
