"""The core of the trace: which spans come of which events, with their parents, times and outcomes."""

from collections.abc import Iterable
from typing import Any

import attrs
import pytest

from pipeline import events as e
from pipeline.sections import Price
from telemetry.spans import MOST_MARKS, Span, Spans

USAGE = {
    "promptTokenCount": 100,
    "responseTokenCount": 40,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 30}, {"modality": "AUDIO", "tokenCount": 60}],
    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 40}],
    "thoughtsTokenCount": 5,
}
PRICE = Price(text_in=1.0, audio_in=10.0, text_out=2.0, audio_out=20.0)


def traced(events: Iterable[tuple[float, e.Event]], **settings: Any) -> list[Span]:
    core = Spans("ab" * 16, **{"wall": 1000.0, "model": "gemini-x", "voice": "Kore", **settings})
    spans = [span for at, event in events for span in core.feed(attrs.evolve(event, at=at))]
    return [*spans, *core.close()]


def named(spans: list[Span], name: str) -> list[Span]:
    return [span for span in spans if span.name == name]


A_TURN: list[tuple[float, e.Event]] = [
    (0.0, e.SessionStateChanged("DISCONNECTED", "CONNECTING", "dialling")),
    (0.5, e.Capturing("mic", 16000, 100.0)),
    (2.0, e.UserStarted(1000.0)),
    (3.0, e.UserEnded(2200.0)),
    (3.1, e.Transcript("user", "what time is it", final=True, turn=1)),
    (3.2, e.ToolStarted("c1", "clock", {"city": "Rome"}, 1)),
    (3.4, e.ToolEnded("c1", "clock", 200.0, "ok", {"summary": "noon"})),
    (3.9, e.FirstAudio(1, 1250.0, 2200.0)),
    (3.9, e.TurnTimed(1, 1250.0, {"service": 1000.0, "tools": 200.0, "device": 50.0, "gate": None})),
    (4.0, e.Usage(USAGE, 1)),
    (5.0, e.Transcript("model", "It is noon.", final=True, turn=1)),
    (5.5, e.TurnEnded(1, 1500.0, "completed")),
    (6.0, e.SessionStateChanged("CLOSING", "CLOSED", "closed by us")),
]


def test_a_conversation_is_one_tree() -> None:
    spans = traced(A_TURN)
    tool, turn, session = spans
    assert [span.name for span in spans] == ["tool clock", "turn", "session"]
    assert (tool.parent, turn.parent, session.parent) == (turn, session, None)
    assert {span.trace_id for span in spans} == {"ab" * 16}
    assert len({span.span_id for span in spans}) == 3
    assert [(span.start, span.end) for span in spans] == [
        (1003.2, 1003.4),
        (1001.4, 1005.5),  # from the user's first word: the microphone began at 0.4
        (1000.0, 1006.0),
    ]
    assert (tool.kind, turn.kind) == ("TOOL", "LLM")


def test_a_turn_says_what_is_known_of_it() -> None:
    _, turn, session = traced(A_TURN, price=PRICE)
    assert turn.attributes == {
        "turn": 1,
        "outcome": "completed",
        "latency_ms": 1250.0,
        "heard_ms": 1500.0,
        "underruns": 0,
        "latency.service_ms": 1000.0,
        "latency.tools_ms": 200.0,
        "latency.device_ms": 50.0,
        "voice": "Kore",
        "gen_ai.operation.name": "chat",
        "gen_ai.output.type": "speech",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "gemini-x",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 40,
        "gen_ai.usage.input_tokens.text": 30,
        "gen_ai.usage.input_tokens.audio": 60,
        "gen_ai.usage.input_tokens.other": 10,
        "gen_ai.usage.output_tokens.audio": 40,
        "gen_ai.usage.output_tokens.thoughts": 5,
        "cost": pytest.approx((30 + 10 + 600 + 800 + 10) / 1e6),
        "cost.unit": "USD",
        "gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "what time is it"}]}]',
        "gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "text", "content": "It is noon."}]}]',
    }
    marks = [(mark.name, mark.time) for mark in turn.events]
    assert marks == [("user.speech.start", 1001.4), ("user.speech.end", 1002.6), ("reply.first_audio", 1003.85)]
    assert session.attributes["outcome"] == "completed"
    assert [mark.attributes["to"] for mark in session.events if mark.name == "session.state"] == [
        "CONNECTING",
        "CLOSED",
    ]


def test_a_tool_says_what_it_was_asked_and_what_it_told() -> None:
    (tool,) = named(traced(A_TURN), "tool clock")
    assert tool.attributes["gen_ai.tool.call.arguments"] == '{"city": "Rome"}'
    assert tool.attributes["gen_ai.tool.call.result"] == '{"summary": "noon"}'
    assert tool.attributes.items() >= {"outcome": "ok", "duration_ms": 200.0, "gen_ai.tool.call.id": "c1"}.items()


@pytest.mark.parametrize(
    ("outcome", "failed"), [("ok", False), ("cancelled", False), ("error", True), ("timeout", True)]
)
def test_an_outcome_of_a_tool_is_its_status(outcome: str, *, failed: bool) -> None:
    events = [(1.0, e.ToolStarted("c", "x", {}, 1)), (2.0, e.ToolEnded("c", "x", 1000.0, outcome))]
    (tool,) = named(traced(events), "tool x")
    assert (tool.attributes["outcome"], tool.failed) == (outcome, failed)


def test_a_child_lies_within_its_parent_however_late_it_ends() -> None:
    events = [
        (1.0, e.ToolStarted("c", "timer", {}, 1)),
        (2.0, e.FirstAudio(1, None)),
        (3.0, e.TurnEnded(1, 900.0, "completed")),
        (60.0, e.ToolEnded("c", "timer", 59_000.0, "ok")),
    ]
    tool, turn, session = traced(events)
    assert turn.start <= tool.start <= tool.end <= turn.end <= session.end
    assert tool.end == 1060.0


def test_what_is_open_at_the_end_says_so() -> None:
    tool, turn, session = traced([(1.0, e.ToolStarted("c", "x", {}, 1)), (2.0, e.Notice("the last event"))])
    assert (tool.attributes["outcome"], turn.attributes["outcome"]) == ("cancelled", "failed")
    assert (tool.end, turn.end, session.end) == (1002.0, 1002.0, 1002.0)


def test_an_interruption_and_the_words_that_made_it_belong_to_two_turns() -> None:
    events = [
        (0.0, e.Capturing("mic", 16000)),
        (1.0, e.FirstAudio(1, None)),
        (2.0, e.UserStarted(1900.0)),
        (2.5, e.TurnInterrupted(1, 1500.0, 20.0)),
        (2.5, e.TurnEnded(1, 1500.0, "interrupted")),
        (2.6, e.Usage(USAGE, 1)),
        (4.0, e.FirstAudio(2, None)),
        (5.0, e.TurnEnded(2, 1000.0, "completed")),
    ]
    first, second = named(traced(events), "turn")
    assert first.attributes.items() >= {"outcome": "interrupted", "heard_ms": 1500.0, "silent_after_ms": 20.0}.items()
    assert first.attributes["gen_ai.usage.input_tokens"] == 100  # which came after its end
    assert "gen_ai.usage.input_tokens" not in second.attributes  # unknown is left out and not zero
    assert second.start == 1001.9
    assert [mark.name for mark in first.events] == ["reply.first_audio", "interruption"]


def test_a_turn_is_given_out_once_its_counts_can_be_known() -> None:
    core = Spans("00" * 16)
    for at, event in A_TURN:
        assert [span.name for span in core.feed(attrs.evolve(event, at=at))] in ([], ["tool clock"])
    assert [span.name for span in core.feed(e.Notice("later", at=11.0))] == ["turn"]
    core.feed(e.Usage(USAGE, 1, at=12.0))  # far too late: it makes no second turn
    assert [span.name for span in core.close()] == ["session"]


def test_a_failed_conversation_and_its_troubles() -> None:
    events = [
        (1.0, e.FirstAudio(1, None)),
        (2.0, e.Trouble("connection lost", 1006, "retry")),
        (3.0, e.SessionResumed(1, 900.0, 0.0, 0.0)),
        (4.0, e.Trouble("the key is refused", "Refused", e.ENDS)),
    ]
    turn, session = traced(events)
    assert session.attributes.items() >= {"outcome": "failed", "error.type": "Refused"}.items()
    assert [mark.name for mark in session.events] == ["error", "session.resumed", "error"]
    assert [mark.attributes["code"] for mark in turn.events if mark.name == "error"] == [1006, "Refused"]


def test_a_token_refresh_is_a_span_beneath_the_session() -> None:
    events = [(5.0, e.TokenRefreshed(250.0, "failed"))]
    refresh, session = traced(events)
    assert (refresh.name, refresh.parent, refresh.failed) == ("token refresh", session, True)
    assert (refresh.start, refresh.end) == (1004.75, 1005.0)


def test_sources_are_in_the_trace() -> None:
    sources = ({"number": 1, "title": "Tower", "uri": "https://t"},)
    (turn, _) = traced([(1.0, e.Sources(1, sources, ("how high",))), (2.0, e.TurnEnded(1, 0.0, "completed"))])
    assert (turn.attributes["sources.uris"], turn.attributes["sources.titles"]) == (["https://t"], ["Tower"])
    assert turn.attributes["sources.queries"] == ["how high"]


def test_a_day_of_troubles_does_not_fill_the_memory() -> None:
    (session,) = traced([(float(at), e.LoopStalled(60.0, "vad")) for at in range(MOST_MARKS + 7)])
    assert len(session.events) == MOST_MARKS
    assert session.attributes["events.left_out"] == 7


def test_what_comes_before_the_first_turn_makes_none() -> None:
    spans = traced([(1.0, e.Usage(USAGE, 0)), (2.0, e.Usage(USAGE)), (3.0, e.Sources(0, ({"uri": "x:y"},)))])
    assert [span.name for span in spans] == ["session"]


def test_no_events_make_no_trace() -> None:
    assert traced([]) == []


def test_what_the_end_cuts_off_lasts_until_the_end() -> None:
    events: list[tuple[float, e.Event]] = [
        (1.0, e.ToolStarted("c", "clock", {}, 1)),
        (4.0, e.SessionStateChanged("CLOSING", "CLOSED", "closed by us")),
    ]
    tool, turn, session = traced(events)
    assert [(span.start, span.end) for span in (tool, turn, session)] == [(1001.0, 1004.0)] * 3
    assert [span.attributes["outcome"] for span in (tool, turn, session)] == ["cancelled", "failed", "completed"]


def test_a_turn_that_is_over_does_not_grow_at_the_end() -> None:
    ended = [(1.0, e.FirstAudio(1, None)), (2.0, e.TurnEnded(1, 10.0, "completed"))]
    turn, session = traced([*ended, (4.0, e.SessionStateChanged("CLOSING", "CLOSED", "closed by us"))])
    assert (turn.end, session.end) == (1002.0, 1004.0)


def test_no_call_is_lost_where_two_have_one_id() -> None:
    calls: list[tuple[float, e.Event]] = [
        (1.0, e.ToolStarted("c", "clock", {}, 1)),
        (2.0, e.ToolStarted("c", "clock", {}, 1)),
        (3.0, e.ToolEnded("c", "clock", 1000.0, "ok")),
    ]
    first, second = named(traced(calls), "tool clock")
    assert [(span.start, span.attributes["outcome"]) for span in (first, second)] == [(1001.0, "void"), (1002.0, "ok")]


def said(begin: float, end: float) -> list[tuple[float, e.Event]]:
    """Speech between these two times; the microphone begins at 0, and the gate notices late."""
    return [(begin + 0.1, e.UserStarted(1000 * begin)), (end + 0.4, e.UserEnded(1000 * end))]


def replied(turn: int, at: float, asked: float | None) -> list[tuple[float, e.Event]]:
    known = (None, None) if asked is None else (1000 * (at - asked), 1000 * asked)
    return [
        (at - 0.1, e.Transcript("model", "Yes", final=False, turn=turn)),
        (at, e.FirstAudio(turn, *known)),
        (at + 1, e.TurnEnded(turn, 900.0, "completed")),
    ]


MICROPHONE: tuple[float, e.Event] = (0.0, e.Capturing("mic", 16000))


def marks(span: Span) -> list[tuple[str, float]]:
    return [(mark.name, mark.time - 1000) for mark in span.events]


def test_a_turn_after_words_that_nobody_answered_begins_with_its_own() -> None:
    events = [MICROPHONE, *said(1, 2), *said(9, 10), *replied(1, 11, 10), *said(15, 16), *replied(2, 17, 16)]
    first, second = named(traced(events), "turn")
    assert marks(first) == [("user.speech.start", 9.0), ("user.speech.end", 10.0), ("reply.first_audio", 11.0)]
    assert marks(second) == [("user.speech.start", 15.0), ("user.speech.end", 16.0), ("reply.first_audio", 17.0)]


def test_a_pause_within_an_utterance_does_not_cut_the_turn_short() -> None:
    (turn,) = named(traced([MICROPHONE, *said(1, 2), *said(3.5, 5), *replied(1, 6, 5)]), "turn")
    assert marks(turn) == [("user.speech.start", 1.0), ("user.speech.end", 5.0), ("reply.first_audio", 6.0)]
    assert turn.start == 1001.0


def test_what_the_user_has_begun_to_say_meanwhile_is_of_the_next_turn() -> None:
    events = [MICROPHONE, *said(1, 2), (5.1, e.UserStarted(5000.0)), *replied(1, 6, 2)]
    events += [(7.9, e.UserEnded(7500.0)), *replied(2, 8.5, 7.5)]
    first, second = named(traced(events), "turn")
    assert (first.start, second.start) == (1001.0, 1005.0)


def test_a_turn_that_never_sounds_begins_with_what_was_said_last() -> None:
    failed = [(5.5, e.ToolStarted("c", "x", {}, 1)), (6.0, e.TurnEnded(1, 0.0, "failed"))]
    (turn,) = named(traced([MICROPHONE, *said(1, 2), *said(4, 5), *failed]), "turn")
    assert turn.start == 1001.0  # within a pause of each other
    (turn,) = named(traced([MICROPHONE, *said(1, 2), *said(5.2, 5.3), *failed]), "turn")
    assert turn.start == 1005.2


def test_typed_words_begin_their_turn_where_they_were_written() -> None:
    (turn,) = named(traced([MICROPHONE, *said(1, 2), *replied(1, 8, 7)]), "turn")
    assert turn.start == 1007.0


def test_words_that_nobody_answers_are_on_the_session_with_how_far_they_came() -> None:
    (session,) = traced([MICROPHONE, *said(1, 2), (8.4, e.Unanswered(2000.0, "uplink", 6400.0))])
    (mark,) = [one for one in session.events if one.name == "turn.unanswered"]
    assert mark.attributes == {"at_ms": 2000.0, "where": "uplink", "ms": 6400.0}


def test_a_reply_that_ran_dry_says_so() -> None:
    (turn,) = named(traced([(1.0, e.FirstAudio(1, None)), (2.0, e.TurnEnded(1, 900.0, "completed", 3))]), "turn")
    assert turn.attributes["underruns"] == 3
