"""Reads requests for the weather and the time out of plain text: what, where, and for which day."""

import re
from typing import Literal

import attrs

from actors.emulator.cities import mentioned, names

Kind = Literal["weather", "time"]

_WEATHER_WORDS = """
weather forecast temperature rain raining rainy snow snowing sunny hot cold warm degrees umbrella windy
"""
_WEATHER = frozenset(_WEATHER_WORDS.split())
_TIME = frozenset(["time", "clock"])
_DAYS = (
    r"\b(?:right now|now|today|tonight|tomorrow|this morning|this afternoon|this evening|at the moment|please|like)\b"
)
_FOLLOW = r"^(?:and )?(?:what about|how about|in|and in|and)\b"
_NOT_ASKED = r"\b(?:timer|times|story|search|look up|count|next time|first time|last time|every time)\b"
_LONGEST_PLACE = 5
_LONGEST = 1500  # characters; whoever says more asks for nothing in particular


@attrs.frozen
class Ask:
    """One request; `place` as a tool would want it ("New York", "Paris, Texas"), "" if none was named."""

    kind: Kind
    place: str
    day: str = ""

    def described(self) -> str:
        """Returns the request as what the user asked about."""
        where = f" in {self.place}" if self.place else ""
        if self.kind == "time":
            return f"what time it is{where}"
        return f"the weather{where}{' ' + self.day if self.day == 'tomorrow' else ''}"


def asks(text: str, *, before: Kind | None = None) -> tuple[Ask, ...]:
    """Returns the requests in plain `text`, in order; none if it asks for something else as well.

    `before` is what was asked last: it lets "what about Tokyo" ask the same again.
    """
    if len(text) > _LONGEST or re.search(_NOT_ASKED, text):
        return ()
    found: list[Ask] = []
    for part in re.split(r"\band\b", text):
        if not part.strip():
            continue
        kind = _kind(part)
        known = found[-1].kind if found else before
        bare = part.strip() in names()
        if kind is None and known and (found or bare or re.match(_FOLLOW, part.strip())):
            place = _place(part)
            kind = known if place else None
        if kind is None:
            return ()
        found.append(Ask(kind, _place(part), _day(part)))
    return _shared(tuple(found))


def _shared(found: tuple[Ask, ...]) -> tuple[Ask, ...]:
    """Lends a place named once to a request without one: "the weather and the time in Paris"."""
    places = [ask.place for ask in found if ask.place]
    if len(set(places)) != 1 or len(found) == 1:
        return found
    return tuple(attrs.evolve(ask, place=places[0]) for ask in found)


def _kind(part: str) -> Kind | None:
    words = set(part.split())
    if words & _WEATHER:
        return "weather"
    return "time" if words & _TIME else None


def _day(part: str) -> str:
    return next((day for day in ("tomorrow", "tonight", "today") if re.search(rf"\b{day}\b", part)), "")


def _place(part: str) -> str:
    text = " ".join(re.sub(_DAYS, " ", part).split())
    name = mentioned(text)
    if name is not None:
        _, _, rest = f" {text} ".partition(f" {name} ")
        area = rest.split()
        city = names()[name][0].name
        return f"{city}, {' '.join(area).title()}" if 0 < len(area) < _LONGEST_PLACE else city
    match = re.search(r"(?:^|.*\b)(?:in|for|at|about|of) (?!the (?:weather|time|forecast|temperature)\b)(.+)$", text)
    if match is None or len(match[1].split()) > _LONGEST_PLACE or set(match[1].split()) & (_WEATHER | _TIME):
        return ""
    return match[1].removeprefix("the ").title()
