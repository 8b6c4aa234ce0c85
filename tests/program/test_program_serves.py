"""The emulator as a process of its own: found by its ready line, ended by SIGTERM, and secure where asked to be."""

import json
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio_websocket as ws

Play = Callable[..., dict[str, Any]]
PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=any"
SETUP = {"setup": {"model": "models/gemini-3.8-live", "generationConfig": {"responseModalities": ["AUDIO"]}}}
LIMIT = 5.0  # seconds from SIGTERM to the end


async def ready(running: Any) -> dict[str, Any]:
    """Waits for the ready line."""
    await running.until(lambda: running.out.endswith("\n"))
    (line,) = running.out.splitlines()
    return dict(json.loads(line))


async def told_to_end(user: Any) -> Any:
    """SIGTERM with two clients connected: one that answers the close frame and one that has fallen silent."""
    async with user.starts("emulator", "--port", "0") as running:
        said = await ready(running)
        port = int(said["live_url"].rpartition(":")[2])
        async with await trio.open_tcp_stream("127.0.0.1", port) as deaf:
            upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            request = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n{upgrade}Sec-WebSocket-Version: 13\r\n\r\n"
            await deaf.send_all(request.encode())
            assert b"101" in await deaf.receive_some(4096)
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream, trio.open_nursery() as nursery:
                client = await ws.wrap_client_stream(nursery, stream, "localhost", PATH)
                await client.send_message(json.dumps(SETUP))
                answer = json.loads(await client.get_message())
                running.signal(signal.SIGTERM)
                with pytest.raises(ws.ConnectionClosed) as closed:
                    await client.get_message()
            return said, answer, closed.value.reason, await running.end()


async def told_to_end_without_clients(user: Any) -> Any:
    async with user.starts("emulator", "--port", "0") as running:
        await ready(running)
        running.signal(signal.SIGTERM)
        return await running.end()


async def told_to_end_in_a_call(user: Any) -> Any:
    """`talk` is the client; it learns of the end, and then Ctrl-C ends it."""
    async with user.starts("emulator", "--port", "0") as running:
        said = await ready(running)
        talk = ("talk", "--quiet", "--endpoint", said["url"], "--output", "output.wav", "--events", "events.jsonl")
        async with user.starts(*talk, "--set", "actors.microphone.use=actors.microphone:Silence") as client:
            await client.until_event("session.state", to="CONNECTED")
            running.signal(signal.SIGTERM)
            outcome = await running.end()
            await client.until_event("error")
            client.signal()
            return outcome, await client.end()


async def port_in_use(user: Any) -> Any:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        return await user.run("emulator", "--port", str(taken.getsockname()[1]))


def over_tls(recording: Path) -> Any:
    async def scenario(user: Any) -> Any:
        async with user.starts("emulator", "--port", "0", "--tls") as running:
            said = await ready(running)
            ca_file = trio.Path(said["ca_file"])
            authority = await ca_file.read_text("utf-8")
            trusting = ssl.create_default_context(cadata=authority)
            port = int(said["url"].rpartition(":")[2])
            stream = await trio.open_ssl_over_tcp_stream("localhost", port, ssl_context=trusting)
            await stream.do_handshake()
            await trio.aclose_forcefully(stream)
            call = ("--endpoint", said["url"], "--input", recording, "--linger", "0")
            trusted = await user.talk(*call, SSL_CERT_FILE=str(ca_file))
            distrusted = await user.run("talk", "--quiet", *call, "--output", "other.wav")
            running.signal(signal.SIGTERM)
            return said, authority, trusted, distrusted, await running.end(), await ca_file.exists()

    return scenario


@pytest.fixture(scope="module")
def played(play: Play, hush: Path) -> Callable[[str], Any]:
    results = play(
        {
            "clients": told_to_end,
            "no clients": told_to_end_without_clients,
            "call": told_to_end_in_a_call,
            "port in use": port_in_use,
            "tls": over_tls(hush),
        }
    )

    def result(name: str) -> Any:
        if isinstance(results[name], Exception):
            raise results[name]
        return results[name]

    return result


def test_the_ready_line_says_where_it_is(played: Any) -> None:
    said, answer, _, _ = played("clients")
    assert said["ready"] is True
    assert said["url"].startswith("http://127.0.0.1:")
    assert said["live_url"] == said["url"].replace("http", "ws")
    assert int(said["url"].rpartition(":")[2]) > 0
    assert "setupComplete" in answer


def test_sigterm_closes_clients_with_1001_and_ends_well(played: Any) -> None:
    _, _, reason, outcome = played("clients")
    assert reason.code == 1001
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.within(LIMIT)


def test_sigterm_without_clients_ends_at_once(played: Any) -> None:
    outcome = played("no clients")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.within(LIMIT / 2)


def test_a_call_survives_the_end_of_its_service(played: Any) -> None:
    service, client = played("call")
    assert service.code == 0
    assert service.within(LIMIT)
    assert (client.code, client.err) == (130, "")
    assert client.events("error")[0]["code"] == 1001


def test_a_port_in_use_is_said_in_one_sentence(played: Any) -> None:
    outcome = played("port in use")
    (sentence,) = outcome.sentences
    assert outcome.code == 1
    assert "--port" in sentence
    assert outcome.out == ""


def test_tls_is_trusted_through_the_file_it_names(played: Any) -> None:
    said, authority, trusted, distrusted, outcome, left = played("tls")
    assert said["url"].startswith("https://")
    assert said["live_url"].startswith("wss://")
    assert "BEGIN CERTIFICATE" in authority
    assert (trusted.code, trusted.err) == (0, "")
    assert "CONNECTED" in [event["to"] for event in trusted.events("session.state")]
    assert distrusted.code == 1
    assert "certificate" in distrusted.err
    assert (outcome.code, left) == (0, False)
