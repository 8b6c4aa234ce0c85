"""The table of cities is whole, and found by the names people use."""

from zoneinfo import ZoneInfo

import pytest

from actors.emulator.cities import cities, countries, mentioned, names, plain


def test_every_city_lies_on_earth_in_a_known_country_and_zone() -> None:
    assert len(names()) >= 200
    for city in cities():
        assert abs(city.latitude) <= 90, city
        assert abs(city.longitude) <= 180, city
        assert city.country in countries(), city
        assert city.population > 0, city
        offset = ZoneInfo(city.timezone).utcoffset(__import__("datetime").datetime(2026, 1, 1))
        assert offset is not None
        assert abs(offset.total_seconds() / 3600 - city.longitude / 15) < 3.5, city


@pytest.mark.parametrize(
    "name",
    "paris london tokyo berlin madrid rome sydney zurich moscow beijing new_york los_angeles".split(),  # noqa: SIM905
)
def test_the_big_ones_are_there(name: str) -> None:
    assert name.replace("_", " ") in names()


def test_the_best_known_of_a_name_comes_first() -> None:
    assert [city.region for city in names()["paris"]] == ["Île-de-France", "Texas"]
    assert names()["kyiv"] == names()["kiev"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("weather in new york city today", "new york city"),
        ("how nice is it in rome", "rome"),
        ("weather in nice", "nice"),
        ("have a nice day", None),
        ("london weather", "london"),
        ("nowhere", None),
    ],
)
def test_a_city_is_found_in_a_sentence(text: str, name: str | None) -> None:
    assert mentioned(text) == name


def test_plain_text_has_no_accents_case_or_marks() -> None:
    assert plain("  São-Paulo\N{RIGHT SINGLE QUOTATION MARK}s  BEST? ") == "sao paulo's best"
