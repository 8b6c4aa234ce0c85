"""Tokens: read from whatever the service sends, and priced only where a price is known."""

from typing import Any

import pytest

from pipeline.sections import Price
from telemetry.usage import Tokens, price_of

FULL = {
    "promptTokenCount": 100,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 30}, {"modality": "AUDIO", "tokenCount": 60}],
    "responseTokenCount": 40,
    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 40}],
    "thoughtsTokenCount": 5,
    "toolUsePromptTokenCount": 7,
    "totalTokenCount": 152,
}


def test_counts_are_told_apart() -> None:
    tokens = Tokens.of(FULL)
    assert (tokens.input, tokens.output, tokens.total) == (100, 40, 152)
    assert list(tokens.rows()) == [
        ("input", "text", 30),
        ("input", "audio", 60),
        ("input", "other", 10),  # the details do not add up to the total
        ("output", "audio", 40),
        ("output", "thoughts", 5),
        ("input", "tools", 7),
    ]


def test_counts_add_up() -> None:
    both = Tokens.of(FULL) + Tokens.of({"responseTokenCount": 3})
    assert (both.input, both.output, both.thoughts, both.tools) == (100, 43, 5, 7)
    assert both.written == {"audio": 40, "other": 3}


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"promptTokenCount": None, "responseTokenCount": "many", "thoughtsTokenCount": -1},
        {"promptTokensDetails": "none", "responseTokensDetails": [1, None, {}]},
        {"promptTokensDetails": [{"modality": None, "tokenCount": True}]},
    ],
)
def test_what_is_no_count_counts_nothing(odd: dict[str, Any]) -> None:
    assert Tokens.of(odd).total == 0


def test_every_kind_has_its_price() -> None:
    price = Price(text_in=1.0, audio_in=10.0, text_out=2.0, audio_out=20.0)
    assert Tokens.of(FULL).cost(price) == pytest.approx((30 + 10 + 7 + 600 + 800 + 10) / 1e6)


def test_an_unknown_price_makes_the_cost_unknown_and_not_zero() -> None:
    assert Tokens.of(FULL).cost(None) is None
    assert Tokens.of(FULL).cost(Price(text_in=1.0, text_out=2.0)) is None
    assert Tokens.of({}).cost(Price()) == 0.0


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gemini-3.8-live", "short"),
        ("models/gemini-3.8-live-001", "short"),
        ("gemini-3.8-live-pro-2", "long"),
        ("gemini-3.8", None),
        ("gemini-3.8-lively", None),
    ],
)
def test_a_price_is_found_by_the_beginning_of_the_models_name(model: str, expected: str | None) -> None:
    prices = {"gemini-3.8-live": Price(unit="short"), "gemini-3.8-live-pro": Price(unit="long")}
    found = price_of(model, prices)
    assert (found and found.unit) == expected
