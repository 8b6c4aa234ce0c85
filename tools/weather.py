"""The weather anywhere, from Open-Meteo: free, without a key (open-meteo.com/en/docs)."""

from typing import Annotated, Any, Literal

import attrs

from tools.forecast import read_forecast, request, summary
from tools.http import Http
from tools.places import Choice, choose, coordinates, country_code, read_places, states
from tools.registry import Given, tool
from tools.values import Bounds

Units = Literal["metric", "imperial"]

SERVICE = "Open-Meteo"
EMBEDDED = "built-in table of the embedded service"
SEARCHED = "20"  # places asked for: enough that the one in the right country is among them


@attrs.frozen
class Settings:
    """The plan's `[tools.weather]`: `units` are the user's usual ones, `language` that of place names."""

    geocoding_url: str = "https://geocoding-api.open-meteo.com/v1/search"
    forecast_url: str = "https://api.open-meteo.com/v1/forecast"
    language: str = "en"
    units: Units = "metric"
    fresh_for: Annotated[float, "seconds for which an answer is given again without asking", Bounds(0, 86400)] = 600.0


@tool(timeout=25, idempotent=True)
async def get_weather(
    city: Annotated[
        str, 'town, postal code, or "latitude, longitude"; a region may follow, as in "Paris, Texas"', Bounds(1, 120)
    ],
    *,
    country: Annotated[str | None, "country or region, by name or two-letter code; give it when the user does"] = None,
    days: Annotated[int, "days of forecast, today included: 2 for a question about tomorrow", Bounds(1, 7)] = 1,
    units: Annotated[Units | None, "metric for Celsius, imperial for Fahrenheit; else the user's usual ones"] = None,
    hourly: Annotated[bool, "true for a forecast of the next 24 hours, hour by hour"] = False,
    language: Annotated[str | None, "two-letter language for place names"] = None,
    settings: Given[Settings],
    http: Given[Http],
) -> dict[str, Any]:
    """Tells the present weather and the forecast for up to seven days, anywhere on earth.

    The answer's summary can be spoken as it is. If it names other places of the same name, say which was taken.
    """
    choice, geocoder = await _find(city, country, language or settings.language, settings, http)
    place = choice.taken
    query = request(place, days, units or settings.units, hourly)
    reply = await http.get_json(settings.forecast_url, query, fresh_for=settings.fresh_for)
    found = read_forecast(reply, days, hourly)
    text = summary(place.label, found)
    if choice.rivals:
        text += f" There is also {' and '.join(rival.label for rival in choice.rivals)}."
    embedded = "generator" in reply or "generator" in geocoder
    where = {"name": place.name, "region": place.region, "country": place.country}
    return {
        "summary": text,
        "place": {key: value for key, value in where.items() if value}
        | {"latitude": place.latitude, "longitude": place.longitude},
        **found,
        **({"others": [other.label for other in choice.others]} if choice.others else {}),
        "source": EMBEDDED if embedded else SERVICE,
    }


async def _find(
    city: str, country: str | None, language: str, settings: Settings, http: Http
) -> tuple[Choice, dict[str, Any]]:
    """Finds the place, and gives the geocoding service's reply along (empty for coordinates)."""
    place = coordinates(city)
    if place is not None:
        return Choice(place), {}
    name, *areas = [part.strip() for part in (*city.split(","), country or "") if part.strip()] or [city]
    query = {"name": name, "count": SEARCHED, "language": language.strip().lower()[:2], "format": "json"}
    codes = {code for area in areas if (code := country_code(area)) and area.casefold() not in states()}
    if len(codes) == 1:  # CA is both Canada and California: such ones are told apart in the reply
        query["countryCode"] = codes.pop()
    reply = await http.get_json(settings.geocoding_url, query, fresh_for=settings.fresh_for)
    return choose(name, areas, read_places(reply)), reply
