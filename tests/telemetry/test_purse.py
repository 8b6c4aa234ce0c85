"""The purse: what is used of each limit, also by other conversations of the day."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PlanError, Spent
from pipeline.plan import Plan
from pipeline.sections import check_sections
from telemetry import purse as module
from telemetry.purse import Purse

MODEL = {"telemetry.prices": {"gemini-x": {"text_in": 10.0, "text_out": 20.0}}, "live.model": "models/gemini-x-001"}
COUNTS = {
    "promptTokenCount": 1000,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1000}],
    "responseTokenCount": 500,
    "responseTokensDetails": [{"modality": "TEXT", "tokenCount": 500}],
}
SOUND = {"responseTokenCount": 500, "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 500}]}


@pytest.fixture
def purse(tmp_path: Path) -> Callable[..., Purse]:
    def make(**budget: Any) -> Purse:
        plan = Plan.load(folder=tmp_path)
        for key, value in MODEL.items():
            plan.set(key, value)
        plan.set("budget", {"file": "state/spent.json", **budget})
        return Purse(plan)

    return make


def test_without_a_limit_there_is_nothing_to_watch(purse: Callable[..., Purse], tmp_path: Path) -> None:
    one = purse()
    assert not one.limited
    one.use(COUNTS)
    one.close()
    assert one.used() == []
    assert list(tmp_path.iterdir()) == []


def test_minutes_tokens_and_money_are_counted(purse: Callable[..., Purse]) -> None:
    one = purse(minutes=10, tokens=6000, money=0.1)
    one.pass_time(100.0)
    one.pass_time(100.0 + 60)
    one.use(COUNTS)
    one.use(COUNTS)
    assert [(used.kind, round(used.part, 3)) for used in one.used()] == [
        ("tokens", 0.5),
        ("money", 0.4),
        ("minutes", 0.1),
    ]
    assert str(one.used()[0]) == "3000 of 6000 tokens"
    assert not one.unpriced


def test_what_has_no_price_makes_the_rest_not_free(purse: Callable[..., Purse]) -> None:
    one = purse(money=0.1)
    one.use(SOUND)
    assert (one.unpriced, one.used()[0].part) == (True, 0.0)
    one.use({**COUNTS, **{key: SOUND[key] for key in SOUND}})
    assert one.used()[0].part == pytest.approx(0.1)  # the text that was read; the sound has no price


def test_a_day_that_is_spent_begins_no_conversation(purse: Callable[..., Purse]) -> None:
    one = purse(day_tokens=1500, day_minutes=10)
    one.use(COUNTS)
    one.close()
    with pytest.raises(Spent, match=r"used up: 1500 of 1500 tokens a day; it begins anew at midnight UTC"):
        purse(day_tokens=1500, day_minutes=10)
    assert purse(day_tokens=1501).used()[0].part < 1.0


@pytest.mark.parametrize("limit", ["money", "day_money"])
@pytest.mark.parametrize(
    ("priced", "missing"),
    [
        ({"text_in": 1.0, "text_out": 1.0}, "audio_in, audio_out"),
        ({"text_in": 1.0, "audio_in": 1.0, "audio_out": 1.0}, "text_out"),
        (None, "text_in, audio_in, text_out, audio_out"),
        ({"text_in": 1.0, "audio_in": 1.0, "text_out": 1.0, "audio_out": 0.0}, ""),
    ],
)
def test_a_budget_in_money_needs_its_prices(limit: str, priced: dict[str, float] | None, missing: str) -> None:
    plan = Plan.load()
    plan.set("live.model", "gemini-x-001")
    if priced is not None:
        plan.set("telemetry.prices.gemini-x", priced)
    check_sections(plan)
    plan.set(f"budget.{limit}", 1.0)
    if not missing:
        check_sections(plan)
        return
    with pytest.raises(PlanError, match=rf"budget.{limit} needs every price of gemini-x-001, .* no {missing}; "):
        check_sections(plan)


def test_the_prices_that_are_shipped_bound_no_money() -> None:
    plan = Plan.load()
    plan.set("budget.money", 0.01)
    with pytest.raises(PlanError, match="there is no audio_in, audio_out; "):
        check_sections(plan)


def test_a_day_counts_all_conversations_together(purse: Callable[..., Purse], tmp_path: Path) -> None:
    first, second = purse(day_tokens=10_000), purse(day_tokens=10_000)
    first.use(COUNTS)
    assert first.save() is None
    second.use(COUNTS)
    second.use(COUNTS)
    second.close()
    first.use(COUNTS)
    first.close()
    first.close()
    (used,) = purse(day_tokens=10_000).used()
    assert used.used == 6000
    path = tmp_path / "state" / "spent.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["spent.json"]


def test_a_new_day_begins_at_nothing(purse: Callable[..., Purse], monkeypatch: pytest.MonkeyPatch) -> None:
    one = purse(day_tokens=10_000)
    one.use(COUNTS)
    one.close()
    monkeypatch.setattr(module, "today", lambda: "2999-01-01")
    assert purse(day_tokens=10_000).used()[0].used == 0


@pytest.mark.parametrize("held", ["", "[]", "{", '{"day": 1}', json.dumps({"day": "x", "tokens": "many"}), "\udcff"])
def test_a_file_of_something_else_counts_as_empty(purse: Callable[..., Purse], tmp_path: Path, held: str) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "spent.json").write_bytes(held.encode(errors="surrogateescape"))
    assert purse(day_tokens=10).used()[0].used == 0


def test_a_disk_that_refuses_is_told(purse: Callable[..., Purse], tmp_path: Path) -> None:
    one = purse(day_tokens=10)
    (tmp_path / "state").write_text("no folder")
    assert isinstance(one.save(), OSError)


@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        ({"minutes": -1.0}, "budget.minutes is -1; write 0 for no limit, or more"),
        ({"warn_at": 0.0}, "budget.warn_at is 0; write a part of the limit"),
        ({"hours": 1}, "budget.hours is unknown; budget has day_minutes, "),
        ({"tokens": 1.5}, "budget.tokens is 1.5; it must be a whole number"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(
    purse: Callable[..., Purse], budget: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(PlanError, match=sentence):
        purse(**budget)
