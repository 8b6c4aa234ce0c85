"""The cities the embedded service knows: where they lie, and by which names people call them.

Read from cities.csv and countries.csv beside this file. Coordinates are degrees north and east, elevation is metres,
the time zone is an IANA name, the population is of the years around 2020.
"""

import csv
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import attrs

ALSO: Mapping[str, str] = MappingProxyType(
    {
        "bengaluru": "bangalore",
        "bombay": "mumbai",
        "chennai": "madras",
        "guangzhou": "canton",
        "ho chi minh city": "saigon",
        "kolkata": "calcutta",
        "kyiv": "kiev",
        "marseille": "marseilles",
        "new york city": "new york",
        "peking": "beijing",
        "st louis": "saint louis",
        "st petersburg": "saint petersburg",
        "washington dc": "washington",
        "yangon": "rangoon",
    }
)
"""Other names, plain, and the plain name each stands for in the table."""


_BEFORE_PLACES = frozenset(("in", "for", "at", "of", "about", "to", "near"))
_COMMON_WORDS = frozenset(("nice", "cork", "buffalo", "charlotte", "florence", "phoenix"))
_LONGEST_NAME = 4


@attrs.frozen
class City:
    """One city; `name` as it is written, `plain_name` as it is said: lower case without accents."""

    name: str
    country: str
    region: str
    latitude: float
    longitude: float
    elevation: float
    timezone: str
    population: int

    @property
    def plain_name(self) -> str:
        """The name as `plain` gives it."""
        return plain(self.name)

    @property
    def country_name(self) -> str:
        """The country's name in English."""
        return countries()[self.country]


def plain(text: str) -> str:
    """Returns `text` in lower case, without accents and punctuation, its words one space apart."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return " ".join(re.findall(r"[a-z0-9]+(?:'[a-z]+)?", bare.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")))


@cache
def countries() -> Mapping[str, str]:
    """Returns the English name of every country in the table by its ISO 3166 code."""
    with Path(__file__).with_name("countries.csv").open(encoding="utf-8", newline="") as table:
        return MappingProxyType({row["code"]: row["name"] for row in csv.DictReader(table)})


@cache
def cities() -> tuple[City, ...]:
    """Returns all cities; of several with one name the best known comes first."""
    with Path(__file__).with_name("cities.csv").open(encoding="utf-8", newline="") as table:
        return tuple(
            City(
                name=row["name"],
                country=row["country"],
                region=row["region"],
                latitude=float(row["latitude"]),
                longitude=float(row["longitude"]),
                elevation=float(row["elevation"]),
                timezone=row["timezone"],
                population=int(row["population"]),
            )
            for row in csv.DictReader(table)
        )


@cache
def names() -> Mapping[str, tuple[City, ...]]:
    """Returns the cities under every plain name they go by, other names included."""
    found: dict[str, list[City]] = {}
    for city in cities():
        found.setdefault(city.plain_name, []).append(city)
    for other, name in ALSO.items():
        found.setdefault(other, found[name])
    return MappingProxyType({name: tuple(places) for name, places in found.items()})


def mentioned(text: str) -> str | None:
    """Returns the plain name of the city that plain `text` mentions, the longest where names overlap.

    One that follows a word such as "in" counts before others, and alone where the name is a common word as well.
    """
    words = text.split()
    later: str | None = None
    for start, before in enumerate(["", *words[:-1]]):
        for end in range(min(len(words), start + _LONGEST_NAME), start, -1):
            name = " ".join(words[start:end])
            if name not in names():
                continue
            if before in _BEFORE_PLACES or name == text:
                return name
            later = later or (name if name not in _COMMON_WORDS else None)
            break
    return later
