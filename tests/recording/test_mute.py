"""A muted microphone: the service hears the turn end, and then nothing."""

from collections.abc import Callable
from typing import Any

import pytest
import trio

from pipeline.errors import AssistantError
from telemetry.tape_reading import Taped
from telemetry.tape_wire import sound_bytes

Recording = Callable[..., Any]


@pytest.mark.parametrize(
    ("engine", "turns", "end"),
    [("Energy", "server", "audioStreamEnd"), ("Energy", "local", "activityEnd"), ("Open", "server", "audioStreamEnd")],
)
async def test_the_turn_ends_and_nothing_more_is_sent(
    autojump_clock: object, recording: Recording, engine: str, turns: str, end: str
) -> None:
    async with recording("long-pause.flac", actors__vad__use=f"actors.vad:{engine}", room__turns=turns) as recorded:
        await trio.sleep(0.8)
        recorded.conversation.mute()
        assert recorded.conversation.muted
        muted = trio.current_time()
        await trio.sleep(1)
        recorded.conversation.mute(muted=False)
        await trio.sleep(4)
    assert [event.muted for event in recorded.named("microphone.muted")] == [True, False]
    sent = [step for step in Taped.read(recorded.folder).steps if step["way"] == "out"]
    meanwhile = [step["frame"] for step in sent if muted + 0.05 <= step["t"] < muted + 1]
    assert sum(map(sound_bytes, meanwhile)) == 0
    last = [step["frame"] for step in sent if step["t"] < muted + 1][-1]
    assert end in last["realtimeInput"]
    assert sum(sound_bytes(step["frame"]) for step in sent if step["t"] > muted + 1) > 0


async def test_muting_twice_is_told_once(autojump_clock: object, recording: Recording) -> None:
    async with recording() as recorded:
        for _ in range(3):
            recorded.conversation.mute()
        await trio.sleep(0.1)
    assert len(recorded.named("microphone.muted")) == 1


async def test_a_plan_without_a_gate_cannot_be_muted(autojump_clock: object, recording: Recording) -> None:
    async with recording() as recorded:
        del recorded.conversation.house.state["gate"]
        with pytest.raises(AssistantError, match="no gate that can be muted"):
            recorded.conversation.mute()


async def test_a_conversation_can_be_ended_from_within(autojump_clock: object, recording: Recording) -> None:
    async with recording() as recorded:
        await trio.sleep(0.1)
        recorded.conversation.end()
        with trio.move_on_after(10) as waiting:
            await trio.sleep_forever()
    assert not waiting.cancelled_caught
    assert recorded.named("session.state")[-1].to == "CLOSED"
