"""The table at the end: a line a turn."""

from pipeline import events as e
from pipeline.events import PARTS
from telemetry.table import LatencyTable


def table(*events: e.Event) -> list[str]:
    made = LatencyTable()
    for event in events:
        made.feed(event)
    return [" ".join(line.split()) for line in made.lines()]


def test_without_turns_there_is_a_heading() -> None:
    assert table(e.Notice("x")) == ["turn latency ms heard s outcome"]


def test_a_line_a_turn() -> None:
    assert table(
        e.FirstAudio(1, 812.4),
        e.TurnEnded(1, 2345.0, "completed"),
        e.ToolStarted("a", "clock", {}),
        e.ToolStarted("b", "clock", {}),
        e.FirstAudio(2, None),
        e.TurnInterrupted(2, 1000.0, 31.4),
        e.TurnEnded(2, 1000.0, "interrupted"),
        e.ToolStarted("c", "clock", {}),
        e.FirstAudio(3, 90.0),
        e.TurnEnded(4, 0.0, "failed"),
    )[1:] == [
        "1 812 2.3 completed",
        "2 - 1.0 interrupted, with 2 tool calls, silent 31 ms after the word came",
        "3 90 0.0 unfinished, with 1 tool call",
        "4 - 0.0 failed",
    ]


def test_columns_stand_under_their_headings() -> None:
    made = LatencyTable()
    made.feed(e.FirstAudio(12, 812.4))
    made.feed(e.TurnEnded(12, 2345.0, "completed"))
    heading, line = made.lines()
    for word, value in (("turn", "12"), ("latency ms", "812"), ("heard s", "2.3")):
        assert line.index(value) + len(value) == heading.index(word) + len(word)
    assert line.index("completed") == heading.index("outcome")


def test_where_the_time_went_is_a_line_a_turn_that_sounded() -> None:
    made = LatencyTable()
    assert made.waterfall() == []
    made.feed(e.TurnTimed(1, 812.4, {part: 10.0 * number for number, part in enumerate(PARTS)}))
    made.feed(e.TurnTimed(2, None, dict.fromkeys(PARTS[:6]) | {"device": 21.3}))
    made.feed(e.TurnEnded(3, 0.0, "failed"))
    heading, *rows = made.waterfall()
    assert heading.split() == ["turn", "mic", "gate", "uplink", "socket", "service", "tools", "down", "play", "device"]
    assert [row.split() for row in rows] == [
        ["1", "0", "10", "20", "30", "40", "50", "60", "70", "80"],
        ["2", *"--------", "21"],
    ]
    assert max(map(len, (heading, *rows))) <= 80


def test_words_without_a_reply_have_a_line_of_their_own() -> None:
    table = LatencyTable()
    table.feed(e.Unanswered(12_340.0, "service", 6000.0))
    (line,) = table.lines()[1:]
    assert line == "   -           -        -  no reply to what ended at 12.3 s (service)"
