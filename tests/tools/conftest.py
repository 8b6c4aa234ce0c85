"""A weather service on loopback that answers as Open-Meteo documents it, and falters on demand."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs
import pytest
import trio

from tools.http import Http

BERLIN = {
    "id": 2950159,
    "name": "Berlin",
    "latitude": 52.52437,
    "longitude": 13.41053,
    "elevation": 74.0,
    "feature_code": "PPLC",
    "country_code": "DE",
    "timezone": "Europe/Berlin",
    "population": 3426354,
    "country": "Germany",
    "admin1": "Land Berlin",
}
HAMLET = BERLIN | {
    "id": 5245497,
    "name": "Berlin",
    "latitude": 43.96804,
    "longitude": -88.94345,
    "country_code": "US",
    "timezone": "America/Chicago",
    "population": 5420,
    "country": "United States",
    "admin1": "Wisconsin",
    "admin2": "Green Lake",
}


def days_of_weather() -> dict[str, Any]:
    """A reply of the forecast endpoint: present weather, three days, and 48 hours."""
    hours = [f"2026-10-{5 + hour // 24:02}T{hour % 24:02}:00" for hour in range(48)]
    return {
        "latitude": 52.52,
        "longitude": 13.419998,
        "generationtime_ms": 0.1,
        "utc_offset_seconds": 7200,
        "timezone": "Europe/Berlin",
        "current_units": {"time": "iso8601", "temperature_2m": "°C", "wind_speed_10m": "km/h", "precipitation": "mm"},
        "current": {
            "time": "2026-10-05T14:15",
            "interval": 900,
            "temperature_2m": 12.4,
            "apparent_temperature": 8.9,
            "relative_humidity_2m": 71,
            "precipitation": 0.1,
            "weather_code": 61,
            "wind_speed_10m": 14.4,
            "wind_direction_10m": 250,
        },
        "daily": {
            "time": ["2026-10-05", "2026-10-06", "2026-10-07"],
            "weather_code": [61, 3, 73],
            "temperature_2m_max": [14.2, 11.0, 1.2],
            "temperature_2m_min": [7.8, 3.1, -3.6],
            "precipitation_probability_max": [80, 20, 65],
            "precipitation_sum": [4.1, 0.0, 6.0],
            "wind_speed_10m_max": [22.0, 12.0, 18.0],
            "sunrise": ["2026-10-05T07:14", "2026-10-06T07:16", "2026-10-07T07:18"],
            "sunset": ["2026-10-05T18:32", "2026-10-06T18:30", "2026-10-07T18:28"],
        },
        "hourly": {
            "time": hours,
            "temperature_2m": [10.0 + hour % 24 / 2 for hour in range(48)],
            "precipitation_probability": list(range(48)),
            "precipitation": [0.0] * 48,
            "weather_code": [2] * 48,
            "wind_speed_10m": [9.0] * 48,
        },
    }


@attrs.frozen
class Reply:
    """What the service does with one request: an answer, or nothing for ever, or a hang-up."""

    body: bytes = b"{}"
    status: int = 200
    headers: tuple[str, ...] = ()
    fault: str = ""  # "hang": no answer; "drop": hang up; "stall": half an answer; "garbage": no HTTP

    @classmethod
    def of(cls, value: object, status: int = 200, *headers: str) -> "Reply":
        return cls(json.dumps(value).encode(), status, headers)


@attrs.define
class Service:
    """A server on loopback: replies by path, in order, the last one again and again; and what was asked."""

    port: int = 0
    replies: dict[str, list[Reply]] = attrs.field(factory=dict)
    asked: list[tuple[str, dict[str, str]]] = attrs.field(factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def queries(self, path: str) -> list[dict[str, str]]:
        return [query for asked, query in self.asked if asked == path]

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            while (head := await self._head(stream)) is not None:
                target = urlsplit(head.split(" ")[1])
                self.asked.append((target.path, dict(parse_qsl(target.query))))
                left = self.replies[target.path]
                reply = left.pop(0) if len(left) > 1 else left[0]
                if reply.fault == "drop":
                    return
                if reply.fault == "hang":
                    await trio.sleep_forever()
                with suppress(trio.BrokenResourceError):  # the client may have heard enough
                    await self._send(stream, reply)

    async def _send(self, stream: trio.SocketStream, reply: Reply) -> None:
        if reply.fault == "garbage":
            await stream.send_all(b"\x00\x01\x02 what\r\n\r\n")
            return
        lines = [f"HTTP/1.1 {reply.status} Whatever", f"content-length: {len(reply.body)}", *reply.headers]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        if reply.fault == "stall":
            await stream.send_all(head + reply.body[: len(reply.body) // 2])
            await trio.sleep_forever()
        await stream.send_all(head + reply.body)

    @staticmethod
    async def _head(stream: trio.SocketStream) -> str | None:
        data = b""
        while b"\r\n\r\n" not in data:
            try:
                part = await stream.receive_some()
            except trio.BrokenResourceError:
                return None
            if not part:
                return None
            data += part
        return data.decode()


@pytest.fixture
async def service(nursery: trio.Nursery) -> Service:
    """The service, listening; by default it knows Berlin and its weather."""
    made = Service()
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    made.port = listener.socket.getsockname()[1]
    made.replies["/v1/search"] = [Reply.of({"results": [BERLIN, HAMLET], "generationtime_ms": 0.5})]
    made.replies["/v1/forecast"] = [Reply.of(days_of_weather())]
    nursery.start_soon(trio.serve_listeners, made.serve, [listener])
    return made


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    """A client that is quick to try again."""
    async with Http(backoff=0.001) as made:
        yield made


@pytest.fixture
def reply() -> type[Reply]:
    """The class of the service's replies."""
    return Reply


@pytest.fixture
def weather_reply() -> dict[str, Any]:
    """A fresh copy of the forecast endpoint's reply."""
    return days_of_weather()


@pytest.fixture
def berlins() -> list[dict[str, Any]]:
    """Two entries of the search endpoint's reply: the capital, and a small town in Wisconsin."""
    return [dict(BERLIN), dict(HAMLET)]
