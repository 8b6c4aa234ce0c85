"""The session's states, as one literal table; everything that changes the state is in here.

The six states are the product's own words for a session. The table has no clock, socket, log or await in it. An
event that a state does not list is an error and changes nothing.
"""

import enum

from pipeline.errors import ProtocolViolation


class State(enum.Enum):
    """Where a session stands."""

    DISCONNECTED = "DISCONNECTED"
    CONNECTING = "CONNECTING"
    CONNECTED = "CONNECTED"
    INTERRUPTED = "INTERRUPTED"
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"


class Happening(enum.Enum):
    """What can happen to a session."""

    DIAL = "dialling"
    READY = "setup is complete"
    INTERRUPT = "the user interrupted"
    SETTLE = "the interrupted turn is over"
    LOSE = "the link is gone"
    CLOSE = "closing in order"
    END = "ended"


TABLE: dict[State, dict[Happening, State]] = {
    State.DISCONNECTED: {
        Happening.DIAL: State.CONNECTING,
        Happening.CLOSE: State.CLOSING,
    },
    State.CONNECTING: {
        Happening.READY: State.CONNECTED,
        Happening.LOSE: State.DISCONNECTED,
        Happening.CLOSE: State.CLOSING,
    },
    State.CONNECTED: {
        Happening.INTERRUPT: State.INTERRUPTED,
        Happening.SETTLE: State.CONNECTED,
        Happening.LOSE: State.DISCONNECTED,
        Happening.CLOSE: State.CLOSING,
    },
    State.INTERRUPTED: {
        Happening.INTERRUPT: State.INTERRUPTED,
        Happening.SETTLE: State.CONNECTED,
        Happening.LOSE: State.DISCONNECTED,
        Happening.CLOSE: State.CLOSING,
    },
    State.CLOSING: {
        Happening.INTERRUPT: State.CLOSING,
        Happening.SETTLE: State.CLOSING,
        Happening.LOSE: State.CLOSING,
        Happening.END: State.CLOSED,
    },
    State.CLOSED: {},
}


def after(state: State, happening: Happening) -> State:
    """Gives the state that follows; ProtocolViolation where the table has none."""
    try:
        return TABLE[state][happening]
    except KeyError:
        allowed = ", ".join(h.value for h in TABLE[state]) or "nothing"
        raise ProtocolViolation(f"a {state.value} session was told {happening.value!r}; it allows {allowed}") from None
