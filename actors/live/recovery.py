"""Recovery arithmetic: from close code, phase and attempt to how long to wait and what to do then.

Pure functions over a literal table (live-protocol section 7, and RFC 6455 section 7.4 for the codes it lacks).
"""

import re
from typing import Literal

import attrs

Action = Literal["resume", "fresh", "give up", "end"]
Phase = Literal["dial", "setup", "session"]

FIRST_DELAY = 0.25  # seconds; doubles with each failed attempt
LONGEST_DELAY = 10.0
STABLE_AFTER = 10.0  # a link that lived this long, or gave a reply, starts the count of attempts anew
FRESH_AFTER = 3  # failed resumes in a row before history is told to a fresh session (live-protocol 4.4)
REFUSALS = (1007, 1008)  # the service refuses what we sent; sending it again changes nothing by itself
FIRST_PATIENCE = 6.0  # seconds to reach a service that has never answered
PATIENCE = 15 * 60.0  # seconds to reach a service that has answered before


@attrs.frozen
class Loss:
    """How a link was lost, and what there is to recover with.

    `attempt` counts failures in a row, this one included, and `reached` those of them after the handshake;
    `down_for` is the outage so far in seconds; `known` is whether the service has ever accepted a setup in this
    conversation.
    """

    code: int
    reason: str
    phase: Phase
    has_handle: bool
    attempt: int
    reached: int
    down_for: float
    known: bool


@attrs.frozen
class Decision:
    """What to do now, after `delay` seconds."""

    action: Action
    delay: float
    why: str


# (codes, reason pattern, phase, action with a handle, action without); the first row that fits decides. A redial is one
# to a service that has accepted us before: what refuses it now is something on the way, such as a café's login page.
_ANY = range(65536)
_SETUP = ("setup",)
_BOTH = ("setup", "session")
_CREDENTIALS = r"API.?key|unregistered callers|credential|permission|unauthenti|token.*(expired|not found|invalid)"
_RULES: tuple[tuple[range | tuple[int, ...], str, tuple[str, ...], Action, Action], ...] = (
    ((1007, 1008), _CREDENTIALS, _BOTH, "give up", "give up"),
    ((1008,), r"session not found", _BOTH, "fresh", "fresh"),
    ((1007, 1008), r"", _SETUP, "fresh", "give up"),
    ((1007,), r"", ("session",), "fresh", "fresh"),
    ((400, 401, 403, 404, 405, 410, 426, 1015), r"", ("dial",), "give up", "give up"),
    ((1000,), r"", ("session",), "end", "end"),
    (_ANY, r"", ("dial", "redial", *_BOTH), "resume", "fresh"),
)


def decide(loss: Loss, jitter: float = 0.0) -> Decision:
    """Decides what follows a loss; `jitter` in [0, 1) stretches the wait by up to a quarter."""
    phase = "redial" if loss.known and loss.phase == "dial" else loss.phase
    action = next(
        with_handle if loss.has_handle else without
        for codes, pattern, phases, with_handle, without in _RULES
        if loss.code in codes and phase in phases and re.search(pattern, loss.reason, re.IGNORECASE)
    )
    why = loss.reason or _MEANING.get(loss.code, "no reason given")
    if action in ("give up", "end"):
        return Decision(action, 0.0, why)
    if loss.down_for > (PATIENCE if loss.known else FIRST_PATIENCE):
        return Decision("give up", 0.0, why)
    if _refused_again(loss):
        return Decision("give up", 0.0, why)
    if action == "resume" and loss.reached > FRESH_AFTER:
        action = "fresh"
    return Decision(action, delay(loss.attempt, jitter), why)


def _refused_again(loss: Loss) -> bool:
    """A request the service keeps calling invalid is not sent for ever (live-protocol 9, row 14).

    A setup that shows a handle is not sent again as it is, so its refusal says nothing of the one without.
    """
    shown = loss.phase == "setup" and loss.has_handle
    return loss.code in REFUSALS and loss.reached > FRESH_AFTER and not shown


def delay(attempt: int, jitter: float = 0.0) -> float:
    """Gives the wait before an attempt: none before the first, then doubling, capped."""
    if attempt <= 1:
        return 0.0
    return min(FIRST_DELAY * 2.0 ** min(attempt - 2, 30), LONGEST_DELAY) * (1 + jitter / 4)


_MEANING = {
    1000: "closed normally",
    1001: "the service is going away",
    1006: "the connection broke without a word",
    1007: "the service calls the request invalid",
    1008: "the service refuses by policy",
    1009: "a message was too big",
    1011: "an error inside the service",
}
