"""What a token from the gateway is good for at the Live service, the embedded one standing in for it."""

import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


def converse(
    token: dict[str, Any], setup: dict[str, Any], text: str = "", *, to: str = "turnComplete"
) -> list[dict[str, Any]]:
    """Opens a session with a token; gives what comes up to the end of a reply or a call, or up to setupComplete.

    `to` may be `newHandle`: then up to the handle behind the reply.
    """
    found: list[dict[str, Any]] = []
    with connect(f"{token['ws_url']}?access_token={token['token']}", proxy=None, max_size=None) as socket:
        socket.send(json.dumps({"setup": setup}))
        while True:
            found.append(json.loads(socket.recv(timeout=30)))
            if "setupComplete" in found[-1]:
                if not text:
                    return found
                socket.send(json.dumps({"realtimeInput": {"text": text}}))
            whole = any("turnComplete" in message.get("serverContent", {}) for message in found)
            if "toolCall" in found[-1] or (whole and to in json.dumps(found[-1])):
                return found


def said(messages: list[dict[str, Any]]) -> str:
    contents = [message.get("serverContent", {}) for message in messages]
    return "".join(content.get("outputTranscription", {}).get("text", "") for content in contents)


@pytest.fixture(scope="module")
def short(serve: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A gateway whose tokens begin one session, within two seconds, and live for four."""
    table = {"token_uses": 1, "token_start": 2.0, "token_life": 4.0, "limits": {"sessions_per_user": 50}}
    with serve(tmp_path_factory.mktemp("short"), **table) as gateway:
        yield gateway


def test_the_setup_is_the_operators_whatever_the_page_says(open_gateway: Any) -> None:
    with open_gateway.client() as page:
        token = page.post("/api/token", json={"tools": []}).json()
    wished = {"model": "models/gemini-2.5-flash-native-audio-preview-12-2025", "tools": [{"googleSearch": {}}]}
    messages = converse(token, wished, "Hello")
    assert said(messages)  # transcription is the operator's setup, the page asked for none


def test_the_voice_the_tools_and_the_instruction_are_the_operators_too(open_gateway: Any) -> None:
    with open_gateway.client() as page:
        token = page.post("/api/token", json={"tools": ["get_time"]}).json()
    own = {"systemInstruction": {"parts": [{"text": "You know no tools."}]}, "tools": [], "generationConfig": {}}
    messages = converse(token, token["setup"] | own, "What time is it in Tokyo?")
    calls = [message["toolCall"]["functionCalls"][0]["name"] for message in messages if "toolCall" in message]
    assert calls == ["get_time"]  # neither taken away nor, as below, added
    declared = token["setup"]["tools"] + [{"functionDeclarations": [{"name": "get_weather", "description": "Weather"}]}]
    messages = converse(token, token["setup"] | {"tools": declared}, "What is the weather in Paris?")
    assert not [message for message in messages if "toolCall" in message]
    wrong = {"speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Nobody"}}}}
    assert converse(token, token["setup"] | {"generationConfig": wrong})  # a voice of the page's is not even looked at


def test_a_session_that_is_resumed_by_the_next_token_remembers(open_gateway: Any) -> None:
    with open_gateway.client() as page:
        token = page.post("/api/token").json()
        setup = token["setup"] | {"sessionResumption": {}}
        messages = converse(token, setup, "My favourite city is Lisbon", to="newHandle")
        handle = messages[-1]["sessionResumptionUpdate"]["newHandle"]
        token = page.post("/api/token", json={"renew": token["session_secret"]}).json()
    again = converse(token, setup | {"sessionResumption": {"handle": handle}}, "What did I ask before?")
    assert "lisbon" in said(again)


def test_it_is_good_for_the_live_service_alone(open_gateway: Any, canary: str) -> None:
    with open_gateway.client() as page:
        token = page.post("/api/token").json()
    unlocked = token["ws_url"].replace("Constrained", "")
    with connect(f"{unlocked}?access_token={token['token']}", proxy=None) as socket:
        socket.send(json.dumps({"setup": token["setup"]}))
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=30)
    with pytest.raises(ConnectionClosed):
        converse(token | {"token": canary}, token["setup"])


def test_its_uses_and_times_are_the_operators(short: Any) -> None:
    with short.client() as page:
        token = page.post("/api/token").json()
        assert converse(token, token["setup"])
        with pytest.raises(ConnectionClosed, match="too many times"):
            converse(token, token["setup"])
        fresh, late = page.post("/api/token").json(), page.post("/api/token").json()
    with connect(f"{fresh['ws_url']}?access_token={fresh['token']}", proxy=None, max_size=None) as socket:
        socket.send(json.dumps({"setup": fresh["setup"]}))
        with pytest.raises(ConnectionClosed, match="expired"):
            list(socket)  # up to the end, which comes by itself
    with pytest.raises(ConnectionClosed, match="expired"):
        converse(late, late["setup"])
