import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from pipeline.errors import ToolFailed
from tools.zones import CITIES, find_zone

SUMMER = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("asked", "zone"),
    [
        ("Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Munich, Germany", "Europe/Berlin"),
        ("München", "Europe/Berlin"),
        ("San Francisco", "America/Los_Angeles"),
        ("new york city", "America/New_York"),
        ("NYC", "America/New_York"),
        ("Mexico City", "America/Mexico_City"),
        ("Washington, D.C.", "America/New_York"),
        ("São Paulo", "America/Sao_Paulo"),
        ("Beijing", "Asia/Shanghai"),
        ("Mumbai", "Asia/Kolkata"),
        ("Portugal", "Europe/Lisbon"),
        ("KE", "Africa/Nairobi"),
        ("Germany", "Europe/Berlin"),
        ("United Kingdom", "Europe/London"),
        ("PST", "America/Los_Angeles"),
        ("Port-au-Prince", "America/Port-au-Prince"),
    ],
)
def test_zones_by_the_names_people_use(asked: str, zone: str) -> None:
    found = find_zone(asked)
    assert SUMMER.astimezone(found).utcoffset() == SUMMER.astimezone(ZoneInfo(zone)).utcoffset()


@pytest.mark.parametrize(
    ("asked", "minutes"),
    [("UTC", 0), ("gmt", 0), ("UTC+3", 180), ("GMT-03:30", -210), ("+5:45", 345), ("utc -8", -480), ("UTC+14", 840)],
)
def test_offsets(asked: str, minutes: int) -> None:
    assert SUMMER.astimezone(find_zone(asked)).utcoffset() == dt.timedelta(minutes=minutes)


def test_a_country_with_several_zones_asks_for_a_city() -> None:
    with pytest.raises(
        ToolFailed, match="USA has several time zones; ask for a city, such as New York, Chicago"
    ) as caught:
        find_zone("USA")
    assert caught.value.retry


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("Londno", "is it London"),
        ("Qqqqqq", "name a large city nearby"),
        ("", "name a large city nearby"),
        ("UTC+15", "offsets lie within 14 hours"),
        ("../../etc/passwd", "is no city"),
    ],
)
def test_what_is_unknown(asked: str, words: str) -> None:
    with pytest.raises(ToolFailed, match=words):
        find_zone(asked)


def test_every_city_of_the_table_leads_to_a_zone() -> None:
    for zone, cities in CITIES.items():
        ZoneInfo(zone)
        for city in cities.split(","):
            assert find_zone(city).utcoffset(SUMMER.replace(tzinfo=None)) is not None
