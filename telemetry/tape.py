"""The tape: listens in on a whole conversation and keeps it in one folder, for a report and for a replay.

What it hears goes into a bounded queue, and a thread of its own writes it down; nothing in the conversation waits for
a disk. A disk that fails ends the recording, told once, and never the call.
"""

import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Self

import attrs
import numpy as np
import trio
from numpy.typing import NDArray

from pipeline.bus import FULL, NONE, Bus, Content, Event, Subscription
from pipeline.conversation import Conversation
from pipeline.errors import AssistantError, BadRecording
from pipeline.events import ActorRestarted, Gauges, Muted, Trouble
from pipeline.messages import INPUT_RATE, Captured, Request, Say, Stop
from pipeline.plan import Plan
from telemetry.spans import Span, Spans
from telemetry.tape_about import level_of, versions, written
from telemetry.tape_folder import TapeFolder, empty_folder

LONGEST = 16_384  # things waiting for the disk, about a minute's; more are lost, and counted
MIX_EVERY = 25  # blocks of the microphone between two writes of the sound: half a second
EARLY = 1000  # pieces of played sound kept until the microphone has begun
GAUGES = 1.0  # seconds between two measurements that are kept
BATCH = 0.2  # seconds between two writings
ENDING = 1.0  # seconds for the disk to take what is left at the end
PLUGS = (  # where a tape listens: key of the plan, the class that has the tap, the tap
    ("actors.connection", "actors.connection:Connection", "wire"),
    ("state.player", "actors.audio.player:Player", "played"),
)
Work = Callable[[], None]


@attrs.define(eq=False)
class Tape:
    """A recording under way. `open` begins it, `plug` and `meet` connect it, and `run` ends it when the bus closes.

    `threads` may be switched off where time is virtual. `lost` counts what found the queue full.
    """

    bus: Bus
    threads: bool
    spans: Spans | None
    name: str = attrs.field(default="the recording", init=False)
    gauges: float = attrs.field(default=GAUGES, init=False)
    lost: int = attrs.field(default=0, init=False)
    _folder: TapeFolder
    _zero: float = attrs.field(factory=trio.current_time, init=False)
    _origin: float | None = attrs.field(default=None, init=False)
    _early: list[tuple[bytes, float, int]] = attrs.field(factory=list, init=False)
    _blocks: int = attrs.field(default=0, init=False)
    _muted: Callable[[], bool] = attrs.field(default=bool, init=False)
    _ended: bool = attrs.field(default=False, init=False)
    _events: Subscription | None = attrs.field(default=None, init=False)
    _queue: "queue.SimpleQueue[Work | None]" = attrs.field(factory=queue.SimpleQueue, init=False)
    _hurry: threading.Event = attrs.field(factory=threading.Event, init=False)
    _thread: threading.Thread | None = attrs.field(default=None, init=False)
    _token: trio.lowlevel.TrioToken = attrs.field(factory=trio.lowlevel.current_trio_token, init=False)

    @classmethod
    def open(cls, path: Path, plan: Plan, bus: Bus, spans: Spans | None = None, *, threads: bool = True) -> Self:
        """Makes the folder, with plan and versions in it; BadRecording where it cannot be, or holds something."""
        tape = cls(bus, threads, spans, TapeFolder(empty_folder(path), level_of(plan), bus.secrets))
        try:
            tape._folder.describe(written(plan, bus.secrets), versions())
        except OSError as error:
            raise BadRecording(f"cannot record into {path}: {error.strerror}; name another folder") from None
        if threads:
            tape._thread = threading.Thread(target=tape._work, name="tape", daemon=True)
            tape._thread.start()
        return tape

    @property
    def level(self) -> Content:
        """The level of content that the folder may hold."""
        return self._folder.level

    def plug(self, plan: Plan) -> None:
        """Connects the wire and the speaker; before the conversation begins. A user's own class is not listened to."""
        for key, used, tap in PLUGS:
            if plan.table(*key.split(".")).get("use") == used:
                plan.set(f"{key}.tap", getattr(self, tap), "the recording")

    def meet(self, conversation: Conversation) -> None:
        """Connects the microphone and what the program asks for; as soon as the conversation has begun."""
        self._muted = lambda: conversation.muted
        conversation.tap = self.asked
        for edge in conversation.house.graph.edges.values():
            if edge.carries is Captured:
                conversation.house.edges[edge.name].tap = self.captured

    async def run(self, events: Subscription) -> None:
        """Keeps the events until the bus closes, then ends the recording; cancelled, it ends it as well."""
        self._events = events
        try:
            async for event in events:
                self._event(event)
        finally:
            with trio.CancelScope(shield=True):
                await self._end()

    # -- what is listened to ---------------------------------------------------------------------------------

    def wire(self, step: str, what: str | bytes) -> None:
        """Takes a step of a link, or a frame."""
        t = self._now()
        if step in ("in", "out"):
            self._put(lambda: self._folder.frame(t, step, what))
        elif step == "lost":
            code, _, reason = str(what).partition(" ")
            self._put(lambda: self._folder.step(t, "lost", code=int(code), reason=reason))
        else:
            self._put(lambda: self._folder.step(t, step))

    def captured(self, block: Captured) -> None:
        """Takes a block of the microphone: silence while it is muted."""
        t, at = self._now(), block.at - self._zero
        pcm = bytes(len(block.pcm)) if self._muted() else block.pcm
        self._blocks += 1
        if self._origin is None:
            self._begin(block.at - block.position / INPUT_RATE)
        self._put(lambda: self._folder.block(t, at, block.position, pcm, acoustic=block.acoustic))
        if self._blocks % MIX_EVERY == 0:
            self._put(self._folder.mix)

    def played(self, samples: NDArray[np.int16], at: float, rate: int) -> None:
        """Takes a block that leaves the speaker at that time; called in the speaker's own thread."""
        if self.level != FULL:
            return
        pcm = samples.tobytes()
        if self._origin is not None:
            t = at - self._origin
            self._put(lambda: self._folder.played(t, pcm, rate))
        elif len(self._early) < EARLY:
            self._early.append((pcm, at, rate))

    def asked(self, request: Request) -> None:
        """Takes what the program asks for on the user's behalf."""
        t = self._now()
        if isinstance(request, Stop):
            self._put(lambda: self._folder.step(t, "user", do="stop"))
        elif isinstance(request, Say):
            words = {"text": request.text} if self.level != NONE else {}
            self._put(lambda: self._folder.step(t, "user", do="say", **words))

    def _event(self, event: Event) -> None:
        t, name = event.at - self._zero, event.name
        fields = _short(event) if isinstance(event, Gauges) else event.fields()
        self._put(lambda: self._folder.event(t, name, fields))
        self._keep([] if self.spans is None or event.passing else self.spans.feed(event))
        if isinstance(event, Muted):
            do = "mute" if event.muted else "unmute"
            self._put(lambda: self._folder.step(t, "user", do=do))
        elif isinstance(event, ActorRestarted) and event.asked:
            actor = event.actor
            self._put(lambda: self._folder.step(t, "user", do="restart", actor=actor))

    def _keep(self, spans: Iterable[Span]) -> None:
        for span in spans:
            self._put(partial(self._folder.span, span.fields()))

    def _begin(self, origin: float) -> None:
        """The microphone's first sample: the sound's zero."""
        self._origin, t = origin, origin - self._zero
        self._put(lambda: self._folder.step(t, "sound"))
        early, self._early = self._early, []
        for pcm, at, rate in early:
            self.played(np.frombuffer(pcm, "<i2"), at, rate)

    def _now(self) -> float:
        return trio.current_time() - self._zero

    # -- writing ---------------------------------------------------------------------------------------------

    def _put(self, work: Work) -> None:
        if self._ended:
            return
        if self._queue.qsize() >= LONGEST:
            self.lost += 1
            if self._events is not None:  # so that it is told
                self._events.lost += 1
        elif self._thread is None:
            self._write(work)
        else:
            self._queue.put(work)

    def _write(self, work: Work) -> None:
        """Does a piece of the writing; without a thread it is on disk at once."""
        try:
            work()
            if self._thread is None:
                self._folder.flush()
        except (OSError, AssistantError) as error:
            self._ended = True
            why = getattr(error, "strerror", None) or str(error)
            self._tell(f"the recording in {self._folder.path} ends: {why}", "the conversation goes on without it")

    def _work(self) -> None:
        """Writes what comes, a few times a second all of it: to wake for each piece costs more than to write it."""
        while self._write_some():
            self._hurry.wait(BATCH)
        self._finish()

    def _write_some(self) -> bool:
        """Waits for a piece and writes it with all behind it; False when there are no more to come."""
        work = self._queue.get()
        while work is not None:
            if not self._ended:
                self._write(work)
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                if not self._ended:
                    self._write(self._folder.flush)
                return True
        return False

    def _finish(self) -> None:
        if not self._ended:
            self._write(lambda: self._folder.mix(last=True))
        with suppress(AssistantError):
            self._folder.close()

    async def _end(self) -> None:
        self._keep([] if self.spans is None else self.spans.close())
        t, lost = self._now(), self.lost
        self._put(lambda: self._folder.step(t, "end", lost=lost))
        if self._thread is None:
            self._finish()
            return
        self._hurry.set()
        self._queue.put(None)
        await trio.to_thread.run_sync(self._thread.join, ENDING)

    def _tell(self, what: str, action: str) -> None:
        trouble = Trouble(what, "disk", action)
        if self._thread is None:
            self.bus.publish(trouble)
            return
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self.bus.publish, trouble)


def _short(gauges: Gauges) -> dict[str, object]:
    """Gives of a measurement what is out of the ordinary: edges that hold or have lost something, restarted actors."""
    fields = gauges.fields()
    edges = {
        name: {"waiting": edge.waiting, "age": round(edge.age, 3), "dropped": edge.dropped}
        for name, edge in gauges.edges.items()
        if edge.waiting or edge.dropped
    }
    actors = {name: one.restarts for name, one in gauges.actors.items() if one.restarts}
    return fields | {"edges": edges, "actors": actors}
