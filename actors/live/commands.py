"""What we say to the service: one frozen value for each client message we send (live-protocol section 2)."""

from collections.abc import Mapping

import attrs

from pipeline.messages import Request, Say, SpeechEnded, SpeechStarted, StreamEnded, Uttered, Voiced


@attrs.frozen
class Command:
    """One client message."""


@attrs.frozen
class Setup(Command):
    """The first message: the whole `setup` object in camelCase."""

    setup: Mapping[str, object]


@attrs.frozen
class Audio(Command):
    """Microphone audio, 16 kHz s16le mono."""

    pcm: bytes


@attrs.frozen
class ActivityStart(Command):
    """The user began to speak (local turns only)."""


@attrs.frozen
class ActivityEnd(Command):
    """The user stopped speaking (local turns only)."""


@attrs.frozen
class AudioStreamEnd(Command):
    """The microphone pauses: the service should not wait for more (server turns only)."""


@attrs.frozen
class Text(Command):
    """Text from the user."""

    text: str


@attrs.frozen
class Line:
    """One side's words in the past; `role` is user or model."""

    role: str
    text: str


@attrs.frozen
class History(Command):
    """Words that were exchanged and that the session at the far end does not know."""

    lines: tuple[Line, ...]


@attrs.frozen
class StopGenerating(Command):
    """Ends the present generation (live-protocol 4.2: clientContent without turnComplete)."""


@attrs.frozen
class ToolResponse(Command):
    """The answer to one function call."""

    id: str
    name: str
    response: Mapping[str, object]
    scheduling: str | None = None
    will_continue: bool | None = None


def spoken(item: Uttered | Request, *, local_turns: bool) -> Command | None:
    """Gives what the service should hear of what the user said; None for marks that are not for this kind of turns."""
    if isinstance(item, Voiced):
        return Audio(item.pcm)
    if isinstance(item, Say):
        return Text(item.text)
    marks: dict[type, Command] = (
        {SpeechStarted: ActivityStart(), SpeechEnded: ActivityEnd()} if local_turns else {StreamEnded: AudioStreamEnd()}
    )
    return marks.get(type(item))
