"""What sets the limit is told from the processor shares."""

import pytest

from tests.load.limits import Round, body, cause, summary


def one(count: int, service: float, hearing: float, clients: float, others: float = 5.0, *late: str) -> Round:
    return Round(count, late, {"the service": service, "hearing": hearing, "the clients": clients}, others, ("7",))


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (one(50, 40, 110, 45), "The 2 cores were used up, and hearing took most."),
        (one(50, 95, 20, 30), "The service, one process that runs on one core at a time, had used that up."),
        (one(50, 30, 95, 10), "No core was used up, so work was not the limit; hearing took most."),
    ],
)
def test_the_cause_is_whose_time_is_gone(last: Round, told: str) -> None:
    assert cause(last, 2).endswith(told)


def test_the_first_count_that_is_late_is_the_limit() -> None:
    rounds = [one(10, 10, 20, 5), one(25, 25, 60, 15), one(50, 50, 120, 30, 3.0, "answers began late")]
    assert summary(rounds, 2).startswith(
        "25 stayed in real time. With 50, answers began late. Of a core each took: hea"
    )
    assert summary(rounds[:2], 2).startswith("25 stayed in real time, the most that were tried.")


def test_on_a_busy_machine_what_is_late_is_not_judged() -> None:
    rounds = [one(10, 10, 20, 5), one(25, 25, 60, 15, 80.0, "answers began late")]
    assert rounds[1].verdict == "not judged: busy machine"
    assert summary(rounds, 2) == "10 stayed in real time; more is not judged, since others used 80 % of a core."
    assert "| 25 | 7 | 25 | 60 | 15 | 80 | not judged: busy machine |" in body(["turns"], rounds, 30.0)
