"""The emulator as a process of its own: found by its ready line, ended by SIGTERM, and secure where asked to be."""

import json
import signal
import socket
import ssl
from typing import Any

import pytest
import trio
import trio_websocket as ws

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=any"
SETUP = {"setup": {"model": "models/gemini-3.8-live", "generationConfig": {"responseModalities": ["AUDIO"]}}}
LIMIT = 5.0  # seconds from SIGTERM to the end
ENERGY = ("--set", "actors.vad.use=actors.vad:Energy")
SHORT = ("--input", "hush.wav", "--linger", "0", *ENERGY)
SCRIPT = '[[steps]]\nwhen = "never heard of"\n'


async def set_up(stream: Any, nursery: trio.Nursery) -> tuple[Any, dict[str, Any]]:
    """Begins a session on a stream."""
    client = await ws.wrap_client_stream(nursery, stream, "localhost", PATH)
    await client.send_message(json.dumps(SETUP))
    return client, dict(json.loads(await client.get_message()))


async def told_to_end(user: Any) -> Any:
    """SIGTERM with two clients connected: one that answers the close frame and one that has fallen silent."""
    async with user.starts("emulator", "--port", "0") as running:
        said = await running.ready()
        port = int(said["live_url"].rpartition(":")[2])
        async with await trio.open_tcp_stream("127.0.0.1", port) as deaf:
            upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            request = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n{upgrade}Sec-WebSocket-Version: 13\r\n\r\n"
            await deaf.send_all(request.encode())
            assert b"101" in await deaf.receive_some(4096)
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream, trio.open_nursery() as nursery:
                client, answer = await set_up(stream, nursery)
                await running.send(signal.SIGTERM)
                with pytest.raises(ws.ConnectionClosed) as closed:
                    await client.get_message()
            return said, answer, closed.value.reason, await running.end()


async def told_to_end_in_a_call(user: Any) -> Any:
    """`talk` is the client; it learns of the end, and then Ctrl-C ends it."""
    async with user.starts("emulator", "--port", "0") as running:
        talk = (*user.talk[:-1], (await running.ready())["url"])
        async with user.starts(*talk, "--set", "actors.microphone.use=actors.microphone:Silence") as client:
            await client.until_event("session.state", to="CONNECTED")
            await running.send(signal.SIGTERM)
            outcome = await running.end()
            await client.until_event("error")
            await client.send()
            return outcome, await client.end()


async def port_in_use(user: Any) -> Any:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        return await user.run("emulator", "--port", str(taken.getsockname()[1]))


async def no_such_host(user: Any) -> Any:
    return await user.run("emulator", "--port", "0", "--host", "192.0.2.1")


async def by_every_form_of_address(user: Any) -> Any:
    """On another host address; talked to by ws and by http, with and without a slash at the end."""
    async with user.starts("emulator", "--port", "0", "--host", "::1") as running:
        said = await running.ready()
        urls = (said["url"], said["url"] + "/", said["live_url"])
        return said, [(await user.run(*user.talk[:-1], url, *SHORT)) for url in urls]


async def over_tls(user: Any) -> Any:
    async with user.starts("emulator", "--port", "0", "--tls") as running:
        said = await running.ready()
        ca_file = trio.Path(said["ca_file"])
        authority = ssl.create_default_context(cadata=await ca_file.read_text("utf-8"))
        port = int(said["url"].rpartition(":")[2])
        plain = await trio.open_tcp_stream("127.0.0.1", port)
        async with (
            trio.SSLStream(plain, authority, server_hostname="127.0.0.1") as stream,
            trio.open_nursery() as nursery,
        ):
            client, answer = await set_up(stream, nursery)
            await client.aclose()
        trusted = [
            await user.run(*user.talk[:-1], url, *SHORT, SSL_CERT_FILE=str(ca_file))
            for url in (said["url"], said["live_url"])
        ]
        connected = trusted[-1].events("session.state")
        distrusted = await user.run(*user.talk[:-1], said["url"], *SHORT)
        await running.send(signal.SIGTERM)
        outcome = await running.end()
        return said, answer, trusted, connected, distrusted, outcome, await ca_file.exists()


async def with_a_scenario(user: Any) -> Any:
    """The service knows no model at all in one, and in one of the user's own."""
    shipped = user.folder / "mine.toml"
    async with user.starts("emulator", "--port", "0", "--scenario", "wrong-model") as running:
        url = (await running.ready())["url"]
        outcome = await user.run(*user.talk[:-1], url, *SHORT)
    shipped.write_text(SCRIPT)
    return outcome, await user.run("emulator", "--port", "0", "--scenario", "mine.toml")


async def listing_scenarios(user: Any) -> Any:
    return await user.run("emulator", "--list-scenarios")


SCENARIOS = {
    "clients": told_to_end,
    "call": told_to_end_in_a_call,
    "port in use": port_in_use,
    "no such host": no_such_host,
    "addresses": by_every_form_of_address,
    "tls": over_tls,
    "scenario": with_a_scenario,
    "list": listing_scenarios,
}


def test_the_ready_line_says_where_it_is(played: Any) -> None:
    said, answer, _, _ = played("clients")
    assert said.keys() == {"ready", "url", "live_url"}
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


def test_a_call_survives_the_end_of_its_service(played: Any) -> None:
    service, client = played("call")
    assert (service.code, service.err) == (0, "")
    assert service.within(LIMIT)
    assert (client.code, client.err) == (130, "")
    assert client.events("error")[0]["code"] == 1001


@pytest.mark.parametrize(("name", "word"), [("port in use", "in use"), ("no such host", "192.0.2.1")])
def test_where_it_cannot_listen_is_said_in_one_sentence(name: str, word: str, played: Any) -> None:
    outcome = played(name)
    (sentence,) = outcome.err.splitlines()
    assert outcome.code == 1
    assert word in sentence
    assert "--port" in sentence
    assert outcome.out == ""


def test_every_form_of_its_address_leads_there(played: Any) -> None:
    said, outcomes = played("addresses")
    assert said["url"].startswith("http://[::1]:")
    assert [(outcome.code, outcome.err) for outcome in outcomes] == [(0, "")] * len(outcomes)


def test_tls_is_trusted_through_the_file_it_names(played: Any) -> None:
    said, answer, trusted, states, distrusted, outcome, left = played("tls")
    assert said["url"].startswith("https://")
    assert said["live_url"] == said["url"].replace("https", "wss")
    assert "setupComplete" in answer
    assert [(outcome.code, outcome.err) for outcome in trusted] == [(0, "")] * 2
    assert "CONNECTED" in [event["to"] for event in states]
    assert distrusted.code == 1
    assert "certificate" in distrusted.err
    assert (outcome.code, left) == (0, False)


def test_a_shipped_scenario_is_played(played: Any) -> None:
    outcome, _ = played("scenario")
    assert outcome.code == 1
    (sentence,) = outcome.err.splitlines()
    assert "1008" in sentence


def test_a_bad_scenario_is_told_by_file_and_fault(played: Any) -> None:
    _, outcome = played("scenario")
    assert (outcome.code, outcome.out) == (2, "")
    (sentence,) = outcome.err.splitlines()
    assert "mine.toml" in sentence


def test_the_scenarios_are_listed_with_what_they_show(played: Any) -> None:
    outcome = played("list")
    assert (outcome.code, outcome.err) == (0, "")
    assert "wrong-model" in [line.split()[0] for line in outcome.out.splitlines() if not line.startswith(" ")]
    assert max(len(line) for line in outcome.out.splitlines()) <= 80
