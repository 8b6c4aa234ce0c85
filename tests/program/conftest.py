"""Drives bin/assistant as a user does: the launcher, processes, sockets on loopback, real time, and no sound card.

A module of this folder has its `SCENARIOS`, each an async function of a `User`. Those of all modules are played side by
side in a thread, from the first test on, because most of them wait most of the time; a test asks for the result of one
by `played(name)`, and gets what the scenario returned or raised.
"""

import base64
import json
import math
import os
import shutil
import signal
import sys
import threading
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, ClassVar

import attrs
import numpy as np
import pytest
import trio
import trio_websocket as ws

STARTS, PLACES, LONG = 2, 3, 2  # how many programs start at once, and how many short and long scenarios are played
START = 2.0  # seconds at most for which a start keeps others from starting
LIMIT = 150.0  # seconds after which a run is taken for hung
WHOLE = 1200.0  # seconds for the result of a scenario, queueing included
MOST = (
    4.0  # how many times slower than an idle machine may excuse a program; beyond that it is the program that is slow
)
TRIVIAL = 0.03  # seconds that the start of an empty Python takes on an idle machine
SILENT = "hush.wav"  # a recording of 0.2 s of silence in every user's folder
NICE = ("nice", "-n", "10")
FILES = ("--output", "output.wav", "--events", "events.jsonl")

Events = list[dict[str, Any]]
_slowness = [-math.inf, 1.0]  # when it was measured last, and what it was


def logged(path: Path, name: str | None = None) -> Events:
    """Reads an event log as far as whole lines are there."""
    lines = path.read_text("utf-8").split("\n")[:-1] if path.exists() else []
    events = [json.loads(line) for line in lines]
    return [event for event in events if name in (None, event["event"])]


@attrs.frozen
class Outcome:
    """How a run ended: the exit code as a shell shows it, what was said, and how long it took since start or signal."""

    code: int
    out: str
    err: str
    seconds: float
    folder: Path
    slowness: float

    @property
    def allowance(self) -> float:
        """How many times longer it may have taken for the other programs on this machine."""
        return min(self.slowness, MOST)

    def within(self, seconds: float) -> bool:
        """Whether it took no longer, on a machine that does nothing else."""
        return self.seconds < seconds * self.allowance

    def events(self, name: str | None = None) -> Events:
        """The event log, or what is of one name in it; a line that is no JSON raises."""
        return logged(self.folder / "events.jsonl", name)

    def one(self, name: str) -> dict[str, Any]:
        """The only event of that name."""
        (found,) = self.events(name)
        return found

    def finals(self, who: str) -> list[str]:
        """What one side said, turn by turn."""
        return [event["text"] for event in self.events("transcript") if event["who"] == who and event["final"]]

    def sound(self, name: str = "output.wav") -> np.ndarray[Any, np.dtype[np.int16]]:
        """The samples of the output file, which must be a whole WAV of 24 kHz mono s16."""
        with wave.open(str(self.folder / name)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24000, 1, 2)
            assert (self.folder / name).stat().st_size == 44 + 2 * file.getnframes()
            return np.frombuffer(file.readframes(file.getnframes()), np.int16)


@attrs.define
class Running:
    """A started program; `end` waits for it, and leaving the block that started it kills what is left."""

    process: trio.Process
    folder: Path
    number: int
    began: float
    slowness: float
    signalled: float = math.nan

    @property
    def out(self) -> str:
        """What was printed so far."""
        return (self.folder / f"out-{self.number}.txt").read_text("utf-8")

    @property
    def err(self) -> str:
        """What was said on stderr so far."""
        return (self.folder / f"err-{self.number}.txt").read_text("utf-8")

    async def until(self, done: Callable[[], object], patience: float = 60.0) -> None:
        """Waits until something holds; fails when the program ends before it does."""
        with trio.fail_after(patience):
            while not done():
                assert self.process.poll() is None, f"ended with {self.process.poll()}: {self.err}"
                await trio.sleep(0.02)

    async def until_event(self, name: str, count: int = 1, **fields: object) -> None:
        """Waits for the event log to have so many events of that name with these fields."""

        def there() -> bool:
            found = logged(self.folder / "events.jsonl", name)
            return sum(fields.items() <= event.items() for event in found) >= count

        await self.until(there)

    async def ready(self) -> dict[str, Any]:
        """Waits for the ready line of a server, which must be the only one."""
        await self.until(lambda: self.out.endswith("\n"))
        (line,) = self.out.splitlines()
        return dict(json.loads(line))

    async def send(self, number: int = signal.SIGINT) -> None:
        """Sends a signal to the whole process group, as a terminal does for Ctrl-C."""
        self.slowness = await slow()
        self.signalled = trio.current_time()
        self.press(number)

    def press(self, number: int = signal.SIGINT) -> None:
        """Sends one more, from which no time is counted."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    async def end(self) -> Outcome:
        """Waits for the end."""
        with trio.fail_after(LIMIT):
            code = await self.process.wait()
        now = trio.current_time()
        took = now - self.began if math.isnan(self.signalled) else now - self.signalled
        return Outcome(128 - code if code < 0 else code, self.out, self.err, took, self.folder, self.slowness)


async def slow() -> float:
    """Says how many times slower than idle this machine is, by a program as nice as the nicest of ours, 1 at least."""
    began = trio.current_time()
    if began - _slowness[0] > 1:
        _slowness[0] = began
        await trio.run_process([*NICE, sys.executable, "-I", "-S", "-c", "pass"])
        _slowness[1] = max(1.0, (trio.current_time() - began) / TRIVIAL)
    return _slowness[1]


@attrs.define
class User:
    """Somebody with a working folder, a home and settings of their own, and no sound card.

    `door` bounds how many programs start at once: the start is the only time at which they need a core for long. Who
    only waits for what a program says when it ends lets it be `nice` to conversations, which need their time.
    """

    folder: Path
    environment: dict[str, str]
    launcher: Path
    recordings: Path
    key: str
    door: trio.CapacityLimiter
    emulator: str
    far_end: type["FarEnd"]
    _count: int = attrs.field(default=0, init=False)

    @property
    def talk(self) -> tuple[str, ...]:
        """The words of a conversation with the emulator that tells nothing on the screen but leaves its files."""
        return ("talk", "--quiet", *FILES, "--endpoint", self.emulator)

    def speech(self, name: str) -> str:
        """The path of recorded speech."""
        return str(self.recordings / name)

    @asynccontextmanager
    async def starts(
        self, *arguments: str | Path, at_once: bool = False, nice: bool = False, **environment: str
    ) -> AsyncIterator[Running]:
        """Starts the launcher in a process group of its own; a variable that is given as "" is not set."""
        before = NICE if nice else ()
        async with nullcontext() if at_once else self.door:
            running = await self._start([*before, *(str(word) for word in (self.launcher, *arguments))], environment)
            with trio.move_on_after(0 if at_once else START):
                await self._up(running)
        try:
            yield running
        finally:
            if running.process.returncode is None:
                os.killpg(running.process.pid, signal.SIGKILL)
                with trio.CancelScope(shield=True):
                    await running.process.wait()

    async def _start(self, command: list[str], environment: Mapping[str, str]) -> Running:
        self._count = number = self._count + 1  # of this start; another may begin while it waits
        slowness, began = await slow(), trio.current_time()
        places = [self.folder / f"{kind}-{number}.txt" for kind in ("out", "err")]
        around = {name: value for name, value in (self.environment | dict(environment)).items() if value}
        with places[0].open("wb") as out, places[1].open("wb") as err:
            process = await trio.lowlevel.open_process(
                command, cwd=self.folder, env=around, stdout=out, stderr=err, start_new_session=True
            )
        return Running(process, self.folder, number, began, slowness)

    async def _up(self, running: Running) -> None:
        """Waits until the program has ended or said something."""
        log = self.folder / "events.jsonl"
        while running.process.poll() is None and not running.out and not log.exists():  # noqa: ASYNC110 - a process
            await trio.sleep(0.02)

    async def run(self, *arguments: str | Path, nice: bool = True, **environment: Any) -> Outcome:
        """Runs the launcher to its end."""
        async with self.starts(*arguments, nice=nice, **environment) as running:
            return await running.end()


Scenario = Callable[[User], Awaitable[Any]]


@attrs.define
class FarEnd:
    """A Live service that keeps what it is sent; it answers a setup, or not even that, and says nothing else.

    One that is `deaf` reads nothing after the setup, not even a close frame.
    """

    answers: bool = True
    deaf: bool = False
    handle: str = ""
    frames: list[tuple[float, dict[str, Any]]] = attrs.field(factory=list)
    url: str = ""

    def heard(self) -> bytes:
        """The audio that arrived, in order."""
        inputs = [frame.get("realtimeInput", {}) for _, frame in self.frames]
        return b"".join(base64.b64decode(sent["audio"]["data"], validate=True) for sent in inputs if "audio" in sent)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["FarEnd"]:
        """Listens on loopback while the block runs."""
        async with trio.open_nursery() as nursery:
            server = await nursery.start(ws.serve_websocket, self._serve, "127.0.0.1", 0, None)
            self.url = f"http://127.0.0.1:{server.port}"
            yield self
            nursery.cancel_scope.cancel("the far end is not needed any more")

    async def _serve(self, request: ws.WebSocketRequest) -> None:
        socket = await request.accept()
        try:
            while True:
                frame = json.loads(await socket.get_message())
                self.frames.append((trio.current_time(), frame))
                if "setup" in frame and self.answers:
                    await socket.send_message(b'{"setupComplete": {}}')
                    if self.handle:
                        update = {"newHandle": self.handle, "resumable": True}
                        await socket.send_message(json.dumps({"sessionResumptionUpdate": update}))
                    if self.deaf:
                        await trio.sleep_forever()
        except ws.ConnectionClosed:
            return


@attrs.define
class Stage:
    """Where scenarios are played: one Trio loop in a thread, and a place of its own for every user."""

    root: Path
    place: Path
    key: str
    results: dict[tuple[str, str], Future[Any]] = attrs.field(factory=dict)
    OVER: ClassVar[str] = "the tests are over"

    def user(self, name: str, door: trio.CapacityLimiter, emulator: str = "") -> User:
        """Makes a new user."""
        place = self.place / "".join(letter if letter.isalnum() else "-" for letter in name)
        for folder in ("desk", "home", "temporary", "cache"):
            (place / folder).mkdir(parents=True)
        (place / "home" / "no-sound.conf").touch()
        environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(place / "home"),
            "TMPDIR": str(place / "temporary"),
            "XDG_STATE_HOME": str(place / "state"),
            "XDG_CACHE_HOME": str(place / "cache"),
            "ALSA_CONFIG_PATH": str(place / "home" / "no-sound.conf"),
        }
        with wave.open(str(place / "desk" / SILENT), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(bytes(2 * 3200))
        launcher, speech = self.root / "bin" / "assistant", self.root / "tests" / "fixtures"
        return User(place / "desk", environment, launcher, speech, self.key, door, emulator, FarEnd)

    async def play(self, scenarios: Mapping[tuple[str, str], Scenario], long: set[str], over: threading.Event) -> None:
        """Plays scenarios side by side until all have ended or `over` is set; every one leaves a result."""
        door, short, long_ones = (trio.CapacityLimiter(number) for number in (STARTS, PLACES, LONG))
        async with self.user("emulator", door).starts("emulator", "--port", "0", "--key", self.key) as emulator:
            url = (await emulator.ready())["url"]
            cache = await self._warm(door)

            async def one(name: tuple[str, str], scenario: Scenario) -> None:
                async with long_ones if name[0] in long else short:
                    user = self.user("-".join(name), door, url)
                    shutil.copytree(cache, user.environment["XDG_CACHE_HOME"], dirs_exist_ok=True)
                    try:
                        self.results[name].set_result(await scenario(user))
                    except Exception as error:  # noqa: BLE001 - raised again by the test it belongs to
                        self.results[name].set_exception(error)

            async def end() -> None:
                await trio.to_thread.run_sync(over.wait, abandon_on_cancel=True)
                nursery.cancel_scope.cancel(self.OVER)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(end)
                for name in sorted(scenarios, key=lambda name: name[0] not in long):
                    nursery.start_soon(one, name, scenarios[name])

    async def _warm(self, door: trio.CapacityLimiter) -> Path:
        """Holds a first conversation, for the cache that it makes."""
        user = self.user("first", door)
        async with user.far_end().serving() as service:
            talk = ("talk", "--quiet", *FILES, "--endpoint", service.url, "--input", SILENT, "--linger", "0")
            await user.run(*talk, nice=False)
        return Path(user.environment["XDG_CACHE_HOME"])


@pytest.fixture(scope="session", autouse=True)
def stage(
    request: pytest.FixtureRequest, root: Path, canary: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Plays the scenarios of all modules here that have a test to run."""
    modules = {item.module.__name__: item.module for item in request.session.items if here(item)}  # type: ignore[attr-defined]
    scenarios = {
        (name, scenario): played
        for name, module in modules.items()
        for scenario, played in getattr(module, "SCENARIOS", {}).items()
    }
    stage = Stage(root, tmp_path_factory.mktemp("program"), canary, {name: Future() for name in scenarios})
    long = {name for name, module in modules.items() if getattr(module, "LONG", False)}
    over = threading.Event()

    def play() -> None:
        try:
            trio.run(stage.play, scenarios, long, over)
        finally:
            for result in stage.results.values():
                with suppress(Exception):
                    result.set_exception(RuntimeError("the stage was closed before"))

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # programs inherit it where it is ignored
    thread = threading.Thread(target=play, name="stage")
    thread.start()
    yield stage
    over.set()
    thread.join()
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def played(request: pytest.FixtureRequest, stage: Stage) -> Callable[[str], Any]:
    """Gives `played(name)`: the result of that scenario of the test's module; what it raised is a fault's cause."""

    def result(name: str) -> Any:
        future = stage.results[request.module.__name__, name]
        if (error := future.exception(WHOLE)) is not None:
            raise RuntimeError(f"the scenario {name!r} was not played to its end") from error
        return future.result()

    return result


def here(item: pytest.Item) -> bool:
    return Path(__file__).parent in item.path.parents


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lets tests of long scenarios come late, and last of all those that look at what the others left."""
    mine = [item for item in items if here(item)]
    ordered = iter(sorted(mine, key=lambda item: getattr(item.module, "LATE", getattr(item.module, "LONG", False))))  # type: ignore[attr-defined]
    items[:] = [next(ordered) if item in mine else item for item in items]
