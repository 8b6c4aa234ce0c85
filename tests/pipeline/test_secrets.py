"""Secrets are taken out of any text, wherever in it they are."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.secrets import REMEMBERED, SHOWN, Secrets, fingerprint


def knowing(*values: str | None) -> Secrets:
    secrets = Secrets()
    for value in values:
        secrets.hide(value)
    return secrets


def test_a_secret_is_taken_out_everywhere(canary: str) -> None:
    text = f"?key={canary}&again={canary}"
    assert knowing(canary).redact(text) == f"?key={SHOWN}&again={SHOWN}"
    assert knowing("another").redact(text) == text


def test_a_secret_that_begins_another_leaves_nothing_of_it() -> None:
    assert knowing("token-1", "token-1234").redact("token-1234 token-1") == f"{SHOWN} {SHOWN}"


@pytest.mark.parametrize("value", [None, "", "short"])
def test_what_would_mangle_words_is_not_remembered(value: str | None) -> None:
    assert knowing(value).redact("a short text") == "a short text"


def test_rotating_secrets_are_forgotten_one_by_one_and_lasting_ones_never() -> None:
    secrets = knowing("lasting-key")
    for number in range(REMEMBERED + 1):
        secrets.hide(f"handle-{number:04}", rotating=True)
        secrets.hide(f"handle-{number:04}", rotating=True)
    assert secrets.redact("handle-0000 handle-0001 lasting-key") == f"handle-0000 {SHOWN} {SHOWN}"


def test_nested_values_are_redacted_and_keep_their_shape(canary: str) -> None:
    value = {"q": [canary, {canary: 1}], "n": (2, f"<{canary}>"), "ok": None, "x": 1.5}
    assert knowing(canary).redacted(value) == {"q": [SHOWN, {SHOWN: 1}], "n": (2, f"<{SHOWN}>"), "ok": None, "x": 1.5}


@given(st.lists(st.text("abcd", min_size=6, max_size=9), max_size=6), st.text("abcd", max_size=40))
def test_no_secret_is_left_in_any_text(values: list[str], text: str) -> None:
    left = knowing(*values).redact(text)
    assert not any(value in left for value in values)


def test_secrets_do_not_show_themselves(canary: str) -> None:
    secrets = knowing(canary)
    secrets.hide(canary + "-handle", rotating=True)
    assert canary not in repr(secrets)


def test_a_fingerprint_is_eight_hex_digits_of_the_hash(canary: str) -> None:
    assert fingerprint(canary) == hashlib.sha256(canary.encode()).hexdigest()[:8]
