"""The table of states: every pair of state and happening, allowed or refused."""

import pytest

from actors.live.state import TABLE, Happening, State, after
from pipeline.errors import ProtocolViolation

ALLOWED = {
    ("DISCONNECTED", "DIAL"): "CONNECTING",
    ("DISCONNECTED", "CLOSE"): "CLOSING",
    ("CONNECTING", "READY"): "CONNECTED",
    ("CONNECTING", "LOSE"): "DISCONNECTED",
    ("CONNECTING", "CLOSE"): "CLOSING",
    ("CONNECTED", "INTERRUPT"): "INTERRUPTED",
    ("CONNECTED", "SETTLE"): "CONNECTED",
    ("CONNECTED", "LOSE"): "DISCONNECTED",
    ("CONNECTED", "CLOSE"): "CLOSING",
    ("INTERRUPTED", "INTERRUPT"): "INTERRUPTED",
    ("INTERRUPTED", "SETTLE"): "CONNECTED",
    ("INTERRUPTED", "LOSE"): "DISCONNECTED",
    ("INTERRUPTED", "CLOSE"): "CLOSING",
    ("CLOSING", "INTERRUPT"): "CLOSING",
    ("CLOSING", "SETTLE"): "CLOSING",
    ("CLOSING", "LOSE"): "CLOSING",
    ("CLOSING", "END"): "CLOSED",
}
PAIRS = [(state, happening) for state in State for happening in Happening]


@pytest.mark.parametrize(("state", "happening"), PAIRS, ids=lambda value: value.name)
def test_a_pair_leads_where_the_table_says_or_is_refused(state: State, happening: Happening) -> None:
    expected = ALLOWED.get((state.name, happening.name))
    if expected is not None:
        assert after(state, happening) is State[expected]
        return
    with pytest.raises(ProtocolViolation) as refused:
        after(state, happening)
    assert state.value in str(refused.value)
    assert happening.value in str(refused.value)


def test_there_are_six_states_and_the_table_has_no_other_entries() -> None:
    assert [state.value for state in State] == [
        "DISCONNECTED",
        "CONNECTING",
        "CONNECTED",
        "INTERRUPTED",
        "CLOSING",
        "CLOSED",
    ]
    assert {(s.name, h.name): to.name for s, row in TABLE.items() for h, to in row.items()} == ALLOWED


def test_every_state_but_the_last_has_a_way_to_it() -> None:
    for state in State:
        reached = {state}
        for _ in State:
            reached |= {to for known in reached for to in TABLE[known].values()}
        assert State.CLOSED in reached
