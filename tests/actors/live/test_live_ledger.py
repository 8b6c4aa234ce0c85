"""Tool debts: every point at which the exchange can be cut, and what becomes of the call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.live.commands import ToolResponse
from actors.live.ledger import REMEMBERED, SURE_AFTER, Ledger

ANSWER = ToolResponse("1", "f", {"output": 1})
PARTS = [ToolResponse("1", "f", {"part": n}, will_continue=n < 2) for n in range(3)]
STEPS = ("handle", "call", "answer", "write", "handle")


def after(steps: tuple[str, ...]) -> Ledger:
    ledger = Ledger()
    for step in steps:
        if step == "handle":
            ledger.handle_renewed(9.0)
        elif step == "call":
            assert ledger.asked("1", "f")
        elif step == "answer":
            assert ledger.answered(ANSWER) == "due"
        else:
            owed = ledger.due()
            assert owed is ANSWER
            ledger.wrote(owed, 0.0)
    return ledger


# After how many of STEPS the link is cut -> whether the call survives a resume, and is written (again) after it.
@pytest.mark.parametrize(
    ("cut", "void", "owed", "due"),
    [
        (1, (), (), False),  # before the call: nothing is owed
        (2, ("1",), (), False),  # called: the resumed session never asked
        (3, ("1",), (), False),  # answered: the same
        (4, ("1",), (), False),  # written: the same
        (5, (), (), False),  # and proven by a handle: delivered
    ],
)
def test_a_cut_after_each_step(cut: int, void: tuple[str, ...], owed: tuple[str, ...], due: bool) -> None:
    ledger = after(STEPS[:cut])
    assert ledger.relinked(resumed=True) == void
    assert ledger.open == owed
    assert (ledger.due() is not None) == due
    assert bool(ledger.why_void("1")) == bool(void)


@pytest.mark.parametrize(
    ("steps", "due"),
    [
        (("call", "handle"), False),  # the session knows the call and waits
        (("call", "handle", "answer"), True),
        (("call", "answer", "handle"), True),
        (("call", "handle", "answer", "write"), True),  # written, but perhaps never read: once more
    ],
)
def test_a_call_that_the_handle_knows_stays_owed_across_a_resume(steps: tuple[str, ...], due: bool) -> None:
    ledger = after(steps)
    assert ledger.relinked(resumed=True) == ()
    assert ledger.open == ("1",)
    assert (ledger.due() is ANSWER) == due
    if not due:
        assert ledger.answered(ANSWER) == "due"
        assert ledger.due() is ANSWER


@pytest.mark.parametrize("cut", range(2, 5))
def test_a_fresh_session_owes_nothing_and_late_answers_are_dropped(cut: int) -> None:
    ledger = after(STEPS[:cut])
    assert ledger.relinked(resumed=False) == ("1",)
    assert ledger.due() is None
    assert ledger.answered(ANSWER) == "void"
    assert ledger.due() is None
    assert "gone" in ledger.why_void("1")


def test_a_call_asked_again_after_a_void_is_a_new_debt() -> None:
    ledger = after(STEPS[:4])
    ledger.relinked(resumed=False)
    assert ledger.asked("1", "f")
    assert ledger.why_void("1") == ""
    assert ledger.answered(ANSWER) == "due"
    assert ledger.due() is ANSWER


def test_a_cancelled_call_is_void_and_its_late_answer_dropped() -> None:
    ledger = after(("call",))
    assert ledger.cancel(("1", "unknown"), "the service cancelled the call") == ("1",)
    assert ledger.answered(ANSWER) == "void"
    assert ledger.why_void("1") == "the service cancelled the call"
    assert ledger.why_void("unknown") == ""
    assert ledger.open == ()


def test_a_cancelled_answer_is_not_written() -> None:
    ledger = after(("call", "answer"))
    ledger.cancel(("1",), "why")
    assert ledger.due() is None


def test_a_write_that_ends_after_its_call_was_cancelled_and_asked_again_settles_nothing() -> None:
    ledger = after(("call", "answer"))
    ledger.cancel(("1",), "why")
    ledger.asked("1", "f")
    ledger.wrote(ANSWER, 0.0)
    again = ToolResponse("1", "f", {"output": 2})
    assert ledger.answered(again) == "due"
    assert ledger.due() is again


def test_a_repeated_call_or_answer_changes_nothing() -> None:
    ledger = after(("call",))
    assert not ledger.asked("1", "f")
    assert ledger.answered(ANSWER) == "due"
    assert ledger.answered(ANSWER) == "void"
    ledger.wrote(ANSWER, 0.0)
    assert ledger.due() is None


def test_answers_go_out_oldest_debt_first() -> None:
    ledger = Ledger()
    for call_id in "abc":
        ledger.asked(call_id, "f")
    answers = {call_id: ToolResponse(call_id, "f", {}) for call_id in "cab"}
    for answer in answers.values():
        ledger.answered(answer)
    written = []
    while owed := ledger.due():
        written.append(owed.id)
        ledger.wrote(owed, 0.0)
    assert written == ["a", "b", "c"]
    assert ledger.open == ()


def test_a_stream_is_open_until_its_last_part_is_written() -> None:
    ledger = after(("call",))
    for part in PARTS:
        assert ledger.open == ("1",)
        assert ledger.answered(part) == "due"
        assert ledger.due() is part
        ledger.wrote(part, 0.0)
    assert ledger.open == ()
    ledger.handle_renewed(9.0)
    assert ledger.relinked(resumed=True) == ()
    assert ledger.due() is None


@pytest.mark.parametrize("known", range(3))
def test_a_resumed_stream_goes_on_after_the_part_that_the_handle_knows(known: int) -> None:
    ledger = after(("call", "handle"))
    for part in PARTS:
        ledger.answered(part)
    for n, part in enumerate(PARTS[:2]):
        if n == known:
            ledger.handle_renewed(9.0)
        ledger.wrote(part, 0.0)
    if known == 2:
        ledger.handle_renewed(9.0)
    ledger.relinked(resumed=True)
    written = []
    while owed := ledger.due():
        written.append(owed)
        ledger.wrote(owed, 0.0)
    assert written == PARTS[known:]


def test_a_handle_that_comes_too_soon_after_a_write_proves_nothing() -> None:
    ledger = after(("call", "handle", "answer"))
    ledger.wrote(ANSWER, 10.0)
    ledger.handle_renewed(10.0 + SURE_AFTER / 2)  # issued perhaps before the answer had arrived
    assert ledger.relinked(resumed=True) == ()
    assert ledger.due() is ANSWER
    ledger.wrote(ANSWER, 11.0)
    ledger.handle_renewed(11.0 + SURE_AFTER)
    assert ledger.relinked(resumed=True) == ()
    assert ledger.due() is None


def test_void_calls_are_forgotten_in_the_end() -> None:
    ledger = Ledger()
    for n in range(REMEMBERED + 1):
        ledger.asked(str(n), "f")
        ledger.cancel((str(n),), "why")
    assert ledger.why_void("0") == ""
    assert ledger.why_void(str(REMEMBERED)) == "why"


@given(
    st.lists(
        st.tuples(st.sampled_from(["ask", "answer", "write", "cancel", "handle", "resume", "fresh"]), st.integers(0, 3))
    )
)
def test_no_debt_is_ever_lost(steps: list[tuple[str, int]]) -> None:
    ledger = Ledger()
    owed: dict[str, int] = {}  # id -> times asked; what must be open, written or void
    for step, n in steps:
        call_id = str(n)
        if step == "ask":
            ledger.asked(call_id, "f")
            owed[call_id] = 1
        elif step == "answer":
            ledger.answered(ToolResponse(call_id, "f", {}))
        elif step == "write" and (due := ledger.due()):
            ledger.wrote(due, 0.0)
        elif step == "cancel":
            ledger.cancel((call_id,), "why")
        elif step == "handle":
            written = {call_id for call_id in ledger._debts if call_id not in ledger.open}
            ledger.handle_renewed(9.0)
            for call_id in written:
                owed.pop(call_id, None)
        elif step in ("resume", "fresh"):
            ledger.relinked(resumed=step == "resume")
        for call_id in owed:
            assert (call_id in ledger._debts) != bool(ledger.why_void(call_id))
    for call_id in ledger.open:  # whatever is open can still be answered and written
        ledger.answered(ToolResponse(call_id, "f", {}))
    while due := ledger.due():
        ledger.wrote(due, 0.0)
    assert ledger.open == ()
