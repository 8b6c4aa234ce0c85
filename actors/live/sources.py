"""What a reply rests on, over all messages of its turn: numbered sources, told whenever there are more of them."""

from collections.abc import Iterator

import attrs

from pipeline.events import Sources
from tools.search import Grounding


@attrs.define
class Grounded:
    """The grounding metadata of the present turn, so that numbers go on through its messages."""

    turn: int = 0
    _held: list[object] = attrs.field(factory=list, init=False)
    _metadata: list[object] = attrs.field(factory=list, init=False)
    _last: Grounding = attrs.field(factory=Grounding, init=False)

    def hold(self, metadata: object) -> None:
        """Keeps what came ahead of the turn it belongs to."""
        self._held.append(metadata)

    def begun(self, turn: int) -> Iterator[Sources]:
        """Yields the sources of what came ahead of this turn, which begins."""
        held, self._held = self._held, []
        for metadata in held:
            yield from self.found(turn, metadata)

    def forget(self) -> None:
        """The turn that was to come will not."""
        self._held.clear()

    def found(self, turn: int, metadata: object) -> Iterator[Sources]:
        """Takes the metadata of one message; yields the turn's sources so far if it had anything new."""
        if turn != self.turn:
            self.turn, self._metadata, self._last = turn, [], Grounding()
        self._metadata.append(metadata)
        grounding = Grounding.of(*self._metadata)
        if grounding != self._last and (grounding.citations or grounding.rendered):
            yield Sources(turn, **grounding.fields())
        self._last = grounding
