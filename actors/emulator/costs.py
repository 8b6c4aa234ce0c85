"""What words, sound and pictures cost in tokens, and how a turn's costs are told."""

import math
from collections.abc import Mapping

import attrs

AUDIO_TOKENS = 25
"""Tokens per second of sound, in and out (live-protocol 5.1, 5.2)."""

_CHARACTERS_PER_TOKEN = 4


@attrs.frozen
class Cost:
    """Tokens by modality."""

    text: int = 0
    audio: int = 0
    image: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.text + self.audio + self.image

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.text + other.text, self.audio + other.audio, self.image + other.image)

    def details(self) -> list[dict[str, object]]:
        """The modalities that cost anything, as usageMetadata lists them."""
        parts = (("TEXT", self.text), ("AUDIO", self.audio), ("IMAGE", self.image))
        return [{"modality": name, "tokenCount": count} for name, count in parts if count]


NOTHING = Cost()
"""What silence costs."""


def text_cost(text: str) -> Cost:
    """Tells what a text costs."""
    return Cost(text=math.ceil(len(text) / _CHARACTERS_PER_TOKEN))


def audio_cost(seconds: float) -> Cost:
    """Tells what so much sound costs."""
    return Cost(audio=math.ceil(round(seconds * AUDIO_TOKENS, 6)))


def usage(prompt: Cost, response: Cost, thoughts: int = 0, tools: Cost = NOTHING) -> Mapping[str, object]:
    """Gives the usageMetadata of a turn; `tools` is what the service's own tools gave the model to read."""
    found: dict[str, object] = {
        "promptTokenCount": prompt.total,
        "responseTokenCount": response.total,
        "totalTokenCount": prompt.total + response.total + thoughts + tools.total,
        "promptTokensDetails": prompt.details(),
        "responseTokensDetails": response.details(),
    }
    if tools.total:
        found |= {"toolUsePromptTokenCount": tools.total, "toolUsePromptTokensDetails": tools.details()}
    return found | ({"thoughtsTokenCount": thoughts} if thoughts else {})
