"""Keys and addresses: which one wins, and what an unreadable file leads to."""

import os
from pathlib import Path

import pytest

from pipeline.environment import Environment
from pipeline.errors import PlanError


def read(folder: Path, **variables: str) -> Environment:
    return Environment.read(variables, folder)


@pytest.mark.parametrize(
    ("variables", "dotenv", "key"),
    [
        ({}, "", None),
        ({"GEMINI_API_KEY": "gemini"}, "", "gemini"),
        ({"GOOGLE_API_KEY": "google", "GEMINI_API_KEY": "gemini"}, "", "google"),
        ({"GOOGLE_API_KEY": "  ", "GEMINI_API_KEY": "gemini"}, "", "gemini"),
        ({"GOOGLE_API_KEY": " google\n"}, "", "google"),
        ({}, "GOOGLE_API_KEY=file", "file"),
        ({}, "\ufeffGOOGLE_API_KEY=file", "file"),
        ({}, 'GEMINI_API_KEY="quoted"  # with a comment', "quoted"),
        ({"GOOGLE_API_KEY": "set"}, "GOOGLE_API_KEY=file", "set"),
        ({"GEMINI_API_KEY": "set"}, "GOOGLE_API_KEY=file", "set"),
        ({"GOOGLE_API_KEY": ""}, "GOOGLE_API_KEY=file", None),
        ({}, "GOOGLE_API_KEY\nGEMINI_API_KEY=file", "file"),
    ],
)
def test_which_key_wins(variables: dict[str, str], dotenv: str, key: str | None, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(dotenv)
    assert read(tmp_path, **variables).google_key == key


def test_the_base_url_comes_from_both_places(tmp_path: Path) -> None:
    assert read(tmp_path).base_url is None
    (tmp_path / ".env").write_text("GOOGLE_GEMINI_BASE_URL=http://file")
    assert read(tmp_path).base_url == "http://file"
    assert read(tmp_path, GOOGLE_GEMINI_BASE_URL=" http://set ").base_url == "http://set"
    assert read(tmp_path, GOOGLE_GEMINI_BASE_URL="").base_url is None


def test_the_access_key_is_as_secret_as_the_other(tmp_path: Path, canary: str) -> None:
    (tmp_path / ".env").write_text(f"ASSISTANT_ACCESS_KEY={canary}")
    found = read(tmp_path)
    assert found.access_key == canary
    assert read(tmp_path, ASSISTANT_ACCESS_KEY="").access_key is None
    assert canary not in repr(found)
    assert canary not in found.secrets().redact(f"a key {canary}")


def test_a_file_never_changes_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("GEMINI_API_KEY=from-file")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GEMINI_API_KEY", "from-environment")
    assert Environment.read().google_key == "from-environment"
    monkeypatch.delenv("GEMINI_API_KEY")
    assert Environment.read().google_key == "from-file"
    assert "GEMINI_API_KEY" not in os.environ


def test_an_unreadable_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"KEY=\xff\xfe\x00")
    with pytest.raises(PlanError, match=r"\.env cannot be read: .*; make it plain UTF-8 text or remove it"):
        read(tmp_path)


def test_a_folder_of_that_name_is_no_file(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert read(tmp_path) == Environment()


def test_the_key_is_hidden_from_view_and_known_as_a_secret(tmp_path: Path, canary: str) -> None:
    environment = read(tmp_path, GOOGLE_API_KEY=canary)
    assert canary not in repr(environment)
    assert canary not in environment.secrets().redact(f"key {canary}")
    assert Environment().secrets().redact("nothing to hide") == "nothing to hide"
