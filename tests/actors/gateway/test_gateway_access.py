"""Who may come in: addresses, hosts, origins, the access key, proxies."""

from collections.abc import Callable
from typing import Any

import pytest

from actors.gateway.gateway import check_exposure
from actors.gateway.settings import Settings
from pipeline.errors import PlanError

Make = Callable[..., Any]
KEY = "a long access key"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens here
PROXY = {"trusted": ["10.0.0.0/8"], "user_header": "X-Forwarded-User"}


async def test_this_machine_needs_no_key(make: Make) -> None:
    async with make().client() as page:
        assert (await page.get("/api/dashboard")).status_code == 200
        assert (await page.get("/api/config")).json()["user"] == "local"


async def test_another_machine_needs_one(make: Make) -> None:
    async with make(loopback=False).client(peer="192.0.2.7") as page:
        for method, path in (("GET", "/api/dashboard"), ("GET", "/metrics"), ("POST", "/api/token")):
            refused = await page.request(method, path)
            assert refused.status_code == 401
            assert "bearer" in refused.headers["www-authenticate"].lower()
        assert (await page.get("/api/config")).json()["signed_in"] is False


async def test_strangers_do_not_learn_what_tools_there_are(make: Make) -> None:
    house = make(access_key=KEY)
    async with house.client() as stranger, house.client(authorization=f"Bearer {KEY}") as owner:
        told = (await stranger.get("/api/config")).json()
        assert (told["login"], told["tools"]) == ("key", [])
        assert (await stranger.get("/openapi.json")).status_code == 401
        assert (await owner.get("/api/config")).json()["tools"]
        assert "get_price" in (await owner.get("/openapi.json")).text


async def test_the_key_cannot_be_guessed_at_another_door(make: Make) -> None:
    async with make(access_key=KEY).client(authorization="Bearer a guess of some length") as page:
        codes = [(await page.get("/metrics")).status_code for _ in range(7)]
    assert codes == [401] * 5 + [429] * 2


@pytest.mark.parametrize(
    "host", ["localhost:8000", "localhost", "127.0.0.1:8000", "[::1]:8000", "192.0.2.1", "voice.example"]
)
async def test_hosts_that_are_served(make: Make, host: str) -> None:
    async with make(hosts=["voice.example"]).client() as page:
        assert (await page.get("/health", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.nip.example", "", "a b", "x@y", "[::1"],
)
async def test_a_name_pointed_here_by_others_is_not(make: Make, host: str) -> None:
    async with make(hosts=["voice.example"]).client() as page:
        refused = await page.get("/health", headers={"host": host})
        assert (refused.status_code, refused.json()["type"]) == (421, "/docs#wrong-host")


@pytest.mark.parametrize(
    ("origin", "code"),
    [
        ("http://localhost:8000", 201),
        ("https://app.example", 201),
        ("https://localhost:8000", 403),
        ("http://localhost:9000", 403),
        ("http://localhost", 403),
        ("http://localhost:8000.evil.example", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
async def test_pages_of_other_origins_may_not_ask(make: Make, origin: str, code: int) -> None:
    async with make(origins=["https://app.example"]).client() as page:
        assert (await page.post("/api/token", headers={"origin": origin})).status_code == code


async def test_a_browser_that_names_no_origin_says_so_otherwise(make: Make) -> None:
    async with make().client() as page:
        assert (await page.post("/api/token", headers={"sec-fetch-site": "cross-site"})).status_code == 403
        assert (await page.post("/api/token", headers={"sec-fetch-site": "same-origin"})).status_code == 201


async def test_only_listed_origins_are_told_that_they_may_read(make: Make) -> None:
    preflight = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    async with make(origins=["https://app.example"]).client() as page:
        yes = await page.options("/api/token", headers={"origin": "https://app.example", **preflight})
        no = await page.options("/api/token", headers={"origin": "https://evil.example", **preflight})
    assert yes.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in no.headers
    assert "access-control-allow-credentials" not in yes.headers


async def test_login_by_the_access_key(make: Make) -> None:
    house = make(access_key=KEY)
    async with house.client() as page:
        assert (await page.post("/api/token")).status_code == 401
        assert (await page.post("/api/login", json={"access_key": "another long key"})).status_code == 401
        done = await page.post("/api/login", json={"access_key": KEY})
        assert done.status_code == 204
        cookie = done.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        assert KEY not in cookie
        assert (await page.post("/api/token")).status_code == 201
        kept = dict(page.cookies)
        assert (await page.post("/api/logout")).status_code == 204
        assert (await page.post("/api/token")).status_code == 401
    async with house.client() as thief:
        thief.cookies.update(kept)
        assert (await thief.post("/api/token")).status_code == 401


async def test_a_cookie_ends_in_time_and_cannot_be_made(make: Make) -> None:
    house, other = make(access_key=KEY), make(access_key="quite another key")
    async with house.client() as page, other.client() as elsewhere:
        await page.post("/api/login", json={"access_key": KEY})
        await elsewhere.post("/api/login", json={"access_key": "quite another key"})
        forged = elsewhere.cookies["gateway_login"]
        for value in (forged, forged[:-1], "login.e30.x", "..", "x" * 5000):
            refused = await page.post("/api/token", headers={"cookie": f"gateway_login={value}"})
            assert refused.status_code == 401
        assert (await page.post("/api/token")).status_code == 201
        house.now[0] += 12 * 3600 + 1
        assert (await page.post("/api/token")).status_code == 401


async def test_revoking_ends_logins(make: Make) -> None:
    house = make(access_key=KEY)
    async with house.client() as page, house.client(authorization=f"Bearer {KEY}") as operator:
        await page.post("/api/login", json={"access_key": KEY})
        house.now[0] += 1
        assert (await page.post("/api/revocations", json={"user": "owner"})).status_code == 403
        assert (await operator.post("/api/revocations", json={"user": "owner"})).status_code == 200
        assert (await page.post("/api/token")).status_code == 401
        assert (await operator.get("/metrics")).status_code == 200


async def test_logins_have_a_rate(make: Make) -> None:
    async with make(access_key=KEY).client() as page:
        codes = [(await page.post("/api/login", json={"access_key": "guess"})).status_code for _ in range(7)]
    assert codes == [401] * 5 + [429] * 2


async def test_a_declared_proxy_names_the_user(make: Make) -> None:
    house = make(loopback=False, hosts=["voice.example"], proxy=PROXY)
    headers = {"x_forwarded_user": "anna", "x_forwarded_proto": "https", "host": "voice.example"}
    async with house.client(peer="10.1.2.3", **headers) as page:
        assert (await page.get("/api/config")).json()["user"] == "anna"
        given = await page.post("/api/token", headers={"origin": "https://voice.example"})
        assert given.status_code == 201
        assert "strict-transport-security" in given.headers
        assert (await page.post("/api/token", headers={"origin": "http://voice.example"})).status_code == 403


async def test_nobody_else_is_believed(make: Make) -> None:
    house = make(loopback=False, hosts=["voice.example"], proxy=PROXY)
    headers = {"x_forwarded_user": "anna", "host": "voice.example"}
    async with house.client(peer="192.0.2.7", **headers) as page:
        assert (await page.post("/api/token")).status_code == 401
    async with house.client(peer="10.1.2.3", host="voice.example") as page:
        assert (await page.post("/api/token")).status_code == 401
        twice = [("x-forwarded-user", "anna"), ("x-forwarded-user", "ben")]
        assert (await page.get("/api/config", headers=twice)).status_code == 400


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "1.1.1.1, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "no address", "10.0.0.1"),
        ("192.0.2.9", "192.0.2.7", "192.0.2.9"),
        ("::ffff:10.0.0.1", "2001:db8:1:2:3::4", "2001:db8:1:2::"),
    ],
)
def test_rates_are_counted_by_the_last_address_that_nobody_vouches_for(
    make: Make, peer: str, forwarded: str, counted: str
) -> None:
    door = make(proxy=PROXY).desk.door
    headers = [(b"host", b"localhost"), (b"x-forwarded-for", forwarded.encode())]
    assert door.caller({"type": "http", "client": (peer, 1), "headers": headers}).address == counted


async def test_a_proxy_on_this_machine_lends_its_nearness_to_nobody(make: Make) -> None:
    house = make(proxy={"trusted": ["127.0.0.1"]}, access_key=KEY)
    async with house.client(x_forwarded_for="192.0.2.7") as page:
        assert (await page.post("/api/token")).status_code == 401
    house = make(proxy={"trusted": ["127.0.0.1"]})
    async with house.client() as page:
        assert (await page.post("/api/token")).status_code == 401


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "X-Real-IP", "Via"])
async def test_a_proxy_that_nobody_has_declared_makes_nobody_local(make: Make, header: str) -> None:
    async with make(hosts=["voice.example"]).client(host="voice.example", **{header.replace("-", "_"): "x"}) as page:
        assert (await page.post("/api/token")).status_code == 401
        assert (await page.post("/api/revocations", json={"user": "local"})).status_code == 401
        assert (await page.get("/api/config")).json()["signed_in"] is False


async def test_operators_by_a_proxy_may_revoke(make: Make) -> None:
    house = make(loopback=False, hosts=["voice.example"], proxy=PROXY, operators=["boss"])
    for user, code in (("anna", 403), ("boss", 200)):
        headers = {"x_forwarded_user": user, "host": "voice.example"}
        async with house.client(peer="10.1.2.3", **headers) as page:
            assert (await page.post("/api/revocations", json={"user": "ben"})).status_code == code
    async with house.client(peer="192.0.2.7", x_forwarded_user="boss", host="voice.example") as stranger:
        assert (await stranger.post("/api/revocations", json={"user": "ben"})).status_code == 401


async def test_nobody_tries_keys_at_the_revocations(make: Make) -> None:
    house = make(access_key=KEY, loopback=False, hosts=["voice.example"], proxy=PROXY)
    headers = {"x_forwarded_user": "anna", "host": "voice.example"}
    async with house.client(peer="10.1.2.3", **headers) as page:

        async def ask(key: str, address: str) -> int:
            sent = {"authorization": f"Bearer {key}", "x-forwarded-for": address}
            return (await page.post("/api/revocations", json={"user": "ben"}, headers=sent)).status_code

        assert await ask(KEY, "192.0.2.1") == 200
        codes = [await ask(f"a guess of number {number}", f"192.0.2.{number}") for number in range(7)]
    assert codes == [403] * 5 + [429] * 2


async def test_a_scraper_beside_a_proxy_shows_the_key(make: Make) -> None:
    house = make(access_key=KEY, loopback=False, proxy=PROXY)
    async with house.client(peer="192.0.2.7", authorization=f"Bearer {KEY}") as scraper:
        assert (await scraper.get("/metrics")).status_code == 200
    async with house.client(peer="10.0.0.9", x_forwarded_user="prometheus") as scraper:
        assert (await scraper.get("/metrics")).status_code == 200


@pytest.mark.parametrize(
    ("host", "key", "table", "sentence"),
    [
        (EVERYWHERE, None, {}, "set ASSISTANT_ACCESS_KEY"),
        ("192.0.2.1", None, {"proxy": {"trusted": ["10.0.0.1"]}}, "set ASSISTANT_ACCESS_KEY"),
        (EVERYWHERE, "short", {}, "has 5 characters"),
        ("127.0.0.1", "short", {}, "has 5 characters"),
        ("127.0.0.1", None, {"hosts": ["localhost", "voice.example"]}, "serving voice.example"),
        ("127.0.0.1", None, {"origins": ["https://app.example"]}, "serving app.example"),
        ("127.0.0.1", None, {"hosts": ["voice.example"], "proxy": {"trusted": ["127.0.0.1"]}}, "serving voice.example"),
    ],
)
def test_what_would_let_everybody_in_is_refused(
    host: str, key: str | None, table: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(PlanError, match=sentence):
        check_exposure(host, Settings.of(table), key)


@pytest.mark.parametrize(
    ("host", "key", "table"),
    [
        ("127.0.0.1", None, {}),
        ("::1", None, {}),
        ("localhost", None, {}),
        (EVERYWHERE, KEY, {}),
        ("::", None, {"proxy": PROXY}),
        ("127.0.0.1", None, {"hosts": ["localhost"], "origins": ["http://127.0.0.1:9000", "http://[::1]"]}),
        ("127.0.0.1", KEY, {"hosts": ["voice.example"], "origins": ["https://app.example"]}),
        ("127.0.0.1", None, {"hosts": ["voice.example"], "proxy": PROXY}),
    ],
)
def test_what_lets_in_whom_it_should_is_not(host: str, key: str | None, table: dict[str, Any]) -> None:
    check_exposure(host, Settings.of(table), key)
