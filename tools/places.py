"""Places on earth: names compared as people write them, countries, and the gazetteer's replies read and chosen from."""

import importlib.resources
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache

import attrs

from pipeline.errors import ToolFailed

OTHERS = 4  # further places of the same name worth telling
RIVAL = 0.2  # share of the taken place's population from which another is worth a spoken word
COORDINATES = re.compile(  # a comma or a letter between the numbers: "114 55" is a postal code in Stockholm
    r"\s*(-?\d{1,3}(?:\.\d+)?)\s*°?\s*(?:([NS])\s*[,;]?|[,;])\s*(-?\d{1,3}(?:\.\d+)?)\s*°?\s*([EW]?)\s*",
    re.IGNORECASE,
)
# What the time zone data's own list of countries (ISO 3166) does not say as people do.
ALSO = {
    "GB": "uk, great britain, united kingdom, england, scotland, wales, northern ireland",
    "US": "usa, america, united states of america, the united states, the us",
    "KR": "south korea, korea, republic of korea",
    "KP": "north korea",
    "CD": "dr congo, democratic republic of the congo",
    "CG": "congo, republic of the congo",
    "CF": "central african republic",
    "MM": "myanmar, burma",
    "SZ": "eswatini, swaziland",
    "CZ": "czechia",
    "TR": "turkiye",
    "NL": "holland, the netherlands",
    "AE": "uae, emirates",
    "CI": "ivory coast",
    "CV": "cabo verde",
    "VA": "vatican, holy see",
    "RU": "russian federation",
    "LC": "saint lucia",
    "WS": "samoa",
}
STATES = (
    "AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut, DE Delaware, "
    "DC District of Columbia, FL Florida, GA Georgia, HI Hawaii, ID Idaho, IL Illinois, IN Indiana, IA Iowa, "
    "KS Kansas, KY Kentucky, LA Louisiana, ME Maine, MD Maryland, MA Massachusetts, MI Michigan, MN Minnesota, "
    "MS Mississippi, MO Missouri, MT Montana, NE Nebraska, NV Nevada, NH New Hampshire, NJ New Jersey, NM New Mexico, "
    "NY New York, NC North Carolina, ND North Dakota, OH Ohio, OK Oklahoma, OR Oregon, PA Pennsylvania, "
    "RI Rhode Island, SC South Carolina, SD South Dakota, TN Tennessee, TX Texas, UT Utah, VT Vermont, VA Virginia, "
    "WA Washington, WV West Virginia, WI Wisconsin, WY Wyoming"
)


def fold(text: str) -> str:
    """Makes names comparable: no case, accents or punctuation, single blanks."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^\w]+|_", " ", bare.replace("&", " and ").casefold()).split())


@cache
def zone_table(name: str) -> list[list[str]]:
    """Reads a tab-separated table of the time zone data, without its comments; a few milliseconds, once."""
    text = importlib.resources.files("tzdata").joinpath("zoneinfo", name).read_text("utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]


@cache
def countries() -> dict[str, str]:
    """Gives the ISO 3166 code of each country by its folded English names."""
    found = {fold(name): code for code, name in zone_table("iso3166.tab")}
    for code, names in ALSO.items():
        found |= {fold(name): code for name in names.split(",")}
    return found


@cache
def states() -> dict[str, str]:
    """Gives the folded name of each state of the USA by its folded abbreviation."""
    return {fold(entry[:2]): fold(entry[3:]) for entry in STATES.split(", ")}


def country_code(text: str) -> str | None:
    """Gives a country's ISO 3166 code, by code or English name."""
    code = text.strip().upper()
    known = countries()
    return code if code in known.values() else known.get(fold(text))


@attrs.frozen
class Place:
    """A point with a name; what is not known is empty, or 0."""

    name: str
    latitude: float
    longitude: float
    region: str = ""
    country: str = ""
    code: str = ""
    district: str = ""
    timezone: str = ""
    population: int = 0

    @property
    def label(self) -> str:
        """The name with region and country, each once."""
        parts = [self.name, self.region, self.country]
        return ", ".join(dict.fromkeys(part for part in parts if part))

    def lies_in(self, area: str) -> bool:
        """Tells whether a country, region or district of that name or code holds the place."""
        asked = fold(area)
        if asked in (fold(self.country), fold(self.region), fold(self.district)):
            return True
        if self.code == "US" and states().get(asked) == fold(self.region):
            return True
        return bool(self.code) and country_code(area) == self.code


def coordinates(text: str) -> Place | None:
    """Reads "52.52, 13.41" or "33.9 S, 18.4 E"; ToolFailed where they lie nowhere on earth."""
    match = COORDINATES.fullmatch(text)
    if match is None:
        return None
    latitude = float(match[1]) * (-1 if (match[2] or "").upper() == "S" else 1)
    longitude = float(match[3]) * (-1 if match[4].upper() == "W" else 1)
    if abs(latitude) > 90 or abs(longitude) > 180:  # noqa: PLR2004 - the poles and the date line
        raise ToolFailed(
            f"{text.strip()} lies nowhere: latitude is from -90 to 90 and comes first, longitude is from -180 to 180",
            retry=True,
        )
    return Place(f"latitude {latitude:g}, longitude {longitude:g}", latitude, longitude)


def read_places(reply: object) -> list[Place]:
    """Reads a reply of the geocoding service; entries without a position are passed over.

    The service leaves `results` out where it finds nothing (open-meteo.com/en/docs/geocoding-api). Raises
    ToolFailed if the reply has another form.
    """
    results = reply.get("results", []) if isinstance(reply, Mapping) else None
    if not isinstance(results, list):
        raise ToolFailed("the geocoding service sent a malformed reply, without a list of results", retry=True)
    return [place for entry in results if (place := _place(entry)) is not None]


def _place(entry: object) -> Place | None:
    if not isinstance(entry, Mapping):
        return None
    position = [entry.get("latitude"), entry.get("longitude")]
    if not all(isinstance(part, int | float) and not isinstance(part, bool) for part in position):
        return None

    def text(key: str) -> str:
        value = entry.get(key)
        return value if isinstance(value, str) else ""

    population = entry.get("population")
    return Place(
        name=text("name") or "an unnamed place",
        latitude=float(entry["latitude"]),
        longitude=float(entry["longitude"]),
        region=text("admin1"),
        country=text("country"),
        code=text("country_code").upper(),
        district=text("admin2"),
        timezone=text("timezone"),
        population=population if isinstance(population, int) else 0,
    )


@attrs.frozen
class Choice:
    """The place that was taken, the others of its name, and those of them that may have been meant."""

    taken: Place
    others: Sequence[Place] = ()
    rivals: Sequence[Place] = ()


def choose(asked: str, areas: Sequence[str], places: Sequence[Place]) -> Choice:
    """Takes the service's first place that lies in all the areas asked for.

    Raises ToolFailed, in words that the model can pass on, where there is none.
    """
    if not places:
        raise ToolFailed(
            f"there is no place called {asked!r} in the gazetteer; ask for the spelling, or take a larger town nearby"
        )
    fitting = [place for place in places if all(place.lies_in(area) for area in areas)]
    if not fitting:
        known = "; ".join(dict.fromkeys(place.label for place in places[:OTHERS]))
        raise ToolFailed(f"there is no {asked} in {', '.join(areas)}, but there are: {known}", retry=True)
    taken = fitting[0]
    seen = {taken.label}
    others: list[Place] = []
    for place in fitting[1:]:
        if fold(place.name) == fold(taken.name) and place.label not in seen:
            seen.add(place.label)
            others.append(place)
    rivals = [place for place in others if not areas and place.population >= RIVAL * taken.population]
    return Choice(taken, others[:OTHERS], rivals[:OTHERS])
