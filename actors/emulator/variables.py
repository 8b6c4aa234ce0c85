"""The weather variables Open-Meteo documents, and how each is read off the made-up weather (open-meteo.com/en/docs)."""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Self

import attrs

from actors.emulator.climate import Hour, Sun

_ALLOWED: Mapping[str, Mapping[str, str]] = {
    "temperature_unit": {"celsius": "°C", "fahrenheit": "°F"},
    "wind_speed_unit": {"kmh": "km/h", "ms": "m/s", "mph": "mp/h", "kn": "kn"},
    "precipitation_unit": {"mm": "mm", "inch": "inch"},
}
_PER_KMH = {"kmh": 1.0, "ms": 1 / 3.6, "mph": 0.621371, "kn": 0.539957}
_INCH = 25.4
_PLAIN = {
    "percent": "%",
    "code": "wmo code",
    "pressure": "hPa",
    "angle": "°",
    "metres": "m",
    "watts": "W/m²",
    "seconds": "s",
    "energy": "MJ/m²",
    "index": "",
    "flag": "",
    "hours": "h",
    "vapour": "kPa",
}


@attrs.frozen
class Units:
    """The units a request asks for, by Open-Meteo's names."""

    temperature: str = "celsius"
    speed: str = "kmh"
    fall: str = "mm"

    @classmethod
    def of(cls, query: Mapping[str, str]) -> tuple[Self | None, str]:
        """Returns the units of a request; None and the reason where it asks for one that does not exist."""
        chosen = []
        for key, allowed in _ALLOWED.items():
            unit = query.get(key, query.get(key.replace("wind_speed", "windspeed"), next(iter(allowed))))
            if unit not in allowed:
                return None, f"Cannot initialize {key} from invalid String value {unit} for key {key}"
            chosen.append(unit)
        return cls(*chosen), ""

    def name(self, kind: str) -> str:
        """Returns the name of a unit as it stands in the `..._units` of a reply."""
        if kind == "degrees":
            return _ALLOWED["temperature_unit"][self.temperature]
        if kind == "speed":
            return _ALLOWED["wind_speed_unit"][self.speed]
        if kind in ("fall", "snow"):
            return "inch" if self.fall == "inch" else "mm" if kind == "fall" else "cm"
        return _PLAIN[kind]

    def value(self, kind: str, metric: float) -> float:
        """Converts and rounds a metric value as Open-Meteo does."""
        if kind == "degrees":
            return round(metric * 1.8 + 32 if self.temperature == "fahrenheit" else metric, 1)
        if kind == "speed":
            return round(metric * _PER_KMH[self.speed], 1)
        if kind in ("fall", "snow"):
            inches = metric / (_INCH if kind == "fall" else _INCH / 10)
            return round(inches, 3) if self.fall == "inch" else round(metric, 2)
        if kind in ("percent", "code", "angle", "flag"):
            return round(metric)
        return round(metric, 2)


@attrs.frozen
class Hourly:
    """One variable of an hour."""

    unit: str
    read: Callable[[Hour], float]

    def of(self, hour: Hour, units: Units) -> float:
        """Returns its value in the units asked for."""
        return units.value(self.unit, self.read(hour))


@attrs.frozen
class Daily:
    """One variable of a day; `moment` is seconds after local midnight."""

    unit: str
    read: Callable[[Sequence[Hour], Sun], float]

    def of(self, hours: Sequence[Hour], light: Sun, units: Units) -> float:
        """Returns its value in the units asked for."""
        value = self.read(hours, light)
        return value if self.unit == "moment" else units.value(self.unit, value)


def _feels(hour: Hour) -> float:
    vapour = hour.humidity / 100 * 6.105 * math.exp(17.27 * hour.temperature / (237.7 + hour.temperature))
    return hour.temperature + 0.33 * vapour - 0.7 * hour.wind / 3.6 - 4


def _dew(hour: Hour) -> float:
    inner = math.log(hour.humidity / 100) + 17.62 * hour.temperature / (243.12 + hour.temperature)
    return 243.12 * inner / (17.62 - inner)


def _rain(hour: Hour) -> float:
    return 0.0 if hour.snowing else hour.precipitation


def _snow(hour: Hour) -> float:
    return hour.precipitation * 0.7 if hour.snowing else 0.0


def _radiation(hour: Hour) -> float:
    return 900 * hour.sun * (1 - 0.006 * hour.cloud)


def _deficit(hour: Hour) -> float:
    return 0.6108 * math.exp(17.27 * hour.temperature / (hour.temperature + 237.3)) * (1 - hour.humidity / 100)


HOURLY: Mapping[str, Hourly] = MappingProxyType(
    {
        "temperature_2m": Hourly("degrees", lambda hour: hour.temperature),
        "relative_humidity_2m": Hourly("percent", lambda hour: hour.humidity),
        "dew_point_2m": Hourly("degrees", _dew),
        "apparent_temperature": Hourly("degrees", _feels),
        "precipitation_probability": Hourly("percent", lambda hour: hour.probability),
        "precipitation": Hourly("fall", lambda hour: hour.precipitation),
        "rain": Hourly("fall", _rain),
        "showers": Hourly("fall", lambda _: 0.0),
        "snowfall": Hourly("snow", _snow),
        "snow_depth": Hourly("metres", lambda _: 0.0),
        "weather_code": Hourly("code", lambda hour: hour.code),
        "pressure_msl": Hourly("pressure", lambda hour: hour.pressure),
        "surface_pressure": Hourly("pressure", lambda hour: hour.pressure - 2),
        "cloud_cover": Hourly("percent", lambda hour: hour.cloud),
        "cloud_cover_low": Hourly("percent", lambda hour: hour.cloud * 0.6),
        "cloud_cover_mid": Hourly("percent", lambda hour: hour.cloud * 0.4),
        "cloud_cover_high": Hourly("percent", lambda hour: hour.cloud * 0.5),
        "visibility": Hourly("metres", lambda hour: 24_000 - 150 * hour.cloud),
        "vapour_pressure_deficit": Hourly("vapour", _deficit),
        "wind_speed_10m": Hourly("speed", lambda hour: hour.wind),
        "wind_speed_80m": Hourly("speed", lambda hour: hour.wind * 1.4),
        "wind_direction_10m": Hourly("angle", lambda hour: hour.direction),
        "wind_direction_80m": Hourly("angle", lambda hour: hour.direction),
        "wind_gusts_10m": Hourly("speed", lambda hour: hour.wind * 1.9),
        "is_day": Hourly("flag", lambda hour: hour.sun > 0),
        "uv_index": Hourly("index", lambda hour: 8 * hour.sun * (1 - 0.006 * hour.cloud)),
        "shortwave_radiation": Hourly("watts", _radiation),
        "direct_radiation": Hourly("watts", lambda hour: 0.7 * _radiation(hour)),
        "sunshine_duration": Hourly("seconds", lambda hour: 3600 * (1 - hour.cloud / 100) * (hour.sun > 0)),
    }
)


def _highest(read: Callable[[Hour], float]) -> Callable[[Sequence[Hour], Sun], float]:
    return lambda hours, _: max(read(hour) for hour in hours)


def _lowest(read: Callable[[Hour], float]) -> Callable[[Sequence[Hour], Sun], float]:
    return lambda hours, _: min(read(hour) for hour in hours)


def _total(read: Callable[[Hour], float]) -> Callable[[Sequence[Hour], Sun], float]:
    return lambda hours, _: sum(read(hour) for hour in hours)


def _mean(read: Callable[[Hour], float]) -> Callable[[Sequence[Hour], Sun], float]:
    return lambda hours, _: sum(read(hour) for hour in hours) / len(hours)


DAILY: Mapping[str, Daily] = MappingProxyType(
    {
        "weather_code": Daily("code", _highest(lambda hour: hour.code)),
        "temperature_2m_max": Daily("degrees", _highest(lambda hour: hour.temperature)),
        "temperature_2m_mean": Daily("degrees", _mean(lambda hour: hour.temperature)),
        "temperature_2m_min": Daily("degrees", _lowest(lambda hour: hour.temperature)),
        "apparent_temperature_max": Daily("degrees", _highest(_feels)),
        "apparent_temperature_mean": Daily("degrees", _mean(_feels)),
        "apparent_temperature_min": Daily("degrees", _lowest(_feels)),
        "sunrise": Daily("moment", lambda _, light: light.rise),
        "sunset": Daily("moment", lambda _, light: light.set),
        "daylight_duration": Daily("seconds", lambda _, light: light.set - light.rise),
        "sunshine_duration": Daily("seconds", _total(HOURLY["sunshine_duration"].read)),
        "uv_index_max": Daily("index", _highest(HOURLY["uv_index"].read)),
        "precipitation_sum": Daily("fall", _total(lambda hour: hour.precipitation)),
        "rain_sum": Daily("fall", _total(_rain)),
        "showers_sum": Daily("fall", lambda _hours, _light: 0.0),
        "snowfall_sum": Daily("snow", _total(_snow)),
        "precipitation_hours": Daily("hours", _total(lambda hour: hour.precipitation > 0)),
        "precipitation_probability_max": Daily("percent", _highest(lambda hour: hour.probability)),
        "precipitation_probability_mean": Daily("percent", _mean(lambda hour: hour.probability)),
        "precipitation_probability_min": Daily("percent", _lowest(lambda hour: hour.probability)),
        "wind_speed_10m_max": Daily("speed", _highest(lambda hour: hour.wind)),
        "wind_gusts_10m_max": Daily("speed", _highest(lambda hour: hour.wind * 1.9)),
        "wind_direction_10m_dominant": Daily("angle", lambda hours, _: hours[12].direction),
        "shortwave_radiation_sum": Daily("energy", _total(lambda hour: _radiation(hour) * 0.0036)),
    }
)
