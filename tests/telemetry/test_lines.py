"""What a terminal shows: one line for each thing a person would want to know, and nothing that steers the terminal."""

import io
import sys

import pytest

from pipeline import events as e
from pipeline.secrets import SHOWN, Secrets
from telemetry.lines import Lines

FRESH = "a fresh session, told what was said before"
SHOWN_AS: list[tuple[e.Event, list[str]]] = [
    (e.Transcript("user", "what time is it", final=True), ["you: what time is it"]),
    (e.Transcript("model", "It is noon.", final=True), ["assistant: It is noon."]),
    (e.Transcript("model", "It is", final=False), []),
    (e.SessionStateChanged("CONNECTING", "CONNECTED", "setup is complete"), ["link   connected (setup is complete)"]),
    (e.SessionStateChanged("CLOSING", "CLOSED", "closed by us"), ["link   closed (closed by us)"]),
    (e.SessionStateChanged("INTERRUPTED", "CONNECTED", "it is over"), []),
    (e.SessionStateChanged("DISCONNECTED", "CONNECTING", "dialling"), []),
    (
        e.SessionResumed(2, 512.4, 1340.0, 0.0),
        ["link   resumed after 512 ms; 1340 ms of speech sent again, nothing lost"],
    ),
    (
        e.SessionResumed(1, 90.0, 0.0, 250.0, fresh=True),
        [f"link   {FRESH} after 90 ms; 0 ms of speech sent again, 250 ms of speech lost"],
    ),
    (e.GoingAway(9_500.0), ["link   the service will leave in 10 s"]),
    (e.DeviceChanged("speaker", "opened", "HDMI", 21.3), ["sound   speaker opened: HDMI, 21 ms"]),
    (e.DeviceChanged("speaker", "lost", "HDMI"), ["sound   speaker lost: HDMI"]),
    (
        e.Sources(1, ({"number": 1, "title": "A", "uri": "https://a.x/"}, {"number": 2, "title": "B", "uri": "x:b"})),
        ["source   [1] A https://a.x/", "source   [2] B"],
    ),
    (e.ToolStarted("c", "weather", {"city": "Zürich", "days": 2}), ['tool   weather(city="Zürich", days=2)']),
    (e.ToolEnded("unknown", "weather", 12.6, "timeout"), ["tool   weather: timeout after 13 ms"]),
    (e.UserStarted(10.0), ["mic    you are speaking"]),
    (e.FirstAudio(1, 812.0), ["reply  begins, 812 ms after your last word"]),
    (e.FirstAudio(1, None), ["reply  begins"]),
    (e.TurnInterrupted(1, 2345.0, 31.0), ["reply  interrupted: 2.3 s were heard, silent 31 ms after the word came"]),
    (e.TurnEnded(1, 2345.0, "completed"), []),
    (e.Unanswered(900.0, "service", 6012.0), ["reply  none after 6 s: the service has it and says nothing"]),
    (e.Unanswered(900.0, "uplink", 6012.0), ["reply  none after 6 s: it waits for a link"]),
    (e.ActorRestarted("vad", 1, "ValueError: no"), ["restart   vad: ValueError: no"]),
    (e.ActorRestarted("vad", 0), ["restart   vad: asked to"]),
    (e.Dropped("captured", 3, 60.0), ["drop   captured: 3 messages, 60 ms"]),
    (e.Trouble("connection lost", 1006, "retry in 0.5 s"), ["trouble   connection lost (1006); retry in 0.5 s"]),
    (e.Trouble("clock failed", "tool", "told", "no hands"), ["trouble   clock failed: no hands (tool); told"]),
    (e.ListenerLost("the trace t", 12), ["note   the trace t missed 12 events"]),
    (e.TokenRefreshed(120.4, "failed"), ["note   token refresh failed after 120 ms"]),
    (e.Farewell("the budget is used up"), ["link   ends: the budget is used up"]),
    (e.LoopStalled(90.0, "vad"), []),
    (e.TurnTimed(1, 90.0, {}), []),
    (e.Notice("the recording is silent"), ["note   the recording is silent"]),
    (e.Usage({"totalTokenCount": 1}), []),
]


@pytest.mark.parametrize(("event", "lines"), SHOWN_AS, ids=[type(event).__name__ for event, _ in SHOWN_AS])
def test_each_event_is_worth_its_lines(event: e.Event, lines: list[str]) -> None:
    assert [line.strip() for line in Lines().lines(event)] == lines


def test_a_result_shows_what_was_asked() -> None:
    lines = Lines()
    list(lines.lines(e.ToolStarted("c", "clock", {"city": "Rome"})))
    assert list(lines.lines(e.ToolEnded("c", "clock", 1.0, "ok"))) == ['     tool   clock(city="Rome"): ok after 1 ms']
    assert list(lines.lines(e.ToolEnded("c", "clock", 1.0, "ok"))) == ["     tool   clock: ok after 1 ms"]


async def printed(*events: e.Event, secrets: Secrets | None = None) -> list[str]:
    """What comes of these events up to the end of the bus."""
    written: list[str] = []
    bus = e.Bus()
    listener = bus.subscribe()
    for event in events:
        bus.publish(event)
    bus.close()
    await Lines(secrets or Secrets(), written.append).run(listener)
    return written


async def test_it_prints_until_the_bus_closes() -> None:
    assert await printed(e.Notice("one"), e.Usage({}), e.Notice("two")) == ["     note   one", "     note   two"]


async def test_what_became_a_secret_later_is_not_shown_either(canary: str) -> None:
    secrets = Secrets()
    secrets.hide(canary)
    lines = await printed(e.Notice(f"key {canary}"), e.ToolStarted("c", "x", {"a": canary}), secrets=secrets)
    assert all(SHOWN in line and canary not in line for line in lines)


async def test_a_far_end_cannot_steer_the_terminal() -> None:
    (line,) = await printed(e.Transcript("model", "a\x1b[2J\nassistant: \x07b\x9b1m\r", final=True))
    assert line == "assistant: a [2J assistant:  b 1m "


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", "Zürich ?"), ("ascii", "Z?rich ?")])
async def test_what_cannot_be_written_is_replaced(encoding: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding))
    bus = e.Bus()
    listener = bus.subscribe()
    bus.publish(e.Notice("Zürich \ud800"))
    bus.close()
    await Lines().run(listener)
    assert raw.getvalue().decode() == f"     note   {shown}\n"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("closed")])
async def test_a_full_disk_ends_the_lines_and_a_bug_does_not_hide(error: Exception) -> None:
    def write(_line: str) -> None:
        raise error

    bus = e.Bus()
    listener = bus.subscribe()
    bus.publish(e.Notice("x"))
    if isinstance(error, OSError):
        await Lines(write=write).run(listener)
    else:
        with pytest.raises(ValueError, match="closed"):
            await Lines(write=write).run(listener)


async def test_a_reader_that_has_left_ends_the_program() -> None:
    def write(_line: str) -> None:
        raise BrokenPipeError

    bus = e.Bus()
    listener = bus.subscribe()
    bus.publish(e.Notice("x"))
    with pytest.raises(BrokenPipeError):
        await Lines(write=write).run(listener)
