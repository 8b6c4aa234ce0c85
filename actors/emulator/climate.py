"""Plausible weather for any place and day, made up from latitude, height, season and a seed; never a real forecast.

Values are metric: degrees Celsius, km/h, mm, hPa, percent.
"""

import datetime as dt
import math
import random
from functools import lru_cache

import attrs

from actors.emulator.cities import City, cities

_NEAR = 0.25  # degrees within which a point belongs to a city
_DAY_LIGHT_ANGLE = math.radians(-0.833)  # the sun's upper edge on the horizon, refraction included
_TILT = math.radians(23.44)
_WET, _MODERATE, _HEAVY = 0.1, 0.5, 2.0  # mm in an hour
_CLOUDY, _FREEZING = 25, 0.5


@attrs.frozen
class Spot:
    """A point on the earth: degrees north and east, metres above the sea, and what its weather is seeded from."""

    latitude: float
    longitude: float
    elevation: float
    seed: str
    city: City | None = None


@attrs.frozen
class Hour:
    """The weather of one hour, which begins at `time` (local, naive)."""

    time: dt.datetime
    temperature: float
    humidity: float
    cloud: float
    precipitation: float
    probability: float
    code: int
    wind: float
    direction: float
    pressure: float
    sun: float
    """Height of the sun as a sine, 0 at night."""

    @property
    def snowing(self) -> bool:
        """Whether what falls is snow."""
        return self.temperature < _FREEZING


@attrs.frozen
class Sun:
    """When the sun rises and sets, in seconds after local midnight; equal where it does not."""

    rise: float
    set: float


def spot(latitude: float, longitude: float, elevation: float | None = None) -> Spot:
    """Returns the place at these degrees; near a known city it takes the city's height and weather."""
    nearest = min(cities(), key=lambda city: math.hypot(city.latitude - latitude, city.longitude - longitude))
    if math.hypot(nearest.latitude - latitude, nearest.longitude - longitude) <= _NEAR:
        height = nearest.elevation if elevation is None else elevation
        return Spot(latitude, longitude, height, f"{nearest.name}/{nearest.country}/{nearest.region}", nearest)
    return Spot(latitude, longitude, elevation or 0.0, f"{latitude:.1f}/{longitude:.1f}")


def sun(place: Spot, day: dt.date, offset: float) -> Sun:
    """Returns sunrise and sunset of a day at `offset` seconds east of Greenwich; good to a few minutes."""
    declination = -_TILT * math.cos(2 * math.pi * (day.timetuple().tm_yday + 10) / 365.25)
    latitude = math.radians(max(-89.8, min(89.8, place.latitude)))
    cosine = (math.sin(_DAY_LIGHT_ANGLE) - math.sin(latitude) * math.sin(declination)) / (
        math.cos(latitude) * math.cos(declination)
    )
    half = math.acos(max(-1.0, min(1.0, cosine))) / (2 * math.pi) * 86_400
    swing = 2 * math.pi * (day.timetuple().tm_yday - 81) / 364  # the equation of time, in minutes
    early = 9.87 * math.sin(2 * swing) - 7.53 * math.cos(swing) - 1.5 * math.sin(swing)
    noon = 43_200 - place.longitude * 240 + offset - 60 * early
    return Sun(noon - half, noon + half)


@lru_cache(maxsize=512)
def hours(place: Spot, day: dt.date, offset: float) -> tuple[Hour, ...]:
    """Returns the 24 hours of a local day."""
    fate = random.Random(f"{place.seed}/{day.isoformat()}")  # noqa: S311 - plausible weather, no secret
    mean = _mean_temperature(place, day) + fate.gauss(0, 2.5)
    swing = fate.uniform(2.5, 6.0)
    cloud = fate.triangular(0, 100, 45)
    chance = max(0.0, min(97.0, (cloud - 35) * 1.5 + fate.uniform(-8, 8)))
    rains = fate.random() * 100 < chance
    wettest, most = fate.randrange(24), fate.uniform(0.2, 3.5)
    wind, direction, pressure = fate.uniform(4, 26), fate.uniform(0, 360), 1026 - cloud / 5 + fate.uniform(-6, 6)
    light = sun(place, day, offset)
    found = []
    for hour in range(24):
        temperature = mean + swing * math.cos(2 * math.pi * (hour - 15) / 24)
        fall = max(0.0, most * (1 - abs(hour - wettest) / 3)) if rains else 0.0
        fall = fall if fall >= _WET else 0.0
        cover = max(0.0, min(100.0, cloud + 12 * math.sin(hour + direction) + (25 if fall else 0)))
        found.append(
            Hour(
                time=dt.datetime.combine(day, dt.time(hour)),
                temperature=temperature,
                humidity=max(20.0, min(99.0, 66 - 3.2 * (temperature - mean) + cover / 6)),
                cloud=cover,
                precipitation=fall,
                probability=max(chance, 55.0) if fall else chance / 2,
                code=_code(cover, fall, temperature),
                wind=wind * (1 + 0.25 * math.sin(hour / 4 + wind)),
                direction=(direction + 4 * hour) % 360,
                pressure=pressure + math.sin(hour / 6),
                sun=_height(light, hour * 3600.0),
            )
        )
    return tuple(found)


def _mean_temperature(place: Spot, day: dt.date) -> float:
    north = abs(place.latitude)
    season = math.cos(2 * math.pi * (day.timetuple().tm_yday - 203) / 365.25) * (1 if place.latitude >= 0 else -1)
    return 28 - 0.006 * north**2 + 0.2 * north * season - 0.0055 * max(0.0, place.elevation)


def _height(light: Sun, second: float) -> float:
    if not light.rise < second < light.set:
        return 0.0
    return math.sin(math.pi * (second - light.rise) / (light.set - light.rise))


def _code(cover: float, fall: float, temperature: float) -> int:
    """Returns the WMO code 4677 for the sky."""
    if fall:
        step = 0 if fall < _MODERATE else 1 if fall < _HEAVY else 2
        return (71, 73, 75)[step] if temperature < _FREEZING else (51, 61, 63)[step]
    return 0 if cover < _CLOUDY / 2 else 1 if cover < _CLOUDY else 2 if cover < 3 * _CLOUDY else 3
