"""Which models there are, and what each allows: the Live API's model matrix of autumn 2026 as a table.

Nothing here knows a message; `terms` holds a setup against these entries.
"""

import enum
import re

import attrs


class Thinking(enum.Enum):
    """What a model takes as its thinkingConfig."""

    REFUSED = enum.auto()  # any thinkingConfig is an error
    REQUIRED = enum.auto()  # exactly one of level (LOW to HIGH) and budget
    LEVEL = enum.auto()
    BUDGET = enum.auto()


class Option(enum.Enum):
    """How a model takes a flag of the setup."""

    ALWAYS = enum.auto()  # always on: false is an error
    CHOICE = enum.auto()
    NEVER = enum.auto()  # true is an error
    REMOVED = enum.auto()  # any value is an error


class Waiting(enum.Enum):
    """Which functions a model can call."""

    EITHER = enum.auto()
    BLOCKING = enum.auto()  # and one after the other
    NON_BLOCKING = enum.auto()


class Office(enum.Enum):
    """What a model is there for."""

    TALK = enum.auto()
    TRANSLATE = enum.auto()
    TRANSCRIBE = enum.auto()


@attrs.frozen
class Model:
    """One model: what its setup may ask for, and how its conversations go.

    `window` is in tokens. `blocks` is what a declaration without behavior means. `seeding_only` models take client
    content as initial history and at no other time. `updates` models take a contextUpdate. `reports_status` models say
    with every turnComplete whether more follows by itself. A model that `works_on` completes its turn while functions
    still run; the others leave a turn open that has only made calls. One that `cuts_in` speaks about an INTERRUPT
    answer even while the user speaks. `every_picture` counts, or only those that come while the user is active.
    `developer` and `vertex` tell on which of the two platforms the model is served. Only a model whose `office` is to
    translate takes a translationConfig; nobody here knows a foreign language, so it says back what it has heard. One
    that transcribes says nothing at all.
    """

    name: str
    thinking: Thinking
    waiting: Waiting
    blocks: bool
    proactive: Option
    affective: Option
    seeding_only: bool = False
    updates: bool = False
    reports_status: bool = False
    works_on: bool = False
    cuts_in: bool = False
    every_picture: bool = True
    window: int = 131_072
    developer: bool = True
    vertex: bool = False
    office: Office = Office.TALK


MODELS = {
    model.name: model
    for model in (
        Model(
            "models/gemini-3.8-live",
            thinking=Thinking.REFUSED,
            waiting=Waiting.EITHER,
            blocks=False,
            proactive=Option.ALWAYS,
            affective=Option.REMOVED,
            updates=True,
            reports_status=True,
            vertex=True,
        ),
        Model(
            "models/gemini-3.8-live-extended-thinking",
            thinking=Thinking.REQUIRED,
            waiting=Waiting.NON_BLOCKING,
            blocks=False,
            proactive=Option.ALWAYS,
            affective=Option.REMOVED,
            updates=True,
            reports_status=True,
            works_on=True,
            vertex=True,
        ),
        Model(
            "models/gemini-3.1-flash-live-preview",
            thinking=Thinking.LEVEL,
            waiting=Waiting.BLOCKING,
            blocks=True,
            proactive=Option.NEVER,
            affective=Option.NEVER,
            seeding_only=True,
        ),
        Model(
            "models/gemini-2.5-flash-native-audio-preview-12-2025",
            thinking=Thinking.BUDGET,
            waiting=Waiting.EITHER,
            blocks=True,
            proactive=Option.CHOICE,
            affective=Option.CHOICE,
            cuts_in=True,
            every_picture=False,
        ),
        Model(
            "models/gemini-live-2.5-flash-native-audio",
            thinking=Thinking.BUDGET,
            waiting=Waiting.EITHER,
            blocks=True,
            proactive=Option.CHOICE,
            affective=Option.CHOICE,
            cuts_in=True,
            every_picture=False,
            developer=False,
            vertex=True,
        ),
        Model(
            "models/gemini-3.5-live-translate-preview",
            thinking=Thinking.REFUSED,
            waiting=Waiting.EITHER,
            blocks=False,
            proactive=Option.NEVER,
            affective=Option.NEVER,
            seeding_only=True,
            office=Office.TRANSLATE,
        ),
        Model(
            "models/gemini-3.5-transcribe-live",
            thinking=Thinking.REFUSED,
            waiting=Waiting.EITHER,
            blocks=False,
            proactive=Option.NEVER,
            affective=Option.NEVER,
            seeding_only=True,
            office=Office.TRANSCRIBE,
        ),
    )
}
"""Every model served, by its full name."""

_VERTEX_NAME = re.compile(r"(?:projects/[^/]+/locations/[^/]+/)?publishers/google/models/([^/]+)")


def find(name: str, *, vertex: bool = False) -> Model | None:
    """Gives the model of that name on either platform; None if it is not served there.

    Vertex takes `publishers/google/models/NAME`, also within a project and location.
    """
    if not vertex:
        model = MODELS.get(name)
        return model if model and model.developer else None
    inner = _VERTEX_NAME.fullmatch(name)
    model = MODELS.get(f"models/{inner[1]}") if inner else None
    return model if model and model.vertex else None
