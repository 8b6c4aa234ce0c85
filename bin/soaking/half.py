"""One soak in one process: a conversation for hours under one clock, from one seed, and what it came to."""

import hashlib
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import trio
import trio.testing

from actors.emulator.hearing import Hearing
from actors.emulator.service import Service, running
from actors.emulator.settings import Settings
from actors.emulator.voice import Voice
from bin.soaking.books import Books
from bin.soaking.cached import OnceHeard, OnceSpoken
from bin.soaking.driver import Driver
from bin.soaking.far import FarBooks
from bin.soaking.faults import ACTORS, MISBEHAVING, NETWORK, OTHERS, Fault, Happening, Injector, World
from bin.soaking.findings import Findings
from bin.soaking.misbehaving import Tools
from bin.soaking.near import Ear, Heard, Mouth, fragile
from bin.soaking.network import Network
from bin.soaking.order import settled_order
from bin.soaking.outcome import Order, Outcome
from bin.soaking.proxy import proxied
from bin.soaking.recordings import BLOCKS_A_SECOND, load
from bin.soaking.script import Script
from bin.soaking.vitals import Sample, look, slope
from pipeline.conversation import converse
from pipeline.environment import Environment
from pipeline.errors import AssistantError, PlanError
from pipeline.events import Bus, Event
from pipeline.graph import check
from pipeline.plan import Plan

TABLES: Mapping[str, Mapping[str, Happening]] = {"none": {}, "network": NETWORK, "all": {**NETWORK, **OTHERS}}
EVERY = 45.0  # seconds between two faults, on average
WARM_UP, WARM_UP_LEAST = 0.25, 1800.0  # of the run, and seconds, in which caches fill; before it memory is not judged
FEWEST_SAMPLES = 12
LATE_MS = 20.0  # by which a busy machine may be late when the tracks are looked at
HANDLES = 20  # that the service keeps: enough to resume, few enough to be full after the warm-up
GROWTH_MB = 2.0
DRIFT_MS_AN_HOUR = 1.0
SECRET = ("id", "handle", "call")  # fields with the far end's random names


@attrs.define(eq=False)
class Half:
    """One soak; `told` is called with the share that is done, and how many faults and failures there were.

    `hearing` and `voice` are the service's; soaks in one process may share them. `table` has the faults, in place
    of those that the order names, and `every` is the time between two of them, in seconds on average.
    """

    order: Order
    told: Callable[[float, int, int], None]
    hearing: OnceHeard = attrs.field(factory=lambda: OnceHeard(Hearing()))
    voice: OnceSpoken = attrs.field(factory=lambda: OnceSpoken(Voice()))
    table: Mapping[str, Happening] | None = None
    every: float = EVERY
    findings: Findings = attrs.field(factory=Findings, init=False)
    samples: list[Sample] = attrs.field(factory=list, init=False)
    faults: list[Fault] = attrs.field(factory=list, init=False)
    latencies: list[float] = attrs.field(factory=list, init=False)
    outcomes: dict[str, int] = attrs.field(factory=dict, init=False)
    misbehaved: dict[str, int] = attrs.field(factory=dict, init=False)
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
                    trio.run(self._main, clock=clock, restrict_keyboard_interrupt_to_checkpoints=True)
            else:
                trio.run(self._main, restrict_keyboard_interrupt_to_checkpoints=True)
        finally:
            self.wall = time.perf_counter() - began
            self.processor = time.process_time() - spent

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
        script, heard = Script(), Heard()
        far = FarBooks(script, self.findings, zero)
        books = Books(script, far, heard, self.findings)
        settings = Settings(threads=order.clock == "real", handles=HANDLES)
        service = Service(settings, self.voice, self.hearing, far.observe)
        tools = Tools(dice[3], MISBEHAVING if order.faults == "all" else 0.0)
        world = World(dice[1], Network(dice[2]), service, script, heard, tools)
        table = TABLES[order.faults] if self.table is None else self.table
        injector = Injector(world, table, self.every, zero)
        self.faults, self.latencies, self.outcomes = injector.history, books.latencies, books.outcomes
        self.misbehaved = tools.misbehaved
        plan = self._plan(folder, world)
        driver = Driver(dice[0], load(order.fixtures), script, books, injector, self.findings, self._progress)
        bus = Bus()
        async with trio.open_nursery() as nursery:
            await self._connect(plan, world, nursery)
            nursery.start_soon(self._listen, bus.subscribe(100_000), books)
            async with converse(plan, tools=tools.functions(), bus=bus, environment=Environment()) as conversation:
                world.conversation = conversation
                self._edges = conversation.house.edges
                conversation.house.edges["reply"].tap = books.replied
                conversation.house.edges["speech"].tap = books.uttered
                books.origin = await conversation.house.state["timeline"].begun()
                await driver.exchange()
                await self._talk(driver, injector, books)
            service.close()
            nursery.cancel_scope.cancel("the soak is over")

    async def _talk(self, driver: Driver, injector: Injector, books: Books) -> None:
        until = self._started + 3600 * self.order.hours
        await driver._silence()  # noqa: SLF001
        self._sample()
        first, since = self.samples[0], trio.current_time()
        drift = await _drift(books)
        async with trio.open_nursery() as nursery:
            if injector.table:
                nursery.start_soon(injector.run)
            nursery.start_soon(self._watch, until)
            await driver.run(until)
            nursery.cancel_scope.cancel("time is up")
        injector.stop()
        await driver.settle()
        self._sample()
        self._judge(first, await _drift(books) - drift, since, books)
        self.complete = True

    def _judge(self, first: Sample, drift: float, since: float, books: Books) -> None:
        findings, at, last = self.findings, self.seconds, self.samples[-1]
        books.close(at)
        for name in ("tasks", "threads", "descriptors"):
            before, after = getattr(first, name), getattr(last, name)
            findings.check(name, held=after <= before, at=at, what=f"{before} at the start, {after} at the end")
        warm = [one for one in self.samples if one.at >= max(WARM_UP * at, WARM_UP_LEAST)]
        if len(warm) >= FEWEST_SAMPLES:
            growth = slope(warm)
            findings.figures["memory growth MB"] = round(growth, 2)
            what = f"it grew by {growth:.1f} MB after the warm-up"
            findings.check("memory", held=growth <= GROWTH_MB, at=at, what=what)
        hours = (trio.current_time() - since) / 3600
        apart = abs(drift) / hours
        findings.figures["drift ms an hour"] = round(apart, 4)
        held = apart <= DRIFT_MS_AN_HOUR + (0.0 if self.order.clock == "virtual" else LATE_MS / hours)
        findings.check("clock drift", held=held, at=at, what=f"the tracks run apart by {apart:.2f} ms an hour")

    async def _connect(self, plan: Plan, world: World, nursery: trio.Nursery) -> None:
        """Puts the service at the end of the network: in memory, or behind real sockets."""
        if self.order.clock == "virtual":
            plan.set("actors.connection.dial", _dialling(world, nursery, world.service))
            return
        port = await nursery.start(_served, world)
        plan.set("actors.connection.endpoint", f"http://127.0.0.1:{port}")

    def _plan(self, folder: Path, world: World) -> Plan:
        plan = Plan.load(*self.order.configs, folder=folder)
        plan.set("tools.use", [])
        plan.set("actors.vad.use", "actors.vad:Energy")
        plan.set("actors.microphone", {"use": Mouth, "script": lambda: world.script})
        plan.set("actors.playback", {"use": Ear, "heard": lambda: world.heard})
        plan.set("actors.connection", {"endpoint": "ws://far.end", "threads": self.order.clock == "real"})
        plan.set("state.toolbox", {"inline": self.order.clock == "virtual"})
        for setting in self.order.sets:
            plan.set_text(setting)
        if self.order.faults == "all":
            nodes = check(plan).nodes
            for name in ACTORS:
                table = {"use": fragile(nodes[name].made, name, world.bomb), **_settings(plan, name)}
                plan.set(f"actors.{name}", table)
        return plan

    async def _listen(self, events: AsyncIterator[Event], books: Books) -> None:
        async for event in events:
            fields = {key: value for key, value in event.fields().items() if key not in SECRET}
            self._digest.update(f"{event.at - self._started:.6f} {event.name} {fields}\n".encode())
            books.feed(event)

    async def _watch(self, until: float) -> None:
        every = max(60.0, (until - self._started) / 300)
        while True:
            await trio.sleep(every)
            self._sample()

    def _sample(self) -> None:
        self.seconds = trio.current_time() - self._started
        self.samples.append(look(self.seconds, self._edges, self.voice.held))

    def _progress(self) -> None:
        self.seconds = trio.current_time() - self._started
        share = min(1.0, self.seconds / (3600 * self.order.hours))
        self.told(share, len(self.faults), sum(self.findings.failures.values()))


async def _served(world: World, *, task_status: trio.TaskStatus[int]) -> None:
    async with running(world.service) as address, proxied(world.network, address.host, address.port) as port:
        task_status.started(port)
        await trio.sleep_forever()


def _settings(plan: Plan, actor: str) -> dict[str, object]:
    """Gives what a plan says of an actor but its class, which takes its settings along when it is changed."""
    return {key: value for key, value in plan.table("actors", actor).items() if key != "use"}


async def _drift(books: Books) -> float:
    """Gives how far the tracks are apart, in ms, looked at in the middle of a block of either."""
    begun = int((trio.current_time() - books.origin) * BLOCKS_A_SECOND) + 1
    await trio.sleep_until(books.time_of(begun) + 0.005)
    return books.drift()


def _dialling(world: World, nursery: trio.Nursery, service: Service) -> Callable[..., Any]:
    async def dial(_address: object) -> trio.abc.Stream:
        line = await world.network.dial()
        nursery.start_soon(service.serve_stream, line.far())
        return line.near()

    return dial
