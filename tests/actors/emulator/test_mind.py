"""What is made of what was said: a table of utterances and what must come of them."""

from collections.abc import Sequence
from typing import Any

import pytest

from actors.emulator import index, stories
from actors.emulator.mind import Call, Declared, Exchange, Say, answer, respond
from actors.emulator.voice import sentences

WEATHER = Declared(
    "get_weather",
    "Tells the present weather and the forecast for up to seven days, anywhere on earth.",
    {
        "type": "OBJECT",
        "properties": {
            "city": {"type": "STRING"},
            "country": {"type": "STRING"},
            "days": {"type": "INTEGER"},
            "units": {"type": "STRING", "enum": ["metric", "imperial"]},
            "hourly": {"type": "BOOLEAN"},
        },
        "required": ["city"],
    },
)
TIME = Declared(
    "get_time",
    "Tells the present time and date, here or in any city or time zone.",
    {"type": "object", "properties": {"place": {"anyOf": [{"type": "string"}, {"type": "null"}]}}},
)
TIMER = Declared(
    "set_timer",
    "Sets a timer; its answer comes when the time is up.",
    {
        "type": "OBJECT",
        "properties": {"seconds": {"type": "NUMBER"}, "label": {"type": "STRING"}},
        "required": ["seconds"],
    },
    blocking=False,
)
LAMP = Declared(
    "set_light",
    "Switches the lamp in a room on or off",
    {
        "type": "OBJECT",
        "properties": {
            "room": {"type": "STRING", "enum": ["kitchen", "living_room"]},
            "state": {"type": "STRING", "enum": ["on", "off"]},
            "brightness": {"type": "INTEGER"},
        },
        "required": ["room", "state"],
    },
)
NOTE = Declared(
    "addNote", "Keeps a note", {"type": "object", "properties": {"body": {"type": "string"}}, "required": ["body"]}
)
ALL = (WEATHER, TIME, TIMER, LAMP, NOTE)
EARLIER = (Exchange("user", "What is the weather in Paris?"), Exchange("model", "In Paris it is sunny."))


def heard(
    text: str, context: Sequence[Exchange] = (), declared: Sequence[Declared] = ALL, *, search: bool = False
) -> tuple[Say | Call, ...]:
    return respond(text, context, declared, search=search)


def said(text: str, context: Sequence[Exchange] = (), *, search: bool = False) -> str:
    (reply,) = heard(text, context, search=search)
    assert isinstance(reply, Say)
    return reply.text


def weather(city: str, **more: Any) -> Call:
    return Call("get_weather", {"city": city, **more})


def time(place: str) -> Call:
    return Call("get_time", {"place": place})


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("what is the weather in paris", [weather("Paris")]),
        ("What's the weather like in São Paulo, please?", [weather("São Paulo")]),
        ("weather in paris, texas", [weather("Paris, Texas")]),
        ("Hey, could you tell me what the weather will be like in Rome tomorrow?", [weather("Rome", days=2)]),
        ("will it rain in new york city", [weather("New York")]),
        ("how nice is the weather in kyiv", [weather("Kiev")]),
        ("weather in Timbuktu today", [weather("Timbuktu")]),
        ("what time is it in tokyo", [time("Tokyo")]),
        ("WHAT TIME IS IT?!", [Call("get_time", {})]),
        ("what is the weather in paris and what time is it in tokyo", [weather("Paris"), time("Tokyo")]),
        ("weather in london and in berlin", [weather("London"), weather("Berlin")]),
        ("what is the weather and the time in oslo", [weather("Oslo"), time("Oslo")]),
        ("turn off the light in the living room", [Call("set_light", {"room": "living_room", "state": "off"})]),
        (
            "turn on the kitchen light at forty percent",
            [Call("set_light", {"room": "kitchen", "state": "on", "brightness": 40})],
        ),
        ("add a note that the milk is empty", [Call("addNote", {"body": "the milk is empty"})]),
    ],
)
def test_a_request_becomes_the_call_of_the_function_that_fits(text: str, calls: list[Call]) -> None:
    assert list(heard(text)) == calls


def test_a_timer_that_does_not_block_is_confirmed_at_once() -> None:
    call, reply = heard("set a timer for two minutes and 30 seconds")
    assert call == Call("set_timer", {"seconds": 150})
    assert isinstance(reply, Say)


def test_a_timer_in_minutes_is_asked_for_in_minutes() -> None:
    tool = Declared(
        "start_timer", "", {"properties": {"minutes": {"type": ["integer", "null"]}}, "required": ["minutes"]}
    )
    assert heard("set a timer for half an hour", declared=[tool]) == (Call("start_timer", {"minutes": 30}),)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "catch"),
        ("...", "catch"),
        ("blah blub", "understand"),
        ("Hello!", "Hello"),
        ("stop please", "Okay."),
        ("be quiet", "Okay."),
        ("goodbye", "Goodbye"),
        ("thank you very much", "welcome"),
        ("yes", "All right"),
        ("what is the weather", "which city"),
        ("what did I ask you?", "not asked"),
        ("repeat that", "not said"),
        ("who invented the telephone", "Bell"),
    ],
)
def test_what_is_said_back(text: str, word: str) -> None:
    assert word in said(text)


def test_without_a_tool_it_says_so() -> None:
    (reply,) = heard("what is the weather in paris", declared=())
    assert isinstance(reply, Say)
    assert "no tool for the weather" in reply.text


def test_a_follow_up_asks_the_same_of_another_city() -> None:
    assert heard("what about Berlin?", EARLIER) == (weather("Berlin"),)
    assert heard("and in Tokyo", (Exchange("user", "what time is it in rome"),)) == (time("Tokyo"),)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ("What is the weather in Paris?", "You asked me about the weather in Paris."),
        ("what time is it in new york", "You asked me about what time it is in New York."),
        ("search for the telephone", "You asked me to search for the telephone."),
        ("tell me a long story", "You asked me to tell you a long story."),
        ("Why is Mars red?", "You asked me: why is mars red?"),
    ],
)
def test_it_remembers_what_was_asked(request_: str, told: str) -> None:
    context = (Exchange("user", request_), Exchange("model", "..."), Exchange("user", "what did i ask"))
    assert said("what did I ask?", context) == told


def test_it_repeats_what_it_said() -> None:
    assert said("repeat that", EARLIER) == EARLIER[1].text
    assert said("what did you say", EARLIER) == f"I said: {EARLIER[1].text}"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("what time is it in tokyo\nwhat is the weather in paris", [time("Tokyo"), weather("Paris")]),
        ("what is the weather\nin paris", [weather("Paris")]),
        ("set a timer\nfor ten seconds", heard("set a timer for ten seconds")),
        ("hello\nwhat time is it in tokyo", [Say("Hello! How can I help you?"), time("Tokyo")]),
        ("blah blub\nwhat time is it in tokyo", [time("Tokyo")]),
        ("what time is it in tokyo\nwhat time is it in tokyo", [time("Tokyo")]),
        ("what is the weather in rome\nhow about oslo", [weather("Rome"), weather("Oslo")]),
        ("blah\nblub", heard("blah blub")),
    ],
)
def test_all_that_was_said_is_answered(lines: str, found: Sequence[Say | Call]) -> None:
    assert list(heard(lines)) == list(found)


def test_it_counts() -> None:
    assert said("count to five") == "One, two, three, four, five."
    assert said("count to one hundred").endswith("ninety nine, one hundred.")
    assert said("count from 3 to 1") == "Three, two, one."


def test_a_search_names_its_sources() -> None:
    (reply,) = heard("search for the telephone", search=True)
    assert isinstance(reply, Say)
    assert [source.title for source in reply.sources] == ["Telephone"]
    assert reply.queries == ("the telephone",)
    (nothing,) = heard("search for purple elephants", search=True)
    assert isinstance(nothing, Say)
    assert not nothing.sources
    assert "nothing" in nothing.text


def test_a_search_goes_to_a_declared_function_where_the_service_does_not_search() -> None:
    tool = Declared("web_search", "", {"properties": {"query": {"type": "string"}}, "required": ["query"]})
    assert heard("search for purple elephants", declared=[tool]) == (Call("web_search", {"query": "purple elephants"}),)


def test_every_question_of_the_index_finds_its_own_topic() -> None:
    for topic in index.topics():
        for question in topic.questions:
            (reply,) = heard(question, search=True)
            assert isinstance(reply, Say)
            assert reply.text == topic.answer, question


def test_a_long_story_lasts_over_a_minute_and_the_next_one_is_another() -> None:
    first = said("tell me a long story")
    assert len(first.split()) > 60 * 185 / 60  # the fastest voice speaks 175 words a minute
    second = said("tell me another story", (Exchange("model", first),))
    assert {first, second} <= set(stories.LONG)
    assert first != second
    assert all(len(sentence) <= 300 for sentence in sentences(first))


@pytest.mark.parametrize(
    ("response", "told"),
    [
        ({"output": {"summary": "In Paris it is sunny."}}, "In Paris it is sunny."),
        ({"result": "fine"}, "fine."),
        ({"result": "done"}, "Done."),
        ({}, "Done."),
        ({"error": "no place called Xyz"}, "Sorry, that did not work: no place called Xyz."),
        ({"error": {"message": "too slow", "code": 5}}, "Sorry, that did not work: too slow."),
        ({"temperature": 18.5, "conditions": "sunny"}, "In Paris it is 18.5 degrees, sunny."),
        ({"temperature": 0, "conditions": "snow"}, "In Paris it is 0 degrees, snow."),
        ({"time": "18:30"}, "In Paris it is 18:30."),
        ({"items": [1, 2], "totalCount": 2}, "items: 1, 2; total count: 2."),
        ({"content": [{"type": "text", "text": "From MCP."}]}, "From MCP."),
        ({"result": 42}, "The result is 42."),
        ({"result": []}, "I found nothing."),
    ],
)
def test_what_is_said_when_a_tool_has_answered(response: dict[str, object], told: str) -> None:
    assert answer(Call("get_weather", {"city": "Paris"}), response).text == told


def test_a_very_long_answer_is_cut_at_a_sentence() -> None:
    told = answer(Call("f", {}), {"result": "A sentence of some words. " * 100}).text
    assert len(told) < 650
    assert told.endswith("words.")
