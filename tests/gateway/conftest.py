"""The gateway as people run it: a process of its own, spoken to over sockets."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import tomli_w
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).parents[2]
ACCESS_KEY = "an-access-key-of-tests-9f2c"


@attrs.define(eq=False)
class Served:
    """A running `bin/assistant serve`, and what it has written."""

    process: "subprocess.Popen[str]"
    url: str
    live_url: str
    folder: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def audit(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "audit.jsonl").read_text().splitlines()]

    def client(self, **headers: str) -> httpx.Client:
        """A client that keeps connections."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.Client(base_url=self.url, headers=given, timeout=30, trust_env=False)

    def connected(self, patience: float = 20.0) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=patience)

    def answers(self, connection: socket.socket) -> bytes:
        """Gives all that comes until the gateway closes a connection."""
        return everything(connection)

    def tell(self, data: bytes, patience: float = 20.0) -> bytes:
        """Sends bytes over a connection of their own, and gives all that comes until the gateway closes it."""
        with self.connected(patience) as connection:
            connection.sendall(data)
            return everything(connection)

    def stop(self, number: int = signal.SIGTERM, patience: float = 15.0) -> int:
        """Asks the gateway to end, and gives its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(patience)


def everything(connection: socket.socket) -> bytes:
    """Reads until the far end closes, or breaks the connection."""
    found = bytearray()
    try:
        while data := connection.recv(65536):
            found += data
    except ConnectionError:
        pass
    return bytes(found)


Serve = Callable[..., Any]


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """Surroundings without anything of the machine's owner."""
    home = {name: str(folder) for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **home, **variables}


@contextmanager
def served(folder: Path, *options: str, variables: dict[str, str] | None = None, **gateway: Any) -> Iterator[Served]:
    """Runs a gateway with this [gateway] while the block runs; what it writes to stderr is in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = {"gateway": {"audit": str(folder / "audit.jsonl"), **gateway}}
    (folder / "plan.toml").write_text(tomli_w.dumps(plan))
    command = [sys.executable, "-P", "-m", "bin", "serve", "--port", "0", "--config", "plan.toml", *options]
    with (folder / "stderr.txt").open("w") as stderr:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(folder, **(variables or {})),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "stderr.txt").read_text()
        ready = json.loads(line)
        yield Served(process, ready["url"], ready["live_url"], folder)
    finally:
        process.kill()
        process.wait(15)
        if process.stdout is not None:
            process.stdout.close()


@attrs.define(eq=False)
class Page:
    """A page's socket to /api/relay. It plays at once what it gets, and says so."""

    socket: ClientConnection
    played: int = 0
    seen: int = 0
    told: list[str] = attrs.field(factory=list)

    def send(self, **message: Any) -> None:
        with suppress(ConnectionClosed):  # whoever reads next is told
            self.socket.send(json.dumps(message))

    def heard(self, *wanted: str, patience: float = 60.0) -> dict[str, Any]:
        """Waits for a message that has all these words in it."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            message = self.socket.recv(timeout=patience)
            if isinstance(message, bytes):
                self.played = int.from_bytes(message[:8], "little") + (len(message) - 8) // 2
                self.send(type="heard", position=self.played)
                continue
            self.told.append(message)
            told: dict[str, Any] = json.loads(message)
            self.seen = told.get("number", self.seen)
            if told["type"] == "flush":
                self.send(type="flushed", id=told["id"], position=self.played)
            if all(word in message for word in wanted):
                return told
        raise AssertionError(f"never heard {wanted!r}")

    def closed(self, patience: float = 30.0) -> int | None:
        """Reads until the gateway closes, and gives its code; None if it went without a word."""
        try:
            while True:
                self.socket.recv(timeout=patience)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


Dial = Callable[..., Page]


@pytest.fixture
def dial() -> Iterator[Dial]:
    """Gives `dial(url, cookie=..., hello={}, **options)`: a page, by default of the gateway's own origin."""
    with ExitStack() as stack:

        def dial(url: str, cookie: str = "", hello: dict[str, Any] | None = None, **options: Any) -> Page:
            headers = {"Cookie": f"gateway_login={cookie}"} if cookie else {}
            asked = {"origin": url, "proxy": None, "open_timeout": 30, "additional_headers": headers, **options}
            page = Page(stack.enter_context(connect(url.replace("http", "ws") + "/api/relay", **asked)))
            page.send(type="hello", **(hello or {}))
            return page

        yield dial


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Gives `with serve(folder, *options, variables={}, **gateway) as served`."""
    return served


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    """Waits until somebody accepts connections there."""
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nobody listens on {port}")


@attrs.define(eq=False)
class RedisServer:
    """A redis-server of our own that can be killed, and started again empty."""

    program: str
    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    free_port = staticmethod(free_port)
    wait_for_port = staticmethod(wait_for_port)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (self.folder / "redis.txt").open("ab") as log:
            self.process = subprocess.Popen([self.program, *options], cwd=self.folder, stdout=log, stderr=log)
        wait_for_port(self.port)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def pause(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def redis_server(real_part: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A redis-server for the tests of one module."""
    made = RedisServer(real_part("redis-server"), tmp_path_factory.mktemp("redis"), free_port())
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def access_key() -> str:
    """What tests show to a gateway that wants a key."""
    return ACCESS_KEY


@pytest.fixture(scope="module")
def keyed_service(tmp_path_factory: pytest.TempPathFactory, canary: str) -> Iterator[str]:
    """The URL of an embedded service in a process of its own that knows one key: the canary."""
    folder = tmp_path_factory.mktemp("service")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "bin", "emulator", "--port", "0", "--key", canary],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(15)
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="module")
def generous() -> dict[str, Any]:
    """Limits that no test of anything else meets; a module may change them for itself."""
    rates = dict.fromkeys(("tokens_per_user", "tokens_per_address", "calls_per_session"), "100000/minute")
    rates |= dict.fromkeys(("requests_per_address", "logins_per_address"), "100000/minute")
    return {"limits": {**rates, "sessions": 100_000, "sessions_per_user": 100_000, "patience": 1.0}}


@pytest.fixture(scope="module")
def open_gateway(tmp_path_factory: pytest.TempPathFactory, generous: dict[str, Any]) -> Iterator[Served]:
    """A gateway on loopback without a key."""
    with served(tmp_path_factory.mktemp("gateway"), **generous) as found:
        yield found
