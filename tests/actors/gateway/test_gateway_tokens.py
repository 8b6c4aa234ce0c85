"""Tokens and the sessions that come with them, asked for as a page does."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from actors.gateway.problems import Problem

Make = Callable[..., Any]


async def test_a_token_is_locked_to_what_was_asked_for(make: Make) -> None:
    house = make()
    async with house.client() as page:
        asked = {"voice": "Kore", "language": "en-GB", "tools": ["get_price", "google_search"]}
        given = await page.post("/api/token", json=asked)
    assert given.status_code == 201
    token = given.json()
    ((model, config),) = house.mint.made
    assert model == token["model"] == "gemini-3.8-live"
    assert config["speech_config"] == {
        "voice_config": {"prebuilt_voice_config": {"voice_name": "Kore"}},
        "language_code": "en-GB",
    }
    functions, search = config["tools"]
    assert [function["name"] for function in functions["functionDeclarations"]] == ["get_price"]
    assert search == {"googleSearch": {}}
    assert token["setup"]["generationConfig"]["speechConfig"]["languageCode"] == "en-GB"
    assert token["ws_url"].startswith("wss://live.example/ws/")
    assert (token["expires_in_s"], token["start_in_s"], token["uses"]) == (1800, 60, 8)
    assert datetime.fromisoformat(token["expires_at"]).tzinfo is not None


async def test_nothing_asked_for_is_what_the_operator_has(make: Make) -> None:
    house = make()
    async with house.client() as page:
        token = (await page.post("/api/token")).json()
    assert token["tools"] == ["get_price", "sleep_long", "break_down", "google_search"]
    assert "speech_config" not in house.mint.made[0][1]


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ({"model": "gemini-9"}, {"model": ["gemini-3.8-live", "gemini-3.1-flash-live-preview"]}),
        ({"voice": "Darth"}, {"voice": ["Kore"]}),
        ({"language": "tlh"}, {"language": ["en-US"]}),
        ({"tools": ["rm"]}, {"tools": ["get_price"]}),
        ({"tools": ["open_gate"]}, {"tools": ["get_price"]}),
    ],
)
async def test_what_is_not_allowed_is_named_with_what_is(
    make: Make, asked: dict[str, Any], allowed: dict[str, Any]
) -> None:
    house = make(
        models=["gemini-3.1-flash-live-preview"], voices=["Kore"], languages=["en-US"], tools=["get_price", "open_gate"]
    )
    async with house.client() as page:
        refused = await page.post("/api/token", json=asked)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["allowed"] == allowed
    assert house.mint.made == []
    assert await house.desk.store.count("sessions") == 0


@pytest.mark.parametrize(
    "body", ["[]", "{", '{"model": 3}', '{"colour": "red"}', '{"model": ""}', "[" * 5000, '"\\ud800"']
)
async def test_a_body_that_is_none_is_refused(make: Make, body: str) -> None:
    async with make().client(content_type="application/json") as page:
        refused = await page.post("/api/token", content=body)
    assert refused.status_code in (400, 422)
    assert refused.json()["title"]


async def test_a_service_that_gives_none_leaves_no_session_open(make: Make) -> None:
    house = make()
    house.mint.fault = Problem("no-answer", "It is away.")
    async with house.client() as page:
        assert (await page.post("/api/token")).status_code == 502
    assert await house.desk.store.count("sessions") == 0
    assert (house.desk.counts.tokens_given, house.desk.counts.tokens_refused) == (0, 1)


async def test_sessions_of_a_user_are_counted_and_end(make: Make) -> None:
    house = make(limits={"sessions_per_user": 2})
    async with house.client() as page:
        first = (await page.post("/api/token")).json()
        assert (await page.post("/api/token")).status_code == 201
        full = await page.post("/api/token")
        assert (full.status_code, full.headers["retry-after"]) == (429, "30")
        bearer = {"authorization": f"Bearer {first['session_secret']}"}
        assert (await page.delete(f"/api/sessions/{first['session']}", headers=bearer)).status_code == 204
        assert (await page.post("/api/token")).status_code == 201
        gone = await page.post(f"/api/sessions/{first['session']}/beat", headers=bearer)
        assert gone.status_code == 401


async def test_a_session_without_signs_of_life_makes_room(make: Make) -> None:
    house = make(limits={"sessions_per_user": 1})
    async with house.client() as page:
        first = (await page.post("/api/token")).json()
        bearer = {"authorization": f"Bearer {first['session_secret']}"}
        house.now[0] += 80
        beaten = await page.post(f"/api/sessions/{first['session']}/beat", headers=bearer, json={"latency_ms": [900]})
        assert beaten.json()["expires_in_s"] == 4 * 3600 - 80
        house.now[0] += 80
        assert (await page.post("/api/token")).status_code == 429
        house.now[0] += 11
        assert (await page.post("/api/token")).status_code == 201
    assert house.desk.counts.latency()["p50"] == 900


async def test_a_page_renews_its_token_within_its_session(make: Make) -> None:
    house = make(limits={"sessions_per_user": 1}, session_life=3600.0)
    async with house.client() as page:
        first = (await page.post("/api/token", json={"tools": ["get_price"]})).json()
        house.now[0] += 1500
        again = await page.post("/api/token", json={"tools": ["get_price"], "renew": first["session_secret"]})
        assert again.status_code == 201
        token = again.json()
        assert (token["session"], token["session_secret"]) == (first["session"], first["session_secret"])
        assert token["token"] != first["token"]
        more = await page.post("/api/token", json={"renew": first["session_secret"]})
        assert more.status_code == 403
        house.now[0] += 1500
        last = await page.post("/api/token", json={"tools": ["get_price"], "renew": first["session_secret"]})
        assert last.json()["expires_in_s"] == 600
        house.now[0] += 601
        over = await page.post("/api/token", json={"tools": [], "renew": first["session_secret"]})
        assert (over.status_code, over.json()["type"]) == (401, "/docs#session-over")
        forged = await page.post("/api/token", json={"tools": [], "renew": "x" * 43})
        assert (forged.status_code, forged.json()["type"]) == (401, "/docs#not-signed-in")


async def test_a_page_is_told_when_its_session_ends(make: Make) -> None:
    house = make(session_life=3600.0)
    async with house.client() as page:
        first = (await page.post("/api/token")).json()
        house.now[0] += 1000
        again = (await page.post("/api/token", json={"renew": first["session_secret"]})).json()
    assert (first["session_in_s"], again["session_in_s"]) == (3600, 2600)


async def test_a_session_that_was_revoked_is_told_so(make: Make) -> None:
    house = make()
    async with house.client() as page:
        token = (await page.post("/api/token")).json()
        house.now[0] += 1
        await page.post("/api/revocations", json={"user": "local"})
        headers = {"authorization": f"Bearer {token['session_secret']}"}
        beaten = await page.post(f"/api/sessions/{token['session']}/beat", headers=headers)
    assert (beaten.status_code, beaten.json()["type"]) == (401, "/docs#revoked")


async def test_a_gateway_that_only_relays_gives_no_tokens(make: Make) -> None:
    house = make(mode="relay", tokens=False)
    async with house.client() as page:
        assert (await page.post("/api/token")).status_code == 403
    assert house.mint.made == []


async def test_what_the_guard_refuses_is_noted_and_counted(make: Make, tmp_path: Path) -> None:
    house = make(limits={"requests_per_address": "3/minute"})
    async with house.client() as page:
        await page.post("/api/token", headers={"origin": "https://evil.example"})
        await page.post("/api/token", headers={"host": "evil.example"})
        for _ in range(4):
            await page.get("/api/config")
        await page.post("/api/token")
    told = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [(line["what"], line["outcome"]) for line in told] == [
        ("token", "refused"),
        ("token", "wrong-host"),
        ("request", "too-often"),
        ("token", "too-often"),
    ]
    assert {line["address"] for line in told} == {"127.0.0.1"}
    assert house.desk.counts.errors == {"refused": 1, "wrong-host": 1, "too-often": 3}
    assert house.desk.counts.tokens_refused == 3


async def test_a_refused_model_is_named_only_if_it_is_one(make: Make, tmp_path: Path) -> None:
    async with make().client() as page:
        await page.post("/api/token", json={"model": "a" * 100})
    assert json.loads((tmp_path / "audit.jsonl").read_text())["model"] == "another"


async def test_the_audit_log_tells_who_and_which_and_no_secret(make: Make, tmp_path: Path) -> None:
    house = make()
    async with house.client(peer="127.0.0.1") as page:
        token = (await page.post("/api/token")).json()
        await page.post("/api/token", json={"voice": "none"})
    text = (tmp_path / "audit.jsonl").read_text()
    given, refused = map(json.loads, text.splitlines())
    assert given.items() >= {"what": "token", "user": "local", "address": "127.0.0.1", "outcome": "given"}.items()
    assert given["expires"] == token["expires_at"]
    assert given["model"] == "gemini-3.8-live"
    wanted = {"outcome": "not-allowed", "user": "local", "model": "gemini-3.8-live", "address": "127.0.0.1"}
    assert refused.items() >= wanted.items()
    assert token["token"] not in text
    assert token["session_secret"] not in text


async def test_a_model_that_the_plan_does_not_fit_is_explained(make: Make) -> None:
    house = make(models=["gemini-3.8-live-extended-thinking"])
    async with house.client() as page:
        refused = await page.post("/api/token", json={"model": "gemini-3.8-live-extended-thinking"})
    assert refused.status_code == 422
    assert "thinking_level" in refused.json()["detail"]
