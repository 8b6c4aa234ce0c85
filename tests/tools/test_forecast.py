from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ToolFailed
from tools.forecast import CONDITIONS, conditions, read_forecast, request, summary
from tools.places import Place


def test_every_code_of_the_service_has_words() -> None:
    published = [0, 1, 2, 3, 45, 48, 51, 53, 55, 56, 57, 61, 63, 65, 66, 67, 71, 73, 75, 77, 80, 81, 82, 85, 86]
    assert sorted(CONDITIONS) == [*published, 95, 96, 99]
    assert len(set(CONDITIONS.values())) == 28


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "clear sky"), (99.0, "thunderstorm with heavy hail"), (4, "weather code 4"), (None, None), ("0", None)],
)
def test_codes_in_words(code: object, words: str | None) -> None:
    assert conditions(code) == words


def test_the_query_asks_for_what_is_read(weather_reply: dict[str, Any]) -> None:
    query = request(Place("X", 1.5, -2.25), 3, "metric", hourly=True)
    for part in ("current", "daily", "hourly"):
        assert set(query[part].split(",")) <= set(weather_reply[part])
    assert (query["latitude"], query["longitude"], query["forecast_days"]) == ("1.5", "-2.25", "3")


@pytest.mark.parametrize(
    ("degrees", "words"),
    [(0.4, "now 0 "), (-0.4, "now 0 "), (-0.6, "now minus 1 "), (21.6, "now 22 "), (-40, "now minus 40 ")],
)
def test_degrees_are_spoken_whole(degrees: float, words: str) -> None:
    assert words in summary("Oslo", {"current": {"temperature": degrees}})


def test_a_week_names_its_days() -> None:
    days = [{"date": f"2026-10-{day:02}", "conditions": "fog"} for day in range(5, 12)]
    assert summary("Oslo", {"days": days}) == (
        "Here is the forecast for Oslo. Today: fog. Tomorrow: fog. Wednesday: fog. Thursday: fog. Friday: fog. "
        "Saturday: fog. Sunday: fog."
    )


def test_how_it_feels_is_said_only_where_it_differs() -> None:
    near = {"temperature": 10.0, "feels_like": 7.5}
    assert "feeling" not in summary("Oslo", {"current": near})
    assert "feeling like 7" in summary("Oslo", {"current": near | {"feels_like": 7.0}})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-100, 100) | st.floats(-100, 100) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
KEYS = st.sampled_from(
    ["time", "temperature_2m", "temperature_2m_min", "weather_code", "wind_speed_10m", "precipitation"]
)
TABLE = JSON | st.dictionaries(KEYS, JSON, max_size=4)


@given(st.dictionaries(st.sampled_from(["current", "daily", "hourly", "current_units", "daily_units"]), TABLE))
def test_any_reply_is_read_or_refused(reply: dict[str, Any]) -> None:
    try:
        found = read_forecast(reply, 7, hourly=True)
    except ToolFailed:
        return
    assert "Oslo" in summary("Oslo", found)
