"""The person in a soak: speaks one recording after another, waits, interrupts, falls into silence, all by one dice."""

import random
from collections.abc import Callable

import attrs
import trio

from bin.soaking.books import Books
from bin.soaking.faults import Injector
from bin.soaking.findings import Findings
from bin.soaking.recordings import BLOCKS_A_SECOND, Utterance
from bin.soaking.script import Placed, Script

DEAF = 10.0  # seconds after the last sample, or after the end of what was wrong, in which it has to have arrived
MUTE = 15.0  # seconds after that in which an answer has to sound
LONGEST_REPLY = 150.0
BARGE_IN, FALLS_SILENT = 0.25, 0.03  # of the exchanges
HELD = 60.0  # seconds of waiting for an answer after which no fault comes on top of those that there were
QUIET = 8.0  # seconds without a reply after which none is to come any more
STEP = 0.1  # seconds between two looks
KINDS = (("request", 70), ("other", 15), ("backchannel", 8), ("sound", 7))


@attrs.define(eq=False)
class Driver:
    """Talks until told to stop; `progress` is called now and then."""

    random: random.Random
    utterances: tuple[Utterance, ...]
    script: Script
    books: Books
    injector: Injector
    findings: Findings
    progress: Callable[[], None]

    async def run(self, until: float) -> None:
        """Talks until that time, in `trio.current_time()`."""
        while trio.current_time() < until:
            await self.exchange()
            self.progress()

    async def exchange(self) -> None:
        """Says one thing and waits for what follows, or interrupts it."""
        placed = self.script.speak(self._choose(), after=round(self.random.expovariate(0.5) * BLOCKS_A_SECOND))
        await self._until_spoken(placed)
        self.books.judge(min(self.injector.world.network.away, trio.current_time()) - 300)
        if not placed.utterance.wanted:
            await trio.sleep(self.random.uniform(0, 6))
            return
        await self._answered(placed)
        dice = self.random.random()
        if dice < BARGE_IN:
            await trio.sleep(self.random.uniform(0, 4))
            return
        await self.quiet()
        if dice > 1 - FALLS_SILENT:
            await trio.sleep(self.random.uniform(20, 120))

    async def settle(self, questions: int = 2) -> None:
        """Asks some last things that have to be answered, once everything is mended, and waits until all is quiet."""
        await trio.sleep_until(self.injector.clear_at(trio.current_time()))
        await self.quiet()
        for _ in range(questions):
            wanted = [one for one in self.utterances if one.wanted]
            placed = self.script.speak(self.random.choice(wanted or list(self.utterances)), after=BLOCKS_A_SECOND)
            await self._until_spoken(placed)
            if placed.utterance.wanted:
                await self._answered(placed)
            await self.quiet(QUIET)
        self.books.judge(float("inf"))

    def _choose(self) -> Utterance:
        kind = self.random.choices([kind for kind, _ in KINDS], [weight for _, weight in KINDS])[0]
        return self.random.choice([one for one in self.utterances if one.kind == kind] or list(self.utterances))

    async def _until_spoken(self, placed: Placed) -> None:
        began = len(self.injector.history)
        await trio.sleep_until(self.books.time_of(placed.start))
        while self.script.next < placed.end:
            if trio.current_time() > self.books.time_of(placed.end) + 1 and self.script.next >= placed.start:
                break
            await trio.sleep(STEP)
        recent = self.injector.history[max(0, began - 3) :]
        placed.disturbed = self.injector.disturbed(recent, self.books.time_of(placed.start)) or not placed.whole

    async def _answered(self, placed: Placed) -> None:
        """Waits for the answer, and judges how long it took; what was disturbed may get none."""
        spoken = self.books.time_of(placed.end)
        name = f"{placed.utterance.name} ({placed.number})"
        arrived = await self._by(spoken, DEAF, lambda: placed.number in self.books.far.arrived)
        if not placed.disturbed:
            what = f"{name} had not arrived {DEAF:g} s after it was said and what was wrong had ended"
            self.findings.check("deaf", held=arrived, at=spoken - self.books.far.zero, what=what)
        said = self.books.time_of(placed.speech[-1])
        sounded = await self._by(spoken, MUTE, lambda: self.books.sounded > said)
        if not placed.disturbed and arrived:
            what = f"{name} had no answer {MUTE:g} s after it was said and what was wrong had ended"
            self.findings.check("mute", held=sounded, at=spoken - self.books.far.zero, what=what)

    async def _by(self, since: float, deadline: float, done: Callable[[], bool]) -> bool:
        """Waits for something, and says whether it came in time: the deadline runs from the end of what was wrong.

        After a while nothing more goes wrong until that is known, or one fault after another would put it off for good.
        """
        try:
            while not done():
                now = trio.current_time()
                if now > max(since, self.injector.clear_at(now)) + deadline:
                    return False
                self.injector.held = now > since + HELD
                await trio.sleep(STEP)
            return True
        finally:
            self.injector.held = False

    async def quiet(self, seconds: float = 0.0) -> None:
        """Waits until no reply has been under way for so long; an answer may still begin after what was no question."""
        with trio.move_on_after(LONGEST_REPLY):
            since = trio.current_time()
            while self.books.turns or self.books.far.talking or trio.current_time() < since + seconds:
                if self.books.turns or self.books.far.talking:
                    since = trio.current_time()
                await trio.sleep(STEP)
