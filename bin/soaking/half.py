"""One soak in one process: a conversation for hours under one clock, from one seed, and what it came to."""

import hashlib
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import attrs
import trio
import trio.testing

from actors.emulator.hearing import Hearing
from actors.emulator.service import Service
from actors.emulator.settings import Settings
from actors.emulator.voice import Voice
from bin.soaking.books import Books
from bin.soaking.cached import OnceHeard, OnceSpoken
from bin.soaking.debts import Debts
from bin.soaking.driver import Driver
from bin.soaking.far import FarBooks
from bin.soaking.faults import MISBEHAVING, NETWORK, OTHERS, OWN, Fault, Happening, Injector, World
from bin.soaking.findings import Findings
from bin.soaking.house import connected, listened, planned
from bin.soaking.misbehaving import Tools
from bin.soaking.near import Heard, Loudspeaker
from bin.soaking.network import Network
from bin.soaking.order import settled_order
from bin.soaking.outcome import Order, Outcome
from bin.soaking.recordings import BLOCKS_A_SECOND, load
from bin.soaking.script import Script
from bin.soaking.vitals import Sample, growth, look, weight
from pipeline.conversation import converse
from pipeline.environment import Environment
from pipeline.errors import AssistantError, PlanError
from pipeline.events import Bus, Event

TABLES: Mapping[str, Mapping[str, Happening]] = {"none": {}, "network": NETWORK, "all": {**NETWORK, **OTHERS}}
WARM_UP, WARM_UP_LEAST = 0.25, 1800.0  # of the run, and seconds, in which caches fill; memory is judged after that
FEWEST_SAMPLES = 8
LOOK_EVERY, MOST_LOOKS = 60.0, 300  # seconds between two looks at the process, at least, and how many there are about
LOOKS = 9  # at the tracks
LATE_MS = 5.0  # by which a busy machine may be late with most of those
HANDLES = 20  # that the service keeps: enough to resume, few enough to be full after the warm-up
GROWTH_MB = 2.0
DRIFT_MS_AN_HOUR = 1.0
SECRET = ("id", "handle", "call")  # fields with the far end's random names


@attrs.define(eq=False)
class Half:
    """One soak; `told` is called with the share that is done, and how many faults and failures there were.

    `hearing` and `voice` are the service's. `table` has the faults, in place of those that the order names. The last
    `parting` questions are asked when everything is mended, and have to be answered.
    """

    order: Order
    told: Callable[[float, int, int], None]
    hearing: OnceHeard = attrs.field(factory=lambda: OnceHeard(Hearing()))
    voice: OnceSpoken = attrs.field(factory=lambda: OnceSpoken(Voice()))
    table: Mapping[str, Happening] | None = None
    parting: int = 2
    instruments: Sequence[trio.abc.Instrument] = ()
    injector: Injector | None = attrs.field(default=None, init=False)
    findings: Findings = attrs.field(factory=Findings, init=False)
    samples: list[Sample] = attrs.field(factory=list, init=False)
    faults: list[Fault] = attrs.field(factory=list, init=False)
    latencies: list[tuple[float, float]] = attrs.field(factory=list, init=False)
    outcomes: dict[str, int] = attrs.field(factory=dict, init=False)
    misbehaved: dict[str, int] = attrs.field(factory=dict, init=False)
    told_of: Counter[str] = attrs.field(factory=Counter, init=False)  # events, by their names
    seconds: float = 0.0
    wall: float = 0.0
    processor: float = 0.0
    complete: bool = False
    _digest: Any = attrs.field(factory=hashlib.sha256, init=False)
    _edges: dict[str, Any] = attrs.field(factory=dict, init=False)
    _started: float = 0.0

    def outcome(self) -> Outcome:
        """Gives what it has come to so far."""
        return Outcome(
            self.order,
            self.findings,
            self.samples,
            self.faults,
            self.latencies,
            self.outcomes,
            self.misbehaved,
            self.seconds,
            self.wall,
            self.processor,
            self.complete,
            str(self._digest.hexdigest()[:16]),
        )

    def run(self) -> None:
        """Soaks under the clock that was asked for; Ctrl-C passes, and `outcome` tells how far it came."""
        began, spent = time.perf_counter(), time.process_time()
        try:
            if self.order.clock == "virtual":
                with settled_order(self.order.seed):
                    clock = trio.testing.MockClock(autojump_threshold=0)
                    self._run(clock)
            else:
                self._run(None)
        finally:
            self.wall = time.perf_counter() - began
            self.processor = time.process_time() - spent

    def _run(self, clock: trio.abc.Clock | None) -> None:
        trio.run(self._main, clock=clock, instruments=self.instruments, restrict_keyboard_interrupt_to_checkpoints=True)

    async def _main(self) -> None:
        with tempfile.TemporaryDirectory(prefix="assistant-soak-") as folder:
            try:
                await self._soak(Path(folder))
            except* PlanError:
                raise
            except* AssistantError as group:
                what = f"the conversation ended early: {group.exceptions[0]!r}"
                self.findings.check("run", held=False, at=self.seconds, what=what)
        self.findings.check("run", held=self.complete, at=self.seconds, what="it did not come to its end")

    async def _soak(self, folder: Path) -> None:
        order, zero = self.order, trio.current_time()
        self._started = zero
        dice = [random.Random(f"{order.seed}/{part}") for part in ("person", "faults", "network", "tools")]  # noqa: S311
        script, debts = Script(), Debts(self.findings, zero)
        aloud = bool(order.devices)
        heard = Heard(broken=aloud, away=aloud)
        far = FarBooks(script, debts, self.findings, zero, aloud)
        books = Books(script, far, debts, heard, self.findings)
        settings = Settings(threads=order.clock == "real", handles=HANDLES)
        service = Service(settings, self.voice, self.hearing, far.observe)
        tools = Tools(dice[3], MISBEHAVING if order.faults == "all" else 0.0)
        world = World(dice[1], Network(dice[2]), service, script, heard, tools, far.unconfirmed)
        table = dict(TABLES[order.faults] if self.table is None else self.table)
        for name in OWN if aloud else ():
            table.pop(name, None)
        self.injector = injector = Injector(world, table, order.every, zero)
        debts.troubled = books.troubled = injector.troubled
        self.faults, self.latencies, self.outcomes = injector.history, books.latencies, books.outcomes
        self.misbehaved = tools.misbehaved
        plan = planned(order, folder, world)
        driver = Driver(dice[0], load(order.fixtures), script, books, injector, self.findings, self._progress)
        bus = Bus()
        async with trio.open_nursery() as nursery:
            world.nursery = nursery
            await connected(order, plan, world, nursery)
            nursery.start_soon(self._listen, bus.subscribe(100_000), books)
            async with (
                listened(order, plan, bus, folder) as listeners,
                converse(plan, tools=tools.functions(), bus=bus, environment=Environment()) as conversation,
            ):
                listeners.meet(conversation)
                world.conversation = conversation
                self._edges = conversation.house.edges
                conversation.house.edges["reply"].tap = books.replied
                if aloud:
                    books.origin = await nursery.start(Loudspeaker(script, order.devices).run)
                else:
                    conversation.house.edges["speech"].tap = books.uttered
                    books.origin = await conversation.house.state["timeline"].begun()
                await driver.exchange()
                await self._talk(driver, injector, books)
            self.findings.check(
                "run", held=not listeners.lost, at=self.seconds, what=f"listeners missed {listeners.lost}"
            )
            service.close()
            nursery.cancel_scope.cancel("the soak is over")

    async def _talk(self, driver: Driver, injector: Injector, books: Books) -> None:
        until = self._started + 3600 * self.order.hours
        await trio.sleep_until(injector.clear_at(trio.current_time()))
        await driver.quiet()
        self._sample(books)
        first, since = self.samples[0], trio.current_time()
        drift = await _drift(books)
        async with trio.open_nursery() as nursery:
            if injector.table:
                nursery.start_soon(injector.run)
            nursery.start_soon(self._watch, until, driver, books)
            await driver.run(until)
            nursery.cancel_scope.cancel("time is up")
        injector.stop()
        await driver.settle(self.parting)
        self._sample(books)
        books.close(self.seconds)
        books.untested(self.seconds)
        self._judge(first)
        if not self.order.devices:
            self._judge_drift(await _drift(books) - drift, trio.current_time() - since)
        self.complete = True

    def _judge(self, first: Sample) -> None:
        findings, at, last = self.findings, self.seconds, self.samples[-1]
        for name in ("tasks", "threads", "descriptors"):
            before, after = getattr(first, name), getattr(last, name)
            findings.check(name, held=after <= before, at=at, what=f"{before} at the start, {after} at the end")
        warm = [one for one in self.samples if one.at >= max(WARM_UP * at, WARM_UP_LEAST)]
        if len(warm) >= FEWEST_SAMPLES:
            grown = growth(warm)
            findings.figures["memory growth MB"] = round(grown, 2)
            what = f"it grew by {grown:.1f} MB after the warm-up"
            findings.check("memory", held=grown <= GROWTH_MB, at=at, what=what)

    def _judge_drift(self, drift: float, seconds: float) -> None:
        hours = seconds / 3600
        apart = abs(drift) / hours
        self.findings.figures["drift ms an hour"] = round(apart, 4)
        held = apart <= DRIFT_MS_AN_HOUR + (0.0 if self.order.clock == "virtual" else LATE_MS / hours)
        what = f"the tracks run apart by {apart:.2f} ms an hour"
        self.findings.check("clock drift", held=held, at=self.seconds, what=what)

    async def _listen(self, events: AsyncIterator[Event], books: Books) -> None:
        async for event in events:
            fields = {key: value for key, value in event.fields().items() if key not in SECRET}
            self._digest.update(f"{event.at - self._started:.6f} {event.name} {fields}\n".encode())
            self.told_of[event.name] += 1
            books.feed(event)

    async def _watch(self, until: float, driver: Driver, books: Books) -> None:
        """Looks now and then, when nobody speaks: what is on its way is no growth."""
        every = max(LOOK_EVERY, (until - self._started) / MOST_LOOKS)
        while True:
            await trio.sleep(every)
            await driver.quiet()
            self._sample(books)

    def _sample(self, books: Books) -> None:
        self.seconds = trio.current_time() - self._started
        own = self.voice.held + books.held + weight(self.samples, self.faults, self.latencies)
        self.samples.append(look(self.seconds, self._edges, own))

    def _progress(self) -> None:
        self.seconds = trio.current_time() - self._started
        share = min(1.0, self.seconds / (3600 * self.order.hours))
        self.told(share, len(self.faults), sum(self.findings.failures.values()))


async def _drift(books: Books) -> float:
    """Gives how far the tracks are apart, in ms: of several looks in the middle of a block of either, the median.

    A busy machine is late with one track or the other; by how much, changes from look to look.
    """
    found = []
    for _ in range(LOOKS):
        begun = int((trio.current_time() - books.origin) * BLOCKS_A_SECOND) + 1
        await trio.sleep_until(books.time_of(begun) + 0.005)
        found.append(books.drift())
    return median(found)
