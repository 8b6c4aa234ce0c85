"""MCP servers as real processes of the official package: reached, killed in mid-call, hanging, missing, over HTTP."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

import actors.mcp
from actors.mcp import PROBE_EVERY, Servers
from pipeline.errors import ToolFailed
from pipeline.events import Bus, Event
from tools import Toolbox

SERVER = str(Path(__file__).parents[1] / "tools" / "mcp_server.py")
COMMAND = [sys.executable, SERVER]
PATIENCE = 30.0  # seconds; a process of Python that imports the package takes some of them on a busy machine


@attrs.define
class Kept:
    """A toolbox whose servers are kept, and the events so far."""

    toolbox: Toolbox
    events: list[Event]

    async def call(self, name: str, **args: object) -> Any:
        return await self.toolbox.get(name).call(args)

    async def call_until_back(self, name: str, **args: object) -> Any:
        with trio.fail_after(PATIENCE):
            while True:
                with suppress(ToolFailed):
                    return await self.call(name, **args)
                await trio.sleep(0.05)

    async def until_trouble(self, of: int = 1) -> None:
        """Waits until so many servers have been in trouble."""
        with trio.fail_after(PATIENCE):
            while len({trouble.split(":")[0] for trouble in self.troubles()}) < of:  # noqa: ASYNC110 - a list grows
                await trio.sleep(0.02)

    def troubles(self) -> list[str]:
        return [event.what for event in self.events if event.name == "error"]  # type: ignore[attr-defined]


@asynccontextmanager
async def keeping(**servers: object) -> AsyncIterator[Kept]:
    bus = Bus()
    kept = Kept(Toolbox({"mcp": servers}), [])

    async def listen() -> None:
        async for event in bus.subscribe():
            kept.events.append(event)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        nursery.start_soon(Servers(kept.toolbox, bus).run)
        yield kept
        nursery.cancel_scope.cancel("the test is over")


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_server_by_command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("SHOP_TOKEN", "abcdef-not-for-logs")
    server = {"command": COMMAND, "env": {"TOKEN": "$SHOP_TOKEN"}, "confirm": ["die"], "leave_out": ["fail"]}
    async with keeping(shop=server) as kept:
        assert await kept.toolbox.complete(PATIENCE)
        names = [made.name for made in kept.toolbox]
        assert names[:4] == ["shop_add", "shop_die", "shop_rest", "shop_surroundings"]
        assert "shop_fail" not in names
        assert kept.toolbox.get("shop_add").declaration() == {
            "name": "shop_add",
            "description": "Adds two numbers.",
            "parameters": {
                "type": "OBJECT",
                "properties": {"a": {"type": "INTEGER"}, "b": {"type": "INTEGER"}},
                "required": ["a"],
            },
        }
        assert kept.toolbox.get("shop_die").confirm
        assert await kept.call("shop_add", a=1) == {"result": 3}
        with pytest.raises(ToolFailed, match="a is missing"):
            await kept.call("shop_add")
        seen = (await kept.call("shop_surroundings"))["result"]
        assert "TOKEN" in seen
        assert not {"PYTHONPATH", "SHOP_TOKEN", "GOOGLE_API_KEY"} & set(seen)
        process = (await kept.call("shop_number_of_process"))["result"]
        with trio.move_on_after(0.2):
            await kept.call("shop_rest", seconds=60)
        assert await kept.call("shop_add", a=2, b=3) == {"result": 5}, "a call given up disturbs no other"
    assert not alive(process)
    assert not kept.troubles()
    assert capfd.readouterr() == ("", "")


async def test_a_server_killed_in_mid_call_is_started_again_and_its_tools_are_withdrawn_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(actors.mcp, "AWAY_AFTER", 0.05)
    async with keeping(shop={"command": COMMAND}) as kept:
        await kept.toolbox.complete(PATIENCE)
        process = (await kept.call("shop_number_of_process"))["result"]
        failures: list[ToolFailed] = []

        async def call() -> None:
            with pytest.raises(ToolFailed) as caught:
                await kept.call("shop_rest", seconds=60)
            failures.append(caught.value)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await trio.sleep(0.2)
            os.kill(process, signal.SIGKILL)
        assert "cut short" in str(failures[0])
        assert "may or may not have been done" in str(failures[0])
        assert not failures[0].retry
        await kept.until_trouble()
        with pytest.raises(ToolFailed, match="server shop is not running") as caught:
            await kept.call("shop_add", a=1)
        assert caught.value.retry
        with trio.fail_after(PATIENCE):
            while kept.toolbox.declarations():
                await kept.toolbox.changed()
        assert "shop_add" in kept.toolbox, "the model may have been told of it, so it can still be called"
        assert await kept.call_until_back("shop_add", a=1) == {"result": 3}
        assert (await kept.call("shop_number_of_process"))["result"] != process
        assert "shop_add" in str(kept.toolbox.declarations())


async def test_a_harmless_call_that_was_cut_short_may_be_tried_again() -> None:
    async with keeping(shop={"command": COMMAND, "idempotent": ["die"]}) as kept:
        await kept.toolbox.complete(PATIENCE)
        with pytest.raises(ToolFailed, match="cut short") as caught:
            await kept.call("shop_die")
        assert caught.value.retry


async def test_a_server_that_is_soon_back_keeps_its_tools() -> None:
    async with keeping(shop={"command": COMMAND}) as kept:
        await kept.toolbox.complete(PATIENCE)
        before = kept.toolbox.declarations()
        with pytest.raises(ToolFailed, match="cut short"):
            await kept.call("shop_die")
        assert kept.toolbox.declarations() == before
        assert await kept.call_until_back("shop_add", a=1) == {"result": 3}


async def test_a_tool_that_a_server_learns_is_offered_at_once() -> None:
    async with keeping(shop={"command": COMMAND}) as kept:
        await kept.toolbox.complete(PATIENCE)
        assert "shop_sing" not in kept.toolbox
        with trio.fail_after(PROBE_EVERY / 2):
            await kept.call("shop_learn")
            while "shop_sing" not in kept.toolbox:
                await kept.toolbox.changed()
        assert await kept.call("shop_sing") == {"result": "la"}


async def test_an_answer_that_nobody_can_use_costs_one_call_and_not_the_server() -> None:
    async with keeping(shop={"command": COMMAND}) as kept:
        await kept.toolbox.complete(PATIENCE)
        process = await kept.call("shop_number_of_process")
        assert "left out" in (await kept.call("shop_recite", length=200_000))["cut"]
        with pytest.raises(ToolFailed, match="its answer has more than 1048576 bytes"):
            await kept.call("shop_recite", length=3 << 20)
        assert await kept.call("shop_number_of_process") == process


async def test_a_server_that_ends_itself_and_a_tool_that_fails() -> None:
    async with keeping(shop={"command": COMMAND}) as kept:
        await kept.toolbox.complete(PATIENCE)
        with pytest.raises(ToolFailed, match="fail"):
            await kept.call("shop_fail")
        with pytest.raises(ToolFailed, match="cut short"):
            await kept.call("shop_die")
        assert await kept.call_until_back("shop_add", a=1) == {"result": 3}
    assert "a word of complaint" not in str(kept.toolbox.declarations())


async def test_a_server_that_hangs_at_its_start_is_given_up_and_tried_again_and_delays_nothing() -> None:
    async with keeping(slow={"command": [*COMMAND, "hang"], "start": 4.0}, shop={"command": COMMAND}) as kept:
        began = trio.current_time()
        assert not await kept.toolbox.complete(1.0)
        assert trio.current_time() - began < 3
        await kept.until_trouble()
        assert kept.troubles()[0] == "MCP server slow: it was not ready within 4 s"
        assert await kept.call_until_back("shop_add", a=1) == {"result": 3}


async def test_a_wrong_command_is_told_and_the_run_goes_on() -> None:
    async with keeping(
        lost={"command": "no-such-program-anywhere --now"},
        wrong={"command": [sys.executable, "-c", "raise OSError(7)"]},
    ) as kept:
        await kept.until_trouble(of=2)
    told = " ".join(kept.troubles())
    assert "no-such-program-anywhere cannot be started: No such file or directory; correct the command" in told
    assert "MCP server wrong: it failed" in told
    assert "OSError" not in told
    details = [event.detail for event in kept.events if event.name == "error"]  # type: ignore[attr-defined]
    assert any("it said: OSError: 7" in str(detail) for detail in details), "at the level full alone"


async def test_an_unset_variable_is_told() -> None:
    async with keeping(shop={"command": COMMAND, "env": {"TOKEN": "$SURELY_NOT_SET"}}) as kept:
        await kept.until_trouble()
    assert "tools.mcp.shop.env: 'SURELY_NOT_SET' is no variable of the environment" in kept.troubles()[0]


@pytest.fixture
def over_http() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with subprocess.Popen([*COMMAND, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield f"http://127.0.0.1:{port}/mcp", process
        process.kill()


async def test_a_server_by_url_is_waited_for_and_missed_when_it_goes(
    over_http: tuple[str, subprocess.Popen[bytes]],
) -> None:
    url, process = over_http
    async with keeping(far={"url": url, "headers": {"X-Who": "me"}}) as kept:
        assert await kept.toolbox.complete(PATIENCE)
        assert await kept.call("far_add", a=1) == {"result": 3}
        process.kill()
        with pytest.raises(ToolFailed) as caught:
            await kept.call("far_add", a=1)
        assert caught.value.retry is ("is away" in str(caught.value)), "it was seen to be gone, or went in mid-call"


async def test_no_server_costs_nothing() -> None:
    code = "import sys, actors.mcp, tools.toolbox; print(sorted({'mcp', 'anyio', 'pydantic'} & set(sys.modules)))"
    told = await trio.run_process([sys.executable, "-c", code], capture_stdout=True, cwd=Path(__file__).parents[2])
    assert told.stdout.decode().strip() == "[]"
    with trio.fail_after(1):
        await Servers(Toolbox(), Bus()).run()
