"""What the service says to us: one frozen value for each thing a server message can mean (live-protocol 3)."""

from collections.abc import Mapping

import attrs


@attrs.frozen
class Signal:
    """One thing the service said."""


@attrs.frozen
class SetupComplete(Signal):
    """The session stands."""

    session_id: str


@attrs.frozen
class Speech(Signal):
    """A part of the model's speech: s16le mono at `rate`."""

    pcm: bytes = attrs.field(repr=lambda pcm: f"{len(pcm)} bytes")
    rate: int


@attrs.frozen
class Text(Signal):
    """A text part; a `thought` is neither spoken nor shown as an answer."""

    text: str
    thought: bool


@attrs.frozen
class InputText(Signal):
    """A fragment of what the user said."""

    text: str


@attrs.frozen
class InterimText(Signal):
    """A guess at what the user is saying, to be replaced."""

    text: str


@attrs.frozen
class OutputText(Signal):
    """A fragment of what the model says."""

    text: str


@attrs.frozen
class Interruption(Signal):
    """The user spoke over the reply: stop playing, drop what is queued."""


@attrs.frozen
class GenerationComplete(Signal):
    """Nothing more will be generated for this turn."""


@attrs.frozen
class WaitingForInput(Signal):
    """The model is silent on purpose."""


@attrs.frozen
class TurnComplete(Signal):
    """The turn is over, unless `status` is IN_PROGRESS."""

    status: str = ""
    reason: str = ""


@attrs.frozen
class Grounding(Signal):
    """What a grounded reply rests on, as the service wrote it."""

    metadata: Mapping[str, object]


@attrs.frozen
class FunctionCall:
    """One call inside `Calls`."""

    id: str
    name: str
    args: Mapping[str, object]


@attrs.frozen
class Calls(Signal):
    """The model asks for tools."""

    calls: tuple[FunctionCall, ...]


@attrs.frozen
class CallsVoided(Signal):
    """These calls need no answer any more."""

    ids: tuple[str, ...]


@attrs.frozen
class GoAway(Signal):
    """The service will end this connection in `left` seconds."""

    left: float


@attrs.frozen
class Handle(Signal):
    """A resumption update; only a non-empty handle that is `resumable` may be kept."""

    handle: str = attrs.field(repr=False)
    resumable: bool


@attrs.frozen
class UsageReport(Signal):
    """Token counts as sent."""

    counts: Mapping[str, object]


@attrs.frozen
class Unrecognised(Signal):
    """Keys or frames this client does not know; counted, logged once per kind, never fatal."""

    names: tuple[str, ...]
