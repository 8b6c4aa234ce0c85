"""The VAD gate: listens to the microphone, marks speech, and lets through what the service should hear.

The variants differ in their engine alone. Everything that decides is in `actors.audio.gate`, which is pure.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import attrs
import trio

from actors.audio.engines import Ear, Engine
from actors.audio.engines.energy import Energy as EnergyEngine
from actors.audio.engines.resting import Resting
from actors.audio.gate import HEARD_TOGETHER, MOST_UNHEARD, SLACK, Gate, GateSettings
from actors.audio.timeline import Timeline
from pipeline.actor import Shared, section
from pipeline.channels import Inlet, Outlet
from pipeline.errors import PlanError
from pipeline.events import Bus, Notice, UserEnded, UserStarted
from pipeline.messages import INPUT_RATE, Audible, Captured, Duck, SpeechEnded, SpeechStarted, Uttered, Voiced
from pipeline.settings import Within

WIRED_WITHIN = 0.003  # seconds in which what the gate hands on is on the wire, where there is a link and it is not full
ECHO_TAIL = 0.25  # seconds after the speaker has gone quiet in which a room still answers

_TURN: trio.lowlevel.RunVar[trio.Lock] = trio.lowlevel.RunVar("whose turn it is to hear")

Milliseconds = Annotated[float, Within(0, 60_000)]


@attrs.define
class _Vad:
    """What the variants share: in half duplex nothing passes while the speaker sounds, nor in the room's echo.

    While the gate is muted nothing passes at all.
    `threshold` is the speech probability from which a block counts as speech; the times are milliseconds, see
    `GateSettings`. The gate outlives an incarnation: one that was open is still shut in the end.
    """

    captured: Inlet[Captured]
    audible: Inlet[Audible]
    speech: Outlet[Uttered]
    duck: Outlet[Duck]
    timeline: Shared[Timeline]
    gate: Shared[Gate]
    bus: Bus
    room: Mapping[str, Any] = section("room")
    threshold: Annotated[float, Within(0, 1)] = 0.5
    start_ms: Milliseconds = 60.0
    pre_roll_ms: Milliseconds = 300.0
    end_ms: Milliseconds = 400.0
    hangover_ms: Milliseconds = 1500.0
    _behind: bool = attrs.field(default=False, init=False)  # with hearing what was let through

    def __attrs_post_init__(self) -> None:
        self.gate.turns = "local" if self.room.get("turns") == "local" else "server"
        self.gate.settings = GateSettings(
            self.threshold, self.start_ms, self.pre_roll_ms, self.end_ms, self.hangover_ms
        )

    def _engine(self) -> Engine:
        """Makes the variant's engine."""
        raise AssertionError(self)

    async def run(self) -> None:
        """Runs until the microphone's edge ends or it is cancelled."""
        ear = Ear(self._engine())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_speaker)
            async for block in self.captured:
                self._begin(block)
                if self.gate.sure and not self._deaf(block):
                    await self._let_through(block, ear)
                else:
                    await self._catch_up(ear)
                    await self._give(self._gated(block, ear))
            await self._catch_up(ear)
            nursery.cancel_scope.cancel("the microphone has ended")

    def _gated(self, block: Captured, ear: Ear) -> list[Uttered]:
        """Gives what goes through of a block, by what is heard in it."""
        probability = ear.hear(block.pcm)
        return self.gate.shut() if self._deaf(block) else self.gate.push(block, probability, trio.current_time())

    async def _let_through(self, block: Captured, ear: Ear) -> None:
        """Hands on a block that goes through anyway, before it is heard; several are heard in a row, which costs less.

        Most of what a network costs is the way of its weights to the processor. It takes that for milliseconds, so the
        block is first given the time to get onto the wire, and one that comes meanwhile is handed on at once.
        """
        await self._give([self.gate.let_through(block, trio.current_time())])
        if (self.gate.ending or self.gate.unheard >= HEARD_TOGETHER - SLACK) and not self._behind:
            await trio.sleep(WIRED_WITHIN)
            self._behind = True
        while self._behind and not (self.captured.waiting and self.gate.unheard < MOST_UNHEARD):
            await self._hear_one(ear)

    async def _catch_up(self, ear: Ear) -> None:
        """Hears all that was let through."""
        while self.gate.unheard:
            await self._hear_one(ear)

    async def _hear_one(self, ear: Ear) -> None:
        """Hears the oldest block that was let through. Of all conversations in this loop one does so in a turn of it.

        So many of them do not hold up each other's speech for longer than a network takes for a frame.
        """
        async with _hearing():
            marks = self.gate.judge(ear.hear)
        await self._give(marks)
        self._behind = bool(self.gate.unheard)

    async def _give(self, items: Iterable[Uttered]) -> None:
        for item in items:
            self._tell(item)
            await self._pass(item)

    async def _pass(self, item: Uttered) -> None:
        """Hands it on; where there is room without a wait, which fifty times a second would cost more than the gate."""
        if self.speech.fits(item):
            self.speech.send_nowait(item)
        else:
            await self.speech.send(item)

    def _begin(self, block: Captured) -> None:
        """Sets the conversation's zero for a microphone of the user's own, which knows of no timeline."""
        if self.timeline.origin is None:
            self.timeline.begin(block.at - block.position / INPUT_RATE)

    def _tell(self, item: Uttered) -> None:
        if isinstance(item, SpeechStarted):
            self.bus.publish(UserStarted(self.timeline.ms(item.at)))
            if self.gate.speaker.sounding and self.room.get("headphones"):
                self.duck.send_nowait(Duck(item.at))
        elif isinstance(item, SpeechEnded):
            self.bus.publish(UserEnded(self.timeline.ms(item.at)))

    def _deaf(self, block: Captured) -> bool:
        return self.gate.muted or (self._half_duplex(block) and self._echoes(block.at + block.seconds))

    def _half_duplex(self, block: Captured) -> bool:
        """Whether the assistant is deaf while it speaks: as the plan says, or where it would hear itself."""
        duplex = self.room.get("duplex")
        hears_itself = block.acoustic and self.gate.speaker.acoustic and not self.room.get("headphones")
        return duplex == "half" or (duplex == "auto" and hears_itself)

    def _echoes(self, now: float) -> bool:
        return self.gate.speaker.sounding or now < self.gate.speaker.at + ECHO_TAIL

    async def _follow_speaker(self) -> None:
        async for news in self.audible:
            self.gate.speaker = news


@attrs.define
class Silero(_Vad):
    """The Silero neural network, from a wheel that carries its model; where there is none, WebRTC's detector."""

    def _engine(self) -> Engine:
        from actors.audio.engines.silero import Silero as SileroEngine  # noqa: PLC0415 - only where it is used

        try:
            return Resting(SileroEngine())
        except PlanError as missing:
            self.bus.publish(Notice(f"{missing}; until then WebRTC's detector listens"))
            return _webrtc(2)


@attrs.define
class WebRTC(_Vad):
    """The WebRTC project's detector; `aggressiveness` 0 to 3 is how readily it calls a frame noise."""

    aggressiveness: Literal[0, 1, 2, 3] = 2

    def _engine(self) -> Engine:
        return _webrtc(self.aggressiveness)


def _hearing() -> trio.Lock:
    """Gives the lock that all conversations of this loop share."""
    try:
        return _TURN.get()
    except LookupError:
        _TURN.set(trio.Lock())
        return _TURN.get()


def _webrtc(aggressiveness: Literal[0, 1, 2, 3]) -> Engine:
    from actors.audio.engines.webrtc import Webrtc  # noqa: PLC0415 - only where it is used

    return Webrtc(aggressiveness)


@attrs.define
class Energy(_Vad):
    """Loudness above an adaptive noise floor; needs numpy alone."""

    def _engine(self) -> Engine:
        return EnergyEngine()


@attrs.define
class Open(_Vad):
    """No gate: everything goes to the service, silence included, and the service finds the turns."""

    async def run(self) -> None:
        """Runs until the microphone's edge ends or it is cancelled."""
        if self.room.get("turns") == "local":
            self.bus.publish(Notice("an open gate marks no speech; with turns = local the service hears nothing end"))
        async for block in self.captured:
            self._begin(block)
            passed = self.gate.shut() if self.gate.muted else [Voiced(block.pcm, block.at, block.position)]
            self.gate.open = not self.gate.muted
            for item in passed:
                await self._pass(item)
