"""What is secret stays so, and what was given to one is no use to another: against a service that knows one key."""

import json
import stat
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

FOREIGN = {"origin": "https://evil.example"}
ASKED: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/", None),
    ("GET", "/docs", None),
    ("GET", "/docs/docs.js", None),
    ("GET", "/openapi.json", None),
    ("GET", "/health", None),
    ("GET", "/health/ready", None),
    ("GET", "/metrics", None),
    ("GET", "/api/config", None),
    ("GET", "/api/dashboard", None),
    ("GET", "/nothing", None),
    ("PUT", "/api/token", None),
    ("POST", "/api/token", {"voice": "Kore"}),
    ("POST", "/api/token", {"voice": "none"}),
    ("POST", "/api/token", {"renew": "none"}),
    ("POST", "/api/login", {"access_key": "none"}),
    ("POST", "/api/tools/get_time", {"id": "1"}),
    ("POST", "/api/sessions/1/beat", {}),
    ("POST", "/api/revocations", {"user": "nobody"}),
    ("POST", "/api/logout", None),
)


@pytest.fixture(scope="module")
def guarded(
    serve: Any,
    keyed_service: str,
    canary: str,
    access_key: str,
    generous: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """A gateway with an access key, before a service with another."""
    variables = {"GOOGLE_API_KEY": canary, "ASSISTANT_ACCESS_KEY": access_key}
    folder = tmp_path_factory.mktemp("guarded")
    with serve(folder, "--endpoint", keyed_service, variables=variables, **generous) as gateway:
        yield gateway


def shown(answer: httpx.Response) -> str:
    """All of an answer that anybody could see."""
    return f"{answer.status_code} {answer.headers} {answer.text}"


def test_no_key_is_in_any_answer_or_log(guarded: Any, canary: str, access_key: str) -> None:
    tokens = []
    with guarded.client() as stranger, guarded.client(authorization=f"Bearer {access_key}") as owner:
        for who in (stranger, owner):
            for method, path, body in ASKED:
                answer = who.request(method, path, json=body)
                assert answer.status_code < 500, shown(answer)
                assert canary not in shown(answer)
                assert access_key not in shown(answer)
                if answer.status_code == 201:
                    tokens.append(answer.json())
        (token,) = tokens
        later = "".join(shown(owner.request(method, path, json=body)) for method, path, body in ASKED[:9])
    logs = "".join(path.read_text() for path in guarded.folder.rglob("*.txt")) + json.dumps(guarded.audit)
    for secret in (canary, access_key, token["token"], token["session_secret"]):
        assert secret not in later
        assert secret not in logs
    assert stat.S_IMODE((guarded.folder / "audit.jsonl").stat().st_mode) == 0o600


def test_a_service_that_refuses_the_key_is_told_without_it(
    serve: Any, keyed_service: str, canary: str, tmp_path: Any
) -> None:
    wrong = canary[::-1]
    with serve(tmp_path, "--endpoint", keyed_service, variables={"GOOGLE_API_KEY": wrong}) as gateway:
        with gateway.client() as page:
            answer = page.post("/api/token")
        assert (answer.status_code, answer.json()["type"]) == (502, "/docs#no-answer")
        assert wrong not in shown(answer)
        assert gateway.stop() == 0
        assert wrong not in (tmp_path / "stderr.txt").read_text() + (tmp_path / "audit.jsonl").read_text()


def test_a_service_that_is_away_is_told_in_words(serve: Any, canary: str, tmp_path: Any) -> None:
    away = serve(tmp_path, "--endpoint", "http://127.0.0.1:9", variables={"GOOGLE_API_KEY": canary})
    with away as gateway, gateway.client() as page:
        answer = page.post("/api/token")
        assert (answer.status_code, answer.json()["type"]) == (502, "/docs#no-answer")
        assert canary not in shown(answer)


def test_no_page_of_another_origin_gets_anything(guarded: Any, access_key: str) -> None:
    with guarded.client() as page:
        page.post("/api/login", json={"access_key": access_key})
        for method, path, body in ASKED:
            if method == "POST":
                assert page.request(method, path, json=body, headers=FOREIGN).status_code == 403, path
        read = page.get("/api/dashboard", headers=FOREIGN)
        assert "access-control-allow-origin" not in read.headers
        assert read.headers["cross-origin-resource-policy"] == "same-origin"
        form = page.post("/api/token", content=b"{}", headers={"content-type": "text/plain"})
        assert form.status_code == 415


def test_a_login_is_worth_nothing_changed_or_late(guarded: Any, access_key: str) -> None:
    with guarded.client() as page:
        page.post("/api/login", json={"access_key": access_key})
        good = page.cookies["gateway_login"]
        kind, claims, signature = good.split(".")
        for forged in (
            f"{kind}.{claims}.{signature[::-1]}",
            f"{kind}.{claims[:-2]}AA.{signature}",
            f"x.{claims}.{signature}",
        ):
            answer = httpx.post(f"{guarded.url}/api/token", cookies={"gateway_login": forged}, trust_env=False)
            assert answer.status_code == 401
        assert page.post("/api/token").status_code == 201
        page.post("/api/logout")
        assert httpx.get(f"{guarded.url}/metrics", cookies={"gateway_login": good}, trust_env=False).status_code == 401


def test_one_sessions_secret_opens_no_other(guarded: Any, access_key: str) -> None:
    with guarded.client(authorization=f"Bearer {access_key}") as owner, guarded.client() as page:
        first, second = (owner.post("/api/token", json={"tools": ["get_time"]}).json() for _ in range(2))
        call = {"id": "one", "args": {"city": "UTC"}}

        def run(secret: str, name: str = "get_time") -> int:
            headers = {"authorization": f"Bearer {secret}"}
            return int(page.post(f"/api/tools/{name}", json=call, headers=headers).status_code)

        assert run(first["session_secret"]) == 200
        assert run(first["session_secret"]) == 409
        assert run(first["session_secret"], "set_timer") == 403
        assert run(first["token"]) == run(access_key) == run("forged") == run("x" * 9000) == 401
        stolen = {"authorization": f"Bearer {second['session_secret']}"}
        assert page.delete(f"/api/sessions/{first['session']}", headers=stolen).status_code == 403
        assert page.post("/api/token", json={"renew": first["session_secret"]}).status_code == 401
        for token in (first, second):
            bearer = {"authorization": f"Bearer {token['session_secret']}"}
            assert page.delete(f"/api/sessions/{token['session']}", headers=bearer).status_code == 204
        assert run(first["session_secret"]) == 401


def test_ten_thousand_requests_get_what_the_limit_says(serve: Any, tmp_path: Any) -> None:
    limits = {
        "tokens_per_address": "100/hour",
        "tokens_per_user": "1000/hour",
        "sessions_per_user": 5000,
        "sessions": 5000,
    }
    found: dict[int, int] = {}
    with serve(tmp_path, limits=limits) as gateway:
        request = b"POST /api/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        for _ in range(20):
            with gateway.connected(120) as connection:
                connection.sendall(request * 499 + request.replace(b"Content", b"Connection: close\r\nContent"))
                for line in gateway.answers(connection).split(b"HTTP/1.1 ")[1:]:
                    found[int(line[:3])] = found.get(int(line[:3]), 0) + 1
        given = [line for line in gateway.audit if line.get("outcome") == "given"]
        refused = [line for line in gateway.audit if line.get("outcome") == "too-often"]
        assert gateway.stop() == 0
    assert found == {201: 100, 429: 9900}
    assert len(given) == 100
    assert len(refused) < 20
