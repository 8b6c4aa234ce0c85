"""What a plan changes of single tools: `[tools.options.NAME]`, for those that it uses. Read and checked."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from pipeline.errors import PlanError
from tools.schema import fields_of, take_fields


def _positive(_changed: object, _field: object, value: float | None) -> None:
    if value is not None and not value > 0:
        raise ValueError(f"timeout is {value!r}; it must be a number of seconds above 0")


@attrs.frozen
class Changed:
    """How one tool is to be called; what is left out stays as the tool has it."""

    timeout: float | None = attrs.field(default=None, validator=_positive)
    confirm: bool | None = None
    idempotent: bool | None = None


def read_changes(table: object, where: Callable[[str], str]) -> dict[str, dict[str, Any]]:
    """Gives what is changed, by the tools' names; PlanError names the key, what was found and what is allowed."""
    if not isinstance(table, Mapping):
        raise PlanError(
            f"{where('tools.options')} is {table!r}; write one table for each tool, as [tools.options.NAME]"
        )
    found = {}
    for name, given in table.items():
        key = where(f"tools.options.{name}")
        if not isinstance(given, Mapping):
            raise PlanError(f"{key} is {given!r}; it must be a table of options")
        taken, wrong = take_fields(fields_of(Changed), given)
        if wrong:
            raise PlanError(f"{key}: {'; '.join(wrong)}")
        try:
            changed = Changed(**taken)  # type: ignore[arg-type]
        except ValueError as error:
            raise PlanError(f"{key}: {error}") from None
        found[name] = attrs.asdict(changed, filter=lambda _, value: value is not None)
    return found
