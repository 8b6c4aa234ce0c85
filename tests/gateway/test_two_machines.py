"""Two gateways behind nginx with one Redis: limits and logins are shared, and a conversation outlives its gateway."""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import redis

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.txt warn;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}
  upstream gateways {{
    server 127.0.0.1:{one} max_fails=1 fail_timeout=2s;
    server 127.0.0.1:{other} max_fails=1 fail_timeout=2s;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://gateways;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_read_timeout 75s;
    }}
  }}
}}
"""


@attrs.define(eq=False)
class Fleet:
    """Two gateways, and the address by which people reach them."""

    url: str
    gateways: list[Any]
    key: str

    @contextmanager
    def person(self) -> Iterator[httpx.Client]:
        """Somebody who has signed in."""
        with httpx.Client(base_url=self.url, timeout=30, trust_env=False) as made:
            assert made.post("/api/login", json={"access_key": self.key}).status_code == 204
            yield made

    def busy(self) -> Any:
        """The gateway that has the only conversation."""
        bearer = {"authorization": f"Bearer {self.key}"}
        for gateway in self.gateways:
            with gateway.client(**bearer) as operator:
                if operator.get("/api/dashboard").json()["sessions"]["relayed_here"]:
                    return gateway
        raise AssertionError("no gateway has it")


Start = Callable[..., Fleet]


@pytest.fixture
def start(
    real_part: Any, redis_server: Any, serve: Any, keyed_service: str, canary: str, access_key: str, tmp_path: Path
) -> Iterator[Start]:
    """Gives `start(*options, **gateway)`: a fleet."""
    program = real_part("nginx")
    with ExitStack() as stack:

        def start(*options: str, **gateway: Any) -> Fleet:
            variables = {"GOOGLE_API_KEY": canary, "ASSISTANT_ACCESS_KEY": access_key}
            shared = {"redis": redis_server.url, "proxy": {"trusted": ["127.0.0.1"]}, **gateway}
            gateways = [
                stack.enter_context(
                    serve(tmp_path / name, "--endpoint", keyed_service, *options, variables=variables, **shared)
                )
                for name in ("one", "other")
            ]
            port = redis_server.free_port()
            told = NGINX.format(folder=tmp_path, one=gateways[0].port, other=gateways[1].port, port=port)
            (tmp_path / "nginx.conf").write_text(told)
            nginx = subprocess.Popen([program, "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")])
            stack.callback(nginx.wait, 15)
            stack.callback(nginx.terminate)
            redis_server.wait_for_port(port)
            return Fleet(f"http://127.0.0.1:{port}", gateways, access_key)

        yield start


def test_limits_and_logins_are_shared(start: Start) -> None:
    fleet = start(limits={"tokens_per_address": "6/hour", "sessions_per_user": 50})
    with fleet.person() as person:
        codes = Counter(person.post("/api/token").status_code for _ in range(14))
        assert codes == {201: 6, 429: 8}
        given = [line["address"] for gateway in fleet.gateways for line in gateway.audit if line["what"] == "login"]
        assert given == ["127.0.0.1"]
        asked = [sum(line.get("outcome") == "given" for line in gateway.audit) for gateway in fleet.gateways]
        assert sum(asked) == 6
        assert all(asked)
        cookie = person.cookies["gateway_login"]
        assert person.post("/api/logout").status_code == 204
        for _ in range(4):
            answer = httpx.get(f"{fleet.url}/metrics", cookies={"gateway_login": cookie}, trust_env=False)
            assert answer.status_code == 401


def test_without_what_they_share_nothing_is_given_and_health_says_so(start: Start, redis_server: Any) -> None:
    fleet = start(limits={"sessions_per_user": 50})
    with fleet.person() as person:
        assert person.post("/api/token").status_code == 201
        redis_server.stop()
        try:
            refused = person.post("/api/token")
            assert (refused.status_code, refused.json()["type"]) == (503, "/docs#not-ready")
            assert refused.headers["retry-after"] == "5"
            told = person.get("/health").json()
            assert (told["live"], told["ready"]) == (True, False)
            assert "cannot be reached" in told["parts"]["store"]
            assert person.get("/health/live").status_code == 204
            assert person.get("/health/ready").status_code == 503
            assert person.get("/").status_code in (200, 404)
        finally:
            redis_server.start()
        time.sleep(1.1)  # for so long health tells what it has found
        assert person.get("/health/ready").status_code == 204
        assert person.post("/api/token").status_code == 201


def kept(redis_server: Any, name: str) -> bytes:
    """What lies in Redis under a name."""
    with redis.Redis.from_url(redis_server.url) as client:
        found = client.get("{live-assistant}:" + name)
    assert isinstance(found, bytes)
    return found


def test_a_conversation_goes_on_at_the_other_gateway_when_the_first_is_killed(
    start: Start, dial: Any, redis_server: Any
) -> None:
    fleet = start("--mode", "relay")
    with fleet.person() as person:
        cookie = person.cookies["gateway_login"]
        page = dial(fleet.url, cookie)
        welcome = page.heard('"welcome"')
        page.heard("CONNECTED")
        page.send(type="say", text="What time is it in Tokyo?", number=1)
        page.heard('"model"', "Tokyo")
        page.heard("turn.end")
        time.sleep(3)  # where it stands is saved every second
        handle = json.loads(kept(redis_server, f"relay:{welcome['session']}"))["handle"]
        first = fleet.busy()
        first.process.kill()
        first.process.wait(15)
        assert page.closed() in (None, 1006)
        known = {"session": welcome["session"], "secret": welcome["secret"], "seen": page.seen}
        back = dial(fleet.url, cookie, known | {"received": page.played, "heard": page.played})
        assert back.heard('"welcome"')["session"] == welcome["session"]
        back.heard("CONNECTED")
        assert fleet.busy() is not first
        back.send(type="say", text="What did I ask before?", number=2)
        back.heard('"model"', "Tokyo")
        logs = [path.read_text() for gateway in fleet.gateways for path in gateway.folder.iterdir() if path.is_file()]
        assert len(handle) > 8
        assert not [text for text in (*logs, *page.told, *back.told) if handle in text]


def test_a_reply_that_a_killed_gateway_was_giving_comes_from_the_other(start: Start, dial: Any) -> None:
    fleet = start("--mode", "relay")
    with fleet.person() as person:
        cookie = person.cookies["gateway_login"]
        page = dial(fleet.url, cookie)
        welcome = page.heard('"welcome"')
        page.heard("CONNECTED")
        page.send(type="say", text="What time is it in Tokyo?", number=1)
        page.heard("turn.end")
        time.sleep(3)
        page.send(type="say", text="Count to twenty", number=2)
        page.heard('"model"', "two")
        sounded = page.played
        first = fleet.busy()
        first.process.kill()
        first.process.wait(15)
        assert page.closed() in (None, 1006)
        assert sounded > 0
        known = {"session": welcome["session"], "secret": welcome["secret"], "seen": page.seen}
        back = dial(fleet.url, cookie, known | {"received": page.played, "heard": page.played})
        again = back.heard('"welcome"')
        assert again["session"] == welcome["session"]
        assert again["said"] == 1, "what was not answered for is asked again"
        back.send(type="say", text="Count to twenty", number=2)
        assert back.heard("turn.end")["fields"]["outcome"] == "completed"
        assert any("twenty" in one and '"model"' in one for one in back.told)
        assert back.played > sounded


def test_revoking_at_one_ends_what_the_other_holds(start: Start, dial: Any) -> None:
    fleet = start("--mode", "relay")
    with fleet.person() as person:
        page = dial(fleet.url, person.cookies["gateway_login"])
        page.heard("CONNECTED")
        holder = fleet.busy()
        (idle,) = [gateway for gateway in fleet.gateways if gateway is not holder]
        with idle.client(authorization=f"Bearer {fleet.key}") as operator:
            assert operator.post("/api/revocations", json={"user": "owner"}).json() == {"ended": 0}
        assert page.closed() == 4001
