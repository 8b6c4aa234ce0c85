"""Every close code at every moment of a conversation: it goes on, and what was said is answered."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

FIXTURES = Path(__file__).parent.parent / "fixtures"
QUESTION = FIXTURES / "time-tokyo.flac"
CODES = (1001, 1002, 1007, 1008, 1009, 1011, 1013, 4999)
Talking = Callable[..., Any]

MOMENTS: dict[str, Callable[[Any], object]] = {
    "before anything was said": lambda near: near.named("session.state")[-1:],
    "while the user speaks": lambda near: near.named("turn.user_start"),
    "while the service thinks": lambda near: near.named("turn.user_end"),
    "while a tool works": lambda near: near.named("tool.call"),
    "while the reply sounds": lambda near: near.named("turn.first_audio"),
    "after the reply": lambda near: near.named("turn.end"),
}


@pytest.fixture
def slow_tool(tmp_path: Path) -> str:
    (tmp_path / "slow.py").write_text(
        "import trio\n"
        "from tools.registry import tool\n"
        "@tool(idempotent=True)\n"
        "async def get_time(city: str) -> dict[str, object]:\n"
        "    'Tells the time in a city.'\n"
        "    await trio.sleep(1)\n"
        "    return {'summary': 'it is noon'}\n"
    )
    return "slow.py"


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("code", CODES)
async def test_a_close_is_survived(
    autojump_clock: object, talking: Talking, slow_tool: str, code: int, moment: str
) -> None:
    async with talking(QUESTION, {"burst": 2.0}, tools__use=[slow_tool]) as (near, far):
        await near.until(lambda: far.service.connections and MOMENTS[moment](near))
        for connection in far.service.connections:
            connection.close(code, "on purpose")
        await near.until(lambda: far.dialled >= 2 and near.outcomes()[-1:] == ["completed"])
        await trio.sleep(2)
        await near.conversation.say("what did i ask")
        await near.until(lambda: "You asked me" in "".join(near.finals("model")))
    assert "what time is it in tokyo" in near.finals("user")
    assert all(event.lost_ms == 0 for event in near.named("session.resumed"))


@pytest.mark.parametrize("left", [60.0, 5.0, 0.0])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_go_away_is_survived(
    autojump_clock: object, talking: Talking, slow_tool: str, left: float, moment: str
) -> None:
    async with talking(QUESTION, {"burst": 2.0}, tools__use=[slow_tool]) as (near, far):
        await near.until(lambda: far.service.connections and MOMENTS[moment](near))
        for connection in far.service.connections:
            connection.go_away(left)
        await near.until(lambda: far.dialled >= 2 and near.outcomes()[-1:] == ["completed"], 120)
        await trio.sleep(2)
        await near.conversation.say("what did i ask")
        await near.until(lambda: "You asked me" in "".join(near.finals("model")))
    assert "what time is it in tokyo" in near.finals("user")
    assert all(event.lost_ms == 0 for event in near.named("session.resumed"))
