"""The report's page without a browser: complete, escaped, and with nothing to load."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.audio.recording import FlacWriter
from pipeline.errors import BadRecording
from pipeline.events import PARTS
from telemetry.report import page
from telemetry.report_charts import waterfall
from telemetry.report_sound import outline
from telemetry.report_story import Story, Turn, quantile
from telemetry.tape_reading import Taped

EVIL = "</script><img src=x onerror=alert(1)>\"'&$title"
TIMES = dict.fromkeys(PARTS, 10.0) | {"device": None}
EVENTS: list[dict[str, Any]] = [
    {"t": 0.0, "event": "session.state", "from": "CONNECTING", "to": "CONNECTED", "reason": "set up"},
    {"t": 1.0, "event": "turn.user_start", "at_ms": 900.0},
    {"t": 2.0, "event": "turn.user_end", "at_ms": 1800.0},
    {"t": 2.1, "event": "transcript", "who": "user", "text": f"weather {EVIL}", "final": True, "turn": 1},
    {"t": 2.2, "event": "tool.call", "id": "1", "name": f"get{EVIL}", "args": {EVIL: EVIL}, "turn": 1},
    {"t": 2.9, "event": "tool.result", "id": "1", "name": "get", "ms": 700.0, "outcome": "ok"},
    {"t": 3.0, "event": "turn.first_audio", "turn": 1, "latency_ms": 1200.0},
    {"t": 3.0, "event": "turn.timed", "turn": 1, "latency_ms": 1200.0, "parts": TIMES},
    {"t": 3.1, "event": "transcript", "who": "model", "text": "cold", "final": True, "turn": 1},
    {"t": 4.0, "event": "turn.user_start", "at_ms": 3900.0},
    {"t": 4.2, "event": "turn.interrupted", "turn": 1, "heard_ms": 1200.0, "silent_after_ms": 9.0},
    {"t": 4.2, "event": "turn.end", "turn": 1, "heard_ms": 1200.0, "outcome": "interrupted"},
    {"t": 4.5, "event": "gauges", "edges": {"reply": {"waiting": 40, "age": 0.2, "dropped": 0}}},
    {"t": 5.0, "event": "session.state", "from": "CONNECTED", "to": "DISCONNECTED", "reason": EVIL},
    {"t": 5.1, "event": "error", "what": EVIL, "code": 1006, "action": "resume"},
    {"t": 5.5, "event": "gauges", "edges": {}},
    {"t": 6.0, "event": "session.state", "from": "CONNECTING", "to": "CONNECTED", "reason": "resumed"},
    {"t": 6.0, "event": "session.resumed", "attempt": 1, "gap_ms": 1000.0, "replayed_ms": 0.0, "lost_ms": 0.0},
    {"t": 7.0, "event": "actor.restart", "actor": "vad", "crashes": 1, "error": EVIL},
    {"t": 8.0, "event": "channel.drop", "edge": "captured", "dropped": 3, "ms": 60.0},
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recording in which every text means harm."""
    versions = {"format": 1, "content": "full", "product": "0.1.0", "began": EVIL, "packages": {EVIL: EVIL}}
    (tmp_path / "versions.json").write_text(json.dumps(versions))
    (tmp_path / "plan.toml").write_text(f"# {EVIL}")
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    (tmp_path / "frames.jsonl").write_text('{"t": 0.5, "way": "sound"}\n{"t": 9.0, "way": "end"}\n')
    return tmp_path


def sounding(folder: Path) -> Path:
    tone = (9000 * np.sin(np.arange(8 * 24000) / 9)).astype("<i2")
    with FlacWriter(folder / "conversation.flac", 24000, 2) as writer:
        writer.write(np.column_stack([tone, tone // 2]).tobytes())
    return folder


class Reader(HTMLParser):
    """Gathers tags, attributes and texts."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_whatever_a_recording_says_stays_text(folder: Path) -> None:
    read = Reader(page(Taped.read(sounding(folder))))
    assert "img" not in {tag for tag, _ in read.tags}
    assert not [attrs for _, attrs in read.tags if any(name.startswith("on") or name == "style" for name in attrs)]
    assert sum(EVIL in text for text in read.texts) >= 7
    assert sum(tag == "script" for tag, _ in read.tags) == 1


def test_the_page_loads_nothing_and_runs_its_own_script_only(folder: Path) -> None:
    markup = page(Taped.read(sounding(folder)))
    read = Reader(markup)
    links = [value for _, attrs in read.tags for name, value in attrs.items() if name in ("src", "href", "action")]
    assert all(str(link).startswith("data:audio/flac;base64,") for link in links)
    assert len(links) == 1
    policy = next(attrs["content"] for tag, attrs in read.tags if attrs.get("http-equiv"))
    for tag in ("style", "script"):
        text = re.search(f"<{tag}>(.*?)</{tag}>", markup, re.DOTALL)
        assert text is not None
        digest = base64.b64encode(hashlib.sha256(text[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in str(policy)
    assert str(policy).startswith("default-src 'none'")


CHIPS = f"<style>.chip {{ color: red }}</style><div class='chip'>{EVIL}</div>"


def test_sources_stand_under_their_turn_and_suggestions_in_a_frame_of_their_own(folder: Path) -> None:
    sources = [
        {"number": 1, "title": EVIL, "uri": "https://example.org/?a=1&b=2"},
        {"number": 2, "title": "no link", "uri": "javascript:alert(1)"},
    ]
    event = {"t": 3.2, "event": "sources", "turn": 1, "sources": sources, "queries": [EVIL], "suggestions": CHIPS}
    with (folder / "events.jsonl").open("a") as events:
        events.write(json.dumps(event) + "\n")
    read = Reader(page(Taped.read(folder)))
    assert [attrs["href"] for tag, attrs in read.tags if tag == "a"] == ["https://example.org/?a=1&b=2"]
    assert EVIL in read.texts
    assert "no link" in read.texts
    (frame,) = [attrs for tag, attrs in read.tags if tag == "iframe"]
    assert frame["sandbox"] == "allow-popups"
    assert frame["srcdoc"] == f'<base target="_blank">{CHIPS}'
    assert "img" not in {tag for tag, _ in read.tags}
    policy = next(attrs["content"] for _, attrs in read.tags if attrs.get("http-equiv"))
    own = base64.b64encode(hashlib.sha256(b".chip { color: red }").digest()).decode()
    assert f"'sha256-{own}'" in str(policy).partition("style-src")[2].partition(";")[0], "its own style sheet may apply"


def test_everything_that_happened_is_on_it(folder: Path) -> None:
    markup = page(Taped.read(sounding(folder)))
    text = " ".join(Reader(markup).texts)
    for words in (
        "1200 ms", "reply 1 interrupted", "silent 9 ms", "no connection", "ok after 700 ms", "unknown", "cold",
        "resume",        "up to 40 messages waited", "vad was started again", "captured let go of 3 messages",
    ):  # fmt: skip
        assert words in text, words
    assert markup.count('class="voice ') == 2


def test_without_sound_it_says_so(folder: Path) -> None:
    assert "No sound: there is none in the folder." in page(Taped.read(folder))
    path = folder / "versions.json"
    path.write_text(path.read_text().replace("full", "transcripts"))
    assert "No sound: it was recorded without sound." in page(Taped.read(folder))


def test_a_recording_without_an_end_is_told_of(folder: Path) -> None:
    (folder / "frames.jsonl").write_text("")
    assert "This recording has no end" in page(Taped.read(folder))


def test_an_empty_recording_is_a_page_too(tmp_path: Path) -> None:
    (tmp_path / "versions.json").write_text('{"format": 1}')
    markup = page(Taped.read(tmp_path))
    assert "There was no turn." in markup
    assert "Nothing was measured." in markup


def test_the_story_is_in_order(folder: Path) -> None:
    story = Story.of(Taped.read(folder))
    assert [(turn.asked, turn.first_audio, turn.end) for turn in story.turns.values()] == [(1.0, 3.0, 4.2)]
    assert [(gap.begin, gap.end) for gap in story.gaps] == [(5.0, 6.0)]
    assert [tool.turn for tool in story.tools] == [1]
    assert story.depths == {"reply": [(0.0, 0.0), (4.5, 40.0), (5.5, 0.0)]}
    assert len(story.faults) == 3


def test_quantiles_are_values_that_were_measured() -> None:
    assert quantile([5.0], 0.5) == 5.0
    assert [quantile([4.0, 1.0, 3.0, 2.0], share) for share in (0.25, 0.5, 0.95)] == [1.0, 2.0, 4.0]


def test_an_outline_is_as_loud_as_the_sound() -> None:
    samples = np.zeros(16000, np.int16)
    samples[8000:8010] = -32768
    heights = outline(samples, 100)
    assert len(heights) == 100
    assert heights[50] == 1.0
    assert max(heights[:50] + heights[51:]) == 0.0
    assert outline(np.zeros(0, np.int16)) == [0.0]


def test_parts_and_outcomes_of_a_strangers_recording_are_no_markup_either(folder: Path) -> None:
    timed = {"t": 8.5, "event": "turn.timed", "turn": 1, "parts": {'x"><img src=x>': 5.0, "service": 1.0}}
    ended = {"t": 8.6, "event": "turn.end", "turn": 1, "outcome": '"><img src=x>'}
    said = {"t": 8.7, "event": "error", "what": "a\0b\x1b[2J", "code": 1, "action": ""}
    with (folder / "events.jsonl").open("a") as file:
        file.write("".join(json.dumps(event) + "\n" for event in (timed, ended, said)))
    markup = page(Taped.read(folder))
    assert "img" not in {tag for tag, _ in Reader(markup).tags}
    assert not {"\0", "\x1b"} & set(markup)


def test_half_a_character_makes_a_page_all_the_same(folder: Path) -> None:
    (folder / "versions.json").write_text('{"format": 1, "began": "\\ud83d"}')
    page(Taped.read(folder)).encode()


@pytest.mark.parametrize(
    "event",
    [
        {"event": "turn.end", "turn": "x"},
        {"event": "turn.first_audio", "turn": 1, "latency_ms": "x"},
        {"event": "turn.interrupted", "turn": 1, "silent_after_ms": []},
        {"event": "turn.timed", "turn": 1, "parts": {"service": "x"}},
        {"event": "gauges", "edges": {"reply": 3}},
    ],
)
def test_events_that_are_damaged_are_named(folder: Path, event: dict[str, Any]) -> None:
    (folder / "events.jsonl").write_text(json.dumps({"t": 1.5, **event}) + "\n")
    with pytest.raises(BadRecording, match=rf"are damaged, in {event['event']} at 1.5 s: "):
        page(Taped.read(folder))


@pytest.mark.parametrize("name", ["turn", "calls", "of", "last.asked", ""])
def test_events_of_any_other_name_are_passed_over(folder: Path, name: str) -> None:
    (folder / "events.jsonl").write_text(json.dumps({"t": 1.0, "event": name}) + "\n")
    assert Story.of(Taped.read(folder)).turns == {}


@pytest.mark.parametrize("left", [0, 10, 20_000])
def test_a_sound_that_is_cut_short_leaves_the_rest_of_the_page(folder: Path, left: int) -> None:
    with (sounding(folder) / "conversation.flac").open("r+b") as file:
        file.truncate(left)
    markup = page(Taped.read(folder))
    assert re.search("No sound: .*conversation.flac", markup)
    assert "1200 ms" in markup


def test_what_the_disk_was_too_slow_for_is_said(folder: Path) -> None:
    assert "not whole" not in page(Taped.read(folder))
    (folder / "frames.jsonl").write_text('{"t": 9.0, "way": "end", "lost": 7}\n')
    assert "too slow for 7 pieces" in page(Taped.read(folder))


def told(folder: Path, *events: dict[str, Any]) -> Story:
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return Story.of(Taped.read(folder))


def said(begin: float, end: float) -> list[dict[str, Any]]:
    return [
        {"t": begin + 0.1, "event": "turn.user_start", "at_ms": 1000 * begin},
        {"t": end + 0.4, "event": "turn.user_end", "at_ms": 1000 * end},
    ]


def replied(turn: int, t: float, asked: float | None) -> list[dict[str, Any]]:
    known = {} if asked is None else {"asked_ms": 1000 * asked}
    return [
        {"t": t - 0.1, "event": "transcript", "who": "user", "text": "what", "final": True, "turn": turn},
        {"t": t, "event": "turn.first_audio", "turn": turn, "latency_ms": 1000 * (t - (asked or t)), **known},
        {"t": t + 1, "event": "turn.end", "turn": turn, "heard_ms": 900.0, "outcome": "completed", "underruns": turn},
    ]


@pytest.mark.parametrize("old", [False, True])
def test_turns_stand_where_their_own_words_are(folder: Path, *, old: bool) -> None:
    """A question that got no reply, one with a pause in it, one that is typed; recordings of before say no asked_ms."""
    first, second, typed = (None, None, None) if old else (10.0, 18.0, 29.0)
    story = told(
        folder, *said(1, 2), *said(9, 10), *replied(1, 11, first), *said(15, 16), *said(17, 18),
        *replied(2, 19, second), *said(22, 23), *replied(3, 30, typed),
    )  # fmt: skip
    asked = [turn.asked for turn in story.turns.values()]
    assert asked[:2] == [9.1, 15.1]
    assert asked[2] == (22.1 if old else 29.0)


def test_what_nobody_answered_is_on_the_page(folder: Path) -> None:
    unanswered = {"t": 8.4, "event": "turn.unanswered", "at_ms": 2000.0, "where": "service", "ms": 6400.0}
    story = told(folder, *said(1, 2), unanswered)
    assert [one["t"] for one in story.unanswered] == [8.4]
    text = " ".join(Reader(page(Taped.read(folder))).texts)
    assert "no reply to what was said up to 2.0 s: the service has it and says nothing" in text
    assert "without a reply 1 " in text


def test_a_reply_that_ran_dry_says_so(folder: Path) -> None:
    told(folder, *said(1, 2), *replied(2, 4, 2))
    assert "ran dry at the speaker 2 times" in page(Taped.read(folder))


WATERFALLS: list[tuple[float | None, dict[str, float | None], list[tuple[str, float]]]] = [
    (1000.0, {"gate": 100.0, "service": 900.0}, [("gate", 100.0), ("service", 900.0)]),
    (1000.0, {"microphone": None, "gate": None, "service": 700.0}, [("unknown", 300.0), ("service", 700.0)]),
    (1000.0, {"gate": 100.0, "service": 600.0}, [("gate", 100.0), ("service", 600.0), ("unknown", 300.0)]),
    (None, {"service": None, "device": 10.0}, [("unknown", 4.0), ("device", 10.0)]),
]


@pytest.mark.parametrize(("latency", "parts", "drawn"), WATERFALLS)
def test_unknown_parts_and_what_nothing_explains_are_drawn(
    latency: float | None, parts: dict[str, float | None], drawn: list[tuple[str, float]]
) -> None:
    markup = waterfall(Turn(1, latency_ms=latency, parts=parts), 1000.0)
    found = re.findall(r'<rect class="part (.*?)" .*?width="(.*?)"', markup)
    assert [(kind, float(width)) for kind, width in found] == drawn
    assert ("microphone, gate: unknown, 300.0 ms in all" in markup) is ("microphone" in parts)


USED = {"promptTokenCount": 1_000_000, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1_000_000}]}


@pytest.mark.parametrize(
    ("plan", "cost"),
    [
        ('live.model = "gemini-x-1"\n[telemetry.prices.gemini-x]\ntext_in = 2.5\nunit = "EUR"', "2.5000 EUR"),
        ('live.model = "gemini-x-1"\n[telemetry.prices.gemini-x]\naudio_in = 2.5', "unknown"),
        ("", "unknown"),
        ("[no plan", "unknown"),
        ("telemetry.prices = 3", "unknown"),
    ],
)
def test_it_says_what_the_conversation_cost(folder: Path, plan: str, cost: str) -> None:
    told(folder, {"t": 1.0, "event": "usage", "turn": 1, **USED})
    (folder / "plan.toml").write_text(plan)
    assert f"<dt>cost</dt><dd>{cost}</dd>" in page(Taped.read(folder))
