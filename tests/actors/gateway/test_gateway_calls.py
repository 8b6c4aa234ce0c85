"""Tools that a page runs for its session."""

from collections.abc import Callable
from typing import Any

Make = Callable[..., Any]


async def opened(page: Any, **asked: Any) -> dict[str, str]:
    """The headers of a page with a session."""
    token = (await page.post("/api/token", json=asked)).json()
    return {"authorization": f"Bearer {token['session_secret']}"}


async def test_a_tool_is_run_for_its_session(make: Make) -> None:
    house = make()
    async with house.client() as page:
        bearer = await opened(page)
        done = await page.post("/api/tools/get_price", json={"id": "1", "args": {"article": "tea"}}, headers=bearer)
    assert done.status_code == 200
    told = done.json()
    assert told["response"] == {"summary": "tea costs 3", "article": "tea"}
    assert (told["id"], told["name"], told["scheduling"], told["outcome"]) == ("1", "get_price", None, "ok")


async def test_what_goes_wrong_in_a_tool_is_an_answer_for_the_model(make: Make) -> None:
    house = make()
    async with house.client() as page:
        bearer = await opened(page)

        async def outcome(name: str, call: str, **args: Any) -> tuple[str, dict[str, Any]]:
            done = await page.post(f"/api/tools/{name}", json={"id": call, "args": args}, headers=bearer)
            assert done.status_code == 200
            return done.json()["outcome"], done.json()["response"]

        kind, response = await outcome("get_price", "1", artikel="tea")
        assert (kind, response["retry"]) == ("error", True)
        assert "artikel" in response["error"]
        kind, response = await outcome("sleep_long", "2")
        assert (kind, response["retry"]) == ("timeout", True)
        kind, response = await outcome("break_down", "3")
        assert kind == "error"
        assert "inside" not in response["error"]


async def test_a_call_is_run_once(make: Make) -> None:
    house = make()
    async with house.client() as page:
        bearer, other = await opened(page), await opened(page)
        call = {"id": "1", "args": {"article": "tea"}}
        assert (await page.post("/api/tools/get_price", json=call, headers=bearer)).status_code == 200
        assert (await page.post("/api/tools/get_price", json=call, headers=bearer)).status_code == 409
        assert (await page.post("/api/tools/get_price", json=call, headers=other)).status_code == 200


async def test_a_session_calls_what_it_was_given_and_nothing_else(make: Make) -> None:
    house = make()
    call = {"id": "1", "args": {}}
    async with house.client() as page:
        bearer = await opened(page, tools=["get_price", "google_search"])
        for name in ("break_down", "open_gate", "google_search", "nothing"):
            refused = await page.post(f"/api/tools/{name}", json=call, headers=bearer)
            assert refused.status_code == 403
            assert refused.json()["allowed"] == {"tools": ["get_price"]}


async def test_without_its_secret_nothing_is_run(make: Make) -> None:
    house = make()
    call = {"id": "1", "args": {"article": "tea"}}
    async with house.client() as page:
        token = (await page.post("/api/token")).json()
        other = (await page.post("/api/token")).json()
        for shown in ("", "x", token["token"], token["session"], token["session_secret"][:-1]):
            headers = {"authorization": f"Bearer {shown}"}
            assert (await page.post("/api/tools/get_price", json=call, headers=headers)).status_code == 401
        wrong = {"authorization": f"Bearer {other['session_secret']}"}
        assert (await page.delete(f"/api/sessions/{token['session']}", headers=wrong)).status_code == 403


async def test_calls_of_a_session_have_a_rate(make: Make) -> None:
    house = make(limits={"calls_per_session": "2/minute"})
    async with house.client() as page:
        bearer = await opened(page)
        codes = [
            (await page.post("/api/tools/get_price", json={"id": str(n), "args": {}}, headers=bearer)).status_code
            for n in range(3)
        ]
    assert codes == [200, 200, 429]


async def test_a_revoked_user_is_out_everywhere(make: Make) -> None:
    house = make()
    async with house.client() as page:
        bearer = await opened(page)
        house.now[0] += 1
        assert (await page.post("/api/revocations", json={"user": "local"})).json() == {"ended": 0}
        refused = await page.post("/api/tools/get_price", json={"id": "1", "args": {}}, headers=bearer)
        assert refused.status_code == 401
        house.now[0] += 1
        bearer = await opened(page)
        assert (await page.post("/api/tools/get_price", json={"id": "1"}, headers=bearer)).status_code == 200
