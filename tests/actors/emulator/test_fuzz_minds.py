"""The same with the mind that thinks: odd words, schemas, answers and requests; and messages with one thing wrong."""

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from actors.emulator import mind
from actors.emulator.terms import offer

MODEL = "models/gemini-3.8-live"
ENDLESS = {"connection_life": 1e6, "session_limit": 1e6, "video_limit": 1e6, "first_audio": 0.0, "burst": float("inf")}
SLOW = settings(deadline=None, suppress_health_check=list(HealthCheck))

NUMBERS = (
    st.integers()
    | st.sampled_from([0, -1, 10**12, 10**400, 2**63, 1e308, -1e308, 5e-324])
    | st.floats(allow_nan=False, allow_infinity=False)
)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=20)
NAMES = st.sampled_from(
    ["city", "seconds", "room", "days", "count", "body", "wide", "label", "x", "", "é", "set_light"]
)
FREE = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=10
)


def deep(depth: int, brackets: str) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if brackets == "[]" else {"output": value}
    return value


DEEP = st.builds(deep, st.integers(0, 970), st.sampled_from(["[]", "{}"]))
KINDS = st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "INTEGER", "null"])
PROPERTY = st.fixed_dictionaries(
    {},
    optional={
        "type": KINDS | st.lists(KINDS, max_size=3) | FREE,
        "enum": st.lists(FREE, max_size=4) | FREE,
        "minimum": NUMBERS | FREE,
        "anyOf": st.lists(st.fixed_dictionaries({"type": KINDS}), max_size=2) | FREE,
    },
)
SCHEMAS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.just("object") | FREE,
        "properties": st.dictionaries(NAMES, PROPERTY | FREE, max_size=5) | FREE,
        "required": st.lists(NAMES | FREE, max_size=4) | FREE,
    },
)
FUNCTIONS = ("get_weather", "get_time", "set_timer", "set_light", "web_search", "add_note")
SAID = st.sampled_from(
    [
        *("what is the weather in paris", "what time is it in tokyo and in rome", "set a timer for {} minutes"),
        *(
            "count from {} to {}",
            "count to {}",
            "turn on the kitchen light at {} percent",
            "search for {}",
            "what about {}",
        ),
        *("add a note that {}", "repeat that", "what did i ask", "tell me a story", "yes", "remind me in {} hours"),
    ]
)
FILLED = st.integers().map(str) | st.sampled_from(["9" * 400, "a hundred thousand", "1.5", "-3", "x" * 5000, "paris"])
TEXTS = st.builds(lambda text, *more: text.format(*more), SAID, FILLED, FILLED) | st.text(max_size=200)
RESPONSES = st.dictionaries(
    st.sampled_from(["output", "error", "result", "temperature", "time", "city", "summary", "content", "x"]),
    FREE | DEEP,
    max_size=4,
)


def run(main: Callable[[], Any]) -> None:
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def unharmed(bystander: Any, spoken: Any, world: Any) -> None:
    await bystander.text("hello")
    assert spoken(await bystander.until("turnComplete")) == "Hello! How can I help you?"
    assert world.faults == []


@settings(SLOW, max_examples=60)
@given(
    st.lists(TEXTS, min_size=1, max_size=4),
    st.lists(SCHEMAS, min_size=len(FUNCTIONS), max_size=len(FUNCTIONS)),
    st.lists(RESPONSES, min_size=4, max_size=4),
    st.sampled_from(["BLOCKING", "NON_BLOCKING"]),
)
@example(["turn on the kitchen light"], [{"required": [{}]}] * 6, [{}] * 4, "BLOCKING")
@example(["count to " + "9" * 400], [{}] * 6, [{}] * 4, "BLOCKING")
@example(["what time is it"], [{}] * 6, [{"output": deep(900, "{}")}] * 4, "BLOCKING")
def test_any_words_schemas_and_answers(
    build: Any, spoken: Any, texts: list[str], schemas: list[Any], responses: list[Any], behavior: str
) -> None:
    """A turn is completed, or the connection ends with 1007; nothing goes wrong inside, and others talk on."""
    declared = [
        {"name": name, "description": name.replace("_", " "), "behavior": behavior, "parametersJsonSchema": schema}
        for name, schema in zip(FUNCTIONS, schemas, strict=True)
    ]

    async def main() -> None:
        async with build(mind=mind, **ENDLESS) as world:
            bystander, client = await world.ready(), await world.client()
            bystander.patience = client.patience = 2000.0
            await client.send({"setup": {"model": MODEL, "tools": [{"functionDeclarations": declared}]}})
            answers, code = iter(responses * 20), None
            try:
                assert await client.receive() == {"setupComplete": {}}
                for text in texts:
                    await client.text(text)
                    seen = await client.until("toolCall", "turnComplete") if text.strip() else []
                    for call in [call for m in seen for call in m.get("toolCall", {}).get("functionCalls", [])]:
                        await client.answer(call["id"], next(answers), willContinue=False)
                    await client.quiet(1000.0)
            except world.closed as ended:
                code = ended.code
            assert code in (None, 1007)
            await unharmed(bystander, spoken, world)

    run(main)


METHODS = st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "PUT", "CONNECT", "DELETE", "get", "X-Y"])
TARGETS = st.sampled_from(
    [
        *(
            "/",
            "//",
            "*",
            "/v1/search?name=Paris",
            "/v1/forecast?latitude=x",
            "/v1alpha/auth_tokens?key=x",
            "http://[/x",
        ),
        *("http://a:b/x", "http://a/v1/search?name=%ff", "a:443", "/?" + "k=v&" * 500, "/%00%zz", "//@:/", "ws://]["),
        *("/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=x", "/x?a=1;b=2&&&="),
    ]
)
HEADS = st.lists(
    st.sampled_from(
        [
            *("Host: a", "Host: b", "Connection: close", "Connection: upgrade", "Upgrade: websocket", "Upgrade: h2c"),
            *("Content-Length: 0", "Content-Length: 2", "Content-Length: 99999999", "Content-Length: x"),
            *("Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Expect: 100-continue", "Expect: x"),
            *("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Key: é", "Sec-WebSocket-Version: 13"),
            *("Authorization: Token é", "Authorization: Bearer", "x-goog-api-key: \xff", "X: \t", ": x", "X : y"),
        ]
    ),
    max_size=6,
)
REQUESTS = st.builds(
    lambda method, target, version, heads, body: "\r\n".join(
        [f"{method} {target} HTTP/{version}", *heads, "", body]
    ).encode("latin-1"),
    METHODS,
    TARGETS,
    st.sampled_from(["1.1", "1.1", "1.0", "2.0", "x"]),
    st.just(["Host: a"]) | HEADS | HEADS.map(lambda heads: ["Host: a", *heads]),
    st.sampled_from(
        ["", "", "{}", '{"expireTime":"9999-12-31T23:59:59-23:59"}', "5\r\nhello\r\n0\r\n\r\n", "x" * 300_000]
    ),
)


@settings(SLOW, max_examples=150)
@given(st.lists(REQUESTS, min_size=1, max_size=4), st.booleans())
def test_any_requests_are_answered_or_refused(build: Any, spoken: Any, requests: list[bytes], ends: bool) -> None:
    async def main() -> None:
        async with build(mind=mind, **ENDLESS) as world:
            bystander, stream = await world.ready(), await world.stream()

            async def listen() -> None:
                while await stream.receive_some():
                    pass

            world.nursery.start_soon(listen)
            for request in requests:
                try:
                    await stream.send_all(request)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    break
            if ends:
                await stream.send_eof()
            await unharmed(bystander, spoken, world)
            await trio.sleep(60)
            assert len(world.service.connections) <= 1 + any(b"Sec-WebSocket-Key" in one for one in requests)
            await trio.aclose_forcefully(stream)

    run(main)


TYPED: dict[str, Any] = {
    "audio": {"realtimeInput": {"audio": {"mimeType": "audio/pcm", "data": "AAAAAAAA"}}},
    "text": {"realtimeInput": {"text": "hello"}},
    "content": {"clientContent": {"turns": [{"role": "user", "parts": [{"text": "hi"}]}], "turnComplete": True}},
    "response": {
        "toolResponse": {"functionResponses": [{"id": "x", "name": "f", "response": {}, "willContinue": True}]}
    },
    "update": {"contextUpdate": {"systemInstruction": {"parts": [{"text": "x"}]}, "tools": {"tools": []}}},
    "function": {
        "contextUpdate": {
            "tools": {
                "tools": [
                    {"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", "required": ["x"]}}]}
                ]
            }
        }
    },
}
FREE_FORM = {"response"}  # a struct of the client's own


def messages_within(value: Any) -> list[Any]:
    """Every message in a message, those of free form left out."""
    if isinstance(value, list):
        return [found for item in value for found in messages_within(item)]
    if not isinstance(value, dict):
        return []
    return [value, *(found for key, item in value.items() if key not in FREE_FORM for found in messages_within(item))]


def mutated(dice: random.Random) -> tuple[str, Any]:
    """A good message with exactly one thing wrong with it, and what that is."""
    whole = copy.deepcopy(dice.choice(list(TYPED.values())))
    inner = dice.choice([found for found in messages_within(whole) if found])
    key = dice.choice(list(inner))
    how = dice.choice(["an unknown name", "a wrong type", "two kinds", "no kind"])
    if how == "an unknown name":
        inner[dice.choice(["nothing", "x", key + "s", "__class__"])] = dice.choice([1, "x", {}, []])
    elif how == "a wrong type":
        wrong: list[Any] = [5.5, {"y": 1}, [[]], "\0", True, [5]]
        same = {str: (str,), bool: (bool,), dict: (dict,), list: (list,)}[type(inner[key])]
        inner[key] = dice.choice([value for value in wrong if not isinstance(value, same)])
    elif how == "two kinds":
        whole[dice.choice([name for name in ("setup", "realtimeInput", "clientContent") if name not in whole])] = {}
    else:
        whole = {}
    return how, whole


@settings(SLOW, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_one_thing_that_is_wrong_ends_the_connection_with_1007(build: Any, spoken: Any, seed: int) -> None:
    async def main() -> None:
        dice = random.Random(seed)
        async with build(mind=mind, **ENDLESS) as world:
            bystander = await world.ready()
            for _ in range(10):
                client = await world.ready()
                how, message = mutated(dice)
                await client.send(message)
                closed = await client.closed()
                assert (closed.code, bool(closed.reason)) == (1007, True), (how, message)
            await unharmed(bystander, spoken, world)

    run(main)


@pytest.mark.parametrize("name", sorted(TYPED))
async def test_without_that_it_is_taken(build: Any, autojump_clock: Any, name: str) -> None:
    async with build(mind=mind, **ENDLESS) as world:
        client = await world.ready()
        await client.send(TYPED[name])
        await client.quiet(30.0)
        assert world.service.connections[0].open
        assert offer((), world.service.connections[0]._conversation.terms.model).declared == ()
