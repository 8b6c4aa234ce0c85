"""Playback: reply audio to the speaker, in order and without a gap; an interruption silences it at once.

Each variant opens its speaker and hands it to `Player`, where the turns are: which one plays, which chunks are stale,
what was heard. The speaker stays open across interruptions.
"""

from pathlib import Path
from typing import Annotated, ClassVar

import attrs
import trio

from actors.audio.paced import PacedSpeaker
from actors.audio.player import AnySpeaker, Player
from actors.audio.recording import WavWriter
from actors.audio.speaker import Speaker
from actors.audio.timeline import Timeline
from pipeline.actor import Shared
from pipeline.channels import Inlet, Outlet
from pipeline.errors import DeviceUnavailable, Fatal, first_error
from pipeline.events import Bus, DeviceChanged, Trouble, milliseconds
from pipeline.messages import (
    OUTPUT_RATE,
    Audible,
    Duck,
    Interrupted,
    Reply,
    ReplyAudio,
    ReplyControl,
    ReplyEnded,
    ReplyWhole,
)
from pipeline.settings import Within

DUCKED = 0.2  # of the level; about -14 dB
DUCK_MS = 20.0
TOGETHER = 10  # messages of a reply that are put in before others have their turn
REOPEN_PERIOD = 1.0  # seconds between two attempts to have a lost device back


@attrs.define
class _Playback:
    """What the variants share: three inlets, and the tasks that follow them on one speaker.

    `confirm_ms` is how long the level stays ducked for an interruption that the service does not confirm.
    """

    reply: Inlet[Reply]
    control: Inlet[ReplyControl]
    duck: Inlet[Duck]
    audible: Outlet[Audible]
    player: Shared[Player]
    timeline: Shared[Timeline]
    bus: Bus
    confirm_ms: Annotated[float, Within(0, 60_000)] = 800.0
    acoustic: ClassVar[bool] = False
    _putting: int | None = attrs.field(default=None, init=False)  # the turn of which sound goes into the ring
    _playing: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _ducking: trio.CancelScope | None = attrs.field(default=None, init=False)

    async def _follow(self, speaker: AnySpeaker) -> None:
        """Plays on one speaker until cancelled or the speaker is lost."""
        self.player.take(speaker, self.audible, acoustic=self.acoustic, clock=self._since_the_first)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._play, speaker)
            nursery.start_soon(self._obey)
            nursery.start_soon(self._lower, speaker)
            nursery.start_soon(self._listen, speaker)

    def _since_the_first(self, at: float) -> float | None:
        return None if self.timeline.origin is None else self.timeline.ms(at)

    async def _play(self, speaker: AnySpeaker) -> None:
        over = False
        while not over:  # a scope lasts until an interruption cuts what is being put in; the next item has another
            self._putting = None  # also what was put into a speaker that was lost
            with trio.CancelScope() as self._playing:
                async for item in self.reply:
                    await self._put(speaker, item)
                    ready = self.reply.ready(TOGETHER)
                    while not self._playing.cancel_called and (more := next(ready, None)) is not None:
                        await self._put(speaker, more)
                over = True

    async def _put(self, speaker: AnySpeaker, item: Reply) -> None:
        if self.player.stale(item.turn):
            return
        self._putting = item.turn
        if isinstance(item, ReplyAudio):
            self.player.begin(item)
            await speaker.write(item.pcm)
        elif isinstance(item, ReplyWhole):
            await speaker.finish()
            self.player.whole(item.turn)
        elif isinstance(item, ReplyEnded):
            self.player.end(item.turn, item.outcome)
        self._putting = None

    async def _obey(self) -> None:
        async for item in self.control:
            if isinstance(item, Interrupted):
                self.player.silence(item)
                if self._putting is not None and self.player.stale(self._putting):
                    self._playing.cancel("the user interrupted")
                if self._ducking is not None:
                    self._ducking.cancel("the interruption is confirmed")

    async def _lower(self, speaker: AnySpeaker) -> None:
        async for _ in self.duck:
            if not self.player.sounding:
                continue
            speaker.ring.duck(DUCKED, DUCK_MS)
            self.player.ducked("down")
            with trio.move_on_after(self.confirm_ms / 1000) as self._ducking:
                await trio.sleep_forever()
            confirmed = self._ducking.cancel_called and trio.current_time() < self._ducking.deadline
            self._ducking = None
            speaker.ring.unduck(DUCK_MS)
            if not confirmed:
                self.player.ducked("up")

    async def _listen(self, speaker: AnySpeaker) -> None:
        while True:
            self.player.note()
            await speaker.changed()


@attrs.define
class Device(_Playback):
    """A sound device, by name or number; empty means the computer's own choice.

    A device that is lost is taken back as soon as it returns; meanwhile replies play to nobody, so that the
    conversation goes on. Raises Fatal when there is no device to begin with.
    """

    device: str | int = ""
    block_ms: Annotated[float, Within(1, 200)] = 20.0
    acoustic: ClassVar[bool] = True

    async def run(self) -> None:
        """Runs until cancelled; the device is closed within 5 s."""
        speaker = self._speaker()
        what = "opened"
        try:
            await speaker.open()
        except DeviceUnavailable as error:
            if not self.player.began:
                raise Fatal(str(error)) from None
            speaker, what = await self._without(), "back"
        while True:
            await self._use(speaker, what)
            speaker = await self._without()
            what = "back"

    def _speaker(self) -> Speaker:
        return Speaker(self.device if self.device != "" else None, self.block_ms)

    async def _use(self, speaker: Speaker, what: str) -> None:
        """Plays on the device until it is lost."""
        try:
            info = speaker.info
            self.bus.publish(DeviceChanged("speaker", what, info.device, milliseconds(info.latency)))
            lost = await self._until_lost(speaker)
            self.bus.publish(DeviceChanged("speaker", "lost", info.device))
            self.bus.publish(Trouble(str(lost), "speaker", "replies go unheard until it is back"))
        finally:
            await speaker.close()  # noqa: ASYNC102 - close is shielded and bounded by itself

    async def _until_lost(self, speaker: Speaker) -> DeviceUnavailable:
        """Plays until the device is gone, be it noticed by waiting or by writing."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._follow, speaker)
                lost = await speaker.lost()
                nursery.cancel_scope.cancel("the speaker is lost")
        except* DeviceUnavailable as group:
            lost = first_error(group)
        return lost

    async def _without(self) -> Speaker:
        """Plays to nobody until the device can be opened again, and gives it."""
        paced = PacedSpeaker()
        speaker: Speaker | None = None
        given = False
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(paced.run, trio.current_time())
                nursery.start_soon(self._follow, paced)
                speaker = await self._reopened()
                nursery.cancel_scope.cancel("the speaker is back")
            given = True
        finally:
            if speaker is not None and not given:  # cancelled from outside while the nursery was being left
                await speaker.close()  # noqa: ASYNC102 - close is shielded and bounded by itself
        return speaker

    async def _reopened(self) -> Speaker:
        while True:
            await trio.sleep(REOPEN_PERIOD)
            speaker = self._speaker()
            try:
                await speaker.open()
            except DeviceUnavailable:
                continue
            return speaker


@attrs.define
class Recording(_Playback):
    """A WAV file in place of a device: 24 kHz mono s16 on the microphone's clock, silence included.

    Sample k is what left the speaker k/24000 s after the microphone's first sample. A disk that fills up ends the
    recording with a warning and not the conversation. Raises BadRecording when the file cannot be made.
    """

    path: Path = attrs.field(kw_only=True)
    _writer: WavWriter | None = attrs.field(default=None, init=False)

    async def run(self) -> None:
        """Runs until cancelled."""
        self._writer = self.timeline.recording(self.path, OUTPUT_RATE)
        speaker = PacedSpeaker(self._record)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow, speaker)
            await speaker.run(await self.timeline.begun(), self._writer.seconds)

    def _record(self, pcm: bytes) -> None:
        if self._writer is not None:
            try:
                self._writer.write(pcm)
            except DeviceUnavailable as error:
                self._writer = None
                self.bus.publish(Trouble(str(error), "disk", "the conversation goes on without the recording"))


@attrs.define
class Discard(_Playback):
    """Nobody listens: replies play in real time into nothing."""

    async def run(self) -> None:
        """Runs until cancelled."""
        speaker = PacedSpeaker()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow, speaker)
            await speaker.run(trio.current_time())
