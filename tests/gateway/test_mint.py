"""The official client at the mint, before services that answer as none should."""

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs
import pytest

from actors.emulator.requests import Setup
from actors.gateway import tokens
from actors.gateway.problems import Problem
from actors.gateway.tokens import Mint

MODEL = "gemini-3.8-live"
CONFIG: Mapping[str, Any] = {
    "response_modalities": ["AUDIO"],
    "session_resumption": {},
    "tools": [{"googleSearch": {}}],
}


def snake(name: str) -> str:
    return re.sub("[A-Z]", lambda found: "_" + found[0].lower(), name)


@contextmanager
def service(status: int, body: bytes, delay: float = 0.0) -> Iterator[tuple[str, list[Any]]]:
    """A service that always answers so; gives its URL, and what it is asked."""
    asked: list[Any] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["content-length"]))
            asked.append((self.path, self.headers["x-goog-api-key"], json.loads(sent)))
            time.sleep(delay)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_what_is_asked_for(canary: str) -> None:
    with service(200, b'{"name": "auth_tokens/abc"}') as (url, asked):
        mint = Mint(canary, url, life=100.0, start=10.0, uses=3)
        made = await mint.make(MODEL, CONFIG)
    assert (made.name, mint.fault) == ("auth_tokens/abc", "")
    ((path, key, body),) = asked
    assert (path, key) == ("/v1alpha/auth_tokens", canary)
    assert body["uses"] == 3
    setup = body["bidiGenerateContentSetup"]
    assert "sessionResumption" not in setup
    assert setup["model"] == f"models/{MODEL}"
    assert setup["tools"] == [{"googleSearch": {}}]
    assert setup["generationConfig"]["responseModalities"] == ["AUDIO"]
    assert body["newSessionExpireTime"] < body["expireTime"]
    assert canary not in repr(mint)
    assert made.name not in repr(made)


async def test_all_of_a_setup_is_locked_but_the_handle(canary: str) -> None:
    with service(200, b'{"name": "auth_tokens/abc"}') as (url, asked):
        await Mint(canary, url).make(MODEL, CONFIG | {"system_instruction": "be brief", "avatar_config": {}})
    mask = asked[0][2]["fieldMask"].split(",")
    heads = {path.partition(".")[0] for path in mask}
    assert "sessionResumption" not in heads
    assert {"model", "avatarConfig", *tokens.LOCKED} <= heads
    official = {snake(name) for name in heads}
    assert official <= {field.name for field in attrs.fields(Setup)} | {"avatar_config"}
    left = {field.name for field in attrs.fields(Setup)} - official
    # The others are Vertex's alone, or nothing that an answer depends on.
    assert left == {"session_resumption", "explicit_vad_signal", "safety_settings", "labels"}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, b'{"error": {"code": 400, "message": "bad key CANARY", "status": "INVALID_ARGUMENT"}}', 502),
        (403, b"<html>no", 502),
        (429, b'{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}', 503),
        (500, b"", 502),
        (200, b"{}", 502),
        (200, b"[", 502),
        (302, b"", 502),
    ],
)
async def test_what_goes_wrong_is_told_without_the_services_words(
    status: int, body: bytes, code: int, canary: str
) -> None:
    with service(status, body.replace(b"CANARY", canary.encode())) as (url, _):
        mint = Mint(canary, url)
        with pytest.raises(Problem) as raised:
            await mint.make(MODEL, CONFIG)
    assert raised.value.status == code
    assert canary not in str(raised.value)
    assert mint.fault == raised.value.detail
    assert (raised.value.retry_after is not None) == (code == 503)


async def test_a_service_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, canary: str) -> None:
    monkeypatch.setattr(tokens, "WITHIN", 0.3)
    with service(200, b'{"name": "auth_tokens/late"}', delay=2.0) as (url, _), pytest.raises(Problem) as raised:
        await Mint(canary, url).make(MODEL, CONFIG)
    assert raised.value.status in (502, 503)
