"""Runs a recorded conversation through the real pipeline again, under virtual time.

The microphone gives the recorded blocks at their times; the far end is a WebSocket over memory streams that sends the
recorded frames at theirs; tools answer what they answered. All between them is the program as it is now.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import trio
import trio.testing

from actors.playback import Discard
from bin.taped import FarEnd, InARoom, TapedMicrophone, tools_of
from pipeline.bus import Bus, Subscription
from pipeline.conversation import Conversation, converse
from pipeline.environment import Environment
from pipeline.errors import AssistantError, BadRecording, first_error
from pipeline.messages import INPUT_RATE
from pipeline.plan import WIRING, Plan
from telemetry.tape_frames import packed
from telemetry.tape_reading import Line, Taped
from telemetry.tape_wire import Block, Store, TapedLink, blocks, links, sound_bytes

ENDPOINT = "ws://the.recording"


@attrs.define
class Rerun:
    """What came out: the events as in an event log, what was written on each link, and what ended it, if anything."""

    events: list[Line] = attrs.field(factory=list)
    sent: list[tuple[float, int, Line]] = attrs.field(factory=list)
    links: int = 0
    failure: str = ""


async def rerun(taped: Taped) -> Rerun:
    """Runs the recording again; for a virtual clock. BadRecording where it cannot be run."""
    store = Store(taped.path)
    recorded, sounds = links(taped, store), list(blocks(taped, store))
    if not recorded or not sounds:
        raise BadRecording(
            f"{taped.path} cannot be replayed: there is no {'sound' if recorded else 'connection'} in it"
        )
    zero, out = trio.current_time(), Rerun()
    async with trio.open_nursery() as nursery:
        far = FarEnd(recorded, zero, nursery)
        plan = plan_of(taped, far, iter(sounds), out, zero)
        bus = Bus()
        nursery.start_soon(_gather, bus.subscribe(1_000_000), out, zero)
        await _talk(taped, plan, bus, recorded, out, zero)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel("the recording is over")
    return out


async def _talk(taped: Taped, plan: Plan, bus: Bus, recorded: Sequence[TapedLink], out: Rerun, zero: float) -> None:
    """Has the conversation again; what ends it before its time is kept as the failure."""
    tools = tools_of(taped, recorded)
    try:
        async with (
            converse(plan, tools=tools, bus=bus, environment=Environment()) as conversation,
            trio.open_nursery() as nursery,
        ):
            _continue(conversation, recorded)
            nursery.start_soon(_act, conversation, taped, zero)
            await trio.sleep_until(zero + taped.seconds)
            nursery.cancel_scope.cancel("the recording is over")
    except* AssistantError as group:
        out.failure = str(first_error(group))


def plan_of(taped: Taped, far: FarEnd, sounds: Iterator[Block], out: Rerun, zero: float) -> Plan:
    """Gives the recorded plan with its ends replaced; BadRecording where it cannot be read."""
    try:
        tables = tomllib.loads(taped.plan)
    except tomllib.TOMLDecodeError as error:
        raise BadRecording(f"the plan of {taped.path} is damaged: {error}") from None
    for name in _used(tables):
        _refuse_its_code(name, taped.path)
    tables["tools"] = {"google_search": tables.get("tools", {}).get("google_search", False), "use": []}
    actors = tables.setdefault("actors", {})
    used = [actors.get(name, {}).get("use") for name in ("microphone", "playback")]
    for name in ("microphone", "playback"):
        actors[name] = {key: value for key, value in actors.get(name, {}).items() if key in WIRING}
    plan = Plan.load(folder=taped.path)
    plan.merge(tables, f"{taped.path.name}/plan.toml")

    def tap(step: str, what: str | bytes) -> None:
        if step == "dial":
            out.links += 1
        elif step == "out":
            frame = packed(what, lambda sound, _kind: {"bytes": len(sound)}, "full")
            out.sent.append((trio.current_time() - zero, out.links, frame))  # type: ignore[arg-type] # a table

    plan.set("actors.microphone", {"use": TapedMicrophone, "blocks": sounds, "zero": zero})
    plan.set(
        "actors.playback.use", InARoom if used == ["actors.microphone:Device", "actors.playback:Device"] else Discard
    )
    quiet = {"endpoint": ENDPOINT, "handle_file": "", "cache": "", "resume": False, "threads": False}
    plan.set("actors.connection", {**quiet, "dial": far.dial, "tap": tap})
    plan.set("state.toolbox.inline", value=True)
    plan.set("budget.file", "")  # a replay is not paid for
    return plan


def _used(table: Mapping[str, Any]) -> Iterator[str]:
    """Gives every name of a class in a plan."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _used(value)
        elif key == "use" and isinstance(value, str):
            yield value


def _refuse_its_code(name: str, folder: Path) -> None:
    """BadRecording where a class would be read from the recording, which may be a stranger's."""
    place = Path.cwd().joinpath(*name.partition(":")[0].split(".")).resolve()
    if place.is_relative_to(folder.resolve()) and (place.is_dir() or place.with_suffix(".py").exists()):
        raise BadRecording(
            f"{folder} names {name!r}, which is code in the recording itself; move it out if you trust it"
        )


def messages(sent: Sequence[tuple[float, int, Line]]) -> Iterator[Line]:
    """Gives what was written as lines to compare: stretches of sound by their length, all else word for word."""
    sound, began, on = 0, 0.0, 0
    for t, link, frame in sent:
        length = sound_bytes(frame)
        if length and link == on:
            sound += length
            continue
        if sound:
            yield {"t": began, "event": "wire", "message": "sound", "sound_ms": 1000 * sound / (2 * INPUT_RATE)}
        sound, began, on = length, t, link
        if not length:
            yield {"t": t, "event": "wire", "message": " ".join(_kind(frame)), "body": frame}
    if sound:
        yield {"t": began, "event": "wire", "message": "sound", "sound_ms": 1000 * sound / (2 * INPUT_RATE)}


def _kind(frame: Line) -> Iterator[str]:
    for key, value in frame.items():
        yield key
        if key != "setup" and isinstance(value, Mapping):
            yield from value


def _continue(conversation: Conversation, recorded: Sequence[TapedLink]) -> None:
    """A conversation that went on with an earlier one shows its handle again."""
    first = next((frame for link in recorded for _, frame in link.sent if "setup" in frame), {})
    handle = first.get("setup", {}).get("sessionResumption", {}).get("handle")
    if handle:
        conversation.house.state["session"].handle = handle


async def _act(conversation: Conversation, taped: Taped, zero: float) -> None:
    """Does what the user did at the keyboard."""
    for step in taped.steps:
        if step.get("way") != "user":
            continue
        await trio.sleep_until(zero + float(step["t"]))
        if step.get("do") == "stop":
            await conversation.interrupt()
        elif step.get("do") == "say":
            await conversation.say(str(step.get("text", "")))
        elif step.get("do") in ("mute", "unmute"):
            conversation.mute(step["do"] == "mute")
        elif step.get("do") == "restart":
            with suppress(AssistantError):  # it has ended in the replay, or is not there: its events will differ
                conversation.restart(str(step["actor"]))


async def _gather(events: Subscription, out: Rerun, zero: float) -> None:
    async for event in events:
        out.events.append({"t": event.at - zero, "event": event.name, **event.fields()})
