"""The faculties of the service: mind, hearing and voice; the last two loaded when needed and kept off the event loop.

With `threads` the voice works in a worker thread, on one thing at a time, and hearing in processes of its own: a second
one is started when the first is busy, up to one for each core. Without, both work at once and inline, as a virtual
clock needs it.
"""

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import attrs
import trio

from actors.emulator import mind as default_mind
from actors.emulator.annex import Annex
from actors.emulator.mind import Call, Declared, Exchange, Say
from actors.emulator.voice import Voice

T = TypeVar("T")


class Speaker(Protocol):
    """What can speak: `actors.emulator.voice.Voice`, or a test's own."""

    def speak(self, text: str, *, voice: str = "Kore") -> bytes:
        """Gives the text as 24 kHz s16le mono."""


class Listener(Protocol):
    """What can understand: `actors.emulator.hearing.Hearing`, or a test's own."""

    def understand(self, pcm: bytes) -> str:
        """Gives the words in 16 kHz s16le mono; "" if there are none."""


@runtime_checkable
class FunctionListener(Protocol):
    """A Listener that can be told which functions may be asked for, as `phrasebook.of` tells it."""

    def understand_among(self, pcm: bytes, functions: str) -> str:
        """Gives the words in 16 kHz s16le mono; "" if there are none."""


class Mind(Protocol):
    """What decides what to say or do: the module `actors.emulator.mind`, or a test's own."""

    def respond(
        self, heard: str, context: Sequence[Exchange], declared: Sequence[Declared], *, search: bool
    ) -> tuple[Say | Call, ...]:
        """Gives what follows from what was heard."""

    def answer(self, call: Call, response: Mapping[str, object]) -> Say:
        """Gives what to say now that a function has answered."""


@attrs.define(eq=False)
class Faculties:
    """Hearing, voice and mind of one service, shared by its connections. None becomes the real one when needed."""

    voice: Speaker | None = None
    hearing: Listener | None = None
    threads: bool = True
    mind: Mind = default_mind
    _annexes: list[Annex] = attrs.field(factory=list, init=False)
    _idle: deque[Annex] = attrs.field(factory=deque, init=False)
    _mouth: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1), init=False)
    _ear: trio.CapacityLimiter = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._ear = trio.CapacityLimiter(_cores() if self.hearing is None else 1)

    async def speak(self, text: str, voice: str) -> bytes:
        """Gives the text in that voice, 24 kHz s16le mono; cancelling leaves the work to end unheard."""
        return await self._off_the_loop(lambda: self._speaker().speak(text, voice=voice), self._mouth)

    async def understand(self, pcm: bytes, functions: str = "") -> str:
        """Gives the words in 16 kHz s16le mono; cancelling leaves the work to end unheard.

        `functions` is what `phrasebook.of` tells of those that may be asked for.
        """
        return await self._off_the_loop(lambda: self._understood(pcm, functions), self._ear)

    async def warm_up(self) -> None:
        """Loads both, so that the first turn is as quick as the others."""
        await self.speak("Hello.", "Kore")
        await self.understand(bytes(16_000))

    def close(self) -> None:
        """Gives back what was started for this; it is started anew when needed again."""
        while self._annexes:
            self._annexes.pop().close()
        self._idle.clear()

    async def _off_the_loop(self, work: Callable[[], T], limiter: trio.CapacityLimiter) -> T:
        if self.threads:
            return await trio.to_thread.run_sync(work, limiter=limiter, abandon_on_cancel=True)
        await trio.lowlevel.checkpoint()
        return work()

    def _speaker(self) -> Speaker:
        if self.voice is None:
            self.voice = Voice()
        return self.voice

    def _understood(self, pcm: bytes, functions: str) -> str:
        if self.hearing is None and self.threads:
            return self._understood_elsewhere(pcm, functions)
        if self.hearing is None:
            from actors.emulator.hearing import Hearing  # noqa: PLC0415 - loads a speech model: not before it is needed

            self.hearing = Hearing()
        if functions and isinstance(self.hearing, FunctionListener):
            return self.hearing.understand_among(pcm, functions)
        return self.hearing.understand(pcm)

    def _understood_elsewhere(self, pcm: bytes, functions: str) -> str:
        """Has the annex listen that was idle last, or a new one; runs in as many threads as there may be annexes."""
        try:
            annex = self._idle.pop()
        except IndexError:
            annex = Annex()
            self._annexes.append(annex)
        try:
            return annex.understand(pcm, functions)
        finally:
            if annex in self._annexes:  # else it was closed meanwhile
                self._idle.append(annex)


def _cores() -> int:
    """Tells how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
