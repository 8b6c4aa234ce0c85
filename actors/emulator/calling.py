"""Finds the declared function that fits what was said, and fills its arguments from the words."""

import re
from collections.abc import Iterable, Mapping, Sequence

from actors.emulator.cities import mentioned, names, plain
from actors.emulator.quantities import SECONDS, duration, numbers
from actors.emulator.thoughts import Call, Declared

_PLACE_WORDS = """
city location place town where address destination area region_name
"""
PLACE = frozenset(_PLACE_WORDS.split())
"""What arguments are called that take a city."""

_EMPTY_WORDS = """
a about all also an and any anything are as at be been by can could current do does done for from function
get gets give given gives has have how i if in into is it its just let like make me my name new no not now
of on one or out over please returns returned set should so some tell tells than that the their them then
there they thing this to tool up use used user users uses using value want was we were what when where which
who will with would you your
"""
_EMPTY = frozenset(_EMPTY_WORDS.split())
_NAME, _DESCRIPTION = 3, 1
_TIES = 0.5
_TOMORROW = 2
_LARGEST = 1e15
_MOST_CHOICES = 1000


def chosen(wanted: Iterable[str], declared: Sequence[Declared], *, least: int = 1) -> Declared | None:
    """Returns the function whose name, or else description, has most of the words `wanted`; None below `least`."""
    words = {stem(word) for word in wanted}
    best: tuple[int, Declared] | None = None
    for function in declared:
        score = _NAME * len(words & _stems(function.name)) + _DESCRIPTION * len(words & _stems(function.description))
        if score >= least and (best is None or score > best[0]):
            best = (score, function)
    return best[1] if best else None


def sharing(text: str, declared: Sequence[Declared]) -> Declared | None:
    """Returns the function that shares its name, or enough of its description, with plain `text`."""
    content = {stem(word) for word in text.split()} - _EMPTY
    if not content:
        return None
    found = chosen(content, declared)
    if found is None or content & _stems(found.name):
        return found
    return found if len(content & _stems(found.description)) >= _TIES * len(content) else None


def call(
    function: Declared, text: str, *, city: str | None = None, subject: str | None = None, day: str = ""
) -> Call | None:
    """Returns the call of `function` for plain `text`; None where it needs a place and none was named.

    `city` and `subject` (what to search, say or send) are taken from the text where they are not given.
    """
    properties = _mapping(function.parameters.get("properties"))
    required = function.parameters.get("required")
    named = required if isinstance(required, list | tuple) else ()
    needed = {name for name in named if isinstance(name, str)}
    place = mentioned(text)
    city = city or (names()[place][0].name if place else None)
    subject = subject or _tail(text, function)
    args: dict[str, object] = {}
    for name, schema in properties.items():
        value = _fill(name, _mapping(schema), text, city, subject, day, name in needed)
        if value is not None:
            args[name] = value
        elif name in needed:
            return None
    return Call(function.name, args)


def stem(word: str) -> str:
    """Returns a word without its plural, so that "timers" is "timer"."""
    return word[:-1] if len(word) > len("gas") and word.endswith("s") and not word.endswith("ss") else word


def parted(name: str) -> list[str]:
    """Returns the words of a text or of a name, whether written in camelCase or with underscores."""
    return plain(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ")).split()


def empty(word: str) -> bool:
    """Tells whether a word says nothing about what is meant."""
    return stem(word) in _EMPTY


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in parted(text)) - _EMPTY


def _tail(text: str, function: Declared) -> str:
    """Returns what follows the last word that the text shares with the function's name, or the whole text."""
    shared = _stems(function.name)
    words = text.split()
    last = max((index for index, word in enumerate(words) if stem(word) in shared), default=-1)
    tail = words[last + 1 :]
    while tail and tail[0] in ("for", "about", "to", "of", "that", "is", "as", "on", "with", "saying"):
        tail = tail[1:]
    return " ".join(tail or words)


def _fill(
    name: str, schema: Mapping[str, object], text: str, city: str | None, subject: str, day: str, needed: bool
) -> object:
    form = kind(schema)
    choices = schema.get("enum")
    parts = set(parted(name))
    if isinstance(choices, list | tuple) and choices:
        return _member(choices, text, needed)
    if form in ("integer", "number"):
        return _number(parts, form, schema, text, day, needed)
    if form == "boolean":
        return (bool(parts & set(text.split())) or None) if not needed else bool(parts & set(text.split()))
    if form == "array":
        return [subject] if needed else None
    if form == "object":
        return {} if needed else None
    return _string(parts, text, city, subject, day, needed)


def _string(parts: set[str], text: str, city: str | None, subject: str, day: str, needed: bool) -> str | None:
    if parts & PLACE:
        return city
    if parts & {"date", "day", "when"}:
        return day or ("today" if needed else None)
    if parts & {"duration", "time", "length"} and (match := re.search(r"\S+ (?:second|minute|hour)s?\b", text)):
        return match[0]
    return (subject or text) if needed else None


def _member(choices: Sequence[object], text: str, needed: bool) -> object:
    said = f" {text} "
    for choice in sorted(choices[:_MOST_CHOICES], key=lambda choice: -len(str(choice))):
        if f" {plain(str(choice).replace('_', ' '))} " in said:
            return choice
    return choices[0] if needed else None


def _number(
    parts: set[str], form: str, schema: Mapping[str, object], text: str, day: str, needed: bool
) -> float | int | None:
    unit = next(
        (size for unit, size in SECONDS.items() if {unit, unit + "s"} & parts), 1 if "duration" in parts else None
    )
    seconds = duration(text)
    value: float | None = None
    if unit and seconds:
        value = seconds / unit
    elif parts & {"days", "day"} and day:
        value = _TOMORROW if day == "tomorrow" else None
    elif needed or not parts & {"limit", "count", "max", "page", "offset", "days", "hours"}:
        value = next(iter(numbers(text)), None)
    if value is None and needed:
        low = schema.get("minimum")
        value = low if isinstance(low, int | float) and abs(low) < _LARGEST else 1
    if value is None:
        return None
    return round(value) if form == "integer" or float(value).is_integer() else value


def kind(schema: object) -> str:
    """Returns the type that a schema asks for, in lower case; "string" where it does not tell."""
    table = _mapping(schema)
    named = table.get("type")
    if isinstance(named, str):
        return named.lower()
    options = named if isinstance(named, list | tuple) else table.get("anyOf", table.get("any_of", ()))
    for option in options if isinstance(options, list | tuple) else ():
        found = option.lower() if isinstance(option, str) else kind(option)
        if found != "null":
            return found
    return "string"


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
