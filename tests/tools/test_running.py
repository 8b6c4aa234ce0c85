"""A tool at work: its faults stay inside, its answers are made small where they are made."""

import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pipeline.errors import ToolFailed
from tools import Tool, registry, tool


@pytest.mark.parametrize("kind", [KeyError, OSError, SystemExit])
async def test_an_error_of_the_function_becomes_a_sentence_without_internals(kind: type[BaseException]) -> None:
    @tool
    def broken() -> None:
        raise kind("/shelf/secret\n" + "x" * 1000)

    with pytest.raises(ToolFailed, match="broken failed because of a fault in it") as caught:
        await Tool.of(broken).call({})
    assert "shelf" not in str(caught.value)
    assert kind.__name__ not in str(caught.value)
    assert caught.value.detail.startswith(kind.__name__)
    assert "/shelf/secret" in caught.value.detail
    assert len(caught.value.detail) < 400
    assert "\n" not in caught.value.detail
    assert not caught.value.retry


def test_several_answers_are_for_calls_that_nobody_waits_for() -> None:
    async def count() -> AsyncIterator[int]:
        """Counts."""
        yield 1

    assert Tool.of(count).declaration()["behavior"] == "NON_BLOCKING"
    assert Tool.of(tool(blocking=True)(count)).declaration()["behavior"] == "BLOCKING"


async def test_a_large_result_of_a_sync_function_is_made_small_in_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    where: list[str] = []
    original = registry.response

    def spy(value: object, limit: int) -> dict[str, Any]:
        where.append(threading.current_thread().name)
        return original(value, limit)

    monkeypatch.setattr(registry, "response", spy)

    @tool
    def large() -> list[str]:
        return ["x" * 100] * 10_000

    assert "left out" in (await Tool.of(large).call({}))["cut"]
    assert where == [name for name in where if name != threading.current_thread().name]
    assert where
