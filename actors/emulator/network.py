"""The network of words that a grammar becomes, without states that only pass on.

The decoder compiles a state for the end of every alternative, each of the cities for one, and goes through all states
for each frame of sound. Those ends from which no word follows, and that pass on to the same states, are one.
"""

from collections import defaultdict
from collections.abc import Mapping

import attrs

Arc = tuple[int, int, float] | tuple[int, int, float, str]  # from, to, probability, and the word if there is one


@attrs.frozen
class Network:
    """States by number, and arcs (from, to, word) with their probabilities; the word "" takes no sound."""

    start: int
    final: int
    arcs: Mapping[tuple[int, int, str], float]

    @classmethod
    def read(cls, text: str, weight: float) -> "Network":
        """Reads Sphinx's own format, which has the `weight`-th root of every probability.

        What the decoder adds by itself, fillers and other pronunciations, is left out.
        """
        ends: dict[str, int] = {}
        arcs: dict[tuple[int, int, str], float] = {}
        for line in text.splitlines():
            match line.split():
                case ["START_STATE" | "FINAL_STATE" as which, state]:
                    ends[which] = int(state)
                case ["TRANSITION", source, target, probability, *said]:
                    word = said[0] if said else ""
                    if not word.startswith(("<", "[")) and "(" not in word:
                        arcs[int(source), int(target), word] = float(probability) ** weight
        return cls(ends["START_STATE"], ends["FINAL_STATE"], arcs)

    def slim(self) -> "Network":
        """Gives the same network with ends that pass on to the same states made one, and those nobody speaks to gone.

        The format has an arc around every state that only passes on.
        """
        onward: dict[int, set[tuple[int, float]]] = defaultdict(set)
        speaking = {self.start, self.final}
        for (source, target, word), probability in self.arcs.items():
            onward[source].add((target, probability))
            if word:
                speaking.add(source)
        place: dict[object, int] = {}
        states = sorted({state for source, target, _ in self.arcs for state in (source, target)})
        ends = {state: state if state in speaking else frozenset(onward[state]) for state in states}
        spoken_to = {ends[target] for _, target, word in self.arcs if word} | speaking
        kept = {state: place.setdefault(end, len(place)) for state, end in ends.items() if end in spoken_to}
        arcs = {
            (kept[source], kept[target], word): probability
            for (source, target, word), probability in self.arcs.items()
            if source in kept and target in kept
        }
        return Network(kept[self.start], kept[self.final], arcs)

    def listed(self) -> list[Arc]:
        """Gives the arcs as the decoder takes them."""
        return [(a, b, chance, word) if word else (a, b, chance) for (a, b, word), chance in self.arcs.items()]
