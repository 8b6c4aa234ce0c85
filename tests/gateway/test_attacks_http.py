"""Attacks over bare sockets: what is no HTTP, what is too much of it, and what is meant to be read in two ways."""

import json
import re
import time
from typing import Any

import pytest

HOST = b"Host: localhost\r\n"
GET = b"GET /health/live HTTP/1.1\r\n" + HOST
POST = b"POST /api/token HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"


def statuses(raw: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3})", raw)]


def problem(raw: bytes) -> dict[str, Any]:
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, raw
    found: dict[str, Any] = json.loads(body)
    return found


def alive(gateway: Any) -> bool:
    return statuses(gateway.tell(GET + b"Connection: close\r\n\r\n")) == [204]


NOT_HTTP = {
    "nonsense": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "a blank before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "a length that is none": POST + b"Content-Length: -1\r\n\r\n{}",
    "a length with a sign": POST + b"Content-Length: +2\r\n\r\n{}",
    "an encoding that is none": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n{}",
    "a chunk that is none": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "a header of its own line": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\rContent-Length: 4\r\n\r\n",
    "a null": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
}


@pytest.mark.parametrize("name", NOT_HTTP)
def test_what_is_no_http_ends_its_connection_with_a_problem(open_gateway: Any, name: str) -> None:
    raw = open_gateway.tell(NOT_HTTP[name])
    assert statuses(raw) == [400]
    assert problem(raw)["type"] == "/docs#not-understood"
    assert alive(open_gateway)


def test_a_request_that_ends_in_two_ways_is_not_followed_by_another(open_gateway: Any) -> None:
    hidden = b"GET /api/dashboard HTTP/1.1\r\n" + HOST + b"\r\n"
    for headers in (
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % (5 + len(hidden)),
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ):
        raw = open_gateway.tell(POST + headers + b"\r\n0\r\n\r\n" + hidden)
        assert statuses(raw) == [400]
        assert b"connection: close" in raw.lower()


def test_after_a_refused_body_nothing_of_it_is_taken_for_a_request(open_gateway: Any) -> None:
    hidden = b"GET /api/dashboard HTTP/1.1\r\n" + HOST + b"\r\n"
    raw = open_gateway.tell(POST + b"Content-Length: 100000\r\n\r\n" + hidden)
    assert statuses(raw) == [413]
    assert b"connection: close" in raw.lower()


def test_who_is_answered_before_the_body_has_come_is_told_that_the_connection_ends(open_gateway: Any) -> None:
    """Else a client would send its next request where nobody reads it."""
    foreign = POST + b"Origin: https://evil.example\r\nContent-Length: 2\r\n"
    raw = open_gateway.tell(foreign + b"\r\n")
    assert statuses(raw) == [403]
    assert b"connection: close" in raw.lower()
    raw = open_gateway.tell(foreign + b"\r\n{}" + GET + b"Connection: close\r\n\r\n")
    assert statuses(raw) == [403, 204]


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"".join(b"X-%d: y\r\n" % n for n in range(100)), "headers-too-large"),
        (b"X-Long: " + b"y" * 20_000 + b"\r\n", "headers-too-large"),
        (b"".join(b"X-%d: %s\r\n" % (n, b"y" * 300) for n in range(60)), "headers-too-large"),
    ],
)
def test_headers_have_a_size(open_gateway: Any, head: bytes, kind: str) -> None:
    raw = open_gateway.tell(GET + head + b"\r\n")
    assert statuses(raw) == [431]
    assert problem(raw)["type"] == f"/docs#{kind}"
    assert alive(open_gateway)


def test_a_body_has_a_size_however_it_comes(open_gateway: Any) -> None:
    assert statuses(open_gateway.tell(POST + b"Content-Length: 70000\r\n\r\n" + b" " * 70_000)) == [413]
    chunks = b"".join(b"1000\r\n" + b" " * 4096 + b"\r\n" for _ in range(20))
    raw = open_gateway.tell(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert statuses(raw) == [413]


def test_a_head_that_drips_is_cut_off(open_gateway: Any) -> None:
    began = time.monotonic()
    with open_gateway.connected() as connection:
        connection.settimeout(0.2)
        for byte in GET * 10:
            try:
                connection.sendall(bytes([byte]))
                if not connection.recv(100):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            raise AssertionError("it was let drip to the end")
    assert time.monotonic() - began < 60
    assert alive(open_gateway)


def test_a_body_that_drips_is_told_so(open_gateway: Any) -> None:
    with open_gateway.connected() as connection:
        connection.sendall(POST + b"Content-Length: 50\r\n\r\n{")
        raw = open_gateway.answers(connection)
    assert statuses(raw) == [408]
    assert problem(raw)["type"] == "/docs#too-slow"


def test_whoever_does_not_read_holds_up_nobody(serve: Any, generous: Any, tmp_path: Any) -> None:
    with serve(tmp_path, **generous) as gateway, gateway.connected() as connection:
        connection.settimeout(0)
        ask = (b"GET /openapi.json HTTP/1.1\r\n" + HOST + b"\r\n") * 500
        for _ in range(40):
            try:
                connection.send(ask)
            except (BlockingIOError, ConnectionError):
                break
        assert alive(gateway)
        began = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "path",
    [
        b"/../../../../etc/passwd",
        b"/%2e%2e/%2e%2e/etc/passwd",
        b"/..%2f..%2fetc%2fpasswd",
        b"/docs/..%2f..%2fdesk.py",
        b"/docs/../desk.py",
        b"//etc/passwd",
        b"/docs/docs.js%00.html",
        b"/docs/%c0%ae%c0%ae/desk.py",
        b"/\\..\\..\\etc\\passwd",
        b"/.git/config",
        b"/static/index.html",
        b"http://localhost/etc/passwd",
        b"file:///etc/passwd",
    ],
)
def test_no_path_leads_out_of_the_pages(open_gateway: Any, path: bytes) -> None:
    raw = open_gateway.tell(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert statuses(raw) == [404]
    assert b"root:" not in raw


@pytest.mark.parametrize(
    "host", [b"evil.example", b"localhost.evil.example:8000", b"localhost@evil.example", b"localhost,evil"]
)
def test_a_name_that_is_not_ours_is_not_served(open_gateway: Any, host: bytes) -> None:
    raw = open_gateway.tell(b"GET /api/config HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
    assert statuses(raw) == [421]
    assert b"evil" not in raw
    raw = open_gateway.tell(b"GET http://evil.example/api/config HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    assert b"evil" not in raw


def test_no_header_of_a_client_stands_for_another_client(open_gateway: Any) -> None:
    for header in (b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Original-Url", b"X-Forwarded-User", b"Forwarded"):
        raw = open_gateway.tell(
            GET.replace(b"/health/live", b"/api/config") + header + b": evil.example\r\nConnection: close\r\n\r\n"
        )
        assert statuses(raw) == [200]
        assert b"evil" not in raw


HTTP2 = {
    "an upgrade": GET
    + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    "a preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
}


@pytest.mark.parametrize("name", HTTP2)
def test_there_is_no_http2_to_hide_requests_in(open_gateway: Any, name: str) -> None:
    raw = open_gateway.tell(HTTP2[name])
    assert b"101" not in raw.split(b"\r\n")[0]
    assert statuses(raw) in ([204], [421, 400])
    assert alive(open_gateway)


def test_a_header_that_the_server_stumbles_over_ends_no_more_than_itself(open_gateway: Any) -> None:
    upgrade = b"GET /api/relay HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    for header in (
        b"Connection: Upgrade, \xff\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        b"Connection: Upgrade\r\nSec-WebSocket-Key: \xff\r\n",
        b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: \xff\r\n",
        b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: \xff;\r\n",
        b"Connection: Upgrade\r\n",
    ):
        open_gateway.tell(upgrade + header + b"\r\n")
        assert alive(open_gateway)
    assert open_gateway.process.poll() is None


def test_connections_have_a_number(serve: Any, generous: Any, tmp_path: Any) -> None:
    generous["limits"] |= {"connections": 30, "connections_per_address": 20}
    with serve(tmp_path, **generous) as gateway:
        held = [gateway.connected() for _ in range(40)]
        ended = 0
        for connection in held:
            connection.settimeout(0.1)
            try:
                ended += connection.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                ended += 1
        assert ended >= 20
        for connection in held:
            connection.close()
        assert alive(gateway)
