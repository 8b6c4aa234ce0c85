"""The bus: nobody waits for a listener, and no secret reaches one."""

import math
from typing import Any, ClassVar

import attrs
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from pipeline import events as e
from pipeline.secrets import SHOWN, Secrets


def still() -> e.Bus:
    return e.Bus(clock=lambda: 12.5)


async def rest(listener: e.Subscription) -> list[Any]:
    return [event async for event in listener]


@pytest.mark.parametrize(
    ("event", "name", "fields"),
    [
        (e.Notice("hello"), "notice", {"text": "hello"}),
        (
            e.SessionStateChanged("CONNECTING", "CONNECTED", "setup is complete"),
            "session.state",
            {"from": "CONNECTING", "to": "CONNECTED", "reason": "setup is complete"},
        ),
        (
            e.ToolStarted("c1", "clock", {"city": "Rome"}),
            "tool.call",
            {"id": "c1", "name": "clock", "args": {"city": "Rome"}},
        ),
        (
            e.ToolEnded("c1", "clock", 3.5, "ok"),
            "tool.result",
            {"id": "c1", "name": "clock", "ms": 3.5, "outcome": "ok"},
        ),
        (e.FirstAudio(3, None), "turn.first_audio", {"turn": 3, "latency_ms": None}),
        (e.Usage({"totalTokenCount": 7}), "usage", {"totalTokenCount": 7}),
        (e.ActorRestarted("vad", 1), "actor.restart", {"actor": "vad", "crashes": 1}),
        (e.Dropped("captured", 4, 80.0), "channel.drop", {"edge": "captured", "dropped": 4, "ms": 80.0}),
    ],
)
def test_events_have_the_names_and_fields_of_the_log(event: e.Event, name: str, fields: dict[str, object]) -> None:
    assert (event.name, event.fields()) == (name, fields)


async def test_every_listener_hears_what_comes_after_it_began() -> None:
    bus = still()
    bus.publish(e.Notice("before"))
    first = bus.subscribe()
    bus.publish(e.Notice("one"))
    second = bus.subscribe()
    bus.publish(e.Notice("two"))
    bus.close()
    assert [event.text for event in await rest(first)] == ["one", "two"]
    assert [(event.text, event.at) for event in await rest(second)] == [("two", 12.5)]


async def test_time_is_trios_own() -> None:
    bus = e.Bus()
    listener = bus.subscribe()
    before = trio.current_time()
    bus.publish(e.Notice("now"))
    assert before <= (await anext(listener)).at <= trio.current_time()
    assert math.isnan(e.Notice("not yet published").at)


async def test_a_slow_listener_loses_and_counts_and_others_do_not() -> None:
    bus = still()
    slow, quick = bus.subscribe(3), bus.subscribe()
    for number in range(10):
        bus.publish(e.Notice(str(number)))
    bus.close()
    assert [event.text for event in await rest(slow)] == ["0", "1", "2"]
    assert (slow.lost, quick.lost, len(await rest(quick))) == (7, 0, 10)


async def test_a_waiting_listener_is_woken_by_an_event_and_by_the_end(nursery: trio.Nursery) -> None:
    bus = still()
    listener = bus.subscribe()
    got: list[e.Event] = []

    async def listen() -> None:
        got.extend([event async for event in listener])

    nursery.start_soon(listen)
    await wait_all_tasks_blocked()
    bus.publish(e.Notice("one"))
    await wait_all_tasks_blocked()
    bus.close()
    await wait_all_tasks_blocked()
    assert len(got) == 1


async def test_two_tasks_may_share_a_subscription(nursery: trio.Nursery) -> None:
    bus = still()
    listener = bus.subscribe()
    got: list[str] = []

    async def listen() -> None:
        async for event in listener:
            got.append(event.fields()["text"])  # type: ignore[arg-type] # noqa: PERF401 - as it comes

    nursery.start_soon(listen)
    nursery.start_soon(listen)
    await wait_all_tasks_blocked()
    for text in ("one", "two", "three"):
        bus.publish(e.Notice(text))
        await wait_all_tasks_blocked()
    bus.close()
    assert got == ["one", "two", "three"]


async def test_cancelling_a_listener_loses_nothing() -> None:
    bus = still()
    listener = bus.subscribe()
    with trio.move_on_after(0):
        await anext(listener)
    bus.publish(e.Notice("late"))
    assert (await anext(listener)).fields() == {"text": "late"}


async def test_a_closed_bus_gives_nothing_and_takes_everything() -> None:
    bus = still()
    early = bus.subscribe()
    bus.close()
    bus.close()
    bus.publish(e.Notice("to nobody"))
    assert await rest(early) == []
    assert await rest(bus.subscribe()) == []


async def test_a_listener_that_nobody_holds_is_forgotten() -> None:
    bus = still()
    bus.publish(e.Notice("nobody"))
    kept = bus.subscribe()
    for _ in range(100):
        bus.subscribe()
    bus.publish(e.Notice("one"))
    assert list(bus._listeners) == [kept]
    bus.close()
    assert [event.text for event in await rest(kept)] == ["one"]


async def test_a_listener_that_has_closed_is_let_go() -> None:
    bus = still()
    gone = bus.subscribe()
    bus.publish(e.Notice("last"))
    gone.close()
    assert gone.closed
    bus.publish(e.Notice("unheard"))
    bus.subscribe()
    assert gone not in bus._listeners
    assert [event.text for event in await rest(gone)] == ["last"]


@pytest.mark.parametrize(
    "make",
    [
        lambda secret: e.Trouble(f"connection lost: bad key {secret}", f"E{secret}", secret),
        lambda secret: e.Transcript("model", f"your key is {secret}", final=True),
        lambda secret: e.SessionStateChanged(secret, secret, secret),
        lambda secret: e.ToolStarted("c1", secret, {"deep": [{"token": f"<{secret}>"}], secret: 1}),
        lambda secret: e.Sources(1, ({"uri": f"http://x/?key={secret}", "title": secret, "number": 1},)),
        lambda secret: e.Usage({"note": secret}),
        lambda secret: e.ActorRestarted("uplink", 1, f"ValueError: {secret}"),
    ],
)
async def test_a_secret_is_redacted_in_every_text(make: Any, canary: str) -> None:
    secrets = Secrets()
    secrets.hide(canary)
    bus = e.Bus(secrets, lambda: 0.0)
    listener = bus.subscribe()
    event = make(canary)
    bus.publish(event)
    told = await anext(listener)
    assert canary not in repr(told)
    assert SHOWN in repr(told)
    assert type(told) is type(event)
    assert canary in repr(event)  # the publisher's own is as it was


async def test_an_event_of_the_users_own_travels_too() -> None:
    @attrs.frozen
    class Sighted(e.Event):
        name: ClassVar[str] = "bird.sighted"
        kind: str
        where: tuple[float, float] = (0.0, 0.0)

    bus = still()
    listener = bus.subscribe()
    bus.publish(Sighted("wren"))
    told = await anext(listener)
    assert (told.name, told.fields(), told.at) == ("bird.sighted", {"kind": "wren", "where": (0.0, 0.0)}, 12.5)


@pytest.mark.parametrize(("seconds", "shown"), [(1.23456, 1234.6), (0, 0), (math.nan, 0), (-0.5, -500)])
def test_seconds_become_milliseconds(seconds: float, shown: float) -> None:
    assert e.milliseconds(seconds) == shown
