"""Keys, tokens and handles: known so that they can be kept out of everything that leaves the program."""

import hashlib
from collections import deque
from collections.abc import Mapping
from typing import Any

import attrs

SHORTEST = 6
SHOWN = "[secret]"
REMEMBERED = 64  # rotating handles: old ones lose their worth long before this many newer ones exist


@attrs.define
class Secrets:
    """Remembers secret values and takes them out of any text.

    A value below 6 characters is not remembered: it would mangle ordinary words.
    """

    _lasting: list[str] = attrs.field(factory=list, init=False, repr=False)
    _rotating: deque[str] = attrs.field(factory=lambda: deque(maxlen=REMEMBERED), init=False, repr=False)
    _known: tuple[str, ...] = attrs.field(default=(), init=False, repr=False)  # longest first: one may begin another

    def hide(self, value: str | None, *, rotating: bool = False) -> None:
        """Takes note of a secret: for good, or among the last few when it is one of many."""
        known = self._rotating if rotating else self._lasting
        if value and len(value) >= SHORTEST and value not in known:
            known.append(value)
            self._known = tuple(sorted((*self._lasting, *self._rotating), key=len, reverse=True))

    def redact(self, text: str) -> str:
        """Gives the text without any secret that has been noted."""
        for value in self._known:
            if value in text:
                text = text.replace(value, SHOWN)
        return text

    def redacted(self, value: Any) -> Any:  # noqa: ANN401 - JSON has any shape
        """Gives text, or lists and tables with text anywhere in them, without any secret that has been noted."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, Mapping):
            return {self.redacted(key): self.redacted(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            items = [self.redacted(item) for item in value]
            return items if isinstance(value, list) else tuple(items)
        return value


def fingerprint(secret: str) -> str:
    """Gives what may be shown of a handle: the first 8 hex digits of its SHA-256."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]
