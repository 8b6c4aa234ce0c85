"""What goes wrong in a soak: a table of faults, each with what it does and for how long it may be felt."""

import json
import random
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import attrs
import trio

from actors.emulator.handles import Handles
from actors.emulator.link import Link
from actors.emulator.service import Service
from bin.soaking.misbehaving import Tools
from bin.soaking.near import Heard
from bin.soaking.network import Network
from bin.soaking.script import Script
from pipeline.conversation import Conversation

DETECTED = 75.0  # seconds in which a link that says nothing is given up: a heartbeat and the patience after it
STILL_SAYING = 40.0  # seconds at most in which a far end that hears nothing goes on saying what it had begun
LATE_PONGS = 30.0  # seconds in which pongs are late: three pings
REDIAL = 14.0  # seconds until the next attempt at the latest, once the service is back
# Neither 1000, which ends a conversation, nor 1007 and 1008, which end it when they come again and again.
CODES = (1001, 1009, 1011, 1012, 1013, 3000, 4000)
ACTORS = ("microphone", "vad", "uplink", "downlink", "playback", "dispatch", "connection")
CRASH_GAP = 40.0  # seconds between two crashes, so that no actor exceeds what its policy forgives
OVERSIZE = 17 * 2**20  # bytes: one message beyond what our end takes
MISBEHAVING = 0.15  # of the calls
GARBAGE = (
    b"not json",
    b"\xff\xfe\x00",
    b"[]",
    b'{"serverContent": {"modelTurn": {"parts": [{"novel": 1}]}}}',
    b'{"somethingNew": {"a": 1}}',
    b'{"serverContent": 5}',
    json.dumps({"padding": "x" * 900_000}).encode(),
)


@attrs.frozen
class Fault:
    """One fault that happened, `at` seconds into the run; its effects have to be over `until` then."""

    at: float
    name: str
    until: float
    detail: str = ""


@attrs.define(eq=False)
class World:
    """Everything that a fault can get at."""

    random: random.Random
    network: Network
    service: Service
    script: Script
    heard: Heard
    tools: Tools
    unconfirmed: set[int] = attrs.field(factory=set)  # the numbers of connections whose pongs are late or missing
    conversation: Conversation | None = None
    fuses: dict[str, trio.Event] = attrs.field(factory=dict)
    nursery: trio.Nursery | None = None

    def lay(self, name: str) -> trio.Event:
        """Gives what tells that actor to crash."""
        self.fuses[name] = trio.Event()
        return self.fuses[name]

    def crash(self, name: str) -> None:
        """Crashes an actor wherever it waits now."""
        if name in self.fuses:
            self.fuses.pop(name).set()

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Does something in so many seconds, if the soak still runs then."""

        async def wait() -> None:
            await trio.sleep(seconds)
            act()

        if self.nursery is not None:
            self.nursery.start_soon(wait)

    @property
    def connections(self) -> tuple[Any, ...]:
        """The service's live connections."""
        return self.service.connections


Happening = Callable[[World], tuple[float, str]]  # does it; gives how long its effects may last, and details


def _cut(world: World) -> tuple[float, str]:
    world.network.cut()
    return 3.0, ""


def _far_cut(world: World) -> tuple[float, str]:
    for connection in world.connections:
        connection.cut()
    return 3.0, ""


def _half_open(world: World) -> tuple[float, str]:
    for line in world.network.lines:
        line.swallow()
    return DETECTED, ""


def _hole_up(world: World) -> tuple[float, str]:
    for line in world.network.lines:
        line.swallow(down=False)
    return STILL_SAYING + DETECTED, ""


def _hole_down(world: World) -> tuple[float, str]:
    for line in world.network.lines:
        line.swallow(up=False)
    return DETECTED, ""


def _stall(world: World) -> tuple[float, str]:
    seconds = world.random.uniform(0.5, 20)
    until = trio.current_time() + seconds
    world.network.up.stalled = world.network.down.stalled = until
    return seconds + 3, f"{seconds:.1f} s"


def _lag(world: World) -> tuple[float, str]:
    latency, seconds = world.random.uniform(0.2, 5.0), world.random.uniform(10, 60)
    for way in (world.network.up, world.network.down):
        way.latency, way.jitter = latency / 2, latency / 4
    world.network.poor = trio.current_time() + seconds
    return seconds + 12 * latency + REDIAL, f"{latency:.2f} s for {seconds:.0f} s"


def _slow(world: World) -> tuple[float, str]:
    seconds = world.random.uniform(10, 40)
    world.network.up.rate = 10_000.0
    world.network.poor = trio.current_time() + seconds
    return 6 * seconds + REDIAL, f"10 KB/s for {seconds:.0f} s"


def _away(world: World) -> tuple[float, str]:
    seconds = world.random.choice((5.0, 30.0, 100.0, 240.0))
    world.network.away = trio.current_time() + seconds
    world.network.cut()
    return seconds + REDIAL, f"{seconds:.0f} s"


def _hang(world: World) -> tuple[float, str]:
    seconds = world.random.uniform(2, 12)
    world.network.hangs = trio.current_time() + seconds
    world.network.cut()
    return seconds + REDIAL, f"{seconds:.1f} s"


def _go_away(world: World) -> tuple[float, str]:
    left = world.random.choice((60.0, 5.0, 0.0))
    for connection in world.connections:
        connection.go_away(left)
    return left + 5, f"{left:g} s"


def _close(world: World) -> tuple[float, str]:
    code = world.random.choice(CODES)
    for connection in world.connections:
        connection.close(code, "a fault of the soak")
    return 6.0, str(code)


def _forget(world: World) -> tuple[float, str]:
    world.service.handles = Handles(world.service.settings.handles)
    world.network.cut()
    return 6.0, ""


def _crash(world: World) -> tuple[float, str]:
    name = world.random.choice(ACTORS)
    world.crash(name)
    return 8.0, name


def _restart(world: World) -> tuple[float, str]:
    name = world.random.choice(ACTORS)
    if world.conversation is not None:
        world.conversation.restart(name)
    return 5.0, name


def _garbage(world: World) -> tuple[float, str]:
    frame = world.random.choice(GARBAGE)
    for connection in world.connections:
        connection.inject(frame)
    # It counts as a sign of life, also from a far end that hears nothing any more.
    return DETECTED if world.network.holed else 1.0, repr(frame[:20])


def _oversize(world: World) -> tuple[float, str]:
    for connection in world.connections:
        connection.inject(b"x" * OVERSIZE)
    return 8.0, ""


def _no_pongs(world: World) -> tuple[float, str]:
    for connection in world.connections:
        connection.link.answers_pings = False
        world.unconfirmed.add(connection.number)
    return DETECTED, ""


def _late_pongs(world: World) -> tuple[float, str]:
    seconds = world.random.uniform(1, 25)
    until = trio.current_time() + LATE_PONGS
    for connection in world.connections:
        connection.link.answer_ping = partial(_answer_later, world, connection.link, seconds, until)
        world.unconfirmed.add(connection.number)
    return LATE_PONGS + seconds, f"{seconds:.1f} s"


def _answer_later(world: World, link: Link, seconds: float, until: float, pong: bytes) -> None:
    def answer() -> None:
        if link.open:
            link.send_raw(pong)

    if trio.current_time() < until:
        world.later(seconds, answer)
    else:
        answer()


def _no_microphone(world: World) -> tuple[float, str]:
    seconds = world.random.uniform(1, 8)
    world.script.unplugged = trio.current_time() + seconds
    return seconds + 2, f"{seconds:.1f} s"


def _no_speaker(world: World) -> tuple[float, str]:
    seconds = world.random.uniform(1, 8)
    world.heard.unplugged = trio.current_time() + seconds
    return seconds + 2, f"{seconds:.1f} s"


NETWORK: Mapping[str, Happening] = MappingProxyType(
    {
        "socket reset": _cut,
        "cut by the service": _far_cut,
        "half-open link": _half_open,
        "black hole, upwards": _hole_up,
        "black hole, downwards": _hole_down,
        "stall": _stall,
        "latency": _lag,
        "slow uplink": _slow,
        "service away": _away,
        "dial unanswered": _hang,
        "goAway": _go_away,
        "close code": _close,
        "handle refused": _forget,
        "no pongs": _no_pongs,
        "late pongs": _late_pongs,
    }
)
OTHERS: Mapping[str, Happening] = MappingProxyType(
    {
        "actor crash": _crash,
        "actor restart": _restart,
        "garbage frame": _garbage,
        "oversize frame": _oversize,
        "microphone unplugged": _no_microphone,
        "speaker unplugged": _no_speaker,
    }
)
OWN = ("microphone unplugged", "speaker unplugged")
"""The faults of the soak's own microphone and speaker, which real ones do not have."""
KEEPERS_BEFORE = {"microphone", "vad"}
"""The actors through whose hands speech goes before anything has kept it: a crash of them may take some of it."""


@attrs.define(eq=False)
class Injector:
    """Lets faults happen, one after another, until it is stopped, and not while it is `held`; `history` keeps them."""

    world: World
    table: Mapping[str, Happening]
    every: float
    zero: float = 0.0
    history: list[Fault] = attrs.field(factory=list, init=False)
    held: bool = attrs.field(default=False, init=False)
    stopped: bool = attrs.field(default=False, init=False)

    async def run(self) -> None:
        """Runs until cancelled; the gaps between faults are exponential, `every` seconds long on average."""
        names = list(self.table)
        while not self.stopped:
            await trio.sleep(max(1.0, self.world.random.expovariate(1 / self.every)))
            name = self.world.random.choice(names)
            if not (self.stopped or self.held or self._too_soon(name)):
                self.let(name)
                if self.world.network.poor > trio.current_time():
                    await trio.sleep_until(self.world.network.poor)
                    self.world.network.hasten()

    def _too_soon(self, name: str) -> bool:
        if name != "actor crash":
            return False
        now = trio.current_time() - self.zero
        return any(fault.name == name and now - fault.at < CRASH_GAP for fault in self.history[-20:])

    def let(self, name: str) -> None:
        """Lets one fault happen now."""
        lasting, detail = self.table[name](self.world)
        now = trio.current_time() - self.zero
        self.history.append(Fault(round(now, 3), name, round(now + lasting, 3), detail))

    def clear_at(self, when: float) -> float:
        """Gives when the effects of all that happened up to `when` are over, in `trio.current_time()`."""
        recent = (fault.until for fault in self.history[-50:] if fault.at + self.zero <= when)
        return max(recent, default=0.0) + self.zero

    def stop(self) -> None:
        """Mends everything; nothing more happens."""
        self.stopped = True
        self.world.network.clear()
        self.world.tools.chance = 0.0

    def disturbed(self, faults: list[Fault], since: float) -> bool:
        """Whether one of these may have taken speech said since then, before anything had kept it."""
        return any(_disturbs(fault) and fault.until + self.zero >= since for fault in faults)

    def troubled(self, since: float) -> bool:
        """Whether the effects of some fault may have lasted into the time since then."""
        return any(fault.until + self.zero >= since for fault in self.history[-50:])


def _disturbs(fault: Fault) -> bool:
    return fault.name == "microphone unplugged" or (
        fault.name in ("actor crash", "actor restart") and fault.detail in KEEPERS_BEFORE
    )
