"""Time zones by the names people use: cities, countries, zones, offsets."""

import datetime as dt
import difflib
import importlib.resources
import re
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.errors import ToolFailed
from tools.places import country_code, fold, zone_table

OFFSET = re.compile(r"(?:utc|gmt)?\s*([+-]\d{1,2})(?::?([0-5]\d))?", re.IGNORECASE)
FARTHEST = 14  # hours from Greenwich
# Cities of size that have no zone of their own name, and what zones are called in speech.
CITIES = {
    "Africa/Cairo": "alexandria, giza",
    "Africa/Casablanca": "rabat, marrakesh, marrakech, fez",
    "Africa/Johannesburg": "cape town, durban, pretoria, soweto",
    "Africa/Lagos": "abuja, kano, ibadan",
    "Africa/Nairobi": "mombasa",
    "America/Chicago": "dallas, houston, austin, san antonio, minneapolis, milwaukee, st louis, saint louis, "
    "kansas city, new orleans, memphis, nashville, oklahoma city, omaha, central time, texas, illinois",
    "America/Denver": "salt lake city, albuquerque, colorado springs, el paso, mountain time, colorado, utah",
    "America/Los_Angeles": "san francisco, san diego, san jose, seattle, las vegas, sacramento, oakland, "
    "silicon valley, california, pacific time, pst, pdt, la, l a, portland, hollywood, palo alto, mountain view",
    "America/New_York": "washington, washington dc, washington d c, boston, philadelphia, miami, atlanta, baltimore, "
    "pittsburgh, cleveland, charlotte, orlando, tampa, nyc, manhattan, brooklyn, eastern time, edt, florida, buffalo",
    "America/Phoenix": "tucson, arizona",
    "America/Sao_Paulo": "rio de janeiro, rio, brasilia, belo horizonte, curitiba, porto alegre, salvador",
    "America/Toronto": "ottawa, montreal, quebec, quebec city, hamilton",
    "America/Vancouver": "victoria, british columbia",
    "America/Edmonton": "calgary, alberta",
    "America/Mexico_City": "guadalajara, puebla",
    "America/Argentina/Buenos_Aires": "rosario, argentina",
    "America/Guayaquil": "quito",
    "America/Santiago": "valparaiso",
    "America/Bogota": "medellin, cali, cartagena",
    "Asia/Dubai": "abu dhabi",
    "Asia/Ho_Chi_Minh": "hanoi, saigon, da nang",
    "Asia/Jakarta": "bandung, surabaya",
    "Asia/Makassar": "bali, denpasar",
    "Asia/Karachi": "islamabad, lahore",
    "Asia/Kolkata": "mumbai, bombay, delhi, new delhi, bangalore, bengaluru, chennai, madras, hyderabad, pune, "
    "ahmedabad, calcutta, jaipur, ist",
    "Asia/Kuala_Lumpur": "malaysia, penang",
    "Asia/Riyadh": "jeddah, mecca, medina",
    "Asia/Seoul": "busan, incheon",
    "Asia/Shanghai": "beijing, peking, guangzhou, shenzhen, chengdu, wuhan, tianjin, nanjing, xian, hangzhou, china",
    "Asia/Tashkent": "uzbekistan",
    "Asia/Tokyo": "osaka, kyoto, nagoya, yokohama, sapporo, fukuoka, kobe, hiroshima, jst",
    "Asia/Almaty": "astana, nur sultan",
    "Asia/Tel_Aviv": "haifa",
    "Australia/Brisbane": "gold coast, cairns, queensland",
    "Australia/Melbourne": "geelong",
    "Australia/Sydney": "canberra, newcastle, wollongong",
    "Europe/Amsterdam": "rotterdam, the hague, utrecht, eindhoven",
    "Europe/Athens": "thessaloniki",
    "Europe/Berlin": "munich, munchen, hamburg, cologne, koln, frankfurt, stuttgart, dusseldorf, leipzig, dresden, "
    "hanover, hannover, nuremberg, bremen, bonn, essen, dortmund, germany",
    "Europe/Brussels": "antwerp, ghent, bruges",
    "Europe/Copenhagen": "kobenhavn, aarhus",
    "Europe/Istanbul": "ankara, izmir, antalya",
    "Europe/Kyiv": "kiev, odesa, odessa, lviv, kharkiv",
    "Europe/Lisbon": "porto, lisboa, portugal",
    "Europe/London": "manchester, birmingham, liverpool, leeds, glasgow, edinburgh, cardiff, bristol, oxford, "
    "cambridge",
    "Europe/Madrid": "barcelona, valencia, seville, sevilla, bilbao, malaga, spain",
    "Europe/Moscow": "saint petersburg, st petersburg, moskva",
    "Europe/Oslo": "bergen, trondheim",
    "Europe/Paris": "lyon, marseille, nice, toulouse, bordeaux, lille, strasbourg, nantes",
    "Europe/Prague": "brno, praha",
    "Europe/Rome": "milan, milano, naples, napoli, turin, torino, florence, firenze, venice, venezia, bologna, roma",
    "Europe/Stockholm": "gothenburg, goteborg, malmo",
    "Europe/Vienna": "salzburg, graz, innsbruck, linz, wien",
    "Europe/Warsaw": "krakow, cracow, gdansk, wroclaw, warszawa",
    "Europe/Zurich": "geneva, geneve, basel, bern, lausanne, lucerne",
    "Pacific/Auckland": "wellington, christchurch, queenstown, new zealand",
    "Pacific/Honolulu": "hawaii, waikiki",
    "UTC": "zulu, z, greenwich mean time, universal time, gmt",
}


def find_zone(asked: str) -> dt.tzinfo:
    """Gives the time zone of a city, country, zone name (Europe/Berlin) or offset (UTC+3).

    Raises ToolFailed, naming what is near, for a country with several zones and for what is unknown.
    """
    offset = OFFSET.fullmatch(asked.strip())
    if offset is not None:
        return _offset(asked, int(offset[1]), int(offset[2] or 0))
    first = fold(asked.partition(",")[0])
    for name in (fold(asked), first, first.removesuffix(" city")):
        zone = _zone(_names().get(name))
        if zone is not None:
            return zone
    code = country_code(asked)
    if code is not None:
        return _of_country(asked, code)
    near = difflib.get_close_matches(first, _names(), n=3)
    hint = f"is it {' or '.join(name.title() for name in near)}?" if near else "name a large city nearby"
    raise ToolFailed(f"{asked!r} is no city or time zone known here; {hint}", retry=True)


def _of_country(asked: str, code: str) -> dt.tzinfo:
    zones = [row[2] for row in zone_table("zone.tab") if row[0] == code]
    apart: dict[dt.timedelta | None, str] = {}
    for name in zones:
        apart.setdefault(dt.datetime.now(_zone(name)).utcoffset(), name)
    if len(apart) == 1:
        return ZoneInfo(zones[0])
    cities = ", ".join(_city(name) for name in apart.values()) or "its capital"
    raise ToolFailed(f"{asked} has several time zones; ask for a city, such as {cities}", retry=True)


def _zone(name: str | None) -> ZoneInfo | None:
    """Opens a zone; the names come with the tzdata package, the data perhaps from an older system."""
    try:
        return ZoneInfo(name) if name else None
    except ZoneInfoNotFoundError:
        return None


def _offset(asked: str, hours: int, minutes: int) -> dt.tzinfo:
    if abs(hours) > FARTHEST:
        raise ToolFailed(f"{asked} is no time zone; offsets lie within {FARTHEST} hours of UTC", retry=True)
    sign = -1 if hours < 0 else 1
    return dt.timezone(dt.timedelta(hours=hours, minutes=sign * minutes))


def _city(zone: str) -> str:
    return zone.rpartition("/")[2].replace("_", " ")


@cache
def _names() -> dict[str, str]:
    """Gives a zone for each folded name: the zones' own names, their cities, and the table above."""
    zones = importlib.resources.files("tzdata").joinpath("zones").read_text("utf-8").split()
    named = {fold(_city(zone)): zone for zone in zones if not zone.startswith("Etc/")}
    named |= {fold(zone): zone for zone in zones}
    for zone, cities in CITIES.items():
        named |= {fold(city): zone for city in cities.split(",")}
    return named
