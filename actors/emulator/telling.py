"""Puts a tool's answer into words: its own sentence where it has one, else one made of what it found."""

import re
from collections.abc import Mapping, Sequence

from actors.emulator.thoughts import Call, Say

_SENTENCES = ("summary", "spoken", "text", "message", "answer", "content", "description")
_LONGEST = 600
_MOST_PAIRS = 6
_DEEPEST = 4  # levels within a value that are told of
_DONE = frozenset({"", "ok", "okay", "done", "success", "true"})


def answer(call: Call, response: Mapping[str, object]) -> Say:
    """Returns what to say when a tool has answered: its result, or plainly that it did not work and why."""
    failure = response.get("error")
    if failure:
        return Say(_ended(f"Sorry, that did not work: {_reason(failure)}"))
    for key in ("output", "result"):
        if key in response:
            return Say(_spoken(call, response[key]))
    return Say(_spoken(call, response))


def _reason(failure: object) -> str:
    if isinstance(failure, Mapping):
        failure = next((failure[key] for key in ("message", "reason", "detail") if failure.get(key)), failure)
    return _value(failure)


def _spoken(call: Call, value: object) -> str:
    if isinstance(value, Mapping):
        return _of_mapping(call, value)
    if isinstance(value, str):
        return "Done." if value.strip().lower() in _DONE else _ended(value)
    if value is None or value is True:
        return "Done."
    if isinstance(value, Sequence):
        return _ended(f"I found {len(value)}: {_value(value)}") if value else "I found nothing."
    return _ended(f"The result is {_value(value)}")


def _of_mapping(call: Call, found: Mapping[str, object]) -> str:
    for key in _SENTENCES:
        told = _text_of(found.get(key))
        if told:
            return _ended(told)
    known = _weather(call, found) or _time(call, found)
    if known:
        return _ended(known)
    inner = [key for key, value in found.items() if value not in (None, "", [], {})]
    if not inner or (len(inner) == 1 and _value(found[inner[0]]).lower() in _DONE):
        return "Done."
    return _ended("; ".join(f"{_words(key)}: {_value(found[key])}" for key in inner[:_MOST_PAIRS]))


def _text_of(value: object) -> str:
    """Returns the text in a string, or in a list of parts that have a text each, as MCP tools answer."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list | tuple):
        texts = [part.get("text") for part in value if isinstance(part, Mapping)]
        return " ".join(text.strip() for text in texts if isinstance(text, str))
    return ""


def _weather(call: Call, found: Mapping[str, object]) -> str:
    degrees = _first(found, "temperature", "temperature_c", "temperature_celsius", "temp", "temp_c", "temperature_f")
    sky = _first(found, "conditions", "condition", "weather", "sky", "forecast")
    if degrees is None and sky is None:
        return ""
    parts = [f"{_value(degrees)} degrees" if isinstance(degrees, int | float) else _value(degrees)]
    parts = [*(parts if degrees is not None else []), *([_value(sky)] if sky else [])]
    return f"In {_where(call, found)} it is {', '.join(parts)}" if parts else ""


def _time(call: Call, found: Mapping[str, object]) -> str:
    time = _first(found, "time", "local_time", "current_time", "datetime")
    if time is None:
        return ""
    where = _where(call, found)
    return f"In {where} it is {_value(time)}" if where != "your place" else f"It is {_value(time)}"


def _where(call: Call, found: Mapping[str, object]) -> str:
    place = _first(found, "city", "place", "location", "name") or _first(call.args, "city", "place", "location")
    if isinstance(place, Mapping):
        place = place.get("name")
    return _value(place) if place else "your place"


def _first(found: Mapping[str, object], *keys: str) -> object:
    return next((found[key] for key in keys if found.get(key) is not None), None)


def _value(value: object, depth: int = _DEEPEST) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping | list | tuple) and not depth:
        return "and more"
    if isinstance(value, Mapping):
        pairs = list(value.items())[:_MOST_PAIRS]
        return ", ".join(f"{_words(key)} {_value(item, depth - 1)}" for key, item in pairs)
    if isinstance(value, list | tuple):
        return ", ".join(_value(item, depth - 1) for item in value[:_MOST_PAIRS])
    return str(value)[:_LONGEST]


def _words(key: object) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(key)).replace("_", " ").lower()


def _ended(text: str) -> str:
    """Returns `text` as sentences of bearable length, with a mark at the end."""
    text = " ".join(text[: 10 * _LONGEST].split())
    if len(text) > _LONGEST:
        cut = text[:_LONGEST]
        text = cut[: cut.rfind(". ") + 1] or cut[: cut.rfind(" ")]
    return text if text.endswith((".", "!", "?")) else f"{text}."
