"""A private PulseAudio with null sinks: a sound card without hardware, which touches nothing of the user's."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from ctypes.util import find_library
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

HERE = Path(__file__).parent
DEADLINE = 20.0
PARTS = {
    "pulseaudio": lambda: shutil.which("pulseaudio"),
    "pulseaudio-utils": lambda: shutil.which("pactl") and shutil.which("parec") and shutil.which("pacat"),
    "libportaudio2": lambda: find_library("portaudio"),
    "libasound2-plugins": lambda: any(
        Path(root).glob("**/alsa-lib/libasound_module_pcm_pulse.so") for root in ("/usr/lib", "/usr/lib64")
    ),
}
# The speaker and the microphone run at the service's rates, so that what passes through is not changed in any bit.
MODULES = """
load-module module-native-protocol-unix socket={socket} auth-anonymous=1
load-module module-null-sink sink_name=speaker rate=24000 channels=1 format=s16le
load-module module-null-sink sink_name=mic_feed rate=16000 channels=1 format=s16le
load-module module-remap-source source_name=mic master=mic_feed.monitor
load-module module-remap-source source_name=echo master=speaker.monitor
set-default-sink speaker
set-default-source mic
"""
# Named, because an unplugged device's streams move to whatever is the default.
ALSA = """
pcm.!default { type pulse }
ctl.!default { type pulse }
pcm.house_mic { type pulse device mic }
pcm.house_echo { type pulse device echo }
pcm.house_speaker { type pulse device speaker }
"""


@attrs.define
class Scenario:
    """A script of scenarios.py at work in a process of its own: ALSA reads its settings when it is loaded."""

    process: "subprocess.Popen[str]"
    errors: Path

    def tell(self) -> dict[str, Any]:
        """Waits for the next thing it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the scenario ended: {self.errors.read_text()}"
        said = json.loads(line)
        assert isinstance(said, dict)
        return said

    def tell_until(self, key: str) -> dict[str, Any]:
        """Waits for the next thing it says that has this key."""
        while key not in (said := self.tell()):
            pass
        return said

    def end(self) -> float:
        """Waits for its end, and gives when it said it was done; nothing may be on its stderr."""
        done = self.tell_until("ended")["ended"]
        assert self.process.wait(DEADLINE) == 0, self.errors.read_text()
        assert self.errors.read_text() == ""
        assert isinstance(done, float)
        return done


@attrs.define
class Pulse:
    folder: Path
    processes: list["subprocess.Popen[Any]"] = attrs.field(factory=list)
    daemon: "subprocess.Popen[Any] | None" = None
    listeners: list["subprocess.Popen[Any]"] = attrs.field(factory=list)

    @property
    def environment(self) -> dict[str, str]:
        runtime = str(self.folder)
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PULSE_", "ALSA_"))},
            "HOME": runtime, "XDG_RUNTIME_DIR": runtime, "XDG_CONFIG_HOME": runtime,
            "PULSE_RUNTIME_PATH": runtime, "PULSE_STATE_PATH": runtime, "PULSE_SERVER": f"unix:{runtime}/native",
            "ALSA_CONFIG_PATH": f"{runtime}/asound.conf",
        }  # fmt: skip

    def start(self) -> None:
        (self.folder / "native").unlink(missing_ok=True)
        script = self.folder / "house.pa"
        script.write_text(MODULES.format(socket=self.folder / "native"))
        (self.folder / "asound.conf").write_text(ALSA)
        self.daemon = self._popen(
            "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--log-target=stderr",
            "-F", str(script), stdout=subprocess.DEVNULL, stderr=(self.folder / "daemon.log").open("w"),
        )  # fmt: skip
        self._await_ready()
        # A null sink nobody listens to sleeps in blocks of two seconds.
        for sink in ("speaker", "mic_feed"):
            self.listeners.append(self.record(f"{sink}.monitor", 16000, Path(os.devnull)))
        time.sleep(0.5)

    def stop(self) -> None:
        """Ends the daemon and whatever hangs on it, as abruptly as unplugging."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait(DEADLINE)
        for listener in self.listeners:
            listener.kill()
            listener.wait(DEADLINE)
        self.listeners.clear()

    def pactl(self, *words: str) -> str:
        done = subprocess.run(
            ["pactl", *words], env=self.environment, capture_output=True, text=True, check=True, timeout=DEADLINE
        )
        return done.stdout

    def record(self, source: str, rate: int, path: Path) -> "subprocess.Popen[Any]":
        """Writes raw s16le mono of a source into a file, until it is ended."""
        return self._popen(
            "parec", f"--device={source}", f"--rate={rate}", "--channels=1", "--format=s16le", "--latency-msec=10",
            "--raw", stdout=path.open("wb"), stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def play(self, path: Path, rate: int, sink: str = "mic_feed") -> "subprocess.Popen[Any]":
        """Plays a file of raw s16le mono."""
        return self._popen(
            "pacat", f"--device={sink}", f"--rate={rate}", "--channels=1", "--format=s16le", "--latency-msec=10",
            "--raw", str(path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def scenario(self, name: str, **settings: Any) -> Scenario:
        errors = self.folder / f"{name}-{len(self.processes)}.log"
        process = self._popen(
            sys.executable, "-W", "error", str(HERE / "scenarios.py"), name, json.dumps(settings),
            stdout=subprocess.PIPE, stderr=errors.open("w"), text=True, cwd=HERE.parent.parent,
        )  # fmt: skip
        return Scenario(process, errors)

    def clear(self) -> None:
        """Ends what a test left running, the daemon and its listeners apart."""
        for process in self.processes:
            if process is not self.daemon and process not in self.listeners:
                if process.poll() is None:
                    process.kill()
                process.wait(DEADLINE)
                if process.stdout is not None:
                    process.stdout.close()
        self.processes = [p for p in self.processes if p is self.daemon or p in self.listeners]

    def _popen(self, *command: str, **settings: Any) -> "subprocess.Popen[Any]":
        process = subprocess.Popen(command, env=self.environment, **settings)
        for stream in (settings.get("stdout"), settings.get("stderr")):
            if hasattr(stream, "close"):
                stream.close()
        self.processes.append(process)
        return process

    def _await_ready(self) -> None:
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            try:
                if "echo" in self.pactl("list", "short", "sources"):
                    return
            except subprocess.CalledProcessError:
                pass
            time.sleep(0.05)
        pytest.fail(f"PulseAudio did not start: {(self.folder / 'daemon.log').read_text()}")


@pytest.fixture(scope="session")
def pulse_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pulse]:
    missing = [package for package, there in PARTS.items() if not there()]
    if missing:
        text = f"these tests need a sound server: apt install {' '.join(missing)}"
        if os.environ.get("REAL_PARTS") == "required":
            pytest.fail(text)
        pytest.skip(text)
    folder = tmp_path_factory.mktemp("pulse")
    folder.chmod(0o700)
    pulse = Pulse(folder)
    pulse.start()
    yield pulse
    pulse.stop()
    pulse.clear()


@pytest.fixture
def pulse(pulse_daemon: Pulse) -> Iterator[Pulse]:
    """The sound server, started again where a test before has ended it."""
    if pulse_daemon.daemon is None or pulse_daemon.daemon.poll() is not None:
        pulse_daemon.start()
    yield pulse_daemon
    pulse_daemon.clear()


@pytest.fixture
def place() -> Callable[[Any, Any], tuple[int, float]]:
    """Finds a piece of sound within a longer one: the offset, and how alike they are there, 0 to 1."""

    def find(needle: Any, haystack: Any) -> tuple[int, float]:
        needle, haystack = np.asarray(needle, float), np.asarray(haystack, float)
        size = len(needle) + len(haystack)
        product = np.fft.irfft(np.fft.rfft(haystack, size) * np.conj(np.fft.rfft(needle, size)), size)
        offset = int(np.argmax(product[: max(1, len(haystack) - len(needle) + 1)]))
        there = haystack[offset : offset + len(needle)]
        return offset, float(there @ needle / (np.linalg.norm(there) * np.linalg.norm(needle) + 1e-9))

    return find
