"""What was said by both sides, in words: for the screen, and for telling a session that does not know it."""

from collections import deque
from typing import TypeVar

import attrs

from actors.live.commands import Line
from pipeline.messages import SpeechStarted

Item = TypeVar("Item")
REMEMBERED = 200  # lines; a session told of more than that would only drop the oldest again


@attrs.define
class _Side:
    """One side's words in the present turn, how much of them has been told as final, and whether new ones are due."""

    text: str = ""
    told: int = 0
    apart: bool = False


@attrs.define
class History:
    """The exchange so far.

    Fragments are joined as they come, without spaces of our own (live-protocol 3), but for one between two utterances.
    A line is `known` once a resumable handle was issued after it: the session at the far end remembers it.
    """

    _lines: deque[Line] = attrs.field(factory=lambda: deque(maxlen=REMEMBERED), init=False)
    _known: int = attrs.field(default=0, init=False)
    _total: int = attrs.field(default=0, init=False)
    _now: dict[str, _Side] = attrs.field(factory=lambda: {"user": _Side(), "model": _Side()}, init=False)

    def add(self, who: str, text: str, *, told: bool = False) -> None:
        """Adds a fragment of what `user` or `model` says in the present turn."""
        side = self._now[who]
        meet = side.text and not side.text[-1].isspace() and text[:1].strip()
        side.text += f" {text}" if meet and (side.apart or told) else text
        side.apart = told or (side.apart and not text)
        if told:
            side.told = len(side.text)

    def noting(self, item: Item) -> Item:
        """Gives what the user does, and notes where speech begins: what comes next is no end of the words before."""
        self._now["user"].apart |= isinstance(item, SpeechStarted)
        return item

    def whole(self, who: str) -> str:
        """Gives what that side has said in this turn and was not yet given, stripped; empty if nothing."""
        side = self._now[who]
        new, side.told = side.text[side.told :].strip(), len(side.text)
        return new

    def close(self) -> None:
        """The turn is over: its words become lines."""
        for who in ("user", "model"):
            if text := self._now[who].text.strip():
                self._lines.append(Line(who, text))
                self._total += 1
            self._now[who] = _Side()

    def forget(self) -> None:
        """The turn failed and will be repeated: its words are not kept."""
        self._now = {"user": _Side(), "model": _Side()}

    def clear(self) -> None:
        """The far end will not have what was said: nobody is told of it any more."""
        self._lines.clear()
        self._known = self._total

    def known(self) -> None:
        """A resumable handle was issued: the far end remembers every line so far."""
        self._known = self._total

    def unknown(self) -> tuple[Line, ...]:
        """Gives the lines that came after the last resumable handle."""
        new = self._total - self._known
        return tuple(self._lines)[len(self._lines) - min(new, len(self._lines)) :]

    def all(self) -> tuple[Line, ...]:
        """Gives every line that is still remembered."""
        return tuple(self._lines)
