"""HTTP for tools: one pool of connections, with deadlines, patience with servers that falter, and bounded replies.

The only importer of httpx, and it imports it on first use, in a thread: with the TLS set-up that takes some
150 ms, which would be in the way of the first sound, or of every actor on the loop.
"""

import datetime as dt
import email.utils
import json
import math
import random
import socket
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import trio

from pipeline.errors import ToolFailed

if TYPE_CHECKING:
    import httpx

KEPT = 64  # replies in the cache
TOO_MANY = 429
REQUEST_TIMEOUT = 408
SERVER_ERROR = 500
REDIRECT = 300
BAD_REQUEST = 400
SHOWN = 200  # characters of a server's own explanation
LOCAL = ("all://127.0.0.1", "all://localhost", "all://[::1]")  # never by way of a proxy


class _Again(Exception):
    """An attempt failed in a way that another may not; `after` is the wait the server asks for, in seconds."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        self.after = after
        super().__init__(reason)


@attrs.frozen
class Waits:
    """The plan's `[tools.http]`: how patient the client is; see `Http`."""

    connect: float = attrs.field(default=5.0, validator=attrs.validators.gt(0))
    read: float = attrs.field(default=10.0, validator=attrs.validators.gt(0))
    total: float = attrs.field(default=12.0, validator=attrs.validators.gt(0))
    tries: int = attrs.field(default=3, validator=attrs.validators.gt(0))
    backoff: float = attrs.field(default=0.3, validator=attrs.validators.gt(0))
    limit: int = attrs.field(default=1 << 20, validator=attrs.validators.gt(0))


@attrs.define(eq=False)
class Http(trio.abc.AsyncResource):
    """A client for JSON over HTTP; opens with the first request, and whoever made it calls `aclose`.

    `connect` and `read` are deadlines within one attempt and `total` over all attempts of one request, in
    seconds; `tries` and `backoff` (the first wait, doubling, with jitter) are for servers that falter; `limit`
    bounds a reply's body, in bytes. `transport` stands in for the network in tests.
    """

    connect: float = 5.0
    read: float = 10.0
    total: float = 12.0
    tries: int = 3
    backoff: float = 0.3
    limit: int = 1 << 20
    transport: "httpx.AsyncBaseTransport | None" = None
    _rests: dict[str, float] = attrs.field(factory=dict, init=False, repr=False)
    _client: "httpx.AsyncClient | None" = attrs.field(default=None, init=False)
    _opening: trio.Lock = attrs.field(factory=trio.Lock, init=False, repr=False)
    _cache: OrderedDict[tuple[object, ...], tuple[float, Any]] = attrs.field(
        factory=OrderedDict, init=False, repr=False
    )

    async def get_json(self, url: str, params: Mapping[str, str] | None = None, *, fresh_for: float = 0.0) -> Any:  # noqa: ANN401
        """Fetches and decodes JSON; the same request within `fresh_for` seconds gives the same object again.

        Treat the object as read-only. Raises ToolFailed in words for a user: no network, refused, too slow, a
        server's error, a reply that is too large or no JSON. Cancellation abandons the request, nothing is kept.
        """
        key = (url, *sorted((params or {}).items()))
        expires, value = self._cache.get(key, (0.0, None))
        if trio.current_time() < expires:
            self._cache.move_to_end(key)
            await trio.lowlevel.checkpoint()
            return value
        value = _decode(await self._fetch(url, params or {}), _host(url))
        if fresh_for > 0:
            self._cache[key] = (trio.current_time() + fresh_for, value)
            self._cache.move_to_end(key)
            while len(self._cache) > KEPT:
                self._cache.popitem(last=False)
        return value

    async def aclose(self) -> None:
        """Closes the connections and forgets what was kept; a later request opens it again."""
        client, self._client = self._client, None
        self._cache.clear()
        if client is not None:
            await client.aclose()
        else:
            await trio.lowlevel.checkpoint()

    async def _fetch(self, url: str, params: Mapping[str, str]) -> bytes:
        """Tries until an attempt succeeds, the tries are used up, or the time is."""
        reason, host = f"no answer within {self.total:g} s", _host(url)
        with trio.move_on_after(self.total) as scope:
            rest = self._rests.get(host, -math.inf) - trio.current_time()
            if rest > self.total:
                raise ToolFailed(f"{host} asks for fewer requests; try again in {rest:.0f} s", retry=True)
            await trio.sleep(max(rest, 0.0))
            for attempt in range(self.tries):
                try:
                    return await self._attempt(url, params)
                except _Again as again:
                    reason = str(again)
                    pause = _pause(again.after, self.backoff, attempt)
                    if again.after is not None:
                        self._rests[host] = trio.current_time() + again.after
                if attempt + 1 == self.tries or trio.current_time() + pause >= scope.deadline:
                    break
                await trio.sleep(pause)
        raise ToolFailed(f"{_host(url)} could not be reached: {reason}; try again in a little while", retry=True)

    async def _attempt(self, url: str, params: Mapping[str, str]) -> bytes:
        client = await self._pool()  # first, for it imports httpx elsewhere
        import httpx  # noqa: PLC0415 - see the module's first paragraph

        try:
            async with client.stream("GET", url, params=params) as reply:
                body = await self._body(reply, _host(url))
                _judge(reply.status_code, reply.headers.get("retry-after"), body, _host(url))
                return body
        except httpx.TimeoutException:
            raise _Again("it did not answer in time") from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise ToolFailed(f"{url!r} is no address that can be fetched: {error}; correct the setting") from None
        except httpx.TransportError as error:
            raise _Again(_network(error)) from None

    async def _body(self, reply: "httpx.Response", host: str) -> bytes:
        """Reads a body up to the limit.

        A cancel, not leaving the loop, ends a longer one: it reaches the innermost of the generators that httpx
        nests, and so closes all of them in order.
        """
        if reply.headers.get("content-encoding", "identity") != "identity":
            raise ToolFailed(f"{host} sent a compressed reply though it was asked not to, so it was not read")
        body = bytearray()
        with trio.CancelScope() as reading:
            async for part in reply.aiter_bytes():
                body += part
                if len(body) > self.limit:
                    body.clear()
                    reading.cancel("the body is too large")
        if reading.cancel_called:
            raise ToolFailed(f"{host} sent more than {self.limit} bytes, which no tool can use")
        return bytes(body)

    async def _pool(self) -> "httpx.AsyncClient":
        async with self._opening:
            if self._client is None and self.transport is not None:
                self._client = self._open()  # no TLS to set up, and tests have no threads under virtual clocks
            elif self._client is None:
                self._client = await trio.to_thread.run_sync(self._open)
            return self._client

    def _open(self) -> "httpx.AsyncClient":
        import httpx  # noqa: PLC0415 - see the module's first paragraph

        return httpx.AsyncClient(
            timeout=httpx.Timeout(self.read, connect=self.connect),
            headers={"user-agent": "live-assistant", "accept": "application/json", "accept-encoding": "identity"},
            transport=self.transport,
            mounts=None if self.transport else dict.fromkeys(LOCAL),
        )


def _judge(status: int, retry_after: str | None, body: bytes, host: str) -> None:
    if status in (TOO_MANY, REQUEST_TIMEOUT) or status >= SERVER_ERROR:
        what = "it asks for fewer requests" if status == TOO_MANY else f"it answered with error {status}"
        raise _Again(what, _seconds(retry_after))
    if status >= REDIRECT:
        kind = "refused the request" if status >= BAD_REQUEST else "is elsewhere now"
        raise ToolFailed(f"{host} {kind} ({status}): {_explanation(body)}")


def _explanation(body: bytes) -> str:
    """Finds a server's own words, as services put them."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return "it gives no reason"
    words = (
        next((told[key] for key in ("reason", "message", "detail", "error") if key in told), None)
        if (isinstance(told, dict))
        else None
    )
    return " ".join(words.split())[:SHOWN] if isinstance(words, str) and words else "it gives no reason"


def _seconds(retry_after: str | None) -> float | None:
    """Reads Retry-After: seconds, or a date (RFC 9110, 10.2.3)."""
    if not retry_after:
        return None
    try:
        return max(float(retry_after), 0.0)
    except ValueError:
        pass
    try:
        when = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max((when - dt.datetime.now(dt.UTC)).total_seconds(), 0.0)


def _pause(after: float | None, backoff: float, attempt: int) -> float:
    if after is not None:
        return after
    return backoff * 2.0**attempt * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, no secret


def _network(error: BaseException) -> str:
    """Says what a transport error means, by what caused it."""
    causes: list[BaseException] = [error]
    for cause in causes:
        causes += [c for c in (cause.__cause__, cause.__context__) if c is not None and c not in causes]
        causes += [c for c in getattr(cause, "exceptions", ()) if c not in causes]
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "its name cannot be resolved (is there a network?)"
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "it refused the connection"
    return f"the connection failed ({' '.join(str(error).split()) or type(error).__name__})"


def _decode(body: bytes, host: str) -> Any:  # noqa: ANN401 - JSON has any shape
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ToolFailed(f"{host} sent a malformed reply, which is no JSON; try again later", retry=True) from None


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2] or url
