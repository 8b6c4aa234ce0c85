"""The error tree: few nouns, each with one meaning.

A message says what was attempted, what was found and what to do, in words for the person at the keyboard.
"""

from typing import TypeVar


class AssistantError(Exception):
    """Anything this program raises on purpose; its text is fit to be shown to a user."""

    @property
    def brief(self) -> str:
        """The text without what others put into it, which may be anything that was said."""
        return str(self)


class Fatal(AssistantError):
    """A restart cannot help: the supervisor escalates at once and the run ends with this sentence."""


class PlanError(Fatal):
    """The configuration is wrong: names file, key, what was found and what is allowed."""


class Refused(Fatal):
    """The service will not talk to us as we are: wrong key, model or endpoint."""


class Spent(Fatal):
    """The budget of the day is used up, so the conversation is not begun."""


class DeviceUnavailable(AssistantError):
    """A sound device is missing, lost or refuses its settings; it may come back."""


class BadRecording(Fatal):
    """A sound file cannot be used: missing, empty, truncated, of an unknown format, or not writable."""


class TransportLost(AssistantError):
    """The socket is gone.

    `code` is the WebSocket close code, 1006 where none was received (RFC 6455, 7.1.5); `reason` is the far
    end's text.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"connection lost with code {code}" + (f": {reason}" if reason else ""))


class ProtocolViolation(AssistantError):
    """An event arrived, or a command was asked for, that the session's state does not allow."""


class EdgeOverflow(AssistantError):
    """An edge whose policy is `fail` was given more than it can hold: a bound is wrong or a reader is dead."""


class ToolFailed(AssistantError):
    """A tool could not do what was asked; `retry` tells the model whether asking again may help.

    The message is what the model is told. `detail` is for the log alone: what exactly went wrong inside.
    """

    def __init__(self, message: str, *, retry: bool = False, detail: str = "") -> None:
        self.retry = retry
        self.detail = detail
        super().__init__(message)


class GaveUp(AssistantError):
    """An actor crashed more often than its restart limit allows."""

    def __init__(self, actor: str, crashes: int, period: float, cause: BaseException) -> None:
        self.actor = actor
        self.crashes = crashes
        said = " ".join(str(cause).split())
        self._brief = f"{actor} crashed {crashes} times within {period:g} s and was not started again"
        super().__init__(
            f"{self._brief}; the last error was {type(cause).__name__}: {said}; check [actors.{actor}] in the plan"
        )

    @property
    def brief(self) -> str:
        """The text without the last error's own words."""
        return self._brief


E = TypeVar("E", bound=Exception)


def first_error(group: BaseExceptionGroup[E]) -> E:
    """Gives the first bare error inside nested groups."""
    first: E | BaseExceptionGroup[E] = group.exceptions[0]
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
