"""The plan's [gateway] is checked whole, and a mistake is named."""

from typing import Any

import pytest

from actors.gateway.settings import Settings
from pipeline.errors import PlanError


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"colour": "red"}, r"\[gateway\].colour is unknown; there are audit, "),
        ({"mode": "both"}, r"mode is 'both'; it must be one of 'direct', 'relay'"),
        ({"token_life": -1}, r"token_life is -1.0; it must be above 0"),
        ({"token_uses": -1}, "token_uses is -1; it must be 0"),
        ({"limits": {"tokens_per_user": "often"}}, r"limits.tokens_per_user is 'often'; write a rate"),
        ({"limits": {"sessions": 0}}, r"limits.sessions is 0.0; it must be above 0"),
        ({"limits": {"speed": 1}}, "limits is {'speed': 1}; it must be a table with"),
        ({"proxy": {"trusted": ["nearby"]}}, "proxy.trusted has 'nearby', no address"),
        ({"proxy": {"user_header": "X-User"}}, "names a header but no trusted address"),
        ({"operators": ["boss"]}, "operators names users, and no proxy"),
        ({"tokens": False}, "tokens is false, and without them nobody can talk"),
        ({"origins": ["https://a.example/"]}, r"origins has 'https://a.example/'; write an origin"),
        ({"origins": ["*"]}, r"origins has '\*'; write an origin"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(table: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PlanError, match=sentence):
        Settings.of(table)


def test_the_key_of_a_store_is_in_no_representation() -> None:
    assert "secret" not in repr(Settings.of({"redis": "redis://:secret@localhost"}))
