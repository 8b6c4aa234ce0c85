"""Ctrl-C at every moment: an orderly end with exit code 130 within two seconds, and not a word of a traceback."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

Play = Callable[..., dict[str, Any]]
LIMIT = 2.0  # seconds
FILES = ("--output", "output.wav", "--events", "events.jsonl")
TALK = ("talk", "--quiet", *FILES)

SLOW_TOOLS = '''
import time
import trio
from tools import tool

@tool(timeout=60)
async def get_time(city: str) -> str:
    """Tells the time in a city, after a minute."""
    await trio.sleep(60)
    return city
'''
STUCK_TOOLS = SLOW_TOOLS.replace("async def", "def").replace("await trio", "time")


async def silence(_stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


class Moments:
    """The scenarios: each starts a program, waits for its moment, presses Ctrl-C and gives the outcome."""

    def __init__(self, recordings: Path, emulator: str, key: str, far_end: Any) -> None:
        self.question = recordings / "time-tokyo.flac"
        self.there = ("--endpoint", emulator)
        self.key = {"GOOGLE_API_KEY": key}
        self.far_end = far_end

    async def at_once(self, user: Any) -> Any:
        async with user.starts(*TALK, "--backend", "local", "--input", self.question, at_once=True) as running:
            running.signal()
            return await running.end()

    async def while_it_imports(self, user: Any) -> Any:
        async with user.starts(*TALK, "--backend", "local", "--input", self.question, at_once=True) as running:
            maps = f"/proc/{running.process.pid}/maps"
            if Path("/proc/self/maps").exists():  # noqa: ASYNC240 - it is no disk
                await running.until(lambda: "_multiarray_umath" in Path(maps).read_text("utf-8"))
            else:
                await trio.sleep(0.15)
            running.signal()
            return await running.end()

    def after(self, seconds: float) -> Any:
        async def moment(user: Any) -> Any:
            async with user.starts(*TALK, "--backend", "local", "--input", self.question) as running:
                await trio.sleep(seconds)
                running.signal()
                return await running.end()

        return moment

    async def dialling(self, user: Any) -> Any:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, silence, 0)
            endpoint = f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
            async with user.starts(*TALK, "--endpoint", endpoint, "--input", self.question, **self.key) as running:
                await running.until_event("session.state", to="CONNECTING")
                await trio.sleep(0.3)
                running.signal()
                outcome = await running.end()
            nursery.cancel_scope.cancel("the call is over")
        return outcome

    async def waiting_for_the_setup(self, user: Any) -> Any:
        async with (
            self.far_end(answers=False).serving() as service,
            user.starts(*TALK, "--endpoint", service.url, "--input", self.question, **self.key) as running,
        ):
            await running.until(lambda: service.frames)
            running.signal()
            return await running.end()

    def on(
        self, event: str, *arguments: str, wait: float = 0.0, tools: str = "", twice: bool = False, **fields: Any
    ) -> Any:
        async def moment(user: Any) -> Any:
            (user.folder / "my_tools.py").write_text(tools)
            given = (*arguments, "--set", 'tools.use=["my_tools.py"]') if tools else arguments
            async with user.starts(*TALK, *self.there, "--input", self.question, *given, **self.key) as running:
                await running.until_event(event, **fields)
                await trio.sleep(wait)
                running.signal()
                if twice:
                    await trio.sleep(0.05)
                    running.signal()
                return await running.end()

        return moment

    async def reconnecting(self, user: Any) -> Any:
        async with user.starts("emulator", "--port", "0") as emulator:
            await emulator.until(lambda: emulator.out)
            port = emulator.out.partition("ws://127.0.0.1:")[2].partition('"')[0]
            endpoint = f"ws://127.0.0.1:{port}"
            async with user.starts(*TALK, "--endpoint", endpoint, "--input", self.question) as running:
                await running.until_event("turn.user_start")
                await running.until_event("session.state", to="CONNECTED")
                emulator.signal(signal.SIGKILL)
                await running.until_event("error")
                await trio.sleep(0.5)
                running.signal()
                return await running.end()

    async def as_a_background_job(self, user: Any) -> Any:
        """A shell starts those with Ctrl-C ignored."""
        shell = user.folder / "in-background.sh"
        shell.write_text(f"#!/bin/sh\ntrap '' INT\nexec '{user.launcher}' \"$@\"\n")
        shell.chmod(0o755)
        user.launcher = shell
        async with user.starts(*TALK, *self.there, "--input", self.question, **self.key) as running:
            await running.until_event("session.state", to="CONNECTED")
            running.signal()
            return await running.end()

    async def in_a_demo(self, user: Any) -> Any:
        async with user.starts("demo", "tools", *FILES) as running:
            await running.until_event("turn.user_start")
            running.signal()
            return await running.end()

    async def of_the_emulator(self, user: Any) -> Any:
        async with user.starts("emulator", "--port", "0") as running:
            await running.until(lambda: running.out)
            running.signal()
            return await running.end()

    def all(self) -> dict[str, Any]:
        scenarios = {
            "at once": self.at_once,
            "while it imports": self.while_it_imports,
            "dialling": self.dialling,
            "waiting for the setup": self.waiting_for_the_setup,
            "the user speaks": self.on("turn.user_start", wait=0.3),
            "a reply plays": self.on("turn.first_audio", wait=0.3),
            "a tool works": self.on("tool.call", tools=SLOW_TOOLS),
            "a tool is stuck in a thread": self.on("tool.call", tools=STUCK_TOOLS, wait=0.2),
            "pressed twice": self.on("turn.user_start", twice=True),
            "reconnecting": self.reconnecting,
            "background job": self.as_a_background_job,
            "demo": self.in_a_demo,
            "emulator": self.of_the_emulator,
        }
        early = {f"{seconds} s after the first sign": self.after(seconds) for seconds in (0.0, 0.15, 0.3)}
        return scenarios | early


NAMES = [*Moments(Path(), "", "", None).all()]
UNBEGUN = {"at once", "while it imports", "emulator"}


@pytest.fixture(scope="module")
def outcomes(play: Play, recordings: Path, emulator: str, canary: str, far_end: Any) -> dict[str, Any]:
    def in_time(outcome: Any) -> bool:
        return isinstance(outcome, Exception) or bool(outcome.within(LIMIT))

    return play(Moments(recordings, emulator, canary, far_end).all(), in_time)


@pytest.mark.parametrize("name", NAMES)
def test_ctrl_c_is_obeyed_in_order_and_in_time(name: str, outcomes: dict[str, Any]) -> None:
    outcome = outcomes[name]
    if isinstance(outcome, Exception):
        raise outcome
    assert (outcome.code, outcome.err) == (130, "")
    assert outcome.within(LIMIT), outcome.seconds


@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNBEGUN])
def test_what_was_recorded_until_then_is_whole(name: str, outcomes: dict[str, Any]) -> None:
    outcome = outcomes[name]
    states = [event["to"] for event in outcome.events("session.state")]
    assert states[-1:] == ["CLOSED"] or not states
    began = outcome.events("microphone.started")
    if began:
        assert len(outcome.sound()) / 24000 <= outcome.events()[-1]["t"] - began[0]["t"] + 0.1
