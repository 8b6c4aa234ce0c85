"""The network of a grammar: what may be said in it stays the same, as likely, with fewer states."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from actors.emulator.network import Network

FILE = """FSG_BEGIN <g.said>
NUM_STATES 6
START_STATE 0
FINAL_STATE 1
TRANSITION 0 0 0.005001 <sil>
TRANSITION 0 0 0.000000 [NOISE]
TRANSITION 0 2 0.500000 in
TRANSITION 2 3 0.707107 london
TRANSITION 2 4 0.707107 paris
TRANSITION 2 4 0.707107 paris(2)
TRANSITION 3 1 1.000000
TRANSITION 4 1 1.000000
TRANSITION 5 1 1.000000
FSG_END
"""
SOME = st.dictionaries(
    st.tuples(st.integers(0, 7), st.integers(0, 7), st.sampled_from(["", "a", "b"])),
    st.sampled_from([0.25, 0.5, 1.0]),
    max_size=24,
)


def sayings(network: Network, most: int = 4) -> dict[tuple[str, ...], float]:
    """Gives all rows of at most so many words that lead to the end, with the best probability of each."""
    best: dict[tuple[int, tuple[str, ...]], float] = {(network.start, ()): 1.0}
    news = dict(best)
    while news:
        found: dict[tuple[int, tuple[str, ...]], float] = defaultdict(float)
        for (state, said), chance in news.items():
            for (source, target, word), probability in network.arcs.items():
                row = (*said, word) if word else said
                if source == state and len(row) <= most:
                    found[target, row] = max(found[target, row], chance * probability)
        news = {key: chance for key, chance in found.items() if chance > best.get(key, 0.0)}
        best |= news
    return {said: chance for (state, said), chance in best.items() if state == network.final}


def closed(arcs: dict[tuple[int, int, str], float]) -> Network:
    """Gives a network with an arc for every way without words, as the decoder writes them."""
    arcs = dict(arcs)
    for middle in range(8):
        for source in range(8):
            for target in range(8):
                way = arcs.get((source, middle, ""), 0.0) * arcs.get((middle, target, ""), 0.0)
                if way > arcs.get((source, target, ""), 0.0):
                    arcs[source, target, ""] = way
    return Network(0, 1, {**arcs, (0, 1, "said"): 1.0})


def test_what_the_decoder_adds_by_itself_is_not_read() -> None:
    network = Network.read(FILE, 2.0)
    assert (network.start, network.final) == (0, 1)
    assert {word for _, _, word in network.arcs} == {"", "in", "london", "paris"}
    assert network.arcs[0, 2, "in"] == 0.25


def test_ends_that_pass_on_alike_are_one() -> None:
    small = Network.read(FILE, 2.0).slim()
    assert len({state for arc in small.arcs for state in arc[:2]}) == 4
    assert sorted(arc[3] for arc in small.listed() if len(arc) == 4) == ["in", "london", "paris"]


@given(SOME)
def test_the_same_may_be_said_as_likely(arcs: dict[tuple[int, int, str], float]) -> None:
    network = closed(arcs)
    assert sayings(network.slim()) == sayings(network)
