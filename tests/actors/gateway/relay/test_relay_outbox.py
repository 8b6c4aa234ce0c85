"""What a page is told, kept for one that was away."""

from actors.gateway.relay_outbox import Outbox
from pipeline.events import ActorRestarted, Notice, Transcript


def names(outbox: Outbox, number: int = 0) -> list[object]:
    return [one.fields.get("text") for one in outbox.after(number)]


def test_events_are_numbered_and_given_from_a_number_on() -> None:
    outbox = Outbox()
    for text in "abc":
        outbox.put(Notice(text))
    assert names(outbox) == ["a", "b", "c"]
    assert names(outbox, 2) == ["c"]
    assert names(outbox, 3) == []


def test_what_is_none_of_a_pages_business_is_not_told() -> None:
    outbox = Outbox()
    outbox.put(ActorRestarted("vad", 1))
    assert outbox.last == 0


def test_fragments_go_when_the_whole_is_there_and_numbers_stay() -> None:
    outbox = Outbox()
    outbox.put(Transcript("user", "x", final=False))
    for text in ("He", "llo"):
        outbox.put(Transcript("model", text, final=False, turn=1))
    outbox.put(Transcript("model", "Hello", final=True, turn=1))
    assert names(outbox) == ["x", "Hello"]
    assert [one.number for one in outbox.after(0)] == [1, 4]


def test_the_oldest_go_when_there_are_too_many() -> None:
    outbox = Outbox(most=3)
    for text in "abcde":
        outbox.put(Notice(text))
    assert names(outbox) == ["c", "d", "e"]
