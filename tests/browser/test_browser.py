"""Chromium does what a person would, on the real page, against the real gateway and the embedded service."""

import json
import os
import shutil
import socket
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import pytest

from actors.audio.recording import open_recording
from actors.audio.resample import Resampler

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FIXTURES = HERE.parent / "fixtures"
RATE = 16_000
DEADLINE = 240  # seconds; on a machine with nothing else to do the longest takes forty
AT_ONCE = 2
# What the fake microphone says, in order; numbers are seconds of silence. It says stop again and again, so that one of
# them falls into the long reply however busy the machine is.
QUESTIONS: tuple[str | float, ...] = (1.2, "weather-paris.flac", 9.0, *("stop.wav", 5.0) * 12)
ACCESS_KEY = "an-access-key-for-browsers-41d7"
LIGHTS = ("light", "dark")
LOOKS = ((1280, "light"), (360, "dark"))
TALKING = ("start", "answer", "interrupted", "muted")
STILL = ("start", "dashboard", "settings")
QUESTION: tuple[str | float, ...] = (1.2, "time-tokyo.flac", 30.0)


@attrs.frozen
class Server:
    """A command of the program that serves, and what it said when it was ready."""

    process: "subprocess.Popen[str]"
    ready: dict[str, Any]

    @property
    def url(self) -> str:
        """Its base URL, by the name that browsers take for a secure context."""
        return str(self.ready["url"]).replace("127.0.0.1", "localhost")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


def served(*words: str, folder: Path, **environment: str) -> Server:
    """Starts a command of the program, and waits until it accepts connections."""
    log = folder / f"{words[0]}.log"
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "bin", *words, "--port", "0"], cwd=ROOT, text=True, stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "XDG_STATE_HOME": str(folder), "XDG_CACHE_HOME": str(folder), **environment},
        )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"{words[0]} did not start: {log.read_text()}"
    return Server(process, json.loads(line))


def recorded(parts: tuple[str | float, ...], path: Path) -> str:
    """Writes what a microphone is to say."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for part in parts:
            if isinstance(part, float):
                file.writeframes(bytes(2 * round(part * RATE)))
                continue
            with open_recording(FIXTURES / part) as recording:
                resampler = Resampler(recording.rate, RATE)
                for pcm in recording.blocks(4096):
                    file.writeframes(resampler.push(pcm))
                file.writeframes(resampler.flush())
    return str(path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Judged = Future["subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def judged(
    real_part: Callable[[str], str], canary: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Judged]]:
    """Runs every judge, two at a time, since most of what they do is to listen."""
    folder = tmp_path_factory.mktemp("browser")
    line = free_port()
    servers = [served("emulator", folder=folder)]
    emulator = f"http://127.0.0.1:{servers[0].port}"

    def gateway(endpoint: str, *words: str, **environment: str) -> Server:
        settings = {
            "actors.connection.endpoint": endpoint,
            "tools.weather.geocoding_url": f"{emulator}/v1/search",
            "tools.weather.forecast_url": f"{emulator}/v1/forecast",
        }
        sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        keys = {"GOOGLE_API_KEY": "any", "GEMINI_API_KEY": "", **environment}
        return served("serve", *sets, *words, folder=folder, **keys)

    try:
        servers.append(gateway(emulator))
        servers.append(gateway(emulator, "--mode", "relay"))
        servers.append(gateway(f"http://127.0.0.1:{line}"))
        servers.append(gateway(emulator, "--set", "gateway.token_life=30"))
        servers.append(served("emulator", "--scenario", "go-away", folder=folder))
        servers.append(gateway(f"http://127.0.0.1:{servers[-1].port}"))
        servers.append(gateway(emulator, GOOGLE_API_KEY=canary, ASSISTANT_ACCESS_KEY=ACCESS_KEY))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield dict(_judges(pool, servers, folder, line, real_part("chromium"), canary))
    finally:
        if kept := os.environ.get("ARTEFACTS"):
            shutil.copytree(folder / "shots", Path(kept) / "browser", dirs_exist_ok=True)
        for server in servers:
            server.process.terminate()
        for server in servers:
            server.process.wait(DEADLINE)
            assert server.process.stdout is not None
            server.process.stdout.close()


def _judges(
    pool: ThreadPoolExecutor, servers: list[Server], folder: Path, line: int, chromium: str, canary: str
) -> Iterator[tuple[str, Judged]]:
    emulator, direct, relay, lined, brief, _, leaving, keyed = servers
    questions, question = recorded(QUESTIONS, folder / "many.wav"), recorded(QUESTION, folder / "one.wav")

    def judge(script: str, mode: str, server: Server, **more: Any) -> tuple[str, Judged]:
        given: dict[str, Any] = {"url": server.url, "mode": mode, "shots": str(folder / "shots"), **more}
        command = ["node", f"{script}.mjs", json.dumps(given)]
        look = f"-{given['width']}-{given['light']}" if "width" in given else ""
        return f"{script}-{mode}{look}", pool.submit(
            subprocess.run,
            command,
            cwd=HERE,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
            env={**os.environ, "CHROMIUM": chromium},
        )

    for width, light in LOOKS:
        yield judge("talking", "direct", direct, microphone=questions, width=width, light=light)
        yield judge("talking", "relay", relay, microphone=questions, width=width, light=light)
        yield judge("secrets", "direct", keyed, key=canary, access=ACCESS_KEY, width=width, light=light)
    yield judge("breaking", "direct", lined, microphone=question, live=emulator.port, line=line)
    yield judge("breaking", "relay", relay, microphone=question)
    yield judge("faults", "direct", direct)
    yield judge("renewing", "token", brief, sockets=3, tokens=3)
    yield judge("renewing", "goaway", leaving, sockets=2, tokens=1)
    yield judge("official", "direct", direct)


def well(judged: Mapping[str, Judged], name: str) -> None:
    done = judged[name].result()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("width", "light"), LOOKS)
@pytest.mark.parametrize("mode", ["direct", "relay"])
def test_a_person_connects_speaks_hears_interrupts_and_ends(
    judged: Mapping[str, Judged], mode: str, width: int, light: str
) -> None:
    well(judged, f"talking-{mode}-{width}-{light}")


@pytest.mark.parametrize(("width", "light"), LOOKS)
def test_a_person_signs_in_and_no_key_is_anywhere_in_the_page(
    judged: Mapping[str, Judged], width: int, light: str
) -> None:
    well(judged, f"secrets-direct-{width}-{light}")


@pytest.mark.parametrize("why", ["token", "goaway"])
def test_the_page_moves_to_another_socket_and_remembers(judged: Mapping[str, Judged], why: str) -> None:
    well(judged, f"renewing-{why}")


@pytest.mark.parametrize("mode", ["direct", "relay"])
def test_the_network_goes_and_comes_back_and_the_page_is_reloaded(judged: Mapping[str, Judged], mode: str) -> None:
    well(judged, f"breaking-{mode}")


def test_what_stands_in_the_way_is_said_in_words_at_every_width_and_light(judged: Mapping[str, Judged]) -> None:
    well(judged, "faults-direct")


def test_googles_own_client_connects_with_a_token_of_the_gateway(judged: Mapping[str, Judged]) -> None:
    well(judged, "official-direct")


def test_every_state_has_its_picture(judged: Mapping[str, Judged], tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in judged:
        judged[name].result()
    shots = next(tmp_path_factory.getbasetemp().glob("browser*/shots"))
    states = [f"{mode}-{state}" for mode in ("direct", "relay") for state in TALKING]
    wanted = {f"{state}-{width}-{light}.png" for state in (*states, "login") for width, light in LOOKS}
    wanted |= {f"{state}-{width}-{light}.png" for state in STILL for width in (360, 768, 1280) for light in LIGHTS}
    wanted |= {f"problem-{kind}.png" for kind in ("missing", "refused", "busy", "insecure", "gone", "too-often")}
    assert wanted <= {shot.name for shot in shots.iterdir()}


def test_the_modules_of_the_page_do_what_they_promise() -> None:
    done = subprocess.run(
        ["node", "--test", "node/"], cwd=HERE, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert done.returncode == 0, done.stdout
