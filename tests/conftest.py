"""What every test shares: no secret of the machine's owner gets in, and the canary that stands for one stays in."""

import base64
import ctypes.util
import os
import re
import shutil
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No example is judged by the clock of a busy machine, and the same ones are tried everywhere.
settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
settings.load_profile("house")

ROOT = Path(__file__).parents[1]

# Shaped like a real key; whoever needs a secret in a test uses this one, so that a leak of it can be searched for.
CANARY = "AIzaCANARYq7-Zt4_notAKey0123456789abcde"

SECRET_NAME = re.compile(r"(API_?KEY|ACCESS_KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS)$")
SETTING_NAME = re.compile(r"^(LMNR_|LAMINAR_|ASSISTANT_|GOOGLE_GENAI_|GOOGLE_CLOUD_|OTEL_)")

# Files that hold a secret because that is what they are for.
KEPT_ON_PURPOSE = frozenset({".env", "handle.json", "session.json"})

# Name -> (what is looked for, how one gets it).
REAL_PARTS = {
    "pulseaudio": ("pulseaudio", "apt install pulseaudio"),
    "pactl": ("pactl", "apt install pulseaudio-utils"),
    "paplay": ("paplay", "apt install pulseaudio-utils"),
    "parec": ("parec", "apt install pulseaudio-utils"),
    "alsa-pulse": ("libasound_module_pcm_pulse.so", "apt install libasound2-plugins"),
    "portaudio": ("portaudio", "apt install libportaudio2"),
    "espeak-ng": ("espeak-ng", "apt install espeak-ng"),
    "sox": ("sox", "apt install sox"),
    "chromium": ("chromium", "apt install chromium"),
    "tmux": ("tmux", "apt install tmux"),
    "node": ("node", "apt install nodejs"),
    "redis-server": ("redis-server", "apt install redis-server"),
    "nginx": ("nginx", "apt install nginx-light"),
    "registry": ("", "set REAL_PARTS=required on a machine that can install packages"),
}

leaks: list[str] = []


def required() -> bool:
    """Says whether a missing real part is a failure rather than a reason to skip."""
    return os.environ.get("REAL_PARTS") == "required"


def find_part(name: str) -> str | None:
    """Returns where a real part is: a program's path, a library's name; None where it is missing."""
    wanted, _ = REAL_PARTS[name]
    if name == "registry":
        return name if required() else None
    if name == "portaudio":
        return ctypes.util.find_library(wanted)
    if wanted.endswith(".so"):
        return next((str(found) for found in Path("/usr/lib").glob(f"*/alsa-lib/{wanted}")), None)
    return shutil.which(wanted)


@pytest.fixture(scope="session")
def real_part() -> Callable[[str], str]:
    """Returns `real_part(name)`: where that part is; without it the test skips, or fails if real parts are required."""

    def need(name: str) -> str:
        found = find_part(name)
        if found is None:
            reason = f"{name} is missing: {REAL_PARTS[name][1]}"
            if required():
                pytest.fail(reason)
            pytest.skip(reason)
        return found

    return need


@pytest.fixture(scope="session")
def canary() -> str:
    """The one secret there is in tests."""
    return CANARY


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the tree under test."""
    return ROOT


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded speech and its labels.toml."""
    return ROOT / "tests" / "fixtures"


@pytest.fixture(autouse=True)
def scrubbed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the owner's keys and settings away from every test and from what it starts."""
    for name in list(os.environ):
        if SECRET_NAME.search(name) or SETTING_NAME.search(name):
            monkeypatch.delenv(name)


def disguises(secret: str) -> Iterator[bytes]:
    """Yields the forms in which a secret gets out: plain, URL-encoded, and base64 of it at any place in a text."""
    yield secret.encode()
    yield urllib.parse.quote(secret, safe="").encode()
    for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            # Characters that also carry bits of the neighbours are left off: two or three in front, up to three behind.
            core = encode(b"\0" * before + secret.encode())[(0, 2, 3)[before] :].rstrip(b"=")
            yield core[: -1 if (before + len(secret)) % 3 else None]


NEEDLES = frozenset(disguises(CANARY))


def holds_canary(data: bytes) -> bool:
    """Says whether the canary is in `data` in any disguise."""
    return any(needle in data for needle in NEEDLES)


def leaking_files(folder: Path) -> Iterator[Path]:
    """Yields every file below `folder` that holds the canary and was not made to hold secrets."""
    for path in sorted(folder.rglob("*")):
        ordinary = path.is_file() and not path.is_symlink() and path.name not in KEPT_ON_PURPOSE
        if ordinary and holds_canary(path.read_bytes()):
            yield path


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Looks for the canary in what a test printed and logged."""
    if holds_canary("\n".join(text for _, text in report.sections).encode()):
        leaks.append(f"the output of {report.nodeid} ({report.when})")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails the session if the canary is in anything that the tests wrote."""
    factory: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]
    leaks.extend(str(path) for path in leaking_files(factory.getbasetemp()))
    if leaks:
        report = pytest.TestReport(
            nodeid="tests/conftest.py::no_secret_leaks",
            location=("tests/conftest.py", None, "no_secret_leaks"),
            keywords={},
            outcome="failed",
            longrepr="The canary, which stands for a secret, is in:\n  " + "\n  ".join(leaks),
            when="call",
        )
        leaks.clear()
        session.config.hook.pytest_runtest_logreport(report=report)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
