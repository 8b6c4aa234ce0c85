"""What a scenario may have the far end do: one frozen value for each action, named by `do` in the file.

Only shapes and bounds are here; `scenario` reads them, `script` decides when, `stage` carries them out.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs

CODES = {*range(1000, 1015), *range(3000, 5000)} - {1004, 1005, 1006}
"""What may stand in a close frame (RFC 6455, 7.4.1)."""

LONGEST_WAIT = 86_400.0

Check = tuple[Callable[[Any], bool], str]

SECONDS: Check = (lambda value: 0 <= value <= LONGEST_WAIT, f"from 0 to {LONGEST_WAIT:g} seconds")
EVER: Check = (lambda value: value >= 0, "0 seconds or more, inf for ever")
COUNT: Check = (lambda value: value >= 1, "1 or more")
CODE: Check = (
    lambda value: value in CODES,
    "a close code: 1000 to 1014 without 1004 to 1006, or 3000 to 4999",
)
WORDS: Check = (lambda value: bool(value.strip()), "text with words in it")
PATH: Check = (lambda value: bool(value) and all(value.split(".")), "names, numbers or * joined by dots")


def bounded(check: Check, default: Any = attrs.NOTHING) -> Any:  # noqa: ANN401 - attrs' own way
    """Makes a field whose value the reader of scenarios holds against a check."""
    return attrs.field(default=default, metadata={"check": check})


@attrs.frozen
class Action:
    """Something the far end does."""


class Spoken(Action):
    """An action that needs a conversation, so nothing before the setup's answer can lead to it."""


class Edit(Action):
    """An action on a message of the service that is about to leave."""


@attrs.frozen
class Say(Spoken):
    """Speaks a text: at `on = "turn"` in place of the answer, elsewhere as a turn of its own."""

    text: str = bounded(WORDS)


@attrs.frozen
class Call(Spoken):
    """Calls a function: at `on = "turn"` in place of the answer, elsewhere at once."""

    name: str = bounded(WORDS)
    args: Mapping[str, object] = attrs.field(factory=dict)


@attrs.frozen
class Silent(Spoken):
    """Says nothing: to the prompt of a turn (`complete` at least ends the turn), or to a function's answer."""

    complete: bool = False


@attrs.frozen
class Interrupt(Spoken):
    """Interrupts the model though nobody spoke; without a turn a lone `interrupted` is sent."""


@attrs.frozen
class Cancel(Spoken):
    """Cancels all open function calls."""


@attrs.frozen
class Finish(Spoken):
    """Ends the turn in mid-sentence as though it were complete."""


@attrs.frozen
class Forget(Spoken):
    """Loses everything the session remembers."""


@attrs.frozen
class GoAway(Spoken):
    """Announces the end of the connection, and ends it in so many seconds."""

    seconds: float = bounded(SECONDS, 50.0)


@attrs.frozen
class Close(Action):
    """Closes the socket with a code and a reason."""

    code: int = bounded(CODE, 1011)
    reason: str = ""


@attrs.frozen
class Cut(Action):
    """Cuts the socket as a broken network does."""


@attrs.frozen
class Delay(Action):
    """Lets nothing leave for so many seconds, then all of it in order."""

    seconds: float = bounded(SECONDS)


@attrs.frozen
class Stall(Action):
    """Reads nothing for so many seconds, so that pings wait, too."""

    seconds: float = bounded(EVER)


@attrs.frozen
class Pong(Action):
    """Answers pings so many seconds late from now on; inf never."""

    seconds: float = bounded(EVER)


@attrs.frozen
class Send(Action):
    """Sends anything: a `message` as JSON, or a `text` or the bytes of `hex` as they are.

    `form` is the kind of frame; "wire" puts the bytes on the stream without any.
    """

    message: Mapping[str, object] | None = None
    text: str | None = None
    hex: str | None = None
    form: Literal["binary", "text", "wire"] = "binary"


@attrs.frozen
class Drop(Edit):
    """Keeps the message back for good."""


@attrs.frozen
class Hold(Edit):
    """Sends the message so many seconds later; what comes behind it overtakes."""

    seconds: float = bounded(SECONDS)


@attrs.frozen
class Repeat(Edit):
    """Sends the message again so many times; `fresh_ids` gives the calls in it other ids."""

    count: int = bounded(COUNT, 1)
    fresh_ids: bool = False


@attrs.frozen
class Join(Edit):
    """Puts so many of the messages that follow into this one."""

    count: int = bounded(COUNT, 1)


@attrs.frozen
class Set(Edit):
    """Sets what stands at a path of the message."""

    path: str = bounded(PATH)
    value: object = attrs.field(kw_only=True)


@attrs.frozen
class Strip(Edit):
    """Takes what stands at a path out of the message; one that is empty then is not sent."""

    path: str = bounded(PATH)


ACTIONS: Mapping[str, type[Action]] = {
    "say": Say,
    "call": Call,
    "silent": Silent,
    "interrupt": Interrupt,
    "cancel": Cancel,
    "finish": Finish,
    "forget": Forget,
    "go_away": GoAway,
    "close": Close,
    "cut": Cut,
    "delay": Delay,
    "stall": Stall,
    "pong": Pong,
    "send": Send,
    "drop": Drop,
    "hold": Hold,
    "repeat": Repeat,
    "join": Join,
    "set": Set,
    "strip": Strip,
}
"""Every action by its name in a file."""

NEVER = math.inf
"""For `stall` and `pong`: for ever."""
