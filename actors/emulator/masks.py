"""Field masks: which fields of a setup somebody else has settled already, and a setup with those put in their place.

A mask names fields by paths, `generationConfig.top_k,model`, in snake_case or camelCase. A field of the generation
config may stand without its parent, as the official clients write it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar, get_args, get_type_hints

import attrs

from actors.emulator.protojson import Breach
from actors.emulator.requests import GenerationConfig, Setup

Path = tuple[str, ...]
T = TypeVar("T", bound=attrs.AttrsInstance)

_EVERYTHING = "*"
_GENERATION = "generation_config"


def paths(mask: str) -> tuple[Path, ...]:
    """Gives the paths of a mask over a Setup, in the proto's names; Breach if it names a field that is none.

    "*" stands for every field of the setup. Beneath a field that is no message there is nothing to tell apart: such a
    path means the whole field.
    """
    found: dict[Path, None] = {}
    for entry in mask.split(","):
        words = [_snake(word) for word in entry.strip().split(".")]
        if words == [_EVERYTHING]:
            found |= dict.fromkeys((field.name,) for field in attrs.fields(Setup))
        elif words != [""]:
            found[_path(words, entry.strip())] = None
    return tuple(found)


def impose(own: T, theirs: T, mask: Sequence[Path]) -> T:
    """Gives `theirs` with every field of the mask as it is in `own`, absent ones included."""
    for path in mask:
        theirs = _with(own, theirs, path)
    return theirs


def _with(own: T, theirs: T, path: Path) -> T:
    head, rest = path[0], path[1:]
    mine, other = getattr(own, head), getattr(theirs, head)
    if rest and (mine is not None or other is not None):
        empty = type(other if mine is None else mine)()
        mine = _with(empty if mine is None else mine, empty if other is None else other, rest)
    return attrs.evolve(theirs, **{head: mine})  # type: ignore[misc]  # T is one of the request classes


def _path(words: Sequence[str], shown: str) -> Path:
    if words[0] not in _fields(Setup) and words[0] in _fields(GenerationConfig):
        words = [_GENERATION, *words]
    kind: type | None = Setup
    path: list[str] = []
    for word in words:
        if kind is None:
            break
        fields = _fields(kind)
        if word not in fields:
            raise Breach(f"Invalid field mask: {shown[:40]!r} names no field of the setup.")
        path.append(word)
        kind = _message(fields[word])
    return tuple(path)


def _fields(kind: type) -> Mapping[str, object]:
    return get_type_hints(kind)


def _message(hint: object) -> type | None:
    """Gives the message class a field holds; None if it holds a value or many."""
    arms = [arm for arm in get_args(hint) if arm is not type(None)] or [hint]
    kind = arms[0]
    return kind if isinstance(kind, type) and attrs.has(kind) and not hasattr(hint, "__origin__") else None


def _snake(word: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", word).lower()
