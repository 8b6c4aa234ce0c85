"""Tokens as the service counts them, by direction and modality, and what they cost by the plan's prices."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import attrs

from pipeline.sections import Price
from pipeline.sections import price_of as price_of  # noqa: PLC0414 - whoever speaks of costs speaks of prices

MILLION = 1e6
# The service's names of modalities, and the price that counts for each. Tokens of which it does not say what they are
# (live-protocol 3.3 shows details that do not add up to the total) count as text.
_PRICED_IN = {"TEXT": "text_in", "AUDIO": "audio_in", "IMAGE": "image_in", "VIDEO": "image_in"}
_PRICED_OUT = {"TEXT": "text_out", "AUDIO": "audio_out"}


@attrs.frozen
class Tokens:
    """Counts by lower-case modality, `other` where the service does not say.

    `thoughts` are paid for like what is written, and `tools`, which the service's own tools gave the model, like what
    is read; neither is part of the other counts.
    """

    read: Mapping[str, int] = attrs.field(factory=dict)
    written: Mapping[str, int] = attrs.field(factory=dict)
    thoughts: int = 0
    tools: int = 0

    @classmethod
    def of(cls, counts: Mapping[str, Any]) -> Self:
        """Reads a usageMetadata; whatever is no count in it counts nothing."""
        read = _modalities(counts, "promptTokenCount", "promptTokensDetails")
        written = _modalities(counts, "responseTokenCount", "responseTokensDetails")
        thoughts, tools = (_count(counts.get(key)) for key in ("thoughtsTokenCount", "toolUsePromptTokenCount"))
        return cls(read, written, thoughts, tools)

    def __add__(self, other: Self) -> Self:
        return type(self)(
            _sum(self.read, other.read),
            _sum(self.written, other.written),
            self.thoughts + other.thoughts,
            self.tools + other.tools,
        )

    @property
    def input(self) -> int:
        """The prompt: all that the model read of the conversation."""
        return sum(self.read.values())

    @property
    def output(self) -> int:
        """All that the model wrote or said."""
        return sum(self.written.values())

    @property
    def total(self) -> int:
        """All that is paid for."""
        return self.input + self.output + self.thoughts + self.tools

    def rows(self) -> Iterator[tuple[str, str, int]]:
        """Gives direction, modality and count of each kind."""
        for modality, count in self.read.items():
            yield "input", modality, count
        for modality, count in self.written.items():
            yield "output", modality, count
        if self.thoughts:
            yield "output", "thoughts", self.thoughts
        if self.tools:
            yield "input", "tools", self.tools

    def cost(self, price: Price | None) -> float | None:
        """Gives what this costs, in the price's unit; None where any part of it has no price."""
        known, whole = self.known_cost(price)
        return known if whole else None

    def known_cost(self, price: Price | None) -> tuple[float, bool]:
        """Gives what those parts cost whose price is known, and whether that is all of them."""
        parts = [part_cost(direction, modality, count, price) for direction, modality, count in self.rows()]
        known = [part for part in parts if part is not None]
        return sum(known), len(known) == len(parts)


def part_cost(direction: str, modality: str, count: int, price: Price | None) -> float | None:
    """Gives what tokens of one kind cost; None where their price is unknown."""
    if price is None:
        return None
    priced, text = (_PRICED_IN, "text_in") if direction == "input" else (_PRICED_OUT, "text_out")
    rate: float | None = getattr(price, priced.get(modality.upper(), text))
    return None if rate is None else rate * count / MILLION


def _modalities(counts: Mapping[str, Any], total: str, details: str) -> dict[str, int]:
    found: dict[str, int] = {}
    listed = counts.get(details)
    for detail in listed if isinstance(listed, list | tuple) else ():
        if isinstance(detail, Mapping):
            modality = str(detail.get("modality") or "other").lower()
            found[modality] = found.get(modality, 0) + _count(detail.get("tokenCount"))
    rest = _count(counts.get(total)) - sum(found.values())
    if rest > 0:
        found["other"] = found.get("other", 0) + rest
    return {modality: count for modality, count in found.items() if count}


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in (*one, *(key for key in other if key not in one))}
