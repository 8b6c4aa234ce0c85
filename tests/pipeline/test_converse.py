"""A conversation from Python, over small actors of the tests' own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import pipeline
from pipeline import Bus, Conversation, Event, Inlet, Outlet, Plan, Shared, converse
from pipeline.environment import Environment
from pipeline.errors import AssistantError, Fatal, GaveUp, PlanError, Refused
from pipeline.events import Notice
from pipeline.messages import Interrupted, ReplyControl, Request, Say, Stop
from pipeline.secrets import SHOWN

MakePlan = Callable[..., Plan]


@attrs.define
class Box:
    """Shared: what the fake actors saw, and what they are to do."""

    seen: list[object] = attrs.field(factory=list)
    added: list[object] = attrs.field(factory=list)
    lives: int = 0
    closed: int = 0

    def add(self, function: object) -> None:
        self.added.append(function)

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self.closed += 1


@attrs.define
class Ear:
    """Takes what the program sends, in either way."""

    requests: Inlet[Request]
    control: Inlet[ReplyControl]
    box: Shared[Box]
    bus: Bus

    async def run(self) -> None:
        self.box.lives += 1
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._take, self.requests)
            nursery.start_soon(self._take, self.control)

    async def _take(self, inlet: Inlet[Any]) -> None:
        async for item in inlet:
            self.box.seen.append(item)
            self.bus.publish(Notice(f"heard {item}"))
            if item == Say("break"):
                raise ValueError("broken on purpose")
            if item == Say("leave"):
                raise Refused(f"the key {KEY} is not welcome")


KEY = "AIzaCANARYq7-Zt4_notAKey0123456789abcde"


@pytest.fixture
def plan(make_plan: MakePlan) -> Plan:
    ear = {"use": Ear, "inputs": {"requests": "requests", "control": "control"}}
    return make_plan({"ear": ear}, state={"toolbox": {"use": Box}})


def box(conversation: Conversation) -> Box:
    found = conversation.house.shared(Box)
    assert isinstance(found, Box)
    return found


def nowhere() -> Environment:
    return Environment()


async def test_what_is_said_arrives_and_its_events_are_heard(plan: Plan) -> None:
    async with converse(plan, environment=nowhere()) as conversation:
        events = conversation.events()
        await conversation.say("hello")
        first = await anext(events)
        assert isinstance(first, Notice)
        assert box(conversation).seen == [Say("hello")]
    assert [event async for event in events] == []


async def test_an_interruption_silences_and_stops(plan: Plan) -> None:
    async with converse(plan, environment=nowhere()) as conversation:
        now = trio.current_time()
        await conversation.interrupt()
        await wait_all_tasks_blocked()
        seen = box(conversation).seen
        assert sorted(type(item).__name__ for item in seen) == ["Interrupted", "Stop"]
        (word,) = [item for item in seen if isinstance(item, Interrupted)]
        assert word.turn is None
        assert now <= word.at <= trio.current_time()
        assert Stop() in seen


async def test_a_cancelled_say_is_not_sent(plan: Plan) -> None:
    async with converse(plan, environment=nowhere()) as conversation:
        with trio.CancelScope() as scope:
            scope.cancel()
            await conversation.say("never")
        await wait_all_tasks_blocked()
        assert box(conversation).seen == []


async def test_what_is_said_after_the_end_is_refused(plan: Plan) -> None:
    async with converse(plan) as conversation:
        pass
    with pytest.raises(AssistantError, match="over"):
        await conversation.say("hello?")


async def test_one_actor_can_be_restarted_and_the_conversation_goes_on(plan: Plan) -> None:
    async with converse(plan, environment=nowhere()) as conversation:
        await wait_all_tasks_blocked()
        conversation.restart("ear")
        await wait_all_tasks_blocked()
        await conversation.say("still there?")
        await wait_all_tasks_blocked()
        assert (box(conversation).lives, box(conversation).seen) == (2, [Say("still there?")])
        assert conversation.supervised["ear"].restarts == 1
        with pytest.raises(AssistantError, match="there is no actor 'nose' to restart; there are ear"):
            conversation.restart("nose")


async def test_an_actor_that_has_ended_says_that_it_cannot_be_restarted(plan: Plan, autojump_clock: MockClock) -> None:
    plan.set("actors.ear.restart", {"temporary": True})
    async with converse(plan, environment=nowhere()) as conversation:
        await conversation.say("break")
        await trio.sleep(1)
        with pytest.raises(AssistantError, match="ear has ended, and what has ended is not started again"):
            conversation.restart("ear")


async def test_a_crash_is_survived(plan: Plan, autojump_clock: MockClock) -> None:
    async with converse(plan, environment=nowhere()) as conversation:
        await conversation.say("break")
        await conversation.say("go on")
        await trio.sleep(1)
        assert box(conversation).seen == [Say("break"), Say("go on")]


async def test_too_many_crashes_come_out_as_one_error(plan: Plan, autojump_clock: MockClock) -> None:
    plan.set("actors.ear.restart", {"crashes": 1})
    with pytest.raises(GaveUp, match="ear crashed 2 times within 60 s") as caught:
        await chat(plan, "break", "break", "unheard")
    assert isinstance(caught.value.__cause__, ExceptionGroup)


async def chat(plan: Plan, *words: str, bus: Bus | None = None, heard: list[Any] | None = None) -> None:
    """Says words, and then listens until the conversation ends."""
    async with converse(plan, bus=bus, environment=Environment(google_key=KEY)) as conversation:
        events = conversation.events()
        for word in words:
            await conversation.say(word)
        try:
            async for event in events:
                if heard is not None:
                    heard.append(event)
        finally:
            if heard is not None:
                heard.append(box(conversation))


async def test_fatal_ends_the_block_as_one_error_without_the_key(plan: Plan) -> None:
    heard: list[Any] = []
    with pytest.raises(Refused) as caught:
        await chat(plan, "leave", heard=heard)
    assert str(caught.value) == f"the key {SHOWN} is not welcome"
    assert heard[-1].closed == 1


async def test_the_bus_tells_of_the_failure_and_is_closed_with_the_state(plan: Plan, nursery: trio.Nursery) -> None:
    bus = Bus()
    told: list[Event] = []

    async def listen() -> None:
        told.extend([event async for event in bus.subscribe()])

    nursery.start_soon(listen)
    await wait_all_tasks_blocked()
    with pytest.raises(Refused):
        await chat(plan, "leave", bus=bus)
    await wait_all_tasks_blocked()
    assert [event.fields() for event in told if event.name == "error"] == [
        {"what": f"the key {SHOWN} is not welcome", "code": "Refused", "action": "the conversation ends"}
    ]


async def test_errors_of_the_block_itself_come_out_in_a_group(plan: Plan) -> None:
    boxes = []
    with pytest.RaisesGroup(KeyError, flatten_subgroups=True):
        async with converse(plan, environment=nowhere()) as conversation:
            boxes.append(box(conversation))
            raise KeyError("mine")
    assert boxes[0].closed == 1


async def test_an_error_of_the_house_raised_in_the_block_stays_bare(plan: Plan) -> None:
    with pytest.raises(Fatal, match="enough"):
        async with converse(plan, environment=nowhere()):
            raise Fatal("enough")


async def test_a_failure_beside_an_error_of_the_block_is_told_on_the_bus(plan: Plan) -> None:
    listener = (bus := Bus()).subscribe()
    with pytest.RaisesGroup(ValueError, flatten_subgroups=True):
        async with converse(plan, bus=bus, environment=nowhere()) as conversation:
            await conversation.say("leave")
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("while it ended")
    assert "Refused" in [event.fields().get("code") async for event in listener]


async def test_cancelling_around_it_ends_it_in_order(plan: Plan) -> None:
    boxes = []
    with trio.move_on_after(0) as scope:
        async with converse(plan, environment=nowhere()) as conversation:
            boxes.append(box(conversation))
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert boxes[0].closed == 1


async def test_a_wrong_plan_starts_nothing_and_closes_the_bus() -> None:
    bus = Bus()
    listener = bus.subscribe()
    with pytest.raises(PlanError, match="is unknown"):
        async with converse(wrong(), bus=bus, environment=nowhere()):
            pytest.fail("it must not begin")
    assert [event async for event in listener] == []


def wrong() -> Plan:
    plan = Plan.load()
    plan.set("actors.vad.treshold", 1)
    return plan


async def test_an_unreadable_environment_is_a_plan_error(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff")
    listener = (bus := Bus()).subscribe()
    with pytest.raises(PlanError, match="cannot be read"):
        async with converse(plan, bus=bus):
            pytest.fail("it must not begin")
    assert [event async for event in listener] == []
    with pytest.raises(PlanError, match="cannot be read"):
        async with converse(plan):
            pytest.fail("it must not begin")


async def test_the_key_is_hidden_on_a_bus_of_the_users_own(plan: Plan) -> None:
    listener = (bus := Bus()).subscribe()
    async with converse(plan, bus=bus, environment=Environment(google_key=KEY)) as conversation:
        await conversation.say(f"my key is {KEY}")
        await wait_all_tasks_blocked()
        assert conversation.bus is bus
    told = [event async for event in listener]
    assert SHOWN in repr(told)
    assert KEY not in repr(told)


async def test_a_state_that_cannot_be_made_starts_nothing(plan: Plan) -> None:
    def refuse() -> Box:
        raise PlanError("no room for a box")

    plan.set("state.toolbox.use", refuse)
    with pytest.raises(PlanError, match="no room"):
        async with converse(plan, environment=nowhere()):
            pytest.fail("it must not begin")


async def test_tools_of_the_program_go_into_the_toolbox(plan: Plan) -> None:
    async with converse(plan, tools=[len, print], environment=nowhere()) as conversation:
        assert box(conversation).added == [len, print]


async def test_an_actor_of_the_users_own_is_passed_as_a_class(plan: Plan) -> None:
    class Parrot:
        """No attrs, no base class: a constructor and a coroutine."""

        def __init__(self, requests: Inlet[Request], says: Outlet[ReplyControl], times: int = 1) -> None:
            self.requests, self.says, self.times = requests, says, times

        async def run(self) -> None:
            async for _ in self.requests:
                for _ in range(self.times):
                    self.says.send_nowait(Interrupted(turn=7, at=0.0))

    plan.set("actors.parrot", {"use": Parrot, "times": 2})
    plan.set("actors.parrot.inputs.requests", "requests")
    plan.set("actors.parrot.outputs.says", "control")
    plan.tables["actors"]["ear"]["inputs"]["requests"] = "silence"
    plan.set("edges.silence", {"type": "Request", "capacity": "1 item", "overflow": "fail", "optional": True})
    async with converse(plan, environment=nowhere()) as conversation:
        await conversation.say("polly")
        await wait_all_tasks_blocked()
        assert box(conversation).seen == [Interrupted(turn=7, at=0.0)] * 2


def test_the_front_of_the_package_is_whole() -> None:
    assert all(hasattr(pipeline, name) for name in pipeline.__all__)
