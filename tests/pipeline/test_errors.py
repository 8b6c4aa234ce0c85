"""The error tree: what each noun carries."""

import pytest

from pipeline import errors
from pipeline.errors import AssistantError, Fatal, PlanError, ToolFailed, TransportLost, first_error


def test_every_error_of_the_house_is_one_for_people() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) >= 11
    assert all(issubclass(kind, AssistantError) for kind in kinds)
    assert issubclass(PlanError, Fatal)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TransportLost(1006), "connection lost with code 1006"),
        (TransportLost(1008, "no such model"), "connection lost with code 1008: no such model"),
    ],
)
def test_a_lost_transport_says_code_and_reason(error: TransportLost, text: str) -> None:
    assert str(error) == text


def test_a_failed_tool_says_whether_to_ask_again() -> None:
    assert [str(ToolFailed("no")), ToolFailed("no").retry, ToolFailed("no", retry=True).retry] == ["no", False, True]


def test_the_first_bare_error_of_nested_groups_is_found() -> None:
    deep = ValueError("deep")
    group = ExceptionGroup("", [ExceptionGroup("", [ExceptionGroup("", [deep])]), KeyError("later")])
    assert first_error(group) is deep
