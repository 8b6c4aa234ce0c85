import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from pipeline.errors import PlanError, ToolFailed
from tools import Toolbox
from tools.http import Http


@pytest.fixture
async def box(service: Any) -> AsyncIterator[Toolbox]:
    """A toolbox whose weather comes from the service on loopback."""
    urls = {"geocoding_url": f"{service.url}/v1/search", "forecast_url": f"{service.url}/v1/forecast"}
    table = {"use": ["tools.weather"], "weather": urls}
    async with Toolbox(table, Path.cwd(), shared={Http: Http(read=0.2, backoff=0.001)}) as made:
        yield made


async def ask(box: Toolbox, **args: object) -> dict[str, Any]:
    return await box.get("get_weather").call({"city": "Berlin"} | args)


async def test_the_answer_can_be_spoken_and_counted_with(box: Toolbox) -> None:
    answer = await ask(box, days=3)
    assert answer["summary"] == (
        "In Berlin, Land Berlin, Germany it is now 12 degrees Celsius, feeling like 9, light rain, "
        "wind 14 kilometres per hour. Today: light rain, 8 to 14 degrees, 80 percent chance of rain. "
        "Tomorrow: overcast, 3 to 11 degrees, 20 percent chance of rain. "
        "Wednesday: snow, minus 4 to 1 degrees, 65 percent chance of snow."
    )
    assert answer["source"] == "Open-Meteo"
    assert answer["place"] == {
        "name": "Berlin",
        "region": "Land Berlin",
        "country": "Germany",
        "latitude": 52.52437,
        "longitude": 13.41053,
    }
    assert answer["units"] == {"temperature": "°C", "wind": "km/h", "precipitation": "mm"}
    assert answer["current"] == {
        "conditions": "light rain",
        "temperature": 12.4,
        "feels_like": 8.9,
        "humidity_percent": 71,
        "precipitation": 0.1,
        "wind": 14.4,
        "wind_direction_degrees": 250,
    }
    assert [day["date"] for day in answer["days"]] == ["2026-10-05", "2026-10-06", "2026-10-07"]
    assert answer["days"][2]["sunset"] == "2026-10-07T18:28"
    assert answer["others"] == ["Berlin, Wisconsin, United States"]
    assert "hours" not in answer


async def test_only_the_days_asked_for(box: Toolbox, service: Any) -> None:
    answer = await ask(box)
    assert len(answer["days"]) == 1
    assert "Tomorrow" not in answer["summary"]
    (query,) = service.queries("/v1/forecast")
    assert query["forecast_days"] == "1"
    assert query["timezone"] == "auto"
    assert query["temperature_unit"] == "celsius"
    assert "hourly" not in query


async def test_hours_start_with_the_present_one(box: Toolbox, service: Any) -> None:
    answer = await ask(box, hourly=True)
    assert [answer["hours"][n]["time"] for n in (0, -1)] == ["2026-10-05T14:00", "2026-10-06T13:00"]
    assert len(answer["hours"]) == 24
    assert answer["hours"][0] == {
        "time": "2026-10-05T14:00",
        "conditions": "partly cloudy",
        "temperature": 17.0,
        "rain_chance_percent": 14,
        "precipitation": 0.0,
        "wind": 9.0,
    }
    assert "In the next hours: at 17:00 18 degrees, partly cloudy; at 20:00" in answer["summary"]
    assert service.queries("/v1/forecast")[0]["forecast_days"] == "2"
    assert len(answer["days"]) == 1


async def test_imperial_units(box: Toolbox, service: Any, reply: Any, weather_reply: dict[str, Any]) -> None:
    weather_reply["current_units"] |= {"temperature_2m": "°F", "wind_speed_10m": "mp/h", "precipitation": "inch"}
    service.replies["/v1/forecast"] = [reply.of(weather_reply)]
    answer = await ask(box, units="imperial")
    query = service.queries("/v1/forecast")[0]
    assert (query["temperature_unit"], query["wind_speed_unit"], query["precipitation_unit"]) == (
        "fahrenheit",
        "mph",
        "inch",
    )
    assert "degrees Fahrenheit" in answer["summary"]
    assert "miles per hour" in answer["summary"]
    assert answer["units"]["wind"] == "mph"


async def test_the_users_usual_units_and_language(service: Any) -> None:
    settings = {"units": "imperial", "language": "de", "geocoding_url": f"{service.url}/v1/search"}
    table = {"use": ["tools.weather"], "weather": settings | {"forecast_url": f"{service.url}/v1/forecast"}}
    async with Toolbox(table, Path.cwd()) as box:
        await ask(box)
        assert service.queries("/v1/search")[0]["language"] == "de"
        assert service.queries("/v1/forecast")[0]["wind_speed_unit"] == "mph"
        await ask(box, units="metric", language="FR")
        assert service.queries("/v1/search")[1]["language"] == "fr"
        assert service.queries("/v1/forecast")[1]["wind_speed_unit"] == "kmh"


def test_settings_are_checked() -> None:
    with pytest.raises(PlanError, match="units is 'kelvin', but must be one of metric, imperial"):
        Toolbox({"use": ["tools.weather"], "weather": {"units": "kelvin"}})


@pytest.mark.parametrize(
    ("city", "latitude", "longitude"),
    [
        ("52.52, 13.41", "52.52", "13.41"),
        ("-33.92;18.42", "-33.92", "18.42"),
        ("33.92° S, 18.42° E", "-33.92", "18.42"),
        ("40.7 N 74 W", "40.7", "-74"),
    ],
)
async def test_coordinates_need_no_search(city: str, latitude: str, longitude: str, box: Toolbox, service: Any) -> None:
    answer = await ask(box, city=city)
    assert service.queries("/v1/search") == []
    query = service.queries("/v1/forecast")[0]
    assert (query["latitude"], query["longitude"]) == (latitude, longitude)
    assert answer["summary"].startswith(f"In latitude {latitude}, longitude {longitude} it is now")


async def test_coordinates_off_the_earth(box: Toolbox) -> None:
    with pytest.raises(ToolFailed, match="lies nowhere"):
        await ask(box, city="91, 0")
    with pytest.raises(ToolFailed, match="lies nowhere"):
        await ask(box, city="0, 181")


async def test_a_postal_code_with_a_blank_is_no_coordinates(box: Toolbox, service: Any) -> None:
    await ask(box, city="114 55")
    assert service.queries("/v1/search")[0]["name"] == "114 55"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"country": "US"}, "US"),
        ({"country": "the United States"}, "US"),
        ({"city": "Berlin, Wisconsin"}, None),
        ({"city": "Berlin, WI"}, None),
        ({"city": "Berlin, Green Lake, USA"}, "US"),
        ({"country": "wisconsin"}, None),
    ],
    ids=str,
)
async def test_a_region_or_country_picks_among_places(
    asked: dict[str, str], code: str | None, box: Toolbox, service: Any
) -> None:
    answer = await ask(box, **asked)
    assert answer["place"]["region"] == "Wisconsin"
    (query,) = service.queries("/v1/search")
    assert query["name"] == "Berlin"
    assert query.get("countryCode") == code
    assert "others" not in answer


async def test_a_code_that_is_a_state_and_a_country_is_left_to_the_reply(
    box: Toolbox, service: Any, reply: Any, berlins: list[dict[str, Any]]
) -> None:
    berlins[1] |= {"admin1": "Delaware"}
    service.replies["/v1/search"] = [reply.of({"results": berlins})]
    answer = await ask(box, city="Berlin, DE")
    assert "countryCode" not in service.queries("/v1/search")[0]
    assert answer["place"]["country"] == "Germany"
    assert answer["others"] == ["Berlin, Delaware, United States"]


async def test_a_likely_other_place_is_spoken_of(
    box: Toolbox, service: Any, reply: Any, berlins: list[dict[str, Any]]
) -> None:
    berlins[1]["population"] = 3_000_000
    service.replies["/v1/search"] = [reply.of({"results": [*berlins, *berlins]})]
    answer = await ask(box)
    assert answer["summary"].endswith("There is also Berlin, Wisconsin, United States.")
    assert answer["others"] == ["Berlin, Wisconsin, United States"]


@pytest.mark.parametrize("found", [{}, {"results": []}, {"generationtime_ms": 0.2}, {"results": [{"name": "Nowhere"}]}])
async def test_an_unknown_place(found: dict[str, Any], box: Toolbox, service: Any, reply: Any) -> None:
    service.replies["/v1/search"] = [reply.of(found)]
    with pytest.raises(ToolFailed, match="there is no place called 'Xyzzy' in the gazetteer; ask for the spelling"):
        await ask(box, city="Xyzzy")


async def test_a_place_elsewhere_is_offered(box: Toolbox) -> None:
    with pytest.raises(ToolFailed, match="no Berlin in France, but there are: Berlin, Land Berlin, Germany; Berlin, W"):
        await ask(box, country="France")


async def test_the_embedded_service_is_named_as_the_source(
    box: Toolbox, service: Any, reply: Any, weather_reply: dict[str, Any], berlins: list[dict[str, Any]]
) -> None:
    service.replies["/v1/forecast"] = [reply.of(weather_reply | {"generator": "x"})]
    assert (await ask(box))["source"] == "built-in table of the embedded service"
    service.replies["/v1/forecast"] = [reply.of(weather_reply)]
    service.replies["/v1/search"] = [reply.of({"results": berlins, "generator": "x"})]
    assert (await ask(box, city="berlin"))["source"] == "built-in table of the embedded service"


async def test_a_server_that_recovers(box: Toolbox, service: Any, reply: Any, weather_reply: dict[str, Any]) -> None:
    service.replies["/v1/search"].insert(0, reply(status=500))
    service.replies["/v1/forecast"] = [reply(fault="hang"), reply(status=429), reply.of(weather_reply)]
    assert (await ask(box))["current"]["temperature"] == 12.4
    assert len(service.queries("/v1/forecast")) == 3


@pytest.mark.parametrize("path", ["/v1/search", "/v1/forecast"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"oops", "which is no JSON"),
        (b"[]", "malformed reply"),
        (b"null", "malformed reply"),
        (b"7", "malformed reply"),
    ],
)
async def test_malformed_replies(path: str, body: bytes, words: str, box: Toolbox, service: Any, reply: Any) -> None:
    service.replies[path] = [reply(body)]
    with pytest.raises(ToolFailed, match=words):
        await ask(box)


@pytest.mark.parametrize("results", [7, "x", {"a": 1}])
async def test_results_that_are_no_list(results: object, box: Toolbox, service: Any, reply: Any) -> None:
    service.replies["/v1/search"] = [reply.of({"results": results})]
    with pytest.raises(ToolFailed, match="without a list of results"):
        await ask(box)


async def test_entries_that_are_no_places_are_passed_over(
    box: Toolbox, service: Any, reply: Any, berlins: list[dict[str, Any]]
) -> None:
    odd = [None, 7, {}, {"name": "A", "latitude": "x", "longitude": 1}, {"latitude": True, "longitude": 1}]
    service.replies["/v1/search"] = [reply.of({"results": [*odd, berlins[0]]})]
    assert (await ask(box))["place"]["country"] == "Germany"


@pytest.mark.parametrize("part", ["current", "daily", "current_units"])
@pytest.mark.parametrize("instead", [None, [], "x", {}, {"time": None}, {"time": ["2026-10-05"], "weather_code": 1}])
async def test_a_reply_with_a_part_missing_still_says_the_rest(
    part: str, instead: object, box: Toolbox, service: Any, reply: Any, weather_reply: dict[str, Any]
) -> None:
    weather_reply[part] = instead
    service.replies["/v1/forecast"] = [reply.of(weather_reply)]
    answer = await ask(box, days=3, hourly=True)
    assert "Berlin" in answer["summary"]
    assert ("it is now 12 degrees" in answer["summary"]) == (part != "current")
    assert ("hours" in answer) == (part != "current")
    assert ("Today: light rain" in answer["summary"]) == (part != "daily")


async def test_values_that_are_missing_are_left_out(
    box: Toolbox, service: Any, reply: Any, weather_reply: dict[str, Any]
) -> None:
    weather_reply["daily"] |= {"temperature_2m_max": [None], "precipitation_probability_max": [], "sunrise": None}
    weather_reply["current"] |= {"weather_code": None, "apparent_temperature": 12.0, "wind_speed_10m": None}
    service.replies["/v1/forecast"] = [reply.of(weather_reply)]
    answer = await ask(box)
    assert answer["summary"] == "In Berlin, Land Berlin, Germany it is now 12 degrees Celsius. Today: light rain."
    assert "high" not in answer["days"][0]


async def test_no_weather_at_all(box: Toolbox, service: Any, reply: Any) -> None:
    service.replies["/v1/forecast"] = [reply.of({"latitude": 52.5})]
    with pytest.raises(ToolFailed, match="without any weather in it") as caught:
        await ask(box)
    assert caught.value.retry


async def test_the_services_own_reason_is_passed_on(box: Toolbox, service: Any, reply: Any) -> None:
    service.replies["/v1/forecast"] = [reply.of({"error": True, "reason": "Daily limit exceeded."}, 400)]
    with pytest.raises(ToolFailed, match=r"Daily limit exceeded\."):
        await ask(box)


async def test_no_network() -> None:
    with trio.socket.socket() as held:
        await held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        settings = {"geocoding_url": url, "forecast_url": url}
        table = {"use": ["tools.weather"], "weather": settings}
        async with Toolbox(table, Path.cwd(), shared={Http: Http(backoff=0.001)}) as box:
            with pytest.raises(ToolFailed, match="it refused the connection"):
                await ask(box)


async def test_answers_are_kept_for_ten_minutes(
    autojump_clock: trio.testing.MockClock, weather_reply: dict[str, Any], berlins: list[dict[str, Any]]
) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        search = request.url.host == "geocoding-api.open-meteo.com"
        return httpx.Response(200, json={"results": berlins} if search else weather_reply)

    box = Toolbox({"use": ["tools.weather"]}, shared={Http: Http(transport=httpx.MockTransport(answer))})
    first = copy.deepcopy(await ask(box))
    await trio.sleep(599)
    assert await ask(box) == first
    assert asked == ["geocoding-api.open-meteo.com", "api.open-meteo.com"]
    await ask(box, days=2)
    assert asked[2:] == ["api.open-meteo.com"]
    await trio.sleep(1)
    await ask(box)
    assert len(asked) == 5


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"days": 8}, "days is 8, but must be a whole number, from 1 to 7"),
        ({"city": ""}, "city is '', but must be text, from 1 to 120 characters long"),
        ({"units": "kelvin"}, "units is 'kelvin', but must be one of metric, imperial or null"),
        ({"town": "x"}, "'town' is unknown"),
    ],
    ids=str,
)
async def test_bad_arguments(args: dict[str, object], words: str, box: Toolbox) -> None:
    with pytest.raises(ToolFailed, match=words):
        await ask(box, **args)


@pytest.mark.parametrize("city", [",", " , ,", "?"])
async def test_odd_names_are_asked_for_as_they_are(city: str, box: Toolbox, service: Any) -> None:
    await ask(box, city=city)
    assert service.queries("/v1/search")[0]["name"] == city
