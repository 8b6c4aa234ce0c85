"""Scenarios in which connections end, are resumed or refused. Each does what its `shows` line says."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

LONG = "a reply that is so long that something else can happen in the middle of it before it has been heard"
INVALID = "Request contains an invalid argument."
HEARD = {"inputAudioTranscription": {}, "outputAudioTranscription": {}}

Check = Callable[[Any], Awaitable[None]]
CHECKS: dict[str, Check] = {}


def check(*names: str) -> Callable[[Check], Check]:
    def named(function: Check) -> Check:
        CHECKS.update(dict.fromkeys(names or [function.__name__.replace("_", "-")], function))
        return function

    return named


# -- the end of a connection ------------------------------------------------------------------------------------------


@check()
async def keepalive_timeout(far: Any) -> None:
    client = await far.ready()
    await far.asked(client)
    await far.ends(client, 1011, "keepalive ping timeout")
    await far.fine(await far.ready(client.handle))


@check()
async def internal_error(far: Any) -> None:
    client = await far.ready()
    await client.text(LONG)
    seen = await far.ends(client, 1011, "Internal error encountered.")
    assert far.audio(seen)
    assert "turnComplete" not in far.names(seen)
    await far.fine(await far.ready(client.handle))


@check()
async def cut_mid_reply(far: Any) -> None:
    client = await far.ready()
    await client.text(LONG)
    assert "turnComplete" not in far.names(await far.ends(client, 1006))
    await far.fine(await far.ready(client.handle))


@check()
async def cut_between_turns(far: Any) -> None:
    await far.fine(await far.ready(await far.broken()))


@check()
async def closed_normally(far: Any) -> None:
    client = await far.ready()
    await far.asked(client)
    await far.ends(client, 1000)


@check()
async def aborted(far: Any) -> None:
    client = await far.ready()
    await far.asked(client)
    await far.ends(client, 1008, "The operation was aborted.")
    await far.fine(await far.ready(client.handle))


@check("deadline-58-minutes")
async def deadline(far: Any) -> None:
    client = await far.ready()
    began = trio.current_time()
    client.patience = 4000
    assert "goAway" not in far.names(await far.ends(client, 1011, "Deadline expired"))
    assert trio.current_time() - began == pytest.approx(58 * 60, abs=1)
    await far.refused(1007, INVALID, client.handle)
    await far.fine(await far.ready())


@check()
async def go_away(far: Any) -> None:
    client = await far.ready()
    await far.asked(client)
    began = trio.current_time()
    seen = await far.ends(client, 1011)
    assert seen[-1] == {"goAway": {"timeLeft": "10s"}}
    assert trio.current_time() - began == pytest.approx(15, abs=1)
    await far.fine(await far.ready(client.handle))


@check()
async def go_away_mid_reply(far: Any) -> None:
    client = await far.ready()
    await client.text(LONG)
    seen = await far.ends(client, 1011)
    going = [far.names([message])[0] for message in seen].index("goAway")
    assert "modelTurn" in far.names(seen[going:])
    assert "turnComplete" not in far.names(seen[:going])


@check()
async def go_away_then_silence(far: Any) -> None:
    client = await far.ready()
    await far.asked(client)
    await client.until("goAway")
    await client.text("two")
    assert await far.ends(client, 1011) == []


@check()
async def context_exhausted(far: Any) -> None:
    client = await far.ready()
    await far.asked(client)
    await far.ends(client, 1007, INVALID)
    await far.refused(1007, INVALID, client.handle)
    client = await far.ready()
    await client.send({"clientContent": {"turns": [{"role": "user", "parts": [{"text": "x"}]}]}})
    await far.ends(client, 1007, INVALID)
    await far.fine(await far.ready())


# -- resumption -------------------------------------------------------------------------------------------------------


@check()
async def stale_handle(far: Any) -> None:
    await far.refused(1008, "BidiGenerateContent session not found", await far.broken())
    await far.fine(await far.ready())


@check()
async def invalid_handle(far: Any) -> None:
    await far.refused(1007, INVALID, await far.broken())
    await far.fine(await far.ready())


@check()
async def reseeding_refused(far: Any) -> None:
    await far.refused(1008, "BidiGenerateContent session not found", await far.broken())
    client = await far.ready()
    await client.send({"clientContent": {"turns": [{"role": "user", "parts": [{"text": "x"}]}]}})
    await far.ends(client, 1007, INVALID)
    await far.fine(await far.ready())


@check()
async def resume_refused(far: Any) -> None:
    handle = await far.broken()
    for _ in range(2):
        await far.refused(1011, "The service is currently unavailable.", handle)
    await far.fine(await far.ready(handle))


@check()
async def resume_unstable(far: Any) -> None:
    handle = await far.broken()
    for _ in range(5):
        await far.refused(1011, "Internal error encountered.", handle)
    await far.fine(await far.ready())


@check()
async def resume_without_memory(far: Any) -> None:
    await far.fine(await far.ready(await far.broken()))
    assert [context for _, context in far.world.mind.asked] == [(), ()]


@check()
async def late_handle(far: Any) -> None:
    client = await far.ready()
    await far.asked(client)
    await client.quiet(4.0)
    (update,) = await client.quiet(1.5)
    assert update["sessionResumptionUpdate"]["resumable"]


@check()
async def not_resumable(far: Any) -> None:
    client = await far.ready()
    await far.asked(client, "one")
    seen = await far.ends(client, 1006)
    assert (client.handle, seen[-1]) == ("", {"sessionResumptionUpdate": {"resumable": False}})
    client = await far.ready()
    await far.asked(client, "one")
    await far.asked(client, "one")
    await client.quiet(0.1)
    assert client.handle


@check("spent-token", "expired-token")
async def token(far: Any) -> None:
    handle = await far.broken()
    expired = "expired" in far.world.service.script.scenario.name
    for _ in range(3):
        reason = "Token has expired" if expired else "The service is currently unavailable."
        await far.ends(await far.world.client(), 1011, reason)
    assert handle


# -- the setup --------------------------------------------------------------------------------------------------------


@check()
async def wrong_model(far: Any) -> None:
    for _ in range(2):
        await far.refused(1008, "models/any is not found for API version v1beta")


@check()
async def no_compression(far: Any) -> None:
    await far.refused(1007, INVALID, contextWindowCompression={"slidingWindow": {}})
    await far.fine(await far.ready())


@check()
async def no_transcription(far: Any) -> None:
    for field in HEARD:
        await far.refused(1007, INVALID, **{field: {}})
    client = await far.world.client()
    assert await client.setup() == {"setupComplete": {}}


@check()
async def busy_at_first(far: Any) -> None:
    for _ in range(3):
        await far.refused(1011, "The service is currently unavailable.")
    await far.fine(await far.ready())


@check()
async def setup_unanswered(far: Any) -> None:
    client = await far.world.client()
    await client.send({"setup": {"model": "models/gemini-3.8-live"}})
    assert await client.quiet(50.0) == []
    await far.fine(await far.ready())


@pytest.mark.parametrize("name", CHECKS)
async def test_a_scenario_does_what_it_shows(autojump_clock: Any, staged: Any, name: str) -> None:
    async with staged(name) as far:
        await CHECKS[name](far)
