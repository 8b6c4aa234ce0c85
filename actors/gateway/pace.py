"""How often one conversation may do something: a bucket that fills with time. Without clock or store.

Rates that several gateways share are the store's; this one is for what only the holder of a conversation sees.
"""

import math

import attrs
import limits


@attrs.define(eq=False)
class Pace:
    """Allows `most` events at once, and as many again within so many seconds."""

    most: float
    seconds: float
    _left: float = attrs.field(init=False)
    _at: float = attrs.field(default=-math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        self._left = self.most

    @classmethod
    def of(cls, rate: str) -> "Pace":
        """Reads a rate such as `30/minute`."""
        item = limits.parse(rate)
        return cls(item.amount, item.get_expiry())

    def take(self, now: float) -> float:
        """Counts one event: 0 if it is within the rate, else the seconds until one will be."""
        self._left = min(self.most, self._left + (now - self._at) * self.most / self.seconds)
        self._at = now
        if self._left < 1:
            return (1 - self._left) * self.seconds / self.most
        self._left -= 1
        return 0.0
