"""What stands in for the world in a replay: a microphone, a far end and tools that do what the recording says."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import attrs
import trio
import trio.testing

from actors.audio.timeline import Timeline
from actors.emulator.door import Request, Response, enter
from actors.emulator.link import Link
from actors.playback import Discard
from pipeline.actor import Shared
from pipeline.channels import Outlet
from pipeline.errors import ToolFailed, TransportLost
from pipeline.messages import INPUT_RATE, Captured
from telemetry.tape_reading import Taped
from telemetry.tape_wire import TapedLink
from tools.registry import Emit, Tool

ABNORMAL = 1006  # RFC 6455, 7.1.5: no close frame came
CLOSE_CODES = range(1000, 5000)
PATIENT = 1e6  # seconds: the recording decides when a tool is late
LOST = "the recording has no further connection"


@attrs.define
class TapedMicrophone:
    """Gives the recorded blocks at their times; after a restart it goes on with the next."""

    captured: Outlet[Captured]
    timeline: Shared[Timeline]
    blocks: Any
    zero: float

    async def run(self) -> None:
        """Runs until the recording is over, then is silent."""
        for block in self.blocks:
            await trio.sleep_until(self.zero + block.t)
            self.timeline.begin(self.zero + block.at - block.position / INPUT_RATE)
            self.captured.send_nowait(
                Captured(block.pcm, self.zero + block.at, block.position, block.acoustic, self.zero + block.t)
            )
        await trio.sleep_forever()


@attrs.define
class InARoom(Discard):
    """Plays to nobody, as a speaker that a microphone could hear: for recordings made with devices."""

    acoustic: ClassVar[bool] = True


@attrs.define
class Answer:
    """What a recorded call came to."""

    args: str
    ms: float
    outcome: str
    response: Mapping[str, Any]


@attrs.frozen(eq=False, kw_only=True)
class TapedTool(Tool):
    """A tool that answers as it did; `answers` are taken in order, by arguments."""

    told: Mapping[str, Any]
    answers: list[Answer]

    def declaration(self) -> dict[str, object]:
        """Gives what the service was told of it."""
        return dict(self.told)

    async def run(self, args: Mapping[str, object], emit: Emit | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Answers after the recorded time; a call that the recording does not have is an error."""
        wanted = _canonical(args)
        answer = next((one for one in self.answers if one.args == wanted), None)
        if answer is None:
            raise ToolFailed(f"the recording has no call of {self.name} with these arguments")
        self.answers.remove(answer)
        if answer.outcome == "cancelled":
            await trio.sleep_forever()
        await trio.sleep(answer.ms / 1000)
        if answer.outcome == "timeout":
            raise trio.TooSlowError
        if answer.outcome == "error":
            raise ToolFailed(str(answer.response.get("error", "")), retry=bool(answer.response.get("retry")))
        return dict(answer.response)

    async def call(self, args: Mapping[str, object], parts: list[object] | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Answers as run does."""
        return await self.run(args)


@attrs.define
class FarEnd:
    """Plays the service's side of each recorded link in turn."""

    links: Sequence[TapedLink]
    zero: float
    nursery: trio.Nursery
    dialled: int = 0

    async def dial(self, _address: object) -> trio.abc.Stream:
        """Gives the next link's stream, or fails as the recorded attempt failed."""
        if self.dialled >= len(self.links):
            await trio.lowlevel.checkpoint()
            raise OSError(LOST)
        link = self.links[self.dialled]
        self.dialled += 1
        if link.opened is None:
            await trio.sleep_until(self.zero + (link.ended or link.dialled))
            raise TransportLost(link.code or ABNORMAL, link.reason)
        await trio.sleep_until(self.zero + link.opened)
        ours, theirs = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self._serve, theirs, link)
        return ours

    async def _serve(self, stream: trio.abc.Stream, link: TapedLink) -> None:
        entered = await enter(stream, _no_answer)
        if entered is None:
            return
        wire = Link(stream, leftover=entered[1])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._speak, wire, link)
            await wire.run(lambda _message: None)
            nursery.cancel_scope.cancel("the link is over")

    async def _speak(self, wire: Link, link: TapedLink) -> None:
        for t, frame in link.heard:
            await trio.sleep_until(self.zero + t)
            wire.send(frame)
        if link.ended is None:
            return
        await trio.sleep_until(self.zero + link.ended)
        if link.code in CLOSE_CODES and link.code != ABNORMAL:
            wire.close(link.code, link.reason)
        else:
            wire.cut()


def _no_answer(_request: Request) -> Response:
    return Response(404, {})


def tools_of(taped: Taped, recorded: Sequence[TapedLink]) -> list[Any]:
    """Makes a tool of each that the service was told of, or that was called."""
    told: dict[str, Mapping[str, Any]] = {}
    given: dict[str, Mapping[str, Any]] = {}
    for link in recorded:
        for _, frame in link.sent:
            for entry in frame.get("setup", {}).get("tools", []):
                told |= {one["name"]: one for one in entry.get("functionDeclarations", [])}
            for one in frame.get("toolResponse", {}).get("functionResponses", []):
                given[str(one.get("id"))] = one.get("response") or {}
    results = {str(event.get("id")): event for event in taped.named("tool.result")}
    answers: dict[str, list[Answer]] = {name: [] for name in told}
    for call in taped.named("tool.call"):
        result = results.get(str(call.get("id")), {"ms": 0.0, "outcome": "cancelled"})
        answer = Answer(
            _canonical(call.get("args", {})), result["ms"], result["outcome"], given.get(str(call["id"]), {})
        )
        answers.setdefault(str(call["name"]), []).append(answer)
    return [
        TapedTool(
            name=name,
            description="",
            function=dict,
            fields={},
            needs={},
            streams=False,
            timeout=PATIENT,
            blocking=None if "behavior" not in told.get(name, {}) else told[name]["behavior"] == "BLOCKING",
            told=told.get(name, {"name": name, "description": ""}),
            answers=known,
        )
        for name, known in answers.items()
    ]


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
