"""What passes through the mind: what was said, which functions there are, and what comes out."""

from collections.abc import Mapping
from typing import Literal

import attrs


@attrs.frozen
class Source:
    """A page that something said rests on."""

    title: str
    uri: str


@attrs.frozen
class Say:
    """Something to be spoken; `sources` and `queries` where it was searched for."""

    text: str
    sources: tuple[Source, ...] = ()
    queries: tuple[str, ...] = ()


@attrs.frozen
class Call:
    """A declared function to be called."""

    name: str
    args: Mapping[str, object]


@attrs.frozen
class Exchange:
    """One earlier utterance of the conversation."""

    who: Literal["user", "model"]
    text: str


@attrs.frozen
class Declared:
    """A function the client offers; `parameters` is an OpenAPI or a JSON schema of an object, or empty."""

    name: str
    description: str
    parameters: Mapping[str, object]
    blocking: bool = True
