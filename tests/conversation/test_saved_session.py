"""A saved session is for the service that gave it, and a setting that a service refuses is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Refused

FIXTURES = Path(__file__).parent.parent / "fixtures"
Talking = Callable[..., Any]


def notices(near: Any) -> list[str]:
    return [event.text for event in near.named("notice")]


async def test_a_handle_is_not_shown_to_another_service(
    talking: Talking, tmp_path: Path, autojump_clock: object
) -> None:
    saved = tmp_path / "saved" / "session.json"
    kept = {"actors__connection__handle_file": str(saved)}
    async with talking(FIXTURES / "hello.wav", **kept) as (near, _):
        await near.until(saved.exists)
    resume = kept | {"actors__connection__resume": True}
    async with talking(**resume) as (near, _):
        await near.until(lambda: notices(near))
    assert "resuming the session" in notices(near)[0]
    async with talking(**resume, actors__connection__endpoint="ws://other.end:81") as (near, far):
        await near.until(lambda: notices(near))
    assert "another service, not ws://other.end:81" in notices(near)[0]
    assert "handle" not in str(far.seen)


async def test_where_nothing_is_saved_a_resume_says_so(talking: Talking, autojump_clock: object) -> None:
    async with talking(actors__connection__resume=True) as (near, _):
        await near.until(lambda: near.named("session.state"))
        await near.until(lambda: notices(near))
    assert "no session is saved here" in notices(near)[0]


async def test_a_refused_setting_is_named_rather_than_the_key(talking: Talking, autojump_clock: object) -> None:
    """Of a model whose rules we do not know."""
    wrong = {"live__model": "gemini-3.5-live-translate-preview", "live__thinking_config": {"include_thoughts": True}}

    def named(refused: Refused) -> bool:
        return "change or remove live.thinking_config in [live]" in str(refused) and "API key" not in str(refused)

    with pytest.RaisesGroup(pytest.RaisesExc(Refused, check=named), flatten_subgroups=True):
        async with talking(**wrong) as (near, _):
            await near.until(lambda: False)
