"""Declared functions are called by voice: one sentence for each kind of argument, and what is not taken for one."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.emulator import phrasebook
from actors.emulator.cities import plain
from actors.emulator.hearing import RATE, Hearing
from actors.emulator.mind import Call, Declared, respond

ROOT = Path(__file__).parents[3]
ELSEWHERE = (
    "My grandmother bought a red bicycle last summer.",
    "I think we should paint the kitchen yellow.",
    "Dinner is ready in half an hour.",
    "Forty elephants.",
)
OURS = ("Hello.", "What is the weather in Paris?", "Tell me a long story.", "Set a timer for ten seconds.")
SPEAK = """
import json, sys
from actors.audio.resample import Resampler
from actors.emulator.voice import Voice
voice = Voice()
for name, text in json.load(sys.stdin):
    resampler = Resampler(24_000, 16_000)
    pcm = resampler.push(voice.speak(text, voice=name)) + resampler.flush()
    sys.stdout.buffer.write(len(pcm).to_bytes(4, "big") + pcm)
"""


def function(name: str, description: str, required: str = "", **properties: Any) -> Declared:
    schema = {"type": "object", "properties": properties, "required": required.split()}
    return Declared(name, description, schema)


DECLARED = (
    function(
        "set_light",
        "Switches the lamp in a room on or off",
        "room state",
        room={"type": "string", "enum": ["kitchen", "living_room"]},
        state={"type": "string", "enum": ["on", "off"]},
        brightness={"type": "integer"},
    ),
    function("set_volume", "Sets the volume of the speakers in percent", "volume", volume={"type": "number"}),
    function(
        "openWindow",
        "Opens or closes a window",
        window={"type": "string", "enum": ["left", "right"]},
        wide={"type": "boolean"},
    ),
    function("book_flight", "Books a flight to a city", "city", city={"type": "string"}, date={"type": "string"}),
    function("play_music", "Plays music of a genre", genre={"type": "string", "enum": ["jazz", "rock", "classical"]}),
    function("add_note", "Keeps a note", "body tags", body={"type": "string"}, tags={"type": "array"}),
    function("frobnicate", "Frobs the quux"),
)
SPOKEN = (
    ("Kore", "Turn on the kitchen light.", Call("set_light", {"room": "kitchen", "state": "on"})),
    ("Puck", "Turn on the kitchen light.", Call("set_light", {"room": "kitchen", "state": "on"})),
    ("Puck", "Switch the kitchen light off.", Call("set_light", {"room": "kitchen", "state": "off"})),
    (
        "Puck",
        "Turn on the kitchen light at forty percent.",
        Call("set_light", {"room": "kitchen", "state": "on", "brightness": 40}),
    ),
    ("Puck", "Set the volume to thirty percent.", Call("set_volume", {"volume": 30})),
    ("Kore", "Open the left window.", Call("openWindow", {"window": "left"})),
    ("Puck", "Open the right window wide.", Call("openWindow", {"window": "right", "wide": True})),
    ("Kore", "Book a flight to Rome.", Call("book_flight", {"city": "Rome"})),
    ("Puck", "Play jazz music.", Call("play_music", {"genre": "jazz"})),
    ("Kore", "Add a note.", Call("add_note", {"body": "add a note", "tags": ["add a note"]})),
)
Spoken = Callable[[str, str], bytes]


@pytest.fixture(name="hearing", scope="module")
def _hearing() -> Hearing:
    return Hearing()


@pytest.fixture(name="spoken", scope="module")
def _spoken() -> Spoken:
    """`spoken(name, text)`: a sentence at 16 kHz, spoken by a process of its own; always the same."""
    wanted = [(name, text) for name, text, _ in SPOKEN] + [("Kore", text) for text in (*ELSEWHERE, *OURS)]
    done = subprocess.run(
        [sys.executable, "-c", SPEAK], input=json.dumps(wanted).encode(), cwd=ROOT, capture_output=True, check=True
    )
    sounds, at = {}, 0
    for key in wanted:
        size = int.from_bytes(done.stdout[at : at + 4], "big")
        sounds[key], at = done.stdout[at + 4 : at + 4 + size], at + 4 + size
    return lambda name, text: sounds[name, text]


@pytest.mark.parametrize(("name", "text", "call"), SPOKEN)
def test_a_function_is_called_by_voice(hearing: Hearing, spoken: Spoken, name: str, text: str, call: Call) -> None:
    heard = hearing.understand_among(spoken(name, text), phrasebook.of(DECLARED))
    assert respond(heard, [], DECLARED, search=False) == (call,), heard


def test_other_talk_calls_nothing(hearing: Hearing, spoken: Spoken) -> None:
    found = [hearing.understand_among(spoken("Kore", text), phrasebook.of(DECLARED)) for text in ELSEWHERE]
    assert found == [""] * len(ELSEWHERE)


def test_our_own_requests_are_heard_as_ever(hearing: Hearing, spoken: Spoken) -> None:
    for text in OURS:
        assert hearing.understand_among(spoken("Kore", text), phrasebook.of(DECLARED)) == plain(text)


def test_a_decoder_is_kept_for_the_latest_sets(hearing: Hearing) -> None:
    sets = [
        phrasebook.of([function(f"play_{word}", "Plays music")]) for word in ("rock", "jazz", "blues", "folk", "pop")
    ]
    noise = np.random.default_rng(1).normal(0, 3000, RATE // 2).astype("<i2").tobytes()
    for functions in (*sets, sets[-1]):
        hearing.understand_among(noise, functions)
    assert list(hearing._functions) == sets[-4:]


def test_functions_that_our_own_requests_reach_need_no_phrases() -> None:
    assert phrasebook.of([function("get_weather", "Tells the weather"), function("setTimer", "Sets a timer")]) == ""


def test_words_that_nobody_can_pronounce_are_left_out() -> None:
    spoken = phrasebook.read(phrasebook.of([DECLARED[-1]]))
    assert {"frobnicate", "quux"} <= phrasebook.words(spoken)
    assert phrasebook.rules(spoken, lambda _word: False) == ""
    assert "quux" not in phrasebook.rules(spoken, lambda word: word != "quux")


@pytest.mark.parametrize(
    "parameters",
    [
        {"properties": 5},
        {"properties": {"x": 5, "": {}, "é": {"enum": 7}}},
        {"properties": {"x": {"enum": [None, [], {}, 10**300, "two words", "a " * 50, "<f> | ; /"]}}},
        {"properties": {f"x{number}": {"enum": ["jazz"] * 500} for number in range(500)}},
    ],
)
def test_odd_schemas_make_a_grammar_all_the_same(hearing: Hearing, parameters: Any) -> None:
    functions = phrasebook.of(
        [Declared("play_<x>;", "Plays / music | { of } \\ * + any [kind] " * 50, parameters)] * 40
    )
    assert len(functions) < 40_000
    assert hearing._decoder_of(functions) is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("turn on the kitchen light to forty percent", True),
        ("light lamp my room off a lamp", False),
        ("light in three of eight the kitchen off", False),
    ],
)
def test_what_nobody_would_say(text: str, said: bool) -> None:
    assert phrasebook.plausible(text) is said
