"""Open-Meteo's forecast: what is asked of it, and its replies as numbers and as words (open-meteo.com/en/docs)."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from pipeline.errors import ToolFailed
from tools.places import Place

CURRENT = {
    "temperature_2m": "temperature",
    "apparent_temperature": "feels_like",
    "relative_humidity_2m": "humidity_percent",
    "precipitation": "precipitation",
    "wind_speed_10m": "wind",
    "wind_direction_10m": "wind_direction_degrees",
}
DAILY = {
    "temperature_2m_min": "low",
    "temperature_2m_max": "high",
    "precipitation_probability_max": "rain_chance_percent",
    "precipitation_sum": "precipitation",
    "wind_speed_10m_max": "wind",
    "sunrise": "sunrise",
    "sunset": "sunset",
}
HOURLY = {
    "temperature_2m": "temperature",
    "precipitation_probability": "rain_chance_percent",
    "precipitation": "precipitation",
    "wind_speed_10m": "wind",
}
CODE = "weather_code"
HOURS = 24
STEP = 3  # hours between those that are spoken
SPOKEN_HOURS = 3
NOTICEABLE = 3  # degrees between the temperature and how it feels
# WMO code table 4677 as Open-Meteo uses it.
CONDITIONS = {
    0: "clear sky",
    1: "mostly clear",
    2: "partly cloudy",
    3: "overcast",
    45: "fog",
    48: "freezing fog with rime",
    51: "light drizzle",
    53: "drizzle",
    55: "heavy drizzle",
    56: "light freezing drizzle",
    57: "heavy freezing drizzle",
    61: "light rain",
    63: "rain",
    65: "heavy rain",
    66: "light freezing rain",
    67: "heavy freezing rain",
    71: "light snow",
    73: "snow",
    75: "heavy snow",
    77: "snow grains",
    80: "light rain showers",
    81: "rain showers",
    82: "violent rain showers",
    85: "light snow showers",
    86: "heavy snow showers",
    95: "thunderstorm",
    96: "thunderstorm with light hail",
    99: "thunderstorm with heavy hail",
}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
UNITS = {
    "metric": {"temperature_unit": "celsius", "wind_speed_unit": "kmh", "precipitation_unit": "mm"},
    "imperial": {"temperature_unit": "fahrenheit", "wind_speed_unit": "mph", "precipitation_unit": "inch"},
}
SPOKEN = {
    "°C": "degrees Celsius",
    "°F": "degrees Fahrenheit",
    "km/h": "kilometres per hour",
    "mp/h": "miles per hour",
    "mph": "miles per hour",
    "m/s": "metres per second",
    "kn": "knots",
}


def request(place: Place, days: int, units: str, hourly: bool) -> dict[str, str]:
    """Gives the query for a place's weather; the service counts days in the place's own time zone."""
    query = {
        "latitude": f"{place.latitude:g}",
        "longitude": f"{place.longitude:g}",
        "timezone": "auto",
        "forecast_days": str(max(days, 2) if hourly else days),  # tonight's 24 hours end tomorrow
        "current": ",".join([*CURRENT, CODE]),
        "daily": ",".join([*DAILY, CODE]),
    }
    return query | ({"hourly": ",".join([*HOURLY, CODE])} if hourly else {}) | UNITS[units]


def conditions(code: object) -> str | None:
    """Says a weather code in words; None for what is no code."""
    if not isinstance(code, int | float):
        return None
    return CONDITIONS.get(int(code), f"weather code {int(code)}")


def read_forecast(reply: object, days: int, hourly: bool) -> dict[str, Any]:
    """Reads a reply into `units`, `current`, `days` and, if asked for, `hours`; values that are missing are left out.

    Raises ToolFailed if there is neither present weather nor a forecast in it.
    """
    if not isinstance(reply, Mapping):
        raise ToolFailed("the weather service sent a malformed reply, which is no object", retry=True)
    now = _table(reply, "current")
    found: dict[str, Any] = {
        "units": _units(reply),
        "current": _row(now, CURRENT, None),
        "days": _rows(_table(reply, "daily"), DAILY, "date")[:days],
    }
    start = str(now.get("time") or "")[:13]  # the hour that has begun, as in 2026-10-31T18
    if hourly and start:
        hours = _rows(_table(reply, "hourly"), HOURLY, "time")
        found["hours"] = [hour for hour in hours if hour["time"] >= start][:HOURS]
    if not found["current"] and not found["days"]:
        raise ToolFailed("the weather service sent a reply without any weather in it; try again later", retry=True)
    return {key: value for key, value in found.items() if value}


def _table(reply: Mapping[str, object], key: str) -> Mapping[str, Any]:
    table = reply.get(key)
    return table if isinstance(table, Mapping) else {}


def _units(reply: Mapping[str, object]) -> dict[str, str]:
    told = _table(reply, "current_units") or {
        key.removesuffix("_max"): unit for key, unit in _table(reply, "daily_units").items()
    }
    names = {"temperature_2m": "temperature", "wind_speed_10m": "wind", "precipitation": "precipitation"}
    return {name: str(told[key]).replace("mp/h", "mph") for key, name in names.items() if key in told}


def _row(table: Mapping[str, Any], names: Mapping[str, str], index: int | None) -> dict[str, Any]:
    """Reads one moment: of a table of values, or of one of columns."""

    def value(key: str) -> Any:  # noqa: ANN401 - numbers and texts
        held = table.get(key)
        if index is None:
            return held if isinstance(held, int | float | str) else None
        return held[index] if isinstance(held, list) and index < len(held) else None

    row = {"conditions": conditions(value(CODE))} | {name: value(key) for key, name in names.items()}
    return {key: item for key, item in row.items() if item is not None}


def _rows(table: Mapping[str, Any], names: Mapping[str, str], key: str) -> list[dict[str, Any]]:
    times = table.get("time")
    if not isinstance(times, list):
        return []
    return [{key: str(time), **_row(table, names, index)} for index, time in enumerate(times)]


def summary(label: str, found: Mapping[str, Any]) -> str:
    """Says what `read_forecast` found, in sentences that can be spoken."""
    units = found.get("units", {})
    sentences = [_present(label, found.get("current", {}), units)]
    sentences += [_day(index, day) for index, day in enumerate(found.get("days", []))]
    later = [f"at {hour['time'][-5:]} {_mild(hour)}" for hour in found.get("hours", [])[STEP::STEP][:SPOKEN_HOURS]]
    if later:
        sentences.append(f"In the next hours: {'; '.join(later)}.")
    return " ".join(sentence for sentence in sentences if sentence)


def _present(label: str, current: Mapping[str, Any], units: Mapping[str, str]) -> str:
    degrees = _degrees(current.get("temperature"))
    if degrees is None:
        return f"Here is the forecast for {label}."
    text = f"In {label} it is now {degrees} {SPOKEN.get(units.get('temperature', ''), 'degrees')}"
    feels, real = current.get("feels_like"), current["temperature"]
    if isinstance(feels, int | float) and abs(feels - real) >= NOTICEABLE:
        text += f", feeling like {_degrees(feels)}"
    if "conditions" in current:
        text += f", {current['conditions']}"
    wind = current.get("wind")
    if isinstance(wind, int | float):
        text += f", wind {round(wind)} {SPOKEN.get(units.get('wind', ''), '')}".rstrip()
    return f"{text}."


def _day(index: int, day: Mapping[str, Any]) -> str:
    low, high = _degrees(day.get("low")), _degrees(day.get("high"))
    parts = [day["conditions"]] if "conditions" in day else []
    if low is not None and high is not None:
        parts.append(f"{low} to {high} degrees")
    chance = day.get("rain_chance_percent")
    if isinstance(chance, int | float):
        falling = "snow" if "snow" in day.get("conditions", "") else "rain"
        parts.append(f"{round(chance)} percent chance of {falling}")
    return f"{_day_name(index, day['date'])}: {', '.join(parts)}." if parts else ""


def _day_name(index: int, date: str) -> str:
    if index < 2:  # noqa: PLR2004 - the days that have a name of their own
        return ("Today", "Tomorrow")[index]
    try:
        return WEEKDAYS[dt.date.fromisoformat(date).weekday()]
    except ValueError:
        return date


def _mild(hour: Mapping[str, Any]) -> str:
    degrees = _degrees(hour.get("temperature"))
    parts = [f"{degrees} degrees" if degrees is not None else "", hour.get("conditions", "")]
    return ", ".join(part for part in parts if part) or "nothing known"


def _degrees(value: object) -> str | None:
    if not isinstance(value, int | float):
        return None
    whole = round(value)
    return f"minus {-whole}" if whole < 0 else str(whole)
