"""Keys, models and endpoints: the good ones are taken from where they stand, the wrong ones told within ten seconds."""

import functools
import json
import socket
from pathlib import Path
from typing import Any

import pytest
import trio

LIMIT = 10.0  # seconds
SHORT = ("--input", "hush.wav", "--linger", "0", "--set", "actors.vad.use=actors.vad:Energy")
IN_QUERY = ("--set", "actors.connection.key_in=query")
NEW_FORM = "AQ."  # what keys of the newer form begin with


async def answer(stream: trio.SocketStream, reply: bytes) -> None:
    await stream.receive_some(4096)
    await stream.send_all(reply)


async def not_found(stream: trio.SocketStream) -> None:
    await answer(stream, b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")


async def web_page(stream: trio.SocketStream) -> None:
    await answer(stream, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi")


async def silence(_stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def to_server(server: Any, user: Any) -> Any:
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, server, 0)
        endpoint = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        outcome = await user.run(*user.talk[:-1], endpoint, *SHORT, GOOGLE_API_KEY=user.key)
        nursery.cancel_scope.cancel("the call is over")
    return outcome


async def to_closed_port(user: Any) -> Any:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and never listens
        endpoint = f"ws://127.0.0.1:{free.getsockname()[1]}"
        return await user.run(*user.talk[:-1], endpoint, *SHORT, GOOGLE_API_KEY=user.key)


async def without_setup(user: Any) -> Any:
    async with user.far_end(answers=False).serving() as service:
        return await user.run(*user.talk[:-1], service.url, *SHORT, GOOGLE_API_KEY=user.key)


async def call(file: str, words: tuple[str, ...], around: dict[str, str], user: Any) -> Any:
    """Calls the emulator; `GOOD` and `BAD` in what is given stand for a good and a bad key."""

    def filled(text: str) -> str:
        return text.replace("GOOD", user.key).replace("BAD", user.key[::-1])

    if file:
        (user.folder / ".env").write_text(filled(file))
    given = {name: filled(value) for name, value in around.items()}
    return await user.run(*user.talk, *SHORT, *words, **given)


def calling(*words: str, file: str = "", **around: str) -> Any:
    return functools.partial(call, file, words, around)


async def with_the_newer_form(user: Any) -> Any:
    key = NEW_FORM + user.key
    async with user.starts("emulator", "--port", "0", "--key", key) as emulator:
        url = (await emulator.ready())["live_url"]
        async with trio.open_nursery() as nursery:
            outcomes: dict[str, Any] = {}

            async def one(name: str, key: str) -> None:
                words = (*user.talk[:4], "--events", f"{name}.jsonl", "--endpoint", url, *SHORT)
                outcomes[name] = await user.run(*words, GEMINI_API_KEY=key)

            nursery.start_soon(one, "good", key)
            nursery.start_soon(one, "bad", key[::-1])
        return outcomes["good"], outcomes["bad"]


async def with_credentials_in_the_endpoint(user: Any) -> Any:
    """Which nobody sends, and nobody shows either: not talk, nor plan, nor doctor."""
    endpoints = [f"ws://me:{user.key}@127.0.0.1:9", f"ws://127.0.0.1:9/?key={user.key}"]
    talks = [await user.run(*user.talk[:-1], endpoint, *SHORT, GOOGLE_API_KEY="") for endpoint in endpoints]
    setting = ("--set", f"actors.connection.endpoint={endpoints[0]}")
    return *talks, await user.run("plan", *setting), await user.run("doctor", *setting)


async def with_secrets_in_the_plan(user: Any) -> Any:
    """The key where it does not belong, and what a server of tools is given to know."""
    server = f'tools.mcp.notes={{command = ["notes"], env = {{NOTES_TOKEN = "{user.key[::-1]}"}}}}'
    prompt = f"live.system_instruction=The key is {user.key}"
    return await user.run("plan", "--set", server, "--set", prompt, GOOGLE_API_KEY=user.key)


UNREACHABLE = {
    "404": (functools.partial(to_server, not_found), "HTTP 404"),
    "web page": (functools.partial(to_server, web_page), "HTTP 200"),
    "silence": (functools.partial(to_server, silence), "did not answer"),
    "closed port": (to_closed_port, "refused"),
    "no setup": (without_setup, "did not answer"),
}
REFUSED = {
    "wrong key in the header": (calling(GOOGLE_API_KEY="BAD"), "API key"),
    "wrong key in the query": (calling(*IN_QUERY, GOOGLE_API_KEY="BAD"), "API key"),
    "wrong model": (calling("--model", "gemini-nonsense", GOOGLE_API_KEY="GOOD"), "gemini-nonsense"),
    "GOOGLE_API_KEY wins": (calling(GOOGLE_API_KEY="BAD", GEMINI_API_KEY="GOOD"), "API key"),
    ".env does not override": (calling(file="GOOGLE_API_KEY=GOOD\n", GOOGLE_API_KEY="BAD"), "API key"),
}
ACCEPTED = {
    "key in the query": calling(*IN_QUERY, GOOGLE_API_KEY="GOOD"),
    "GEMINI_API_KEY": calling(GEMINI_API_KEY="GOOD"),
    ".env": calling(file="# mine\nGOOGLE_API_KEY='GOOD'\n"),
    "the environment wins over .env": calling(file="GOOGLE_API_KEY=BAD\n", GOOGLE_API_KEY="GOOD"),
}
SCENARIOS = (
    {name: scenario for name, (scenario, _) in (UNREACHABLE | REFUSED).items()}
    | ACCEPTED
    | {
        "newer form": with_the_newer_form,
        "credentials in the endpoint": with_credentials_in_the_endpoint,
        "secrets in the plan": with_secrets_in_the_plan,
    }
)


def connected(path: Path) -> bool:
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return "CONNECTED" in [event["to"] for event in events if event["event"] == "session.state"]


@pytest.mark.parametrize("name", UNREACHABLE | REFUSED)
def test_who_will_not_answer_is_given_up_within_ten_seconds(name: str, played: Any) -> None:
    outcome = played(name)
    assert outcome.code == 1, outcome
    (sentence,) = outcome.err.splitlines()
    assert sentence.startswith("assistant: ")
    assert (UNREACHABLE | REFUSED)[name][1] in sentence
    assert outcome.within(LIMIT), outcome.seconds


@pytest.mark.parametrize("name", UNREACHABLE | REFUSED)
def test_the_event_log_tells_it_too(name: str, played: Any) -> None:
    events = played(name).events()
    assert "the conversation ends" in [event["action"] for event in events if event["event"] == "error"]
    assert [event["to"] for event in events if event["event"] == "session.state"][-1] == "CLOSED"


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_good_key_is_taken_from_where_it_stands(name: str, played: Any) -> None:
    outcome = played(name)
    assert (outcome.code, outcome.err) == (0, "")
    assert connected(outcome.folder / "events.jsonl")


def test_a_key_of_the_newer_form_is_as_good(played: Any) -> None:
    good, bad = played("newer form")
    assert (good.code, good.err) == (0, "")
    assert connected(good.folder / "good.jsonl")
    assert bad.code == 1
    assert "API key" in bad.err


def test_credentials_in_an_endpoint_are_refused_with_what_to_do(played: Any) -> None:
    for outcome in played("credentials in the endpoint"):
        assert outcome.code == 2, outcome
        assert "GOOGLE_API_KEY" in outcome.err


def test_a_plan_is_shown_without_its_secrets(played: Any) -> None:
    outcome = played("secrets in the plan")
    assert (outcome.code, outcome.err) == (0, "")
    assert "The key is [secret]" in outcome.out
    assert 'NOTES_TOKEN = "[secret]"' in outcome.out


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_key_comes_out(name: str, played: Any, canary: str) -> None:
    """Nor a wrong one, which may be right elsewhere."""
    found = played(name)
    outcomes = found if isinstance(found, tuple) else [found]
    for outcome in outcomes:
        logs = "".join(path.read_text() for path in outcome.folder.glob("*.jsonl"))
        told = outcome.out + outcome.err + logs
        assert [secret for secret in (canary, canary[::-1]) if secret in told] == []
