"""The live screen without a terminal: what it knows, and how that reads at any size."""

from typing import Any

import pytest
from rich.cells import cell_len

from pipeline import events as e
from pipeline.sections import Price
from telemetry.screen_model import Model
from telemetry.screen_view import Line, view

GAUGES = e.Gauges(
    microphone=e.Level(-12.0, -20.0),
    speaker=None,
    edges={
        "captured": e.EdgeGauge(3, 0.06, 10.0, "s", 0.05, 0, 0.0),
        "reply": e.EdgeGauge(40, 2_400_000.0, 64e6, "bytes", 1.0, 0, 0.0),
        "duck": e.EdgeGauge(0, 0.0, 4.0, "items", 0.0, 7, 0.0),
        "calls": e.EdgeGauge(0, 0.0, 4096.0, "items", 0.0, 0, 0.0),
    },
    actors={
        "microphone": e.ActorGauge("running", 0),
        "vad": e.ActorGauge("running", 2),
        "uplink": e.ActorGauge("waiting", 1),
        "mcp": e.ActorGauge("done", 0),
    },
    longest_step_ms=1.0,
    underruns=0,
)
PARTS = dict(zip(e.PARTS, [20.0, 5.0, 1.0, 2.0, 900.0, 40.0, 1.0, 12.0, None], strict=True))
TALK = [
    e.SessionStateChanged("CONNECTING", "CONNECTED", "set up"),
    GAUGES,
    e.Transcript("user", "what is the ", final=False),
    e.Transcript("user", "weather in Paris", final=False),
    e.ToolStarted("1", "get_weather", {"city": "Paris"}),
    e.Transcript("user", "what is the weather in Paris", final=True, turn=1),
    e.ToolEnded("1", "get_weather", 812.0, "ok"),
    e.Transcript("model", "In Paris it is ", final=False, turn=1),
    e.TurnTimed(1, 981.0, PARTS),
    e.Usage({"promptTokenCount": 1000, "responseTokenCount": 234}),
    e.TurnInterrupted(1, 2400.0, 9.0),
    e.TurnEnded(1, 2400.0, "interrupted"),
    e.ToolStarted("2", "set_timer", {"minutes": 3}),
    e.Trouble("connection lost", 1006, "resume at once"),
]


def told(*events: e.Event, who: str = "Gemini answers") -> Model:
    model = Model(who, Price(text_in=10.0, text_out=20.0))
    for number, event in enumerate(events):
        model.feed(type(event)(**{**fields(event), "at": float(number)}))
    return model


def fields(event: e.Event) -> dict[str, Any]:
    import attrs

    return {field.alias: getattr(event, field.name) for field in attrs.fields(type(event))}


def text(lines: list[Line]) -> list[str]:
    return ["".join(span for span, _ in line) for line in lines]


@pytest.mark.parametrize("width", [40, 64, 80, 120, 250])
@pytest.mark.parametrize("height", [10, 24, 60])
def test_every_size_is_filled_exactly(width: int, height: int) -> None:
    for model in (Model(), told(*TALK), told(*TALK * 30, who="w" * 300)):
        lines = text(view(model, 100.0, width, height))
        assert len(lines) == height
        assert {cell_len(line) for line in lines} == {width}


def test_everything_can_be_read_at_80_by_24() -> None:
    screen = "\n".join(text(view(told(*TALK), 75.0, 80, 24)))
    for words in (
        "connected", "Gemini answers", "1 turn", "1 234 tokens", "0.0147 USD", "1:15", "-20 dB",
        "you  what is the weather in Paris", '✓  get_weather(city="Paris")  812 ms', "assistant  In Paris it is",
        "interrupted at 2.4 s, quiet in 9 ms", "→  set_timer(minutes=3)  63.0 s", "!  connection lost",
        "last reply", "981 ms", "service", "900", "device", "?", "● vad ↻2", "◌ uplink ↻1", "· mcp",
        "captured", "0.06 s", "2.4 MB", "↓7", "1 empty", "m mute", "space interrupt", "r restart", "q quit",
    ):  # fmt: skip
        assert words in screen, words


def test_a_cost_that_is_not_known_is_said_to_be_unknown() -> None:
    usage = e.Usage({"responseTokenCount": 9, "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 9}]})
    assert "9 tokens   cost unknown" in text(view(told(usage), 1.0, 80, 24))[0]
    assert "unknown" not in text(view(told(), 1.0, 80, 24))[0]


def test_a_reply_that_is_missing_or_ran_dry_is_seen() -> None:
    model = told(e.Unanswered(900.0, "service", 6040.0), e.TurnEnded(1, 900.0, "completed", 2))
    screen = "\n".join(text(view(model, 1.0, 120, 24)))
    assert "!  no reply after 6 s: the service has it and says nothing" in screen
    assert "!  the reply ran dry at the speaker 2 times" in screen


def test_a_crash_whose_words_are_withheld_is_no_restart_that_was_asked_for() -> None:
    model = told(e.ActorRestarted("vad", 1, None, "vad.py:7"), e.ActorRestarted("mcp", 0))
    screen = "\n".join(text(view(model, 1.0, 120, 24)))
    assert "!  vad started again: it crashed" in screen
    assert "·  mcp started again: asked to" in screen


def test_words_form_while_they_are_said() -> None:
    assert "you  what is the weather in Paris …" in "\n".join(text(view(told(*TALK[:4]), 9.0, 80, 24)))


def test_wide_characters_keep_the_columns() -> None:
    lines = text(view(told(e.Transcript("model", "東京は今、午前四時十八分です。" * 6, final=True)), 1.0, 80, 24))
    assert {cell_len(line) for line in lines} == {80}
    assert "東京は今" in lines[3]


def test_the_far_end_cannot_steer_the_terminal() -> None:
    evil = "\x1b[2J\x1b]0;title\x07\r\nfalse line\x9b1m"
    model = told(
        e.Transcript("model", evil, final=True),
        e.ToolStarted("1", evil, {evil: evil}),
        e.Trouble(evil, 1, evil),
        who=evil,
    )
    screen = "".join(text(view(model, 1.0, 80, 24)))
    assert not any(character < " " or "\x7f" <= character < "\xa0" for character in screen)


def test_keys_ask_for_what_they_say() -> None:
    model = told(*TALK)
    assert model.press("m") == ("mute", "")
    assert model.press("i") == model.press(" ") == ("interrupt", "")
    assert model.press("q") == ("quit", "")
    assert model.press("x") is None
    assert model.press("r") is None
    assert "restart which?" in "\n".join(text(view(model, 1.0, 80, 24)))
    assert "2 vad" in "\n".join(text(view(model, 1.0, 80, 24)))
    assert model.press("2") == ("restart", "vad")
    assert model.press("r") is None
    assert model.press("\x1b") is None
    assert model.press("r") is None
    assert model.press("9") is None


def test_muting_is_seen() -> None:
    screen = "\n".join(text(view(told(*TALK, e.Muted(muted=True)), 1.0, 80, 24)))
    assert "muted" in screen
    assert "m unmute" in screen
    assert "-20 dB" not in screen


def test_the_talk_is_bounded() -> None:
    model = told(*[e.Transcript("model", "x" * 10_000, final=True) for _ in range(500)])
    assert len(model.talk) == 200
    assert max(len(entry.text) for entry in model.talk if hasattr(entry, "text")) == 4000
