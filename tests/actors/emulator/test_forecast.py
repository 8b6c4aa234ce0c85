"""The stand-in answers as Open-Meteo documents it, and says that it is a stand-in."""

import datetime as dt
from typing import Any

import pytest

from actors.emulator.forecast import GENERATOR, reply

NOW = dt.datetime(2026, 7, 1, 12, 7, tzinfo=dt.UTC)
PARIS = {"latitude": "48.8534", "longitude": "2.3488"}


def get(path: str, **query: str) -> tuple[int, dict[str, Any]]:
    found = reply(path, query, now=NOW)
    assert found is not None
    assert found[1]["generator"] == GENERATOR
    return found


def forecast(**query: str) -> dict[str, Any]:
    status, body = get("/v1/forecast", **(PARIS | query))
    assert status == 200, body
    return body


def test_other_paths_are_not_ours() -> None:
    assert reply("/v1/archive", {}) is None


def test_a_search_finds_the_best_known_place_first() -> None:
    _, body = get("/v1/search", name="Paris", count="5", language="en", format="json")
    first, second = body["results"]
    assert (first["country_code"], first["admin1"], first["timezone"]) == ("FR", "Île-de-France", "Europe/Paris")
    assert second["admin1"] == "Texas"
    assert {"id", "name", "latitude", "longitude", "elevation", "feature_code", "population", "country"} <= first.keys()


def test_a_search_takes_count_country_and_the_beginning_of_a_name() -> None:
    assert len(get("/v1/search", name="Springfield", count="2")[1]["results"]) == 2
    assert [place["country"] for place in get("/v1/search", name="London", countryCode="CA")[1]["results"]] == [
        "Canada"
    ]
    assert get("/v1/search", name="berl")[1]["results"][0]["name"] == "Berlin"


def test_an_unknown_place_has_no_results() -> None:
    status, body = get("/v1/search", name="Nowhereville")
    assert status == 200
    assert body.keys() == {"generationtime_ms", "generator"}


def test_the_present_weather_in_local_time() -> None:
    body = forecast(current="temperature_2m,weather_code,is_day", timezone="auto")
    assert body["timezone"] == "Europe/Paris"
    assert body["utc_offset_seconds"] == 7200
    assert body["timezone_abbreviation"] == "CEST"
    assert body["current"]["time"] == "2026-07-01T14:00"
    assert body["current"]["interval"] == 900
    assert body["current"]["is_day"] == 1
    assert body["current_units"] == {
        "time": "iso8601", "interval": "seconds", "temperature_2m": "°C", "weather_code": "wmo code", "is_day": "",
    }  # fmt: skip
    assert 5 < body["current"]["temperature_2m"] < 40


def test_days_and_hours_are_as_many_as_asked_for() -> None:
    body = forecast(hourly="temperature_2m,precipitation", daily="temperature_2m_max,sunrise", forecast_days="3")
    assert body["daily"]["time"] == ["2026-07-01", "2026-07-02", "2026-07-03"]
    assert len(body["hourly"]["time"]) == len(body["hourly"]["precipitation"]) == 72
    for day, high in enumerate(body["daily"]["temperature_2m_max"]):
        assert high == max(body["hourly"]["temperature_2m"][24 * day : 24 * day + 24])
    assert body["daily"]["sunrise"][0].startswith("2026-07-01T03:5")


def test_units_are_converted() -> None:
    metric = forecast(current="temperature_2m,wind_speed_10m")["current"]
    body = forecast(current="temperature_2m,wind_speed_10m", temperature_unit="fahrenheit", wind_speed_unit="mph")
    assert body["current_units"]["temperature_2m"] == "°F"
    assert body["current_units"]["wind_speed_10m"] == "mp/h"
    assert body["current"]["temperature_2m"] == pytest.approx(metric["temperature_2m"] * 1.8 + 32, abs=0.1)
    assert body["current"]["wind_speed_10m"] == pytest.approx(metric["wind_speed_10m"] * 0.6214, abs=0.1)


def test_the_weather_of_a_place_and_day_never_changes() -> None:
    first, second = (forecast(daily="temperature_2m_max,weather_code") for _ in range(2))
    assert first["daily"] == second["daily"]
    other = get("/v1/forecast", latitude="51.5", longitude="-0.12", daily="temperature_2m_max,weather_code")[1]
    assert other["daily"] != first["daily"]


def test_winter_is_colder_and_the_south_has_it_in_july() -> None:
    def high(latitude: str, day: str) -> float:
        query = {
            "latitude": latitude,
            "longitude": "0",
            "daily": "temperature_2m_mean",
            "start_date": day,
            "end_date": day,
        }
        found = reply("/v1/forecast", query, now=dt.datetime.fromisoformat(f"{day}T12:00:00+00:00"))
        assert found is not None
        daily: Any = found[1]["daily"]
        return float(daily["temperature_2m_mean"][0])

    assert high("48", "2026-07-01") > high("48", "2026-01-01") + 8
    assert high("-48", "2026-01-01") > high("-48", "2026-07-01") + 8


def test_unix_time() -> None:
    body = forecast(hourly="temperature_2m", timeformat="unixtime", timezone="Europe/Paris", forecast_days="1")
    assert body["hourly"]["time"][0] == int(dt.datetime(2026, 6, 30, 22, tzinfo=dt.UTC).timestamp())
    assert body["hourly_units"]["time"] == "unixtime"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"latitude": "91"}, "Latitude must be in range"),
        ({"latitude": "nan"}, "Latitude must be in range"),
        ({"longitude": "-181"}, "Longitude must be in range"),
        ({"latitude": "north"}, "latitude"),
        ({"forecast_days": "17"}, "Forecast days is invalid. Allowed range 0 to 16. Given 17."),
        ({"current": "temprature"}, "invalid String value temprature"),
        ({"daily": "temperature_2m"}, "invalid String value temperature_2m"),
        ({"timezone": "Mars/Olympus"}, "Invalid timezone"),
        ({"temperature_unit": "kelvin"}, "kelvin"),
        ({"start_date": "yesterday", "end_date": "today"}, "Invalid date format"),
        ({"start_date": "2020-01-01", "end_date": "2020-01-02"}, "out of allowed range"),
    ],
)
def test_a_mistake_is_refused_with_its_reason(query: dict[str, str], reason: str) -> None:
    status, body = get("/v1/forecast", **(PARIS | query))
    assert status == 400
    assert body["error"] is True
    assert reason in body["reason"]
