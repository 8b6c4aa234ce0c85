"""Ctrl-C at every moment: an orderly end with exit code 130 within two seconds, and not a word of a traceback."""

import functools
import signal
from typing import Any

import pytest
import trio

LIMIT = 2.0  # seconds
MOST = 4.0  # how many times slower than idle a machine may make a start; much later it would be over

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
BLOCKING_TOOLS = SLOW_TOOLS.replace("await trio", "time")  # which holds up the whole loop
STARTING = [0.0, 0.006, 0.012, 0.016, 0.02, 0.025, 0.03, 0.05, 0.1, 0.3]  # seconds after the start


async def silence(_stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


def asking(user: Any) -> tuple[str, ...]:
    return (*user.talk, "--input", user.speech("time-tokyo.flac"))


async def while_it_starts(user: Any) -> Any:
    """Many starts, as the moments are short: the launcher's, Python's own, and those of the imports."""
    outcomes = []
    for seconds in STARTING:
        async with user.starts(*asking(user), at_once=True, GOOGLE_API_KEY=user.key) as running:
            slowness = running.slowness
            with trio.move_on_after(seconds * min(slowness, MOST)):
                await running.process.wait()
            await running.send()
            outcomes.append(await running.end())
    return outcomes


async def dialling(user: Any) -> Any:
    """A black hole: it takes the connection, and says nothing."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, silence, 0)
        endpoint = f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        talk = (*user.talk[:-1], endpoint, "--input", user.speech("time-tokyo.flac"))
        async with user.starts(*talk) as running:
            await running.until_event("session.state", to="CONNECTING")
            await trio.sleep(0.3)
            await running.send()
            outcome = await running.end()
        nursery.cancel_scope.cancel("the call is over")
    return outcome


async def waiting_for_the_setup(user: Any) -> Any:
    async with user.far_end(answers=False).serving() as service:
        talk = (*user.talk[:-1], service.url, "--input", user.speech("time-tokyo.flac"))
        async with user.starts(*talk) as running:
            await running.until(lambda: service.frames)
            await running.send()
            return await running.end()


async def during(
    user: Any, *, event: str, wait: float = 0.0, tools: str = "", times: int = 1, number: int = signal.SIGINT
) -> Any:
    """Presses a key, or a few times quickly, some time after an event of a call with the emulator."""
    given = ("--set", 'tools.use=["my_tools.py"]') if tools else ()
    (user.folder / "my_tools.py").write_text(tools)
    async with user.starts(*asking(user), *given, GOOGLE_API_KEY=user.key) as running:
        await running.until_event(event)
        await trio.sleep(wait)
        await running.send(number)
        for _ in range(times - 1):
            await trio.sleep(0.03)
            running.press(number)
        return await running.end()


def on(event: str, **given: Any) -> Any:
    return functools.partial(during, event=event, **given)


async def closing(user: Any) -> Any:
    """The far end does not answer the close frame, so that closing takes its time."""
    async with user.far_end(deaf=True).serving() as service:
        talk = (*user.talk[:-1], service.url, "--input", "hush.wav", "--linger", "0")
        async with user.starts(*talk) as running:
            await running.until_event("session.state", to="CLOSING")
            running.press()
            return await running.end()


async def reconnecting(user: Any) -> Any:
    async with user.starts("emulator", "--port", "0") as emulator:
        endpoint = (await emulator.ready())["live_url"]
        talk = (*user.talk[:-1], endpoint, "--input", user.speech("time-tokyo.flac"))
        async with user.starts(*talk) as running:
            await running.until_event("session.state", to="CONNECTED")
            await emulator.send(signal.SIGKILL)
            await running.until_event("error")
            await trio.sleep(0.5)
            await running.send()
            return await running.end()


async def as_a_background_job(user: Any) -> Any:
    """A shell starts those with Ctrl-C ignored."""
    shell = user.folder / "in-background.sh"
    shell.write_text(f"#!/bin/sh\ntrap '' INT\nexec '{user.launcher}' \"$@\"\n")
    shell.chmod(0o755)
    user.launcher = shell
    async with user.starts(*asking(user), GOOGLE_API_KEY=user.key) as running:
        await running.until_event("session.state", to="CONNECTED")
        await running.send()
        return await running.end()


async def in_a_demo(user: Any) -> Any:
    async with user.starts("demo", "tools", "--quiet", *user.talk[2:6]) as running:
        await running.until_event("turn.user_start")
        await running.send()
        return await running.end()


async def of_the_emulator(user: Any) -> Any:
    async with user.starts("emulator", "--port", "0") as running:
        said = await running.ready()
        await running.send()
        outcome = await running.end()
        assert said["ready"]
        return outcome


MOMENTS = {
    "dialling": dialling,
    "waiting for the setup": waiting_for_the_setup,
    "the user speaks": on("turn.user_start", wait=0.3),
    "a reply plays": on("turn.first_audio", wait=0.3),
    "a tool works": on("tool.call", tools=SLOW_TOOLS),
    "a tool is stuck in a thread": on("tool.call", tools=STUCK_TOOLS, wait=0.2),
    "pressed three times": on("turn.user_start", times=3),
    "reconnecting": reconnecting,
    "background job": as_a_background_job,
    "demo": in_a_demo,
}
SCENARIOS = MOMENTS | {
    "closing": closing,
    "emulator": of_the_emulator,
    "while it starts": while_it_starts,
    "a tool blocks the loop": on("tool.call", tools=BLOCKING_TOOLS, wait=0.2),
    "SIGTERM while a tool blocks the loop": on("tool.call", tools=BLOCKING_TOOLS, wait=0.2, number=signal.SIGTERM),
    "SIGTERM": on("turn.first_audio", number=signal.SIGTERM),
}


@pytest.mark.parametrize("name", [*MOMENTS, "emulator"])
def test_ctrl_c_is_obeyed_in_order_and_in_time(name: str, played: Any) -> None:
    outcome = played(name)
    assert (outcome.code, outcome.err) == (130, "")
    assert outcome.within(LIMIT), outcome.seconds


def test_ctrl_c_is_obeyed_while_the_program_starts(played: Any) -> None:
    outcomes = played("while it starts")
    assert [(outcome.code, outcome.err) for outcome in outcomes] == [(130, "")] * len(STARTING)
    assert [outcome.seconds for outcome in outcomes if not outcome.within(LIMIT)] == []


def test_ctrl_c_while_it_closes_anyway_spoils_nothing(played: Any) -> None:
    outcome = played("closing")
    assert outcome.code in (0, 130)  # it may have been done by then
    assert outcome.err == ""
    assert outcome.events("session.state")[-1]["to"] == "CLOSED"
    assert len(outcome.sound()) > 0


def test_sigterm_ends_a_conversation_in_order(played: Any) -> None:
    outcome = played("SIGTERM")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.within(LIMIT), outcome.seconds
    assert outcome.events("session.state")[-1]["to"] == "CLOSED"


@pytest.mark.parametrize(
    ("name", "code"), [("a tool blocks the loop", 130), ("SIGTERM while a tool blocks the loop", 0)]
)
def test_a_loop_that_stands_still_does_not_keep_a_signal_waiting(name: str, code: int, played: Any) -> None:
    outcome = played(name)
    assert (outcome.code, outcome.err) == (code, "")
    assert outcome.within(LIMIT), outcome.seconds


@pytest.mark.parametrize("name", [*MOMENTS, "SIGTERM"])
def test_what_was_recorded_until_then_is_whole(name: str, played: Any) -> None:
    outcome = played(name)
    states = [event["to"] for event in outcome.events("session.state")]
    assert states[-1:] == ["CLOSED"] or not states
    began = outcome.events("microphone.started")[0]
    assert len(outcome.sound()) / 24000 <= outcome.events()[-1]["t"] - began["t"] + 0.1
