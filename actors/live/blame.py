"""Which setting a service means when it refuses a setup: its words held against the fields that were sent."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from actors.live.setup import GENERATION

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]+")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def advice(setup: Mapping[str, Any], reason: str) -> str:
    """Says what to change after a refusal with 1007, which is about a field of the setup unless it names the key."""
    if re.search(r"api.?key|credential", reason, re.IGNORECASE):
        return "check the API key"
    fields = dict(_fields(setup))
    words = [_snake(word) for word in _WORD.findall(reason)]
    if named := next((fields[word] for word in words if word in fields), ""):
        return f"change or remove {named} in [live]"
    return "a setting of [live] is not one that this model takes: remove your own there one by one"


def _fields(setup: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields each field that is set, by its own name, with its path in [live]."""
    for key, value in setup.items():
        if key == "generationConfig":
            for inner, held in value.items():
                before = "live" if inner in GENERATION else "live.generation_config"
                yield from _below(_snake(inner), held, before)
        elif key not in ("model", "tools"):  # words of any sentence, and names of anybody's functions
            yield from _below(_snake(key), value, "live")


def _below(name: str, value: object, path: str) -> Iterator[tuple[str, str]]:
    here = f"{path}.{name}"
    yield name, here
    if isinstance(value, Mapping) and name != "labels":
        for key, inner in value.items():
            yield from _below(_snake(str(key)), inner, here)


def _snake(name: str) -> str:
    return _CAPITAL.sub("_", name).lower()
