"""Tables of the plan whose keys are known here, so that a plan is checked whole before anything starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import attrs

from pipeline.bus import TRANSCRIPTS, Content
from pipeline.errors import PlanError
from pipeline.plan import Plan
from pipeline.settings import structure

T = TypeVar("T")


def _amount(_table: object, field: "attrs.Attribute[Any]", value: float) -> None:
    if value < 0:
        raise ValueError(field.name, f"is {value:g}; write 0 for no limit, or more")


def _part(_table: object, field: "attrs.Attribute[Any]", value: float) -> None:
    if not 0 < value <= 1:
        raise ValueError(field.name, f"is {value:g}; write a part of the limit, above 0 up to 1")


@attrs.frozen
class Room:
    """[room]: where the conversation takes place."""

    headphones: bool = False
    duplex: Literal["auto", "full", "half"] = "auto"
    turns: Literal["server", "local"] = "server"


@attrs.frozen
class Price:
    """What a million tokens cost, by direction and modality; None is unknown. `unit` is the currency."""

    text_in: float | None = None
    audio_in: float | None = None
    image_in: float | None = None
    text_out: float | None = None
    audio_out: float | None = None
    unit: str = "USD"


@attrs.frozen
class Telemetry:
    """[telemetry]: what may be kept of a conversation, and where it goes; an empty path means nowhere."""

    content: Content = TRANSCRIPTS
    log: Literal["off", "console", "json"] = "off"
    log_file: str = ""
    metrics: str = ""
    laminar: bool = True
    prices: Mapping[str, Price] = attrs.field(factory=dict)


@attrs.frozen
class Budget:
    """[budget]: what a conversation, and all of a day, may come to; 0 is no limit. Money is in the prices' unit."""

    minutes: float = attrs.field(default=0.0, validator=_amount)
    tokens: int = attrs.field(default=0, validator=_amount)
    money: float = attrs.field(default=0.0, validator=_amount)
    day_minutes: float = attrs.field(default=0.0, validator=_amount)
    day_tokens: int = attrs.field(default=0, validator=_amount)
    day_money: float = attrs.field(default=0.0, validator=_amount)
    warn_at: float = attrs.field(default=0.8, validator=_part)
    goodbye: str = "Goodbye for now."
    file: str = ""


# What a budget in money has to know of a model: thoughts and the answers of the service's own tools count as text.
NEEDED = ("text_in", "audio_in", "text_out", "audio_out")
SECTIONS: Mapping[str, type] = {"room": Room, "telemetry": Telemetry, "budget": Budget}


def section_of(plan: Plan, name: str, kind: type[T]) -> T:
    """Gives a table of the plan as its class; PlanError names the key that is unknown or wrong, and what is allowed."""
    fields = {field.alias: field for field in attrs.fields(kind)}  # type: ignore[arg-type] # every section is one of attrs
    given: dict[str, Any] = {}
    for key, value in plan.table(name).items():
        where = plan.where(f"{name}.{key}")
        if key not in fields:
            raise PlanError(f"{where} is unknown; {name} has {', '.join(sorted(fields))}")
        given[key] = _prices(plan, value) if key == "prices" else structure(value, fields[key].type, where)
    try:
        return kind(**given)
    except ValueError as error:
        key, why = error.args
        raise PlanError(f"{plan.where(f'{name}.{key}')} {why}") from None


def _prices(plan: Plan, table: object) -> dict[str, Price]:
    """Gives the price of each model."""
    key = "telemetry.prices"
    models: dict[str, Any] = structure(table, dict[str, object], plan.where(key))
    return {model: structure(value, Price, plan.where(f"{key}.{model}")) for model, value in models.items()}


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """Gives a model's price; the name in the table may be the beginning of the model's, the longest one counts."""
    name = model.removeprefix("models/")
    fitting = [known for known in prices if name == known or name.startswith(f"{known}-")]
    return prices[max(fitting, key=len)] if fitting else None


def check_sections(plan: Plan) -> None:
    """Raises PlanError where one of these tables is wrong."""
    for name, kind in SECTIONS.items():
        section_of(plan, name, kind)
    check_money(plan)


def check_money(plan: Plan) -> None:
    """Raises PlanError where a budget in money lacks a price of the model: it would count for free what costs most."""
    budget = section_of(plan, "budget", Budget)
    limits = [name for name in ("money", "day_money") if getattr(budget, name)]
    if not limits:
        return
    model = str(plan.table("live").get("model", "")).removeprefix("models/")
    price = price_of(model, section_of(plan, "telemetry", Telemetry).prices)
    missing = [name for name in NEEDED if getattr(price, name, None) is None]
    if missing:
        raise PlanError(
            f"{plan.where(f'budget.{limits[0]}')} needs every price of {model}, and there is no {', '.join(missing)}; "
            f'set it under [telemetry.prices."{model}"], or bound tokens or minutes instead'
        )


def path_of(plan: Plan, name: str) -> Path | None:
    """Gives a path that a plan names, relative to its folder; None where it is empty."""
    return plan.folder / name if name else None
