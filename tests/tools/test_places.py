import pytest

from pipeline.errors import ToolFailed
from tools.places import Place, choose, coordinates, countries, country_code, fold, states

PARIS = Place("Paris", 48.85, 2.35, "Île-de-France", "France", "FR", "Paris", population=2_138_551)
TEXAS = Place("Paris", 33.66, -95.56, "Texas", "United States", "US", "Lamar", population=24_782)
ONTARIO = Place("Paris", 43.2, -80.38, "Ontario", "Canada", "CA")


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("São Paulo", "sao paulo"),
        ("  St.  John's ", "st john s"),
        ("Bosnia & Herzegovina", "bosnia and herzegovina"),
        ("America/New_York", "america new york"),
        ("ZÜRICH", "zurich"),
        ("Straße", "strasse"),
        ("東京", "東京"),
        ("", ""),
    ],
)
def test_names_are_compared_as_people_write_them(written: str, folded: str) -> None:
    assert fold(written) == folded


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("Germany", "DE"),
        ("de", "DE"),
        ("the Netherlands", "NL"),
        ("UK", "GB"),
        ("United Kingdom", "GB"),
        ("U.S.A.", None),
        ("usa", "US"),
        ("South Korea", "KR"),
        ("Côte d'Ivoire", "CI"),
        ("Texas", None),
        ("XX", None),
        ("", None),
    ],
)
def test_countries_by_name_and_code(written: str, code: str | None) -> None:
    assert country_code(written) == code


def test_the_tables_are_whole() -> None:
    assert len(set(countries().values())) >= 249
    assert len(states()) == 51
    assert states()["tx"] == "texas"
    assert states()["dc"] == "district of columbia"


def test_a_label_names_each_part_once() -> None:
    assert PARIS.label == "Paris, Île-de-France, France"
    assert Place("Singapore", 1, 2, country="Singapore").label == "Singapore"
    assert Place("Sea", 0, 0).label == "Sea"


@pytest.mark.parametrize(
    ("place", "area", "inside"),
    [
        (TEXAS, "texas", True),
        (TEXAS, "TX", True),
        (TEXAS, "USA", True),
        (TEXAS, "Lamar", True),
        (TEXAS, "France", False),
        (PARIS, "ile de france", True),
        (PARIS, "FR", True),
        (PARIS, "CA", False),
        (ONTARIO, "CA", True),
        (Place("Nowhere", 0, 0), "XX", False),
    ],
)
def test_what_lies_in_what(place: Place, area: str, inside: bool) -> None:
    assert place.lies_in(area) is inside


def test_the_first_is_taken_and_the_others_are_named() -> None:
    choice = choose("Paris", [], [PARIS, TEXAS, PARIS, ONTARIO, Place("Paris-l'Hôpital", 0, 0)])
    assert choice.taken is PARIS
    assert choice.others == [TEXAS, ONTARIO]
    assert choice.rivals == []


def test_others_worth_a_word_are_of_a_similar_size() -> None:
    twin = Place("Paris", 1, 1, "Elsewhere", "Utopia", population=500_000)
    assert choose("Paris", [], [PARIS, twin]).rivals == [twin]
    assert choose("Paris", ["Utopia"], [PARIS, twin]).taken is twin
    unknown = Place("Paris", 1, 1, "A"), Place("Paris", 2, 2, "B")
    assert choose("Paris", [], unknown).rivals == [unknown[1]]


def test_never_more_than_a_few_others() -> None:
    many = [Place("Paris", n, n, f"Region {n}") for n in range(50)]
    assert len(choose("Paris", [], many).others) == 4


def test_nowhere_is_said_in_words() -> None:
    with pytest.raises(ToolFailed, match="there is no place called 'Xyzzy'"):
        choose("Xyzzy", [], [])
    with pytest.raises(ToolFailed, match="there is no Paris in Spain, FR, but there are: Paris, Île") as caught:
        choose("Paris", ["Spain", "FR"], [PARIS, TEXAS])
    assert caught.value.retry


@pytest.mark.parametrize("text", ["Paris", "12", "12 13", "1,2,3", "12; Paris", "1234, 5", "", ","])
def test_what_is_no_coordinates(text: str) -> None:
    assert coordinates(text) is None


@pytest.mark.parametrize("text", ["90.1, 0", "-91, 0", "0, 180.5", "0, -181"])
def test_coordinates_off_the_earth(text: str) -> None:
    with pytest.raises(ToolFailed, match="lies nowhere"):
        coordinates(text)
