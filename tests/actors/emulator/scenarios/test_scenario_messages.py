"""Scenarios of odd messages, and of pace and network. Each does what its `shows` line says."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from wsproto.events import Ping

LONG = "a reply that is so long that something else can happen in the middle of it before it has been heard"

Check = Callable[[Any], Awaitable[None]]
CHECKS: dict[str, Check] = {}


def check(*names: str) -> Callable[[Check], Check]:
    def named(function: Check) -> Check:
        CHECKS.update(dict.fromkeys(names or [function.__name__.replace("_", "-")], function))
        return function

    return named


# -- messages ---------------------------------------------------------------------------------------------------------


@check()
async def many_parts(far: Any) -> None:
    seen = await far.asked(await far.ready())
    turns = [message["serverContent"]["modelTurn"] for message in seen if "modelTurn" in far.names([message])]
    assert max(len(turn["parts"]) for turn in turns) > 1
    assert far.spoken(seen) == f"You said {LONG}."


@check()
async def everything_at_once(far: Any) -> None:
    seen = [found["serverContent"] for found in await far.asked(await far.ready()) if "serverContent" in found]
    assert any({"outputTranscription", "modelTurn"} <= content.keys() for content in seen)
    assert {"generationComplete", "turnComplete"} <= seen[-1].keys()


@check()
async def usage_anywhere(far: Any) -> None:
    client = await far.ready()
    await client.say(far.speech(0.6) + far.silence(1.0))
    seen = await client.until("turnComplete")
    assert all("usageMetadata" in found for found in seen if "serverContent" in found)
    await client.text("call f")
    assert all("usageMetadata" in found for found in await client.until("toolCall") if "toolCall" in found)


@check()
async def short_reply(far: Any) -> None:
    client = await far.ready()
    seen = await far.asked(client)
    assert far.audio(seen)
    assert "Transcription" not in str(seen)
    await far.fine(client)


@check()
async def empty_thought(far: Any) -> None:
    client = await far.ready()
    seen = await far.asked(client)
    assert far.names(seen)[-2:] == ["generationComplete", "turnComplete"]
    (thought,) = [m["serverContent"]["modelTurn"]["parts"] for m in seen if "modelTurn" in m.get("serverContent", {})]
    assert thought == [{"text": "Nothing to say.", "thought": True}]
    assert not far.audio(seen)
    await far.fine(client)


@check()
async def malformed_call(far: Any) -> None:
    client = await far.ready()
    seen = await far.asked(client)
    assert seen[-1]["serverContent"]["turnCompleteReason"] == "MALFORMED_FUNCTION_CALL"
    assert not far.audio(seen)
    seen = await far.asked(client)
    assert "turnCompleteReason" not in seen[-1]["serverContent"]


@check()
async def code_parts(far: Any) -> None:
    seen = await far.asked(await far.ready())
    first = next(m["serverContent"]["modelTurn"] for m in seen if "modelTurn" in m.get("serverContent", {}))
    assert [list(part) for part in first["parts"]] == [["executableCode"], ["codeExecutionResult"]]
    assert far.audio(seen)


@check()
async def url_context(far: Any) -> None:
    seen = await far.asked(await far.ready())
    (told,) = [m["serverContent"]["urlContextMetadata"] for m in seen if "urlContextMetadata" in str(m)]
    assert told["urlMetadata"][0]["urlRetrievalStatus"] == "URL_RETRIEVAL_STATUS_SUCCESS"


@check()
async def speaker_labels(far: Any) -> None:
    client = await far.ready()
    await client.say(far.speech(0.6) + far.silence(1.0))
    seen = await client.until("inputTranscription")
    assert seen[-1]["serverContent"]["inputTranscription"] == {"text": "one", "speakerLabel": "1"}


@check()
async def voice_activity(far: Any) -> None:
    client = await far.ready()
    await client.say(far.speech(0.6) + far.silence(1.0))
    seen = await client.until("turnComplete")
    told = [message["voiceActivity"]["type"] for message in seen if "voiceActivity" in message]
    assert told == ["ACTIVITY_START", "ACTIVITY_END"]


@check()
async def no_usage(far: Any) -> None:
    assert "usageMetadata" not in str(await far.asked(await far.ready()))


@check()
async def no_transcripts(far: Any) -> None:
    client = await far.ready()
    await client.say(far.speech(0.6) + far.silence(1.0))
    seen = await client.until("turnComplete")
    assert far.audio(seen)
    assert "Transcription" not in str(seen)


@check("transcript-without-head", "transcript-without-tail")
async def transcript_in_part(far: Any) -> None:
    seen = await far.asked(await far.ready())
    head, whole = "You said a", f"You said {LONG}."
    without = whole.removeprefix(head) if "head" in far.world.service.script.scenario.name else head
    assert far.spoken(seen) == without


@check()
async def doubled_transcripts(far: Any) -> None:
    client = await far.ready()
    await client.say(far.speech(0.6) + far.silence(1.0))
    seen = await client.until("turnComplete")
    assert far.spoken(seen, "inputTranscription") == "oneone"
    assert far.spoken(seen) == "You said one.You said one."


@check()
async def unknown_messages(far: Any) -> None:
    client = await far.ready()
    seen = await far.asked(client)
    assert {} in seen
    assert {"brandNew": {"a": 1}} in seen
    assert any("error" in message for message in seen)
    assert "brandNewField" in str(seen)
    assert seen[-1]["serverContent"]["interactionStatus"] == "BRAND_NEW"


@check()
async def not_json(far: Any) -> None:
    client = await far.ready()
    await client.text("one")
    with pytest.raises(ValueError, match=r"."):
        await client.until("turnComplete")
    assert client.raw[-1] == "not json"


@check()
async def broken_frames(far: Any) -> None:
    client = await far.ready()
    await far.asked(client)
    with pytest.raises(Exception, match=r"."):
        await client.quiet(10.0)


# -- the network ------------------------------------------------------------------------------------------------------


@check()
async def late_pongs(far: Any) -> None:
    client = await far.ready()
    await client.stream.send_all(client.ws.send(Ping(payload=b"?")))
    await client.quiet(29.9)
    assert client.pongs == []
    await client.quiet(0.2)
    assert client.pongs == [b"?"]


@check()
async def stalled_reads(far: Any) -> None:
    client = await far.ready()
    await far.asked(client, "one")
    began = trio.current_time()
    await far.fine(client)
    assert trio.current_time() - began > 20


@check()
async def frozen(far: Any) -> None:
    client = await far.ready()
    await far.asked(client, "one")
    await client.text("two")
    assert await client.quiet(59.0) == []
    await far.fine(await far.ready())


@check()
async def hiccup(far: Any) -> None:
    client = await far.ready()
    began, gaps = trio.current_time(), []
    await client.text(LONG)
    while "turnComplete" not in str(await client.receive()):
        gaps.append(trio.current_time() - began)
        began = trio.current_time()
    assert max(gaps) == pytest.approx(4, abs=0.1)
    await far.fine(client)


async def paced(far: Any) -> tuple[float, float, float]:
    """When the first and the last sound came, and how long it all lasts."""
    client = await far.ready()
    began, times, seen = trio.current_time(), [], []
    await client.text(LONG)
    while not seen or "turnComplete" not in seen[-1].get("serverContent", {}):
        seen.append(await client.receive())
        if "modelTurn" in seen[-1].get("serverContent", {}):
            times.append(trio.current_time() - began)
    return times[0], times[-1], len(far.audio(seen)) / 48_000


@check()
async def slow(far: Any) -> None:
    first, last, seconds = await paced(far)
    assert first == pytest.approx(3)
    assert last - first == pytest.approx(seconds / 1.2, abs=0.3)


@check()
async def one_burst(far: Any) -> None:
    first, last, seconds = await paced(far)
    assert first == last == pytest.approx(0.1)
    assert seconds > 4


@check()
async def jitter(far: Any) -> None:
    first, last, seconds = await paced(far)
    assert 0.25 < first < 0.55
    assert seconds / 2 + 0.5 < last - first < seconds / 2 + seconds / 0.2 * 0.3


@pytest.mark.parametrize("name", CHECKS)
async def test_a_scenario_does_what_it_shows(autojump_clock: Any, staged: Any, name: str) -> None:
    async with staged(name) as far:
        await CHECKS[name](far)
