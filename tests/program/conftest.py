"""Drives bin/assistant as a user does: the launcher, processes, sockets on loopback, real time, and no sound card."""

import base64
import functools
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import trio
import trio_websocket as ws

START = 1.5  # seconds at most for which a start keeps a place of those that may start at once
AT_ONCE = 2
LIMIT = 40.0  # seconds after which a run is taken for hung
TRIVIAL = 0.03  # seconds that the start of an empty Python takes on an idle machine

DEMOS = ("conversation", "tools", "interruption", "resumption")

Events = list[dict[str, Any]]


@attrs.frozen
class Outcome:
    """How a run ended: the exit code as a shell shows it, what was said, and how long it took since start or signal."""

    code: int
    out: str
    err: str
    seconds: float
    folder: Path
    slowness: float

    def within(self, seconds: float) -> bool:
        """Whether it took no longer, on a machine that does nothing else."""
        return self.seconds < seconds * self.slowness

    @property
    def sentences(self) -> list[str]:
        """What was said on stderr, line by line."""
        return self.err.splitlines()

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

    def sound(self) -> np.ndarray[Any, np.dtype[np.int16]]:
        """The samples of the output file, which must be a whole WAV of 24 kHz mono s16."""
        with wave.open(str(self.folder / "output.wav")) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24000, 1, 2)
            assert (self.folder / "output.wav").stat().st_size == 44 + 2 * file.getnframes()
            return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def logged(path: Path, name: str | None = None) -> Events:
    """Reads an event log as far as whole lines are there."""
    lines = path.read_text("utf-8").split("\n")[:-1] if path.exists() else []
    events = [json.loads(line) for line in lines]
    return [event for event in events if name in (None, event["event"])]


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

    async def until(self, done: Callable[[], object], patience: float = 25.0) -> None:
        """Waits until something holds; fails when the program ends before it does."""
        with trio.fail_after(patience):
            while not done():
                assert self.process.poll() is None, f"ended with {self.process.poll()}: {self._err}"
                await trio.sleep(0.01)

    async def until_event(self, name: str, count: int = 1, **fields: object) -> None:
        """Waits for the event log to have so many events of that name with these fields."""

        def there() -> bool:
            found = logged(self.folder / "events.jsonl", name)
            return sum(fields.items() <= event.items() for event in found) >= count

        await self.until(there)

    def signal(self, number: int = signal.SIGINT) -> None:
        """Sends a signal to the whole process group, as a terminal does for Ctrl-C."""
        self.signalled = trio.current_time()
        if self.process.returncode is None:
            os.killpg(self.process.pid, number)

    async def end(self) -> Outcome:
        """Waits for the end."""
        with trio.fail_after(LIMIT):
            code = await self.process.wait()
        now = trio.current_time()
        took = now - self.began if math.isnan(self.signalled) else now - self.signalled
        return Outcome(128 - code if code < 0 else code, self.out, self._err, took, self.folder, self.slowness)

    @property
    def _err(self) -> str:
        return (self.folder / f"err-{self.number}.txt").read_text("utf-8")


async def slow() -> float:
    """Says how many times slower than an idle machine this one is at the moment; 1 at least."""
    began = trio.current_time()
    await trio.run_process([sys.executable, "-I", "-S", "-c", "pass"])
    return max(1.0, (trio.current_time() - began) / TRIVIAL)


@attrs.define
class User:
    """Somebody with a working folder, a home and settings of their own, and no sound card.

    `door` bounds how many programs start at once: the start is the only time at which they need a core for long.
    """

    folder: Path
    environment: dict[str, str]
    launcher: Path
    door: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(AT_ONCE))
    _count: int = attrs.field(default=0, init=False)

    @asynccontextmanager
    async def starts(self, *arguments: str | Path, at_once: bool = False, **environment: Any) -> AsyncIterator[Running]:
        """Starts the launcher in a process group of its own."""
        async with nullcontext() if at_once else self.door:
            running = await self._start([str(word) for word in (self.launcher, *arguments)], environment)
            with trio.move_on_after(0 if at_once else START):
                await self._up(running)
        try:
            yield running
        finally:
            if running.process.returncode is None:
                os.killpg(running.process.pid, signal.SIGKILL)
                await running.process.wait()

    async def _start(self, command: list[str], environment: dict[str, Any]) -> Running:
        self._count += 1
        slowness, began = await slow(), trio.current_time()
        places = [self.folder / f"{kind}-{self._count}.txt" for kind in ("out", "err")]
        with places[0].open("wb") as out, places[1].open("wb") as err:
            process = await trio.lowlevel.open_process(
                command,
                cwd=self.folder,
                env=self.environment | environment,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        return Running(process, self.folder, self._count, began, slowness)

    async def _up(self, running: Running) -> None:
        """Waits until the program has ended or said something."""
        log = self.folder / "events.jsonl"
        while running.process.poll() is None and not running.out and not log.exists():  # noqa: ASYNC110 - a process
            await trio.sleep(0.02)

    async def run(self, *arguments: str | Path, **environment: Any) -> Outcome:
        """Runs the launcher to its end."""
        async with self.starts(*arguments, **environment) as running:
            return await running.end()

    def talk(self, *arguments: str | Path, **environment: Any) -> Awaitable[Outcome]:
        """Runs `talk` with an output file and an event log in the user's folder, and nothing on the screen."""
        return self.run("talk", "--quiet", *FILES, *arguments, **environment)


FILES = ("--output", "output.wav", "--events", "events.jsonl")
Scenario = Callable[[User], Awaitable[Any]]


@attrs.define
class FarEnd:
    """A Live service that keeps what it is sent; it answers a setup, or not even that, and says nothing else."""

    answers: bool = True
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
        except ws.ConnectionClosed:
            return


@pytest.fixture(scope="session")
def far_end() -> type[FarEnd]:
    return FarEnd


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_by_default() -> Iterator[None]:
    """Programs started here obey Ctrl-C even if the tests themselves were started where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def users(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], User]:
    """Gives `users(name)`: a new user, whose setup cache is warm once `warm` has run."""

    def user(name: str) -> User:
        place = tmp_path_factory.mktemp("".join(letter if letter.isalnum() else "-" for letter in name)[:40])
        folder = place / "desk"
        for path in (folder, place / "home", place / "temporary", place / "cache"):
            path.mkdir()
        nothing = place / "home" / "no-sound.conf"
        nothing.touch()
        environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(place / "home"),
            "TMPDIR": str(place / "temporary"),
            "XDG_STATE_HOME": str(place / "state"),
            "XDG_CACHE_HOME": str(place / "cache"),
            "ALSA_CONFIG_PATH": str(nothing),
        }
        return User(folder, environment, root / "bin" / "assistant")

    return user


@pytest.fixture(scope="session")
def warm(users: Callable[[str], User], hush: Path) -> tuple[Outcome, Path]:
    """A first conversation, with a cold cache: its outcome, and the cache that it made."""
    user = users("first")
    outcome = trio.run(lambda: user.talk("--backend", "local", "--input", hush, "--linger", "0"))
    return outcome, Path(user.environment["XDG_CACHE_HOME"])


@pytest.fixture(scope="session")
def play(users: Callable[[str], User], warm: tuple[Outcome, Path]) -> Callable[..., dict[str, Any]]:
    """Gives `play(scenarios, good)`: runs them side by side, each with a user of its own, and returns their results.

    A scenario that raises gives its exception as its result, for the test that asks for it. What is not `good` is
    played once more, one after the other, in case the machine was too busy to keep time.
    """

    async def side_by_side(scenarios: Mapping[str, Scenario], at_once: int) -> dict[str, Any]:
        results: dict[str, Any] = {}
        door = trio.CapacityLimiter(AT_ONCE)
        places = trio.CapacityLimiter(at_once)

        async def one(name: str, scenario: Scenario) -> None:
            async with places:
                user = users(name)
                user.door = door
                shutil.copytree(warm[1], user.environment["XDG_CACHE_HOME"], dirs_exist_ok=True)
                try:
                    results[name] = await scenario(user)
                except Exception as error:  # noqa: BLE001 - raised again by the test it belongs to
                    results[name] = error

        async with trio.open_nursery() as nursery:
            for name, scenario in scenarios.items():
                nursery.start_soon(one, name, scenario)
        return results

    def run(scenarios: Mapping[str, Scenario], good: Callable[[Any], bool] = lambda _: True) -> dict[str, Any]:
        results = trio.run(side_by_side, scenarios, len(scenarios))
        missed = {name: scenarios[name] for name in scenarios if not good(results[name])}
        return results | trio.run(side_by_side, missed, 1)

    return run


@pytest.fixture(scope="session")
def hush(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of 0.2 s of silence."""
    path = tmp_path_factory.mktemp("hush") / "silence.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 3200))
    return path


@pytest.fixture(scope="session")
def emulator(users: Callable[[str], User], canary: str) -> Iterator[str]:
    """The URL of an emulator process that takes the canary as its only key."""
    user = users("emulator")
    command = [str(user.launcher), "emulator", "--port", "0", "--key", canary]
    with subprocess.Popen(command, cwd=user.folder, env=user.environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
        process.terminate()
        assert process.wait(10) == 0


@pytest.fixture(scope="session")
def demos(users: Callable[[str], User]) -> Iterator[Callable[[], dict[str, Outcome]]]:
    """Gives `demos()`: the outcome of each. They take a minute, so all are started at once and run beside the others.

    A machine that is too busy for real time loses sound or words; where that happened, a demo is played once more.
    """
    place = {name: users(f"demo-{name}") for name in DEMOS}
    running: dict[str, subprocess.Popen[bytes]] = {}

    def start(name: str) -> None:
        user, pipe = place[name], subprocess.PIPE
        command = [str(user.launcher), "demo", name]
        running[name] = subprocess.Popen(command, cwd=user.folder, env=user.environment, stdout=pipe, stderr=pipe)

    def end(name: str) -> Outcome:
        process = running[name]
        out, err = process.communicate(timeout=180)
        return Outcome(process.returncode, out.decode(), err.decode(), math.nan, place[name].folder, 1.0)

    @functools.cache
    def outcomes() -> dict[str, Outcome]:
        first = {name: end(name) for name in DEMOS}
        again = [name for name in DEMOS if re.search(" drop |did not catch|unanswered", first[name].out)]
        for name in again:
            start(name)
        return first | {name: end(name) for name in again}

    for name in DEMOS:
        start(name)
    yield outcomes
    for process in running.values():
        process.kill()
        process.communicate()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lets the demos' tests come last here; they wait for what began first."""
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    ordered = iter(sorted(here, key=waits_for_demos))
    items[:] = [next(ordered) if item in here else item for item in items]


def waits_for_demos(item: pytest.Item) -> bool:
    return "demos" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session", autouse=True)
def demos_begin_first(request: pytest.FixtureRequest) -> None:
    """Starts the demos before the first test of this folder, if a test of theirs is to run."""
    if any(waits_for_demos(item) for item in request.session.items):
        request.getfixturevalue("demos")
