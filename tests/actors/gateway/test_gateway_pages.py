"""Pages, the documentation, health and numbers; and that every answer carries what it must."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from actors.gateway.bodies import Shape
from actors.gateway.guard import HEADERS
from actors.gateway.pages import pages
from actors.gateway.problems import KINDS

Make = Callable[..., Any]
PATHS = ("/", "/docs", "/docs/docs.js", "/openapi.json", "/health", "/health/live", "/health/ready", "/api/config")


@pytest.mark.parametrize(
    "path", [*PATHS, "/nothing", "/../../etc/passwd", "/static/%2e%2e/desk.py", "/docs/../desk.py"]
)
async def test_every_answer_carries_what_protects_a_page(make: Make, path: str) -> None:
    async with make().client() as page:
        answer = await page.get(path)
    for name, value in HEADERS.items():
        if name != "cache-control":
            assert answer.headers[name] == value
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "connect-src 'self' ws://localhost:8000 wss://live.example;" in policy
    assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "code", "kind"),
    [
        ("GET", "/nothing", 404, "unknown-path"),
        ("GET", "/api/nothing", 404, "unknown-path"),
        ("GET", "/docs/", 404, "unknown-path"),
        ("GET", "/desk.py", 404, "unknown-path"),
        ("PUT", "/api/token", 405, "wrong-method"),
        ("POST", "/health", 405, "wrong-method"),
        ("TRACE", "/", 405, "wrong-method"),
        ("GET", "/" + "x" * 3000, 431, "headers-too-large"),
    ],
)
async def test_every_error_is_a_problem_document(make: Make, method: str, path: str, code: int, kind: str) -> None:
    async with make().client() as page:
        answer = await page.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (code, "application/problem+json")
    document = answer.json()
    assert (document["type"], document["status"], document["title"]) == (f"/docs#{kind}", code, KINDS[kind][1])
    assert document["detail"]
    assert code != 405 or answer.headers["allow"]


async def test_bodies_are_small_and_json(make: Make) -> None:
    async with make().client() as page:
        json = {"content-type": "application/json"}
        large = await page.post("/api/token", content=b" " * 70_000, headers=json)
        assert (large.status_code, large.json()["type"]) == (413, "/docs#too-large")
        form = await page.post(
            "/api/token", content=b"a=b", headers={"content-type": "application/x-www-form-urlencoded"}
        )
        assert (form.status_code, form.json()["type"]) == (415, "/docs#wrong-kind")
        many = await page.get("/health", headers={f"x-{n}": "y" for n in range(80)})
        assert many.status_code == 431


async def test_an_address_has_a_rate(make: Make) -> None:
    async with make(limits={"requests_per_address": "3/minute"}).client() as page:
        answers = [await page.get("/api/config") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 60
        assert answers[-1].json()["retry_after"] == int(answers[-1].headers["retry-after"])
        assert (await page.get("/health")).status_code == 200


async def test_a_bug_is_a_problem_that_tells_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    house = make()
    events = house.desk.bus.subscribe()

    def broken(*_: object) -> None:
        raise RuntimeError("a secret inside")

    monkeypatch.setattr(type(house.desk.offer), "agree", broken)
    async with house.client() as page:
        answer = await page.post("/api/token")
    assert (answer.status_code, answer.json()["type"]) == (500, "/docs#broken")
    assert "secret" not in answer.text
    assert "RuntimeError" in (await anext(events)).what
    assert await house.desk.store.count("sessions") == 0


async def test_pages_hold_no_inline_code_and_nothing_from_elsewhere() -> None:
    for path, page in pages().items():
        if page.kind.startswith("text/html"):
            text = page.body.decode()
            assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text), path
            assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", text), path


async def test_a_page_that_has_not_changed_is_not_sent_again(make: Make) -> None:
    async with make().client() as page:
        first = await page.get("/docs")
        again = await page.get("/docs", headers={"if-none-match": first.headers["etag"]})
        head = await page.head("/docs")
    assert (again.status_code, again.content) == (304, b"")
    assert (head.status_code, head.content) == (200, b"")


async def test_health_tells_live_and_ready_apart(make: Make) -> None:
    house = make()
    async with house.client() as page:
        assert (await page.get("/health")).json() == {
            "live": True,
            "ready": True,
            "parts": {"store": "well", "audit": "well", "gateway": "well", "live": "well"},
        }
        assert (await page.get("/health/ready")).status_code == 204
        house.desk.audit.failed = True
        house.desk.close()
        assert (await page.get("/health/live")).status_code == 204
        away = await page.get("/health/ready")
        assert (away.status_code, away.headers["retry-after"]) == (503, "5")
        assert away.json()["detail"] == "audit: no more room; gateway: it ends"


async def test_health_asks_the_store_once_a_second(
    make: Make, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, asked = make(), []

    async def check(_self: object) -> None:
        asked.append(trio.current_time())
        await trio.sleep(0.2)

    monkeypatch.setattr(type(house.desk.store), "check", check)
    async with house.client() as page, trio.open_nursery() as nursery:
        for path in ("/health", "/health/ready", "/health") * 10:
            nursery.start_soon(page.get, path)
    assert len(asked) == 1
    await trio.sleep(1)
    async with house.client() as page:
        await page.get("/health")
    assert len(asked) == 2


async def test_numbers_without_contents(make: Make) -> None:
    house = make()
    async with house.client() as page:
        token = (await page.post("/api/token")).json()
        bearer = {"authorization": f"Bearer {token['session_secret']}"}
        beat = {"turns": 2, "latency_ms": [800.5, 1200.0], "errors": 1}
        await page.post(f"/api/sessions/{token['session']}/beat", json=beat, headers=bearer)
        told = (await page.get("/api/dashboard")).json()
        exposition = (await page.get("/metrics")).text
    assert told["sessions"] == {"open": 1, "relayed_here": 0, "begun_here": 1}
    assert told["tokens"] == {"given": 1, "refused": 0}
    assert (told["turns"], told["errors"]) == (2, {"page": 1})
    assert told["latency_ms"] == {"count": 2, "p50": 1200.0, "p90": 1200.0, "p99": 1200.0}
    assert 'gateway_tokens_total{outcome="given"} 1.0' in exposition
    assert "local" not in exposition


async def test_the_openapi_document_names_every_error_with_an_example(make: Make) -> None:
    async with make().client() as page:
        document = (await page.get("/openapi.json")).json()
    assert set(document["x-problems"]) == set(KINDS)
    assert "HTTPValidationError" not in str(document)
    for methods in document["paths"].values():
        for operation in methods.values():
            errors = {code: one for code, one in operation["responses"].items() if int(code) >= 400}
            assert errors
            for code, one in errors.items():
                examples = one["content"]["application/problem+json"]["examples"]
                assert {example["value"]["status"] for example in examples.values()} == {int(code)}
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("examples") or name == "Problem", f"{name} has no example"


@pytest.mark.parametrize("shape", Shape.__subclasses__())
def test_every_shape_has_an_example_that_it_takes(shape: type[Shape]) -> None:
    examples = shape.model_config["json_schema_extra"]["examples"]  # type: ignore[index,call-overload,typeddict-item]
    assert examples
    for example in examples:
        shape.model_validate(example, strict=False)


async def test_a_socket_from_an_address_with_too_many_requests_is_told_in_a_close_frame(make: Make) -> None:
    house, told = make(limits={"requests_per_address": "1/minute"}), []

    async def receive() -> dict[str, str]:
        await trio.lowlevel.checkpoint()
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        told.append(message)

    scope = {
        "type": "websocket",
        "path": "/api/relay",
        "headers": [(b"host", b"localhost:8000")],
        "client": ("127.0.0.1", 1),
        "scheme": "ws",
        "query_string": b"",
        "subprotocols": [],
    }
    async with house.client() as page:
        await page.get("/api/config")
    await house.app(scope, receive, send)
    accepted, closed = told
    assert accepted["type"] == "websocket.accept"
    assert closed["code"] == 4429
    assert re.search(r"retry after \d+$", closed["reason"])
