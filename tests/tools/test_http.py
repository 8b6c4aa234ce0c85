import datetime as dt
import email.utils
import gzip
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import trio

from pipeline.errors import ToolFailed
from tools.http import KEPT, Http

Answer = httpx.Response | Exception


def answering(*answers: Answer, **settings: Any) -> tuple[Http, list[float]]:
    """Makes a client over a transport that gives these answers in order, the last again, and notes when."""
    times: list[float] = []
    left = list(answers)

    def answer(_request: httpx.Request) -> httpx.Response:
        times.append(trio.current_time())
        given = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(given, Exception):
            raise given
        return httpx.Response(given.status_code, headers=given.headers, content=given.content)

    return Http(transport=httpx.MockTransport(answer), **settings), times


def ok(value: object = None) -> httpx.Response:
    return httpx.Response(200, json=value)


async def test_json_comes_from_the_network(http: Http, service: Any, reply: Any) -> None:
    service.replies["/x"] = [reply.of({"a": [1]})]
    assert await http.get_json(f"{service.url}/x", {"q": "ä&b"}) == {"a": [1]}
    assert service.queries("/x") == [{"q": "ä&b"}]


async def test_a_closed_client_opens_again(http: Http, service: Any, reply: Any) -> None:
    service.replies["/x"] = [reply.of(1)]
    await http.aclose()
    assert await http.get_json(f"{service.url}/x") == 1
    await http.aclose()
    assert await http.get_json(f"{service.url}/x") == 1


@pytest.mark.parametrize("fault", ["drop", "garbage"])
async def test_a_broken_connection_is_tried_again(fault: str, http: Http, service: Any, reply: Any) -> None:
    service.replies["/x"] = [reply(fault=fault), reply(status=503), reply.of("third time")]
    assert await http.get_json(f"{service.url}/x") == "third time"
    assert len(service.asked) == 3


@pytest.mark.parametrize("fault", ["hang", "stall"])
async def test_a_silent_server_is_tried_again(fault: str, service: Any, reply: Any) -> None:
    service.replies["/x"] = [reply(b'"long enough"', fault=fault), reply.of("at last")]
    async with Http(read=0.05, backoff=0.001) as http:
        assert await http.get_json(f"{service.url}/x") == "at last"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"fault": "hang"}, "could not be reached: it did not answer in time"),
        ({"fault": "drop"}, "could not be reached: the connection failed"),
        ({"status": 500}, "could not be reached: it answered with error 500"),
        ({"status": 429}, "could not be reached: it asks for fewer requests"),
    ],
    ids=str,
)
async def test_a_server_that_never_recovers(fault: dict[str, Any], words: str, service: Any, reply: Any) -> None:
    service.replies["/x"] = [reply(**fault)]
    async with Http(read=0.05, backoff=0.001) as http:
        with pytest.raises(ToolFailed, match=words) as caught:
            await http.get_json(f"{service.url}/x")
    assert caught.value.retry
    assert f"127.0.0.1:{service.port}" in str(caught.value)
    assert len(service.asked) == 3


async def test_a_refused_connection(http: Http) -> None:
    with trio.socket.socket() as held:  # bound, never listening: nobody else can take the port meanwhile
        await held.bind(("127.0.0.1", 0))
        with pytest.raises(ToolFailed, match="it refused the connection") as caught:
            await http.get_json(f"http://127.0.0.1:{held.getsockname()[1]}/")
    assert caught.value.retry


async def test_a_name_that_cannot_be_resolved(monkeypatch: pytest.MonkeyPatch, http: Http) -> None:
    import socket

    async def unknown(*_args: object, **_named: object) -> None:
        await trio.lowlevel.checkpoint()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(trio.socket, "getaddrinfo", unknown)
    with pytest.raises(ToolFailed, match=r"its name cannot be resolved \(is there a network\?\)"):
        await http.get_json("http://weather.invalid/")


@pytest.mark.parametrize("url", ["ftp://a/b", "://", "weather", "http://"])
async def test_an_address_that_is_none(url: str, http: Http) -> None:
    with pytest.raises(ToolFailed, match="is no address that can be fetched") as caught:
        await http.get_json(url)
    assert not caught.value.retry


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b'{"a":', b"[" * 100_000], ids=lambda b: b[:5].hex())
async def test_a_body_that_is_no_json(body: bytes, http: Http, service: Any, reply: Any) -> None:
    service.replies["/x"] = [reply(body)]
    with pytest.raises(ToolFailed, match="sent a malformed reply, which is no JSON"):
        await http.get_json(f"{service.url}/x")
    assert len(service.asked) == 1


async def test_a_body_too_large(service: Any, reply: Any) -> None:
    service.replies["/x"] = [reply.of("x" * 1000)]
    async with Http(limit=1002) as http:
        assert await http.get_json(f"{service.url}/x") == "x" * 1000
    async with Http(limit=1001) as http:
        with pytest.raises(ToolFailed, match="sent more than 1001 bytes"):
            await http.get_json(f"{service.url}/x")


async def test_a_compressed_body_is_not_read(http: Http, service: Any, reply: Any) -> None:
    service.replies["/x"] = [reply(gzip.compress(b" " * 5_000_000), headers=("content-encoding: gzip",))]
    with pytest.raises(ToolFailed, match="sent a compressed reply"):
        await http.get_json(f"{service.url}/x")


async def test_a_body_without_end_is_left(http: Http, service: Any, reply: Any) -> None:
    service.replies["/x"] = [reply(b" " * (3 << 20), fault="stall"), reply.of("next")]
    with pytest.raises(ToolFailed, match="sent more than 1048576 bytes"):
        await http.get_json(f"{service.url}/x")
    assert await http.get_json(f"{service.url}/x") == "next"


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, b'{"error": true, "reason": "Latitude must be\\nin range"}', r"\(400\): Latitude must be in range"),
        (404, b"<html>", r"refused the request \(404\): it gives no reason"),
        (403, b'{"reason": ["x"]}', "it gives no reason"),
        (401, b"[]", "it gives no reason"),
        (302, b"", r"is elsewhere now \(302\)"),
    ],
)
async def test_a_refusal_is_final_and_passes_on_the_reason(
    status: int, body: bytes, words: str, http: Http, service: Any, reply: Any
) -> None:
    service.replies["/x"] = [reply(body, status)]
    with pytest.raises(ToolFailed, match=words) as caught:
        await http.get_json(f"{service.url}/x")
    assert not caught.value.retry
    assert len(service.asked) == 1


async def test_pauses_double_with_jitter(autojump_clock: trio.testing.MockClock) -> None:
    http, times = answering(httpx.Response(500), httpx.Response(502), ok("well"), backoff=1.0)
    assert await http.get_json("http://weather.invalid/") == "well"
    first, second = times[1] - times[0], times[2] - times[1]
    assert 0.75 <= first <= 1.25
    assert 1.5 <= second <= 2.5


@pytest.mark.parametrize(
    ("written", "wait"),
    [
        (lambda: "3", 3.0),
        (lambda: "0", 0.0),
        (lambda: "-5", 0.0),
        (lambda: email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5), usegmt=True), 5.0),
        (lambda: email.utils.format_datetime(dt.datetime.now(dt.UTC) - dt.timedelta(days=1), usegmt=True), 0.0),
        (lambda: "soon", 0.3),
    ],
    ids=["seconds", "zero", "negative", "date", "past", "nonsense"],
)
async def test_the_server_may_say_how_long_to_wait(
    written: Callable[[], str], wait: float, autojump_clock: trio.testing.MockClock
) -> None:
    http, times = answering(httpx.Response(429, headers={"retry-after": written()}), ok(1))
    assert await http.get_json("http://weather.invalid/") == 1
    assert abs(times[1] - times[0] - wait) <= 1.1 if wait > 3 else abs(times[1] - times[0] - wait) < 0.1


async def test_a_wait_beyond_the_deadline_is_not_begun(autojump_clock: trio.testing.MockClock) -> None:
    http, times = answering(httpx.Response(429, headers={"retry-after": "60"}), ok(1))
    with pytest.raises(ToolFailed, match="it asks for fewer requests"):
        await http.get_json("http://weather.invalid/")
    assert trio.current_time() == times[0]


async def test_all_tries_share_one_deadline(autojump_clock: trio.testing.MockClock) -> None:
    async def never(_request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    started = trio.current_time()
    with pytest.raises(ToolFailed, match="no answer within 12 s"):
        await Http(transport=httpx.MockTransport(never)).get_json("http://weather.invalid/")
    assert trio.current_time() - started == 12


async def test_cancellation_passes_and_leaves_the_client_usable(service: Any, reply: Any) -> None:
    service.replies["/x"] = [reply(fault="hang"), reply.of("again")]
    async with Http() as http:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(http.get_json, f"{service.url}/x")
            while not service.asked:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel("the user has moved on")
        assert await http.get_json(f"{service.url}/x") == "again"


async def test_fresh_answers_are_given_again(autojump_clock: trio.testing.MockClock) -> None:
    http, times = answering(ok(1), ok(2))
    url = "http://weather.invalid/"
    assert await http.get_json(url, {"a": "1", "b": "2"}, fresh_for=600) == 1
    await trio.sleep(599)
    assert await http.get_json(url, {"b": "2", "a": "1"}, fresh_for=600) == 1
    assert len(times) == 1
    assert await http.get_json(url, {"a": "1"}, fresh_for=600) == 2
    await trio.sleep(1)
    assert await http.get_json(url, {"a": "1", "b": "2"}, fresh_for=600) == 2


async def test_failures_are_not_kept(autojump_clock: trio.testing.MockClock) -> None:
    http, _ = answering(httpx.Response(404), ok("found"))
    with pytest.raises(ToolFailed):
        await http.get_json("http://weather.invalid/", fresh_for=600)
    assert await http.get_json("http://weather.invalid/", fresh_for=600) == "found"


async def test_the_cache_is_bounded_and_keeps_what_is_used(autojump_clock: trio.testing.MockClock) -> None:
    http, times = answering(ok(1))
    for number in range(KEPT + 1):
        await http.get_json("http://weather.invalid/", {"n": str(number)}, fresh_for=600)
        await http.get_json("http://weather.invalid/", {"n": "0"}, fresh_for=600)
    assert len(http._cache) == KEPT
    assert len(times) == KEPT + 1
    await http.get_json("http://weather.invalid/", {"n": "1"}, fresh_for=600)
    assert len(times) == KEPT + 2


async def test_one_pool_serves_all_at_once(service: Any, reply: Any) -> None:
    service.replies["/x"] = [reply.of(1)]
    async with Http() as http, trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(http.get_json, f"{service.url}/x", {"n": str(number)})
    assert len(service.asked) == 10


async def test_loopback_is_never_reached_by_a_proxy(
    monkeypatch: pytest.MonkeyPatch, http: Http, service: Any, reply: Any
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    service.replies["/x"] = [reply.of("direct")]
    assert await http.get_json(f"{service.url}/x") == "direct"


async def test_a_host_that_asks_for_fewer_requests_is_left_alone_until_then(
    service: Any, http: Http, reply: Any
) -> None:
    service.replies["/a"] = [reply.of({}, 429, "retry-after: 60")]
    service.replies["/b"] = [reply.of({"b": 1})]
    with pytest.raises(ToolFailed, match="it asks for fewer requests"):
        await http.get_json(f"{service.url}/a")
    with pytest.raises(ToolFailed, match=r"asks for fewer requests; try again in (59|60) s") as caught:
        await http.get_json(f"{service.url}/b")
    assert caught.value.retry
    assert [path for path, _ in service.asked] == ["/a"]


async def test_a_short_rest_is_waited_for(service: Any, http: Http, reply: Any) -> None:
    service.replies["/a"] = [reply.of({}, 503, "retry-after: 0.05"), reply.of({"a": 1})]
    http.tries = 1
    with pytest.raises(ToolFailed):
        await http.get_json(f"{service.url}/a")
    began = trio.current_time()
    assert await http.get_json(f"{service.url}/a") == {"a": 1}
    assert trio.current_time() - began >= 0.04
