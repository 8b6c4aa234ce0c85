"""Every close code at every moment of a conversation and in every state: it goes on, and what was said is answered."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import trio

from actors.audio.recording import read_mono
from actors.emulator.connection import Observed
from pipeline.errors import Refused

FIXTURES = Path(__file__).parent.parent / "fixtures"
QUESTION = FIXTURES / "time-tokyo.flac"
CODES = (1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999)
REFUSALS = (1007, 1008)
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


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_normal_close_ends_the_conversation_in_order(
    autojump_clock: object, talking: Talking, slow_tool: str, moment: str
) -> None:
    async with talking(QUESTION, {"burst": 2.0}, tools__use=[slow_tool]) as (near, far):
        await near.until(lambda: far.service.connections and MOMENTS[moment](near))
        for connection in far.service.connections:
            connection.close(1000, "goodbye")
        await near.until(lambda: near.named("session.state")[-1].to == "CLOSED")
        await trio.sleep(20)
    assert far.dialled == 1
    assert near.named("error") == []


def closing(far: Any, when: Callable[[Observed], bool], code: int) -> None:
    """Has the service close a connection ahead of what it is about to take or to send, the first time."""
    closed: list[int] = []

    def observe(one: Observed) -> None:
        far.seen.append(one)
        if when(one) and not closed:
            closed.append(code)
            next(each for each in far.service.connections if each.number == one.connection).close(code, "on purpose")

    far.service.observe = observe


def is_setup(one: Observed) -> bool:
    return one.kind == "message" and one.message is not None and one.message.setup is not None


def after_an_interruption(far: Any) -> Callable[[Observed], bool]:
    """Whether this is what the service sends next after it has said that the user interrupts."""

    def is_next(_one: Observed) -> bool:
        sent = [one.sent for one in far.seen[:-1] if one.kind == "sent" and one.sent]
        return bool(sent and sent[-1].get("serverContent", {}).get("interrupted"))

    return is_next


@pytest.mark.parametrize("code", [1000, *(code for code in CODES if code not in REFUSALS)])
async def test_a_close_while_connecting_is_survived(autojump_clock: object, talking: Talking, code: int) -> None:
    async with talking(QUESTION) as (near, far):
        closing(far, is_setup, code)
        await near.until(lambda: near.outcomes()[-1:] == ["completed"])
    states = [(event.from_, event.to) for event in near.named("session.state")]
    assert states[:3] == [
        ("DISCONNECTED", "CONNECTING"),
        ("CONNECTING", "DISCONNECTED"),
        ("DISCONNECTED", "CONNECTING"),
    ]
    assert near.finals("user") == ["what time is it in tokyo"]


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_setup_that_is_refused_ends_with_one_sentence(
    autojump_clock: object, talking: Talking, code: int
) -> None:
    wanted = pytest.RaisesExc(Refused, match="on purpose")
    with pytest.RaisesGroup(wanted, flatten_subgroups=True, allow_unwrapped=True):
        async with talking(QUESTION) as (_near, far):
            closing(far, is_setup, code)
            await trio.sleep(60)


@pytest.mark.parametrize("code", CODES)
async def test_a_close_while_a_reply_is_being_interrupted_is_survived(
    autojump_clock: object, talking: Talking, tmp_path: Path, code: int
) -> None:
    story, stop = (read_mono(FIXTURES / name, 16000) for name in ("long-story.flac", "stop.wav"))
    both = np.frombuffer(story + bytes(2 * 16000 * 5) + stop, "<i2")
    soundfile.write(tmp_path / "both.flac", both, 16000)
    async with talking(tmp_path / "both.flac", {"burst": 1.5}) as (near, far):
        closing(far, after_an_interruption(far), code)
        await near.until(lambda: far.dialled >= 2 and near.outcomes()[-1:] == ["completed"], 200)
    states = [event.to for event in near.named("session.state")]
    assert states[states.index("INTERRUPTED") + 1] == "DISCONNECTED"
    assert near.outcomes()[0] in {"interrupted", "failed"}
    assert "stop" in near.finals("user")[-1]


@pytest.mark.parametrize("code", [1000, *CODES])
async def test_a_close_while_closing_changes_nothing(autojump_clock: object, talking: Talking, code: int) -> None:
    async with talking(QUESTION) as (near, far):
        await near.until(lambda: near.outcomes() == ["completed"])
        for connection in far.service.connections:
            connection.close(code, "at the same time")
    states = [event.to for event in near.named("session.state")]
    assert states[-2:] == ["CLOSING", "CLOSED"]
    assert far.dialled == 1
    assert near.named("error") == []
