"""Recovery arithmetic against the close codes of live-protocol sections 7 and 9, row by row."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.live.recovery import (
    FIRST_DELAY,
    FIRST_PATIENCE,
    FRESH_AFTER,
    LONGEST_DELAY,
    PATIENCE,
    REFUSALS,
    Loss,
    Phase,
    decide,
    delay,
)

WRONG_MODEL = "models/gemini-9 is not found for API version v1beta, or is not supported for bidiGenerateContent."
UNREGISTERED = "Method doesn't allow unregistered callers (callers without established identity). Please use"
INVALID = "Request contains an invalid argument."


def loss(code: int, reason: str = "", phase: Phase = "session", *, handle: bool, **more: Any) -> Loss:
    given = {"attempt": 1, "reached": 1 if phase != "dial" else 0, "down_for": 0.0, "known": True, **more}
    return Loss(code, reason, phase, has_handle=handle, **given)


@pytest.mark.parametrize(
    ("code", "reason", "phase", "with_handle", "without"),
    [
        (1000, "", "session", "end", "end"),
        (1000, "", "setup", "resume", "fresh"),
        (1001, "", "session", "resume", "fresh"),
        (1005, "", "session", "resume", "fresh"),
        (1006, "", "session", "resume", "fresh"),
        (1006, "", "setup", "resume", "fresh"),
        (1006, "refused", "dial", "resume", "fresh"),
        (1007, INVALID, "setup", "fresh", "give up"),
        (1007, INVALID, "session", "fresh", "fresh"),
        (1007, "API key not valid. Please pass a valid API key.", "setup", "give up", "give up"),
        (1008, WRONG_MODEL, "setup", "fresh", "give up"),
        (1008, "Operation is not implemented, or supported, or enabled.", "session", "resume", "fresh"),
        (1008, "The operation was aborted.", "session", "resume", "fresh"),
        (1008, "Requested entity was not found", "session", "resume", "fresh"),
        (1008, "BidiGenerateContent session not found", "setup", "fresh", "fresh"),
        (1008, "BidiGenerateContent session not found", "session", "fresh", "fresh"),
        (1008, UNREGISTERED, "setup", "give up", "give up"),
        (1008, UNREGISTERED, "session", "give up", "give up"),
        (1008, "token expired", "session", "give up", "give up"),
        (1009, "message too big", "session", "resume", "fresh"),
        (1011, "Internal error encountered.", "session", "resume", "fresh"),
        (1011, "Internal error encountered.", "setup", "resume", "fresh"),
        (1011, "The service is currently unavailable.", "setup", "resume", "fresh"),
        (1011, "Deadline expired before operation could complete.", "session", "resume", "fresh"),
        (1015, "bad certificate", "dial", "give up", "give up"),
        (400, "", "dial", "give up", "give up"),
        (401, "", "dial", "give up", "give up"),
        (403, "", "dial", "give up", "give up"),
        (404, "", "dial", "give up", "give up"),
        (429, "", "dial", "resume", "fresh"),
        (500, "", "dial", "resume", "fresh"),
        (503, "", "dial", "resume", "fresh"),
        (4000, "of somebody's own", "session", "resume", "fresh"),
        (65535, "", "session", "resume", "fresh"),
    ],
)
def test_a_first_loss(code: int, reason: str, phase: Phase, with_handle: str, without: str) -> None:
    for handle, action in ((True, with_handle), (False, without)):
        decision = decide(loss(code, reason, phase, handle=handle, known=phase != "dial"))
        assert (decision.action, decision.delay) == (action, 0.0)
        assert decision.why


@pytest.mark.parametrize("code", [401, 403, 404, 1006, 1015])
def test_what_stands_in_the_way_to_a_service_that_is_known_is_waited_out(code: int) -> None:
    assert decide(loss(code, phase="dial", handle=True)).action == "resume"
    assert decide(loss(code, phase="dial", handle=True, down_for=PATIENCE + 1)).action == "give up"


def test_the_wait_doubles_up_to_its_bound() -> None:
    waits = [decide(loss(1006, phase="dial", handle=True, attempt=n)).delay for n in range(1, 10)]
    assert waits == [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert delay(10**9) == LONGEST_DELAY


@given(st.integers(2, 60), st.floats(0, 1, exclude_max=True))
def test_jitter_stretches_by_up_to_a_quarter(attempt: int, jitter: float) -> None:
    assert delay(attempt) <= delay(attempt, jitter) <= delay(attempt) * 1.25
    assert delay(attempt) >= FIRST_DELAY


@pytest.mark.parametrize(("known", "patience"), [(False, FIRST_PATIENCE), (True, PATIENCE)])
def test_patience_ends(known: bool, patience: float) -> None:
    def action(down_for: float) -> str:
        return decide(loss(1006, phase="dial", handle=True, attempt=9, down_for=down_for, known=known)).action

    assert action(patience) == "resume"
    assert action(patience + 0.1) == "give up"


@pytest.mark.parametrize("phase", ["setup", "session"])
def test_a_handle_that_keeps_failing_is_given_up_for_a_fresh_session(phase: Phase) -> None:
    actions = [decide(loss(1011, phase=phase, handle=True, attempt=n, reached=n)).action for n in range(1, 6)]
    assert actions == ["resume"] * FRESH_AFTER + ["fresh"] * 2


def test_a_network_that_was_away_for_long_costs_no_handle() -> None:
    assert decide(loss(1006, phase="dial", handle=True, attempt=50, reached=0)).action == "resume"
    assert decide(loss(1006, phase="session", handle=True, attempt=50, reached=1)).action == "resume"


PHASES: tuple[Phase, ...] = ("setup", "session")


@given(
    st.lists(
        st.tuples(st.sampled_from(REFUSALS), st.sampled_from(PHASES), st.sampled_from(["", INVALID, WRONG_MODEL])),
        min_size=FRESH_AFTER + 2,
        max_size=FRESH_AFTER + 2,
    ),
    st.booleans(),
)
def test_a_refused_request_is_not_sent_for_ever(refusals: list[tuple[int, Phase, str]], handle: bool) -> None:
    actions = []
    for attempt, (code, phase, reason) in enumerate(refusals, 1):
        decision = decide(loss(code, reason, phase, handle=handle, attempt=attempt, reached=attempt))
        actions.append(decision.action)
        handle = handle and decision.action != "fresh"
    assert "give up" in actions


@pytest.mark.parametrize("reached", [FRESH_AFTER + 1, FRESH_AFTER + 5])
def test_a_forgotten_handle_costs_the_handle_and_never_the_conversation(reached: int) -> None:
    gone = loss(1008, "BidiGenerateContent session not found", "setup", handle=True, attempt=reached, reached=reached)
    assert decide(gone).action == "fresh"
    refused = loss(1008, "No.", "setup", handle=False, attempt=reached + 1, reached=reached + 1)
    assert decide(refused).action == "give up"


@given(
    st.integers(0, 65535),
    st.text(max_size=30) | st.sampled_from([INVALID, UNREGISTERED]),
    st.sampled_from(["dial", "setup", "session"]),
    st.booleans(),
    st.integers(1, 10_000),
    st.integers(0, 10_000),
    st.floats(0, 1e6),
    st.booleans(),
    st.floats(0, 1, exclude_max=True),
)
def test_every_loss_is_decided_and_waits_are_bounded(
    code: int,
    reason: str,
    phase: Phase,
    handle: bool,
    attempt: int,
    reached: int,
    down_for: float,
    known: bool,
    jitter: float,
) -> None:
    decision = decide(Loss(code, reason, phase, handle, attempt, reached, down_for, known), jitter)
    assert decision.action in ("resume", "fresh", "give up", "end")
    assert 0 <= decision.delay <= LONGEST_DELAY * 1.25
    if decision.action in ("end", "give up"):
        assert decision.delay == 0
    if decision.action == "resume":
        assert handle
        assert down_for <= PATIENCE
