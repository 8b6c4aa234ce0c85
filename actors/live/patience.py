"""When a service that is still there has gone mute: it takes what the user says and shows no sign of it.

Sans-io: told of questions and of signs of life, asked for a verdict. A service may stay silent on purpose, and the gate
may take a noise for a question, so one unanswered question says nothing; and after each verdict it takes more of them.
"""

import attrs

from actors.live import signals as s

WAIT = 8.0  # seconds after the last question in which an answer may still begin
FIRST_LIMIT = 2  # questions in a row without any sign
SIGNS = (
    s.Speech,
    s.Text,
    s.InputText,
    s.InterimText,
    s.OutputText,
    s.GenerationComplete,
    s.WaitingForInput,
    s.TurnComplete,
    s.Calls,
)
"""What shows that the service has heard the user. An interruption does not: it may come from nowhere."""


@attrs.define
class Patience:
    """Counts what the user said since the service last gave a sign."""

    _limit: int = attrs.field(default=FIRST_LIMIT, init=False)
    _asked: int = attrs.field(default=0, init=False)
    _since: float = attrs.field(default=0.0, init=False)

    def asked(self, at: float) -> None:
        """The user has said something up to this time; what is said again to another link is no other thing."""
        if at > self._since:
            self._asked, self._since = self._asked + 1, at

    def sign(self, signal: s.Signal) -> None:
        """The service has said something; if that shows that it hears, all is well."""
        if isinstance(signal, SIGNS):
            self._asked, self._limit = 0, FIRST_LIMIT

    def over(self, now: float) -> bool:
        """Whether it is time to try another link."""
        return self._asked >= self._limit and now - self._since > WAIT

    def renew(self) -> None:
        """Another link is tried; if that does not help either, it is not the link."""
        self._asked, self._limit = 0, self._limit * 2
