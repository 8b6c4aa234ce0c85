"""What a session remembers, what that costs, and how long its handles are good."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.emulator.costs import Cost, audio_cost, text_cost, usage
from actors.emulator.handles import LIFE, Handles
from actors.emulator.mind import Call
from actors.emulator.session import Session, Snapshot, fragments
from actors.emulator.terms import Compression


def session(*said: tuple[str, str]) -> Session:
    found = Session.new("models/m")
    for who, text in said:
        found.remember("user" if who == "user" else "model", text, text_cost(text))
    return found


def test_sound_costs_25_tokens_a_second() -> None:
    assert audio_cost(2.0) == Cost(audio=50)
    assert audio_cost(0.84) == Cost(audio=21)
    assert audio_cost(0.01) == Cost(audio=1)


def test_what_is_said_is_remembered_and_paid_for() -> None:
    found = session(("user", "abcdefgh"), ("model", "abcd"))
    found.instruction = "abcd"
    assert [(exchange.who, exchange.text) for exchange in found.context] == [("user", "abcdefgh"), ("model", "abcd")]
    assert found.cost == Cost(text=4)
    found.remember("user", "", Cost())
    assert len(found.snapshot().entries) == 2


def test_a_restored_session_goes_on_from_its_snapshot() -> None:
    found = session(("user", "one"))
    kept = found.snapshot()
    found.remember("model", "two", Cost())
    back = Session.restored(kept)
    assert back.id == found.id
    assert [exchange.text for exchange in back.context] == ["one"]
    assert not back.has_open_calls


def test_what_was_not_answered_can_be_asked_again() -> None:
    found = session(("model", "zero"), ("user", "one"), ("user", "two"))
    assert found.unanswered
    assert found.take_unanswered() == ("one two", text_cost("one") + text_cost("two"))
    assert not found.unanswered
    assert [exchange.text for exchange in found.context] == ["zero"]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_compression_keeps_the_newest_within_the_target(costs: list[int]) -> None:
    found = Session.new("models/m")
    found.compression = Compression(trigger=100, target=40)
    for number, cost in enumerate(costs):
        found.remember("user", str(number), Cost(text=cost))
        found.compress()
        kept = [int(exchange.text) for exchange in found.context]
        assert kept == list(range(kept[0], number + 1))
        assert found.cost.total <= 100


def test_calls_have_ids_of_their_own_and_belong_to_their_turn() -> None:
    found = Session.new("models/m")
    found.turns = 1
    (first,) = found.open([(Call("f", {}), False)])
    found.turns = 2
    second, third = found.open([(Call("f", {}), True), (Call("g", {"a": 1}), True)])
    assert len({first.id, second.id, third.id}) == 3
    assert third.as_json() == {"id": third.id, "name": "g", "args": {"a": 1}}
    assert found.cancel_turn() == [second.id, third.id]
    assert found.find(second.id) is None
    assert found.find(first.id) is first
    found.close(first.id)
    assert not found.has_open_calls


def test_usage_adds_up() -> None:
    found = usage(Cost(text=3, audio=5), Cost(audio=7), thoughts=2)
    assert found["promptTokenCount"] == 8
    assert found["responseTokenCount"] == 7
    assert found["thoughtsTokenCount"] == 2
    assert found["totalTokenCount"] == 17
    assert found["promptTokensDetails"] == [
        {"modality": "TEXT", "tokenCount": 3},
        {"modality": "AUDIO", "tokenCount": 5},
    ]


@given(st.text(alphabet="ab \n", max_size=60))
def test_fragments_add_up_to_the_words(text: str) -> None:
    assert "".join(fragments(text)) == " ".join(text.split())


def test_handles_do_not_age_while_their_session_is_connected() -> None:
    handles = Handles()
    assert handles.connected("s") == 0.0
    handle = handles.issue(Snapshot("s", "models/m"))
    assert handles.find(handle, 1e9) == Snapshot("s", "models/m")
    handles.ended("s", 100.0, seconds=60.0)
    assert handles.find(handle, 100.0 + LIFE) is not None
    assert handles.find(handle, 100.0 + LIFE + 1) is None
    assert handles.connected("s") == 60.0
    assert handles.find(handle, math.inf) is not None


def test_what_is_out_of_date_is_forgotten() -> None:
    handles = Handles(life=10.0)
    for number in range(100):
        name = str(number)
        handles.connected(name)
        handles.issue(Snapshot(name, "models/m"))
        handles.ended(name, 20.0 * number, seconds=1.0)
    assert len(handles._kept) == 1
    assert len(handles._lives) == 1


@pytest.mark.parametrize("handle", ["", "x"])
def test_unknown_handles(handle: str) -> None:
    assert Handles().find(handle, 0.0) is None
