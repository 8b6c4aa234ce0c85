"""What a listener may have: everything, or an event without the words that its level of content forbids."""

import attrs
import pytest

from pipeline import events as e
from pipeline.bus import FULL, NONE, TRANSCRIPTS, WITHHELD, Content, permitted

SAID = e.Transcript("user", "the word", final=True)
CALLED = e.ToolStarted("c", "clock", {"city": "the word"}, 1)
SETTLED = e.ToolEnded("c", "clock", 1.0, "ok", {"result": "the word"})
CITED = e.Sources(1, ({"title": "the word"},), ("the word",), "<b>the word</b>")
FAILED = e.Trouble("clock failed", "tool", "the model is told so", "the word")
CRASHED = e.ActorRestarted("vad", 1, "ValueError: the word")


@pytest.mark.parametrize(
    ("event", "level", "passes"),
    [
        *((event, FULL, True) for event in (SAID, CALLED, SETTLED, CITED, FAILED, CRASHED)),
        *((event, TRANSCRIPTS, True) for event in (SAID, CALLED, CITED, CRASHED)),
        *((event, TRANSCRIPTS, False) for event in (SETTLED, FAILED)),
        *((event, NONE, False) for event in (SAID, CALLED, SETTLED, CITED, FAILED, CRASHED)),
    ],
)
async def test_a_listener_gets_what_its_level_permits(event: e.Event, level: Content, *, passes: bool) -> None:
    bus = e.Bus()
    listener, program = bus.subscribe(content=level), bus.subscribe()
    bus.publish(event)
    assert ("the word" in str(await anext(listener))) == passes
    assert "the word" in str(await anext(program))


def test_what_is_withheld_keeps_its_shape() -> None:
    def shown(event: e.Event) -> dict[str, object]:
        return permitted(event, NONE).fields()

    assert shown(SAID) == {"who": "user", "text": WITHHELD, "final": True}
    assert shown(CALLED) == {"id": "c", "name": "clock", "args": {}, "turn": 1}
    assert shown(CITED) == {"turn": 1, "sources": (), "queries": (), "supports": ()}
    assert shown(e.ToolConsent('["delete", {"file": "diary"}]', "asked")) == {"call": WITHHELD, "state": "asked"}
    assert shown(SETTLED) == {"id": "c", "name": "clock", "ms": 1.0, "outcome": "ok"}
    assert shown(e.Notice("plain")) == {"text": "plain"}


def test_every_field_of_free_words_is_marked() -> None:
    """A new event with text in it has to say from which level on that may be kept; these are names, states and ours."""
    plain = {
        "name_", "outcome", "state", "reason", "from_", "to", "who", "which", "what", "device", "handle", "id", "call",
        "edge", "actor", "action", "code", "listener", "task", "level", "where", "counts", "parts", "edges", "actors",
    }  # fmt: skip
    kinds = [kind for kind in vars(e).values() if isinstance(kind, type) and issubclass(kind, e.Event)]
    unmarked = {
        f"{kind.__name__}.{field.name}"
        for kind in kinds
        for field in attrs.fields(kind)
        if any(word in str(field.type) for word in ("str", "Mapping", "tuple"))
        if "content" not in field.metadata and field.name not in plain
    }
    assert unmarked == {"Notice.text"}
