"""`bin/assistant serve` as a program, and its relay's socket: beginnings, ends, and who may open one."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus


@pytest.fixture(scope="module")
def relaying(serve: Any, generous: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A gateway that relays, for anybody on this machine."""
    generous["limits"] |= {"sessions_per_user": 3, "frame": 4096}
    with serve(tmp_path_factory.mktemp("relaying"), "--mode", "relay", **generous) as gateway:
        yield gateway


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_in_order(dial: Any, serve: Any, tmp_path: Any, number: int, code: int) -> None:
    with serve(tmp_path, "--mode", "relay") as gateway:
        assert gateway.live_url.startswith("ws://127.0.0.1:")
        page = dial(gateway.url)
        page.heard("CONNECTED")
        idle = gateway.connected()
        assert gateway.stop(number, 10) == code
        assert page.closed() == 1001
        assert gateway.answers(idle) == b""
        idle.close()
        assert "Traceback" not in (tmp_path / "stderr.txt").read_text()


def refused(*options: str, folder: Any, **variables: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-P", "-m", "bin", "serve", *options]
    around = {"PATH": "/usr/bin:/bin", "PYTHONPATH": sys.path[0], "HOME": str(folder), **variables}
    return subprocess.run(command, cwd=folder, env=around, capture_output=True, text=True, timeout=60, check=False)


def test_it_lets_nobody_in_from_elsewhere_without_a_key(tmp_path: Any, root: Any) -> None:
    done = refused("--port", "0", "--host", "0.0.0.0", folder=tmp_path, PYTHONPATH=str(root))  # noqa: S104 - it refuses
    assert (done.returncode, done.stdout) == (2, "")
    assert "set ASSISTANT_ACCESS_KEY" in done.stderr


def test_a_mistake_in_the_plan_is_told_before_it_listens(tmp_path: Any, root: Any) -> None:
    done = refused("--port", "0", "--set", "gateway.colour=red", folder=tmp_path, PYTHONPATH=str(root))
    assert (done.returncode, done.stdout) == (2, "")
    assert "gateway.colour is unknown; there are" in done.stderr


def test_a_port_that_is_taken_is_told(tmp_path: Any, root: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = refused("--port", port, folder=tmp_path, PYTHONPATH=str(root))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr


@pytest.mark.parametrize(
    ("origin", "headers", "status"),
    [
        ("https://evil.example", {}, 403),
        ("null", {}, 403),
        (None, {"Sec-Fetch-Site": "cross-site"}, 403),
        (None, {"Host": "evil.example"}, 400),
    ],
)
def test_no_page_of_another_site_opens_a_socket(
    dial: Any, relaying: Any, origin: Any, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(InvalidStatus) as raised:
        dial(relaying.url, origin=origin, additional_headers=headers)
    answer = raised.value.response
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_nobody_who_is_not_signed_in_talks(dial: Any, serve: Any, access_key: str, tmp_path: Any) -> None:
    with serve(tmp_path, "--mode", "relay", variables={"ASSISTANT_ACCESS_KEY": access_key}) as gateway:
        assert dial(gateway.url).closed() == 4401
        with gateway.client() as person:
            person.post("/api/login", json={"access_key": access_key})
            cookie = person.cookies["gateway_login"]
            page = dial(gateway.url, cookie)
            page.heard("CONNECTED")
            bearer = {"authorization": f"Bearer {access_key}"}
            assert person.post("/api/revocations", json={"user": "owner"}, headers=bearer).json() == {"ended": 1}
        assert page.closed() == 4001
        assert dial(gateway.url, cookie).closed() == 4401


def test_sockets_of_a_user_have_a_number(dial: Any, relaying: Any) -> None:
    pages = [dial(relaying.url) for _ in range(3)]
    for page in pages:
        page.heard("CONNECTED")
    assert dial(relaying.url).closed() == 4429
    with relaying.client() as person:
        told = person.get("/api/dashboard").json()
        assert (told["sessions"]["open"], told["sessions"]["relayed_here"]) == (3, 3)
    for page in pages:
        page.socket.close()


def test_a_frame_has_a_size_and_is_never_compressed(dial: Any, relaying: Any) -> None:
    page = dial(relaying.url, compression="deflate")
    assert page.socket.protocol.extensions == []
    page.socket.send(b"\0" * 5000)
    assert page.closed() == 1009


def test_in_direct_mode_there_is_no_relay(dial: Any, open_gateway: Any) -> None:
    with pytest.raises(InvalidStatus) as raised:
        dial(open_gateway.url)
    assert raised.value.response.status_code in (403, 404)


def test_a_client_that_has_gone_quiet_does_not_hold_up_the_end(serve: Any, tmp_path: Any) -> None:
    """A page that talks to the embedded service and never answers a close frame."""
    with serve(tmp_path) as gateway, gateway.client() as page:
        token = page.post("/api/token").json()
        host, _, port = token["live_url"].removeprefix("ws://").partition(":")
        head = (
            f"GET {token['ws_url'].removeprefix(token['live_url'])}?access_token={token['token']} HTTP/1.1\r\n"
            f"Host: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        with socket.create_connection((host, int(port)), timeout=20) as quiet:
            quiet.sendall(head.encode())
            assert b" 101 " in quiet.recv(4096)
            assert gateway.stop(patience=10) == 0
