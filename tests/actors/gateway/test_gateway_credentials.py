"""What is signed can be read by whoever has the key, until its time is up, and altered by nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.gateway.credentials import Signer, same

SIGNER = Signer.of("an access key of some length")
CLAIMS = {"id": "1", "user": "anna", "until": 100.0}
SIGNED = SIGNER.sign("login", CLAIMS)


def test_every_machine_with_the_key_reads_it() -> None:
    assert Signer.of("an access key of some length").read("login", SIGNED, 99) == CLAIMS


@pytest.mark.parametrize(
    ("signer", "kind", "now"),
    [
        (SIGNER, "login", 100),
        (SIGNER, "other", 0),
        (Signer.of("another key"), "login", 0),
        (Signer.of(None), "login", 0),
    ],
)
def test_nobody_else_does_nor_later(signer: Signer, kind: str, now: float) -> None:
    assert signer.read(kind, SIGNED, now) is None


@given(st.integers(0, len(SIGNED) - 1), st.characters())
def test_one_letter_changed_and_it_is_nothing(place: int, letter: str) -> None:
    changed = SIGNED[:place] + letter + SIGNED[place + 1 :]
    assert (SIGNER.read("login", changed, 0) is None) == (changed != SIGNED)


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    assert SIGNER.read("login", text, 0) is None
    assert SIGNER.read("login", f"login.{text}", 0) is None


def test_the_key_is_in_nothing_that_is_shown() -> None:
    assert "an access key" not in SIGNED + repr(SIGNER)
    assert repr(SIGNER.key) not in repr(SIGNER)


def test_secrets_are_compared_whatever_they_are() -> None:
    assert same("schlüssel", "schlüssel")
    assert not same("schlüssel", "schlussel")
    assert not same("", "x")
