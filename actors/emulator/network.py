"""The network of words that a grammar becomes, with as few states as say the same.

The decoder compiles a state after every word of every alternative, and goes through all states for each frame of sound.
"""

from collections import defaultdict
from collections.abc import Mapping

import attrs

Arc = tuple[int, int, float] | tuple[int, int, float, str]  # from, to, probability, and the word if there is one
Arcs = Mapping[tuple[int, int, str], float]  # from, to and word: probability


@attrs.frozen
class Network:
    """States by number, and arcs (from, to, word) with their probabilities; the word "" takes no sound."""

    start: int
    final: int
    arcs: Arcs

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
        """Gives the same network with fewer states: what may be said in it stays the same, and as likely.

        Gone are states that no word leads to or from: the format has an arc around each of them. Made one are states
        from which the same ways lead on, or to which the same ways lead; again and again, for each such step may make
        others alike. Where words lead on, they must have been led to by the same words, too: the decoder judges the
        first sound of a word by the last one before it, and for a state to which many lead it does so less exactly.
        """
        ends = {self.start, self.final}
        spoken = {state for source, target, word in self.arcs if word for state in (source, target)} | ends
        arcs: Arcs = {arc: chance for arc, chance in self.arcs.items() if spoken.issuperset(arc[:2])}
        states = len(spoken) + 1
        while len(found := _states(arcs) | ends) < states:
            states = len(found)
            arcs = _joined(arcs, _ahead(arcs, ends))
            arcs = _joined(arcs, _behind(arcs, ends))
        number = {state: index for index, state in enumerate(sorted(found))}
        small = {(number[source], number[target], word): chance for (source, target, word), chance in arcs.items()}
        return Network(number[self.start], number[self.final], small)

    def listed(self) -> list[Arc]:
        """Gives the arcs as the decoder takes them."""
        return [(a, b, chance, word) if word else (a, b, chance) for (a, b, word), chance in self.arcs.items()]


def _states(arcs: Arcs) -> set[int]:
    return {state for arc in arcs for state in arc[:2]}


def _ahead(arcs: Arcs, ends: set[int]) -> dict[int, object]:
    """Tells of each state which ways lead on from it, and where words follow, after which words; an end is alone."""
    ways: dict[int, set[object]] = defaultdict(set)
    said: dict[int, set[str]] = defaultdict(set)
    for (source, target, word), chance in arcs.items():
        ways[source].add((target, word, chance))
        if word:
            said[target].add(word)
    before: dict[int, set[str]] = defaultdict(set)
    speaking = {source for source, _, word in arcs if word}
    for source, target, word in arcs:
        if target in speaking:
            before[target] |= {word} if word else said[source]
    kinds = ((state, (frozenset(ways[state]), frozenset(before[state]))) for state in sorted(_states(arcs)))
    return {state: state if state in ends else kind for state, kind in kinds}


def _behind(arcs: Arcs, ends: set[int]) -> dict[int, object]:
    """Tells of each state which ways lead to it; an end is like no other."""
    ways: dict[int, set[object]] = defaultdict(set)
    for (source, target, word), chance in arcs.items():
        ways[target].add((source, word, chance))
    return {state: state if state in ends else frozenset(ways[state]) for state in sorted(_states(arcs))}


def _joined(arcs: Arcs, alike: Mapping[int, object]) -> Arcs:
    """Makes states one that are alike; of arcs that become the same the likeliest stays."""
    first: dict[object, int] = {}
    one = {state: first.setdefault(kind, state) for state, kind in alike.items()}
    found: dict[tuple[int, int, str], float] = {}
    for (source, target, word), chance in arcs.items():
        arc = one[source], one[target], word
        if word or arc[0] != arc[1]:
            found[arc] = max(chance, found.get(arc, 0.0))
    return found
