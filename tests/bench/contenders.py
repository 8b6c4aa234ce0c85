"""Who is measured, and the environments of their own in which other projects run.

An environment is made on demand from a lock file with hashes, and kept in the user's cache folder; its name holds the
lock's checksum and the Python version, so a change of either makes another.
"""

import math
import subprocess
import sys
import zlib
from pathlib import Path

import attrs
import platformdirs

from tests.bench.processes import ROOT, surroundings

PEERS = Path(__file__).parent / "peers"
CLIENTS = Path(__file__).parent / "clients"


@attrs.frozen
class Contender:
    """One client: `script` runs it, `lock` names what it needs, None for this project's own environment.

    `up_ms` is how much sound it sends in a message. `resumes`: it comes back by itself after a cut. A `variant` of
    another, by these options, has no hour of speech of its own.
    """

    key: str
    shown: str
    script: str
    package: str
    lock: str | None = None
    up_ms: int = 20
    resumes: bool = False
    variant: tuple[str, ...] = ()

    @property
    def gathers_ms(self) -> int:
        """How long the first of the pieces of 20 ms waits that go up in one message."""
        return 20 * (math.ceil(self.up_ms / 20) - 1)

    @property
    def version(self) -> str:
        """The package with its pinned version."""
        source = PEERS / self.lock if self.lock else ROOT / "requirements.lock"
        lines = source.read_text().splitlines()
        return next(line.split()[0] for line in lines if line.startswith(f"{self.package}=="))

    def command(self, python: Path, url: str, sessions: int = 1) -> list[str]:
        """Gives the command that runs it."""
        return [str(python), "-P", str(CLIENTS / self.script), url, "--sessions", str(sessions), *self.variant]


OURS = Contender("ours", "this project", "ours.py", "websockets", resumes=True)
FLOOR = Contender("floor", "the floor: bare trio-websocket", "floor.py", "trio-websocket")
GENAI = Contender("genai", "google-genai", "genai.py", "google-genai", "google-genai.lock")
PIPECAT = Contender("pipecat", "Pipecat", "pipecat_service.py", "pipecat-ai", "pipecat.lock", resumes=True)
LIVEKIT = Contender(
    "livekit", "LiveKit", "livekit_plugin.py", "livekit-plugins-google", "livekit.lock", up_ms=50, resumes=True
)
LIGHT = attrs.evolve(OURS, key="light", shown="this project, energy detector", variant=("--detector", "Energy"))
ALL = (OURS, LIGHT, GENAI, PIPECAT, LIVEKIT, FLOOR)


class Unavailable(Exception):
    """An environment could not be made; the sentence says why."""


def place_of(lock: Path) -> Path:
    """Gives the folder of the environment that a lock makes; it is whole once it holds a file `made`."""
    version = "{}.{}".format(*sys.version_info)
    place = platformdirs.user_cache_path("live-assistant") / "bench"
    return place / f"{lock.stem}-{version}-{zlib.crc32(lock.read_bytes()):08x}"


def at_hand(contender: Contender) -> bool:
    """Whether a contender can be started without making an environment first."""
    return contender.lock is None or (place_of(PEERS / contender.lock) / "made").exists()


def python_of(contender: Contender) -> Path:
    """Gives the Python that runs a contender, after making its environment where there is none; or Unavailable."""
    if contender.lock is None:
        return Path(sys.executable)
    lock = PEERS / contender.lock
    folder = place_of(lock)
    python = folder / "bin" / "python"
    if not at_hand(contender):
        folder.mkdir(parents=True, exist_ok=True)
        base = Path(sys.base_prefix) / "bin" / "python{}.{}".format(*sys.version_info)
        _run([str(base), "-I", "-m", "venv", "--clear", str(folder)], contender)
        pip = [str(python), "-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        _run([*pip, "--no-deps", "--require-hashes", "--requirement", str(lock)], contender)
        (folder / "made").touch()
    return python


def _run(command: list[str], contender: Contender) -> None:
    try:
        done = subprocess.run(command, env=surroundings(), capture_output=True, text=True, check=False)
    except OSError as error:
        raise Unavailable(f"{contender.shown}: {error}") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Unavailable(f"{contender.shown} could not be installed: {last}")
