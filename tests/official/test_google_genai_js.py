"""The official JavaScript client, under node, judges the embedded service as the Python one does.

The checks stand in js/, in the client's own language: conversations.mjs and refusals.mjs. All of one module take place
at once in one process, over TLS, and each is a test of its own.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.emulator.settings import Settings

JS = Path(__file__).with_name("js")
SCALE = 100.0

Outcomes = dict[str, str | None]


def checks_in(module: str) -> list[str]:
    """The names of the checks in a module, in its order."""
    table = (JS / module).read_text("utf-8").partition("export const CHECKS = {")[2]
    return re.findall(r"^  (?:async )?(\w+)[:(]", table, re.MULTILINE)


CONVERSATIONS, REFUSALS = checks_in("conversations.mjs"), checks_in("refusals.mjs")


@pytest.fixture(scope="module")
def conversations(serve: Any, run: Callable[..., Outcomes]) -> Iterator[Outcomes]:
    with serve(Settings(burst=40.0, voice_activity=True)) as live:
        yield run("conversations.mjs", live)


@pytest.fixture(scope="module")
def refusals(serve: Any, run: Callable[..., Outcomes]) -> Iterator[Outcomes]:
    with serve(Settings(burst=40.0)) as live, serve(Settings(time_scale=SCALE)) as hasty:
        yield run("refusals.mjs", live, hasty)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_the_javascript_client_finds_that(conversations: Outcomes, name: str) -> None:
    assert conversations[name] is None, conversations[name]


@pytest.mark.parametrize("name", REFUSALS)
def test_the_javascript_client_is_told_of(refusals: Outcomes, name: str) -> None:
    assert refusals[name] is None, refusals[name]


def test_no_check_is_left_out(conversations: Outcomes, refusals: Outcomes) -> None:
    assert (list(conversations), list(refusals)) == (CONVERSATIONS, REFUSALS)
