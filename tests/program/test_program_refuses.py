"""Whatever is wrong, a user reads one sentence that names it and says what to do, and gets the right exit code."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

Play = Callable[..., dict[str, Any]]
NOWHERE = "ws://127.0.0.1:9"  # nobody is asked for the time that it takes to find the fault
LIMIT = 10.0  # seconds in which a wrong endpoint, key or model is told

# Files of these names and contents are in the user's folder.
FILES = {
    "empty.wav": b"",
    "text.wav": b"this is no sound\n" * 100,
    "no-sound.wav": b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\0\0\0\0",
    "odd-codec.wav": b"RIFF\x64\0\0\0WAVEfmt \x10\0\0\0\0\x20\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data\x40\0\0\0"
    + bytes(64),
    "broken.toml": b"[live\nmodel = 1\n",
    "one.toml": b'include = ["two.toml"]\n',
    "two.toml": b'include = ["one.toml"]\n',
    "unknown.toml": b"[live]\ntemprature = 0.5\n",
    "twice.toml": b'[actors.vad.inputs]\naudible = "captured"\n',
    "unbound.toml": b'[edges.lost]\ntype = "Captured"\ncapacity = "1 s"\noverflow = "fail"\n',
    "actor.toml": b"[actors.radio]\nvolume = 3\n",
}


@attrs.frozen
class Case:
    """What is run, and what it must say; every word must be there."""

    arguments: tuple[str, ...]
    words: tuple[str, ...]
    code: int = 2


def talk(*arguments: str, words: tuple[str, ...], code: int = 2) -> Case:
    return Case(("talk", "--quiet", "--endpoint", NOWHERE, *arguments), words, code)


def sets(setting: str, *words: str) -> Case:
    return Case(("plan", "--set", setting), words)


OUTPUT = ("--output", "output.wav")
CASES = {
    "empty recording": talk(*OUTPUT, "--input", "empty.wav", words=("empty.wav", "empty")),
    "recording of text": talk(*OUTPUT, "--input", "text.wav", words=("text.wav", "format")),
    "recording without sound": talk(*OUTPUT, "--input", "no-sound.wav", words=("no-sound.wav", "no sound")),
    "recording of an odd codec": talk(*OUTPUT, "--input", "odd-codec.wav", words=("odd-codec.wav", "codec", "convert")),
    "no recording": talk(*OUTPUT, "--input", "none.wav", words=("none.wav", "no such file")),
    "recording is a folder": talk(*OUTPUT, "--input", ".", words=("directory",)),
    "output in no folder": talk("--input", "hello.wav", "--output", "no/where.wav", words=("no/where.wav", "folder")),
    "output is a folder": talk("--input", "hello.wav", "--output", ".", words=("directory",)),
    "events in no folder": talk(*OUTPUT, "--input", "hello.wav", "--events", "no/e.jsonl", words=("no/e.jsonl",)),
    "no microphone": talk(*OUTPUT, words=("sound devices", "--input"), code=1),
    "no speaker": talk("--input", "hello.wav", words=("sound devices", "--output"), code=1),
    "misspelt field": talk("--config", "unknown.toml", "--input", "hello.wav", *OUTPUT, words=("[live]", "temprature")),
    "rule of the model": talk(
        *("--set", "live.thinking_config.thinking_level=LOW", "--input", "hello.wav"),
        *OUTPUT,
        words=("gemini-3.8-live", "thinking_config", "remove"),
    ),
    "endpoint that is no URL": talk(
        "--endpoint", "hello", "--input", "hello.wav", *OUTPUT, words=("'hello'", "wss://HOST")
    ),
    "no such plan": Case(("plan", "--config", "none.toml"), ("none.toml", "does not exist")),
    "plan that is no TOML": Case(("plan", "--config", "broken.toml"), ("broken.toml", "TOML")),
    "plan that includes itself": Case(("plan", "--config", "one.toml"), ("one.toml", "two.toml", "includes itself")),
    "port bound twice": Case(("plan", "--config", "twice.toml"), ("twice.toml", "captured")),
    "edge without ends": Case(("plan", "--config", "unbound.toml"), ("unbound.toml", "edges.lost", "nobody")),
    "unknown actor": Case(("plan", "--config", "actor.toml"), ("actor.toml", "actors.radio", "microphone")),
    "unknown key": sets("actors.vad.treshold=0.6", "--set", "treshold", "threshold"),
    "unknown class": sets("actors.vad.use=actors.vad:Nope", "actors.vad:Nope"),
    "unknown edge": sets("actors.vad.inputs.captured=nothing", "nothing", "speech"),
    "wrong type": sets("actors.vad.threshold=loud", "actors.vad.threshold", "'loud'", "number"),
    "no equals sign": sets("actors.vad.threshold", "=", "actors.vad.threshold"),
    "unknown option": Case(("talk", "--volume"), ("--volume",)),
    "unknown command": Case(("sing",), ("sing", "talk")),
    "unknown demo": Case(("demo", "opera"), ("opera", "conversation")),
    "unknown tool": Case(("tools", "call", "sing"), ("sing", "get_weather"), code=1),
}
USAGE = {"unknown option", "unknown command"}  # argparse shows the usage before the sentence


def check(outcome: Any, code: int, words: tuple[str, ...], lines: int = 1) -> None:
    if isinstance(outcome, Exception):
        raise outcome
    assert outcome.code == code, outcome
    assert "Traceback" not in outcome.err
    assert len(outcome.sentences) == lines, outcome.err
    assert outcome.sentences[-1].startswith("assistant")
    assert [word for word in words if word not in outcome.sentences[-1]] == [], outcome.err


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_said_in_one_sentence(name: str, outcomes: dict[str, Any]) -> None:
    outcome = outcomes[name]
    check(outcome, CASES[name].code, CASES[name].words, lines=len(outcome.sentences) if name in USAGE else 1)


def test_no_device_is_told_within_ten_seconds(outcomes: dict[str, Any]) -> None:
    assert outcomes["no microphone"].within(LIMIT)
    assert outcomes["no speaker"].within(LIMIT)


async def answer(stream: trio.SocketStream, reply: bytes) -> None:
    await stream.receive_some(4096)
    await stream.send_all(reply)


async def not_found(stream: trio.SocketStream) -> None:
    await answer(stream, b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")


async def garbage(stream: trio.SocketStream) -> None:
    await answer(stream, b"\x00\xff what?\r\n\r\n")


async def silence(_stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def goodbye(_stream: trio.SocketStream) -> None:
    """Closes at once."""


SERVERS = {"404": not_found, "garbage": garbage, "silence": silence, "goodbye": goodbye}
UNREACHABLE = {
    "404": "HTTP 404",
    "garbage": "HTTP",
    "silence": "did not answer",
    "goodbye": "",
    "closed port": "refused",
    "no setup": "did not answer",
}
REFUSED = {
    "wrong key in the header": "API key",
    "wrong key in the query": "API key",
    "wrong model": "gemini-nonsense",
    "GOOGLE_API_KEY wins": "API key",
    ".env does not override": "API key",
}
ACCEPTED = [
    "key in the header",
    "key in the query",
    "GOOGLE_API_KEY wins over GEMINI_API_KEY",
    "GEMINI_API_KEY",
    ".env",
]


@pytest.fixture(scope="module")
def outcomes(play: Play, emulator: str, far_end: Any, canary: str, hush: Path, recordings: Path) -> dict[str, Any]:
    """All of it side by side, those first that wait longest."""
    wrong = canary[::-1]
    short = ("--input", hush, "--linger", "0", "--set", "actors.vad.use=actors.vad:Energy")

    def to_server(name: str) -> Any:
        async def call(user: Any) -> Any:
            async with trio.open_nursery() as nursery:
                listeners = await nursery.start(trio.serve_tcp, SERVERS[name], 0)
                port = listeners[0].socket.getsockname()[1]
                outcome = await user.talk("--endpoint", f"http://127.0.0.1:{port}", *short, GOOGLE_API_KEY=canary)
                nursery.cancel_scope.cancel("the call is over")
            return outcome

        return call

    async def to_closed_port(user: Any) -> Any:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))  # and never listens
            endpoint = f"ws://127.0.0.1:{free.getsockname()[1]}"
            return await user.talk("--endpoint", endpoint, *short, GOOGLE_API_KEY=canary)

    async def without_setup(user: Any) -> Any:
        async with far_end(answers=False).serving() as service:
            return await user.talk("--endpoint", service.url, *short, GOOGLE_API_KEY=canary)

    def to_emulator(*arguments: str, file: str = "", **environment: str) -> Any:
        async def call(user: Any) -> Any:
            if file:
                (user.folder / ".env").write_text(file)
            return await user.talk("--endpoint", emulator, *short, *arguments, **environment)

        return call

    def of(case: Case) -> Any:
        async def run(user: Any) -> Any:
            for name, content in FILES.items():
                (user.folder / name).write_bytes(content)
            (user.folder / "hello.wav").write_bytes((recordings / "hello.wav").read_bytes())
            return await user.run(*case.arguments)

        return run

    in_query = ("--set", "actors.connection.key_in=query")
    scenarios = {name: to_server(name) for name in SERVERS}
    return play(
        {
            **scenarios,
            "closed port": to_closed_port,
            "no setup": without_setup,
            "wrong key in the header": to_emulator(GOOGLE_API_KEY=wrong),
            "wrong key in the query": to_emulator(*in_query, GOOGLE_API_KEY=wrong),
            "wrong model": to_emulator("--model", "gemini-nonsense", GOOGLE_API_KEY=canary),
            "GOOGLE_API_KEY wins": to_emulator(GOOGLE_API_KEY=wrong, GEMINI_API_KEY=canary),
            ".env does not override": to_emulator(file=f"GOOGLE_API_KEY={canary}\n", GOOGLE_API_KEY=wrong),
            "key in the header": to_emulator(GOOGLE_API_KEY=canary),
            "key in the query": to_emulator(*in_query, GOOGLE_API_KEY=canary),
            "GOOGLE_API_KEY wins over GEMINI_API_KEY": to_emulator(GOOGLE_API_KEY=canary, GEMINI_API_KEY=wrong),
            "GEMINI_API_KEY": to_emulator(GEMINI_API_KEY=canary),
            ".env": to_emulator(file=f"GOOGLE_API_KEY={canary}\n"),
            **{name: of(case) for name, case in CASES.items()},
        }
    )


@pytest.mark.parametrize("name", UNREACHABLE | REFUSED)
def test_who_will_not_answer_is_given_up_within_ten_seconds(name: str, outcomes: dict[str, Any]) -> None:
    outcome = outcomes[name]
    check(outcome, 1, ((UNREACHABLE | REFUSED)[name],))
    assert outcome.within(LIMIT)


@pytest.mark.parametrize("name", UNREACHABLE | REFUSED)
def test_the_event_log_tells_it_too(name: str, outcomes: dict[str, Any]) -> None:
    events = outcomes[name].events()
    assert "the conversation ends" in [event["action"] for event in events if event["event"] == "error"]
    assert [event["to"] for event in events if event["event"] == "session.state"][-1] == "CLOSED"


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_good_key_is_taken_from_where_it_stands(name: str, outcomes: dict[str, Any]) -> None:
    outcome = outcomes[name]
    if isinstance(outcome, Exception):
        raise outcome
    assert (outcome.code, outcome.err) == (0, "")
    assert "CONNECTED" in [event["to"] for event in outcome.events("session.state")]


@pytest.mark.parametrize("name", [*UNREACHABLE, *REFUSED, *ACCEPTED])
def test_no_key_comes_out(name: str, outcomes: dict[str, Any], canary: str) -> None:
    outcome = outcomes[name]
    told = outcome.out + outcome.err + (outcome.folder / "events.jsonl").read_text()
    assert [secret for secret in (canary, canary[::-1]) if secret in told] == []
