"""Stands in for Open-Meteo (open-meteo.com/en/docs): its two addresses, with made-up weather, for use without network.

Every reply says under "generator" where it comes from, so that nobody takes it for a real forecast.
"""

import datetime as dt
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from actors.emulator import variables
from actors.emulator.cities import City, names, plain
from actors.emulator.climate import Spot, hours, spot, sun

GENERATOR = "built-in table of the embedded service"

_MOST_DAYS, _MOST_PAST, _MOST_PLACES = 16, 92, 100
_PREFIX = 3  # letters from which on the gazetteer completes a name
_CAPITALS = frozenset({"Paris", "London", "Tokyo", "Berlin", "Madrid", "Rome", "Moscow", "Beijing", "Vienna", "Cairo"})

Json = dict[str, object]
N = TypeVar("N", int, float)


class _Refused(Exception):
    """The request is wrong; the text is the documented `reason`."""


def reply(path: str, query: Mapping[str, str], *, now: dt.datetime | None = None) -> tuple[int, Json] | None:
    """Returns status and JSON for a GET of /v1/search or /v1/forecast; None for a path that is neither.

    `query` holds the decoded parameters. `now` (with a zone) stands for the present moment. The weather of a place and
    a day is always the same. A request with a mistake in it gets 400 and {"error": true, "reason": ...}.
    """
    serve = {"/v1/search": _search, "/v1/forecast": _forecast}.get(path.rstrip("/"))
    if serve is None:
        return None
    started = time.perf_counter()
    try:
        found = serve(query, now or dt.datetime.now(dt.UTC))
    except _Refused as refusal:
        return 400, {"error": True, "reason": str(refusal), "generator": GENERATOR}
    spent = round((time.perf_counter() - started) * 1000, 4)
    return 200, {**found, "generationtime_ms": spent, "generator": GENERATOR}


def _search(query: Mapping[str, str], _now: dt.datetime) -> Json:
    """Finds places; without any the reply has no `results`, as documented."""
    if "name" not in query:
        raise _Refused("Parameter 'name' is missing.")
    count = _number(query, "count", 10, int)
    if not 1 <= count <= _MOST_PLACES:
        raise _Refused(f"Parameter count must be between 1 and {_MOST_PLACES}.")
    wanted = plain(query["name"])
    country = query.get("countryCode", "").upper()
    found = list(names().get(wanted, ()))
    if len(wanted) >= _PREFIX:
        found += [city for name, places in names().items() if name.startswith(wanted) for city in places]
    unique = [city for city in dict.fromkeys(found) if not country or city.country == country]
    return {"results": [_place(city) for city in unique[:count]]} if unique else {}


def _place(city: City) -> Json:
    return {
        "id": zlib.crc32(f"{city.name}/{city.country}/{city.region}".encode()) % 10_000_000,
        "name": city.name,
        "latitude": city.latitude,
        "longitude": city.longitude,
        "elevation": city.elevation,
        "feature_code": "PPLC" if city.name in _CAPITALS and names()[city.plain_name][0] == city else "PPL",
        "country_code": city.country,
        "timezone": city.timezone,
        "population": city.population,
        "country_id": zlib.crc32(city.country.encode()) % 10_000_000,
        "country": city.country_name,
        "admin1": city.region,
    }


@attrs.frozen
class _Request:
    place: Spot
    zone: dt.tzinfo
    zone_name: str
    now: dt.datetime
    days: Sequence[dt.date]
    units: variables.Units
    unix: bool

    @property
    def offset(self) -> int:
        return int((self.now.utcoffset() or dt.timedelta()).total_seconds())

    def stamp(self, moment: dt.datetime) -> str | int:
        """Writes a local time as the request wants it."""
        if self.unix:
            return int(moment.replace(tzinfo=dt.UTC).timestamp()) - self.offset
        return moment.isoformat(timespec="minutes")

    def date(self, day: dt.date) -> str | int:
        """Writes a date as the request wants it."""
        return self.stamp(dt.datetime.combine(day, dt.time())) if self.unix else day.isoformat()


def _forecast(query: Mapping[str, str], now: dt.datetime) -> Json:
    request = _read(query, now)
    shift = request.now.strftime("%Z")
    found: Json = {
        "latitude": request.place.latitude,
        "longitude": request.place.longitude,
        "utc_offset_seconds": request.offset,
        "timezone": request.zone_name,
        "timezone_abbreviation": shift if shift[:1].isalpha() else f"GMT{shift.lstrip('0') or shift}",
        "elevation": request.place.elevation,
    }
    for section, serve in (("current", _current), ("hourly", _hourly), ("daily", _daily)):
        wanted = [name for name in query.get(section, "").split(",") if name]
        if section == "current" and not wanted and query.get("current_weather") == "true":
            wanted = ["temperature_2m", "weather_code", "wind_speed_10m", "wind_direction_10m", "is_day"]
        if wanted:
            table = variables.DAILY if section == "daily" else variables.HOURLY
            for name in wanted:
                if name not in table:
                    raise _Refused(
                        f"Cannot initialize WeatherVariable from invalid String value {name} for key {section}"
                    )
            found[f"{section}_units"], found[section] = serve(request, wanted)
    return found


def _current(request: _Request, wanted: Sequence[str]) -> tuple[Json, Json]:
    local = request.now.replace(tzinfo=None)
    moment = local.replace(minute=local.minute // 15 * 15, second=0, microsecond=0)
    hour = hours(request.place, moment.date(), request.offset)[moment.hour]
    units: Json = {"time": _time_unit(request), "interval": "seconds"}
    values: Json = {"time": request.stamp(moment), "interval": 900}
    for name in wanted:
        quantity = variables.HOURLY[name]
        units[name], values[name] = request.units.name(quantity.unit), quantity.of(hour, request.units)
    return units, values


def _hourly(request: _Request, wanted: Sequence[str]) -> tuple[Json, Json]:
    all_hours = [hour for day in request.days for hour in hours(request.place, day, request.offset)]
    units: Json = {"time": _time_unit(request)}
    values: Json = {"time": [request.stamp(hour.time) for hour in all_hours]}
    for name in wanted:
        quantity = variables.HOURLY[name]
        units[name] = request.units.name(quantity.unit)
        values[name] = [quantity.of(hour, request.units) for hour in all_hours]
    return units, values


def _daily(request: _Request, wanted: Sequence[str]) -> tuple[Json, Json]:
    units: Json = {"time": _time_unit(request)}
    values: Json = {"time": [request.date(day) for day in request.days]}
    for name in wanted:
        quantity = variables.DAILY[name]
        units[name] = _time_unit(request) if quantity.unit == "moment" else request.units.name(quantity.unit)
        values[name] = [_of_day(request, quantity, day) for day in request.days]
    return units, values


def _of_day(request: _Request, quantity: variables.Daily, day: dt.date) -> object:
    light = sun(request.place, day, request.offset)
    value = quantity.of(hours(request.place, day, request.offset), light, request.units)
    if quantity.unit != "moment":
        return value
    return request.stamp(dt.datetime.combine(day, dt.time()) + dt.timedelta(minutes=value // 60))


def _time_unit(request: _Request) -> str:
    return "unixtime" if request.unix else "iso8601"


def _read(query: Mapping[str, str], now: dt.datetime) -> _Request:
    latitude, longitude = _number(query, "latitude", None, float), _number(query, "longitude", None, float)
    for name, value, limit in (("Latitude", latitude, 90), ("Longitude", longitude, 180)):
        if not -limit <= value <= limit:
            raise _Refused(f"{name} must be in range of -{limit} to {limit}°. Given: {value}.")
    elevation = _number(query, "elevation", None, float) if query.get("elevation", "nan") != "nan" else None
    place = spot(latitude, longitude, elevation)
    zone, zone_name = _zone(query.get("timezone", "GMT"), place)
    local = now.astimezone(zone)
    units, problem = variables.Units.of(query)
    if units is None:
        raise _Refused(problem)
    return _Request(
        place, zone, zone_name, local, _days(query, local.date()), units, query.get("timeformat") == "unixtime"
    )


def _days(query: Mapping[str, str], today: dt.date) -> Sequence[dt.date]:
    ahead, past = _number(query, "forecast_days", 7, int), _number(query, "past_days", 0, int)
    if not 0 <= ahead <= _MOST_DAYS:
        raise _Refused(f"Forecast days is invalid. Allowed range 0 to {_MOST_DAYS}. Given {ahead}.")
    if not 0 <= past <= _MOST_PAST:
        raise _Refused(f"Past days is invalid. Allowed range 0 to {_MOST_PAST}. Given {past}.")
    first, last = today - dt.timedelta(past), today + dt.timedelta(ahead - 1)
    if "start_date" in query or "end_date" in query:
        try:
            first, last = (dt.date.fromisoformat(query.get(key, "")) for key in ("start_date", "end_date"))
        except ValueError:
            raise _Refused("Invalid date format. Make sure to use 'YYYY-MM-DD'") from None
        earliest, latest = today - dt.timedelta(_MOST_PAST), today + dt.timedelta(_MOST_DAYS - 1)
        if not earliest <= first <= last <= latest:
            raise _Refused(f"Parameter 'start_date' is out of allowed range from {earliest} to {latest}")
    return [first + dt.timedelta(step) for step in range((last - first).days + 1)]


def _zone(name: str, place: Spot) -> tuple[dt.tzinfo, str]:
    if name == "auto":
        if place.city is None:
            shift = round(place.longitude / 15)
            return dt.timezone(dt.timedelta(hours=shift)), f"Etc/GMT{-shift:+d}" if shift else "GMT"
        name = place.city.timezone
    try:
        return ZoneInfo(name), name
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _Refused("Invalid timezone") from None


def _number(query: Mapping[str, str], key: str, default: N | None, kind: Callable[[str], N]) -> N:
    text = query.get(key)
    if text is None and default is not None:
        return default
    try:
        return kind(text or "")
    except ValueError:
        raise _Refused(f"Value of type '{kind.__name__.title()}' required for key '{key}'.") from None
